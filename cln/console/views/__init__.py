"""Pages: parse the request, make one call downward, render."""
