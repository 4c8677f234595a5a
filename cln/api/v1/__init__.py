"""REST v1 as the clients in the field speak it (facts §7): translators, no rules."""
