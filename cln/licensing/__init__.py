"""The right to run servers: entitlements, activation keys, servers, trials, IP licenses."""
