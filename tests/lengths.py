"""The two lengths of a check: ``python3 dev.py test`` tries a spread of its cells, METRIGEN_LONG=1 all of them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TypeVar

LONG = os.environ.get("METRIGEN_LONG") == "1"

T = TypeVar("T")


def spread(cells: Iterable[T], every: int) -> list[T]:
    """Every so many of the cells in a short run, the first among them; all in a long one."""
    found = list(cells)
    return found if LONG else found[::every]


def picked(cells: Iterable[T], *short: T) -> list[T]:
    """The named cells in a short run, all in a long one."""
    found = list(cells)
    missing = [cell for cell in short if cell not in found]
    if missing:
        raise ValueError(f"no cell {missing}")
    return found if LONG else [cell for cell in found if cell in short]
