"""Commands of the console script `cln`: each makes one call downward."""
