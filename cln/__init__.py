"""CLN: sell, activate and bill per-server software licenses."""
