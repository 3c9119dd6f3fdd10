"""The types of the arrays of a program."""

from __future__ import annotations

from enum import Enum


class Kind(Enum):
    """Type of an array; B samples, C channels, S the axes of the lattice."""

    SITE = "(B, C, *S)"
    CHANNEL = "(C,)"
    SCALAR = "()"
    MATRIX = "(C, C)"
