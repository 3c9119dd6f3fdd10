"""What specs there are, read without running them: nothing here needs SymPy."""
