"""Passes: pure functions from program to program, in the order in which every program goes through them."""

from metrigen.passes.cse import cse
from metrigen.passes.fuse import fuse

PASSES = (fuse, cse)

__all__ = ["PASSES"]
