"""The table of functions: one row each, for every backend."""
