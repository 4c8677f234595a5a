"""REST v2 (facts §8 and our own): typed doors over the same verbs as every other wire."""
