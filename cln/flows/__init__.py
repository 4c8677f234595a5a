"""Business verbs that touch more than one context. The only code that opens transactions."""
