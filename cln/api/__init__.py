"""The doors for machines: each parses, authenticates, makes one call and translates the answer."""
