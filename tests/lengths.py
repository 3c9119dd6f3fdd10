"""The two lengths of a check: ``python3 dev.py test`` tries a spread of its cells, METRIGEN_LONG=1 all of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Iterable, Mapping
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


def covering(cells: Iterable[T], values: Callable[[T], Mapping[str, Hashable]]) -> list[T]:
    """As few cells as show every value of every axis in a short run, all in a long one.

    ``values`` has the value of a cell on every axis by name. The next cell is the one that shows the most that no cell
    before it shows, the first of these; the order stays.
    """
    found = list(cells)
    if LONG:
        return found
    shown = [set(values(cell).items()) for cell in found]
    missing = set().union(*shown)
    chosen: set[int] = set()
    while missing:
        best = max(range(len(found)), key=lambda i: len(shown[i] & missing))
        chosen.add(best)
        missing -= shown[best]
    return [cell for i, cell in enumerate(found) if i in chosen]


def words(name: str) -> dict[str, str]:
    """The parts of a name, "strang-zero-2", by their place: the values of ``covering``."""
    return {str(place): word for place, word in enumerate(name.split("-"))}
