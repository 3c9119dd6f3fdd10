"""The typed program between physics and text: immutable statements over whole arrays, and their interpreter."""
