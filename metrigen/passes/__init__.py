"""Passes: pure functions from program to program; ``passes.pipeline`` says in which order
a program goes through them."""
