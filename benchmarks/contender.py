"""A contender: a function ready to be timed, and its numbers for the comparison that comes before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from benchmarks.races import Array, Race


@dataclass(frozen=True)
class Contender:
    """``call`` computes the race once, synchronised; ``numbers`` turns what it returned into arrays by name.

    family     the peer in whose name it runs; of two ways to write a peer the faster one counts
    gradients  whether this way of running gives gradients at all
    """

    name: str
    family: str
    gradients: bool
    call: Callable[[], Any]
    numbers: Callable[[Any], Mapping[str, Array]]
    unchecked: bool = False


class Peer(Protocol):
    """The surface of a module in ``benchmarks.peers``."""

    NAME: str
    GRADIENTS: bool
    KINDS: tuple[str, ...]

    def version(self) -> str: ...

    def contenders(self, race: Race, device: str) -> tuple[Contender, ...]: ...


def outputs(race: Race) -> tuple[str, ...]:
    """Names of what a race computes, gradients aside."""
    return {
        "evolve": ("phi", "pi"),
        "block": ("readout",),
        "whole": ("y",),
        "poisson": ("u",),
        "readout": ("readout",),
        "scan": ("q", "p"),
    }[race.kind]


def labels(race: Race) -> tuple[str, ...]:
    """Outputs, then gradients where the race wants them."""
    return outputs(race) + (tuple(f"d {name}" for name in race.wanted) if race.backward else ())


def worst_difference(found: Mapping[str, Array], expected: Mapping[str, Array]) -> tuple[float, str]:
    """The largest of max|a - b| / max|b| over all arrays, and the array it is from; inf where one is missing."""
    worst, where = 0.0, ""
    for name, b in expected.items():
        a = found.get(name)
        if a is None or a.shape != b.shape or not np.isfinite(a).all():
            return float("inf"), name
        scale = float(np.abs(b).max(initial=0.0)) or 1.0
        difference = float(np.abs(a.astype(np.float64) - b).max(initial=0.0)) / scale
        if difference > worst:
            worst, where = difference, name
    return worst, where
