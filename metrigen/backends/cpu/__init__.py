"""The CPU: C++ that a machine compiles when a package is first used, with vectors and tiles in cache."""
