"""One module per command; dashes in a command become underscores here."""
