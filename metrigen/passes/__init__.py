"""Passes: pure functions from program to program."""
