"""The command line: one command a file. Every file parses, calls, prints; the work is done elsewhere.

What a command needs is imported when it runs: ``metrigen --help`` waits for no SymPy.
"""

from metrigen.cli.app import app, main

__all__ = ["app", "main"]
