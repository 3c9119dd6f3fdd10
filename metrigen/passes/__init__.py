"""Passes: pure functions from program to program, in the order in which every program goes through them."""

from metrigen.passes.cse import cse
from metrigen.passes.fuse import fuse
from metrigen.passes.gather import gather_sums
from metrigen.passes.name import name_stores

PASSES = (fuse, gather_sums, cse, name_stores)

__all__ = ["PASSES"]
