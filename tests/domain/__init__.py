"""The pure core, without Django, database or clock."""
