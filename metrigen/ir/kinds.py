"""Types of arrays."""

from __future__ import annotations

from enum import Enum


class Kind(Enum):
    """Type of an array; B samples, C channels, S the axes of the lattice. On a graph S is N, the nodes, and an edge
    array holds every edge once, (B, C, E)."""

    SITE = "(B, C, *S)"
    EDGE = "(B, C, E)"
    CHANNEL = "(C,)"
    SCALAR = "()"
    MATRIX = "(C, C)"
    UNITS = "(C, H, P)"  # the numbers of the hidden units of a network
