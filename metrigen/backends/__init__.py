"""Backends: expressions and statements to text."""
