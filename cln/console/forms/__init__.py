"""What people type, checked before a verb is called."""
