"""What holds for every backend, and one that stands in a test alone."""
