"""Documents on paper: a sheet of words and figures goes in, the bytes of a PDF come out."""
