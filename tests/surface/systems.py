"""A small layer of every family, what it is handed, and one with several fields that do not start at zero."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn

from metrigen import ImplicitMidpoint, Leapfrog, System
from tests.graph import systems as graphs
from tests.integrators.systems import DT, coupled_wave
from tests.lattice.emitted import layer_class, package
from tests.lattice.systems import oscillator, rough_wave, screened, steppers
from tests.sequence import coupled
from tests.sequence import systems as sequences

SCRATCH = TemporaryDirectory()
C, SHAPE = 2, (4, 5)


@dataclass(frozen=True)
class Family:
    """A system; the shapes of its fields and inputs; whether its fields are arguments of ``forward``."""

    make: Callable[[], System]
    fields: dict[str, tuple[int, ...]]
    inputs: dict[str, tuple[int, ...]]
    start: str = ""


FIELD, NODES, TOKENS = (3, C, *SHAPE), (3, C, graphs.NODES), (3, C, 6)
EDGES = (1, 1, graphs.EDGE_INDEX.shape[1])
FAMILIES = {
    "lattice": Family(partial(rough_wave, "neumann", steppers()["Strang"]), {"phi": FIELD, "pi": FIELD}, {"kappa": FIELD}),
    "point": Family(lambda: oscillator(Leapfrog(steps=2, dt=0.1)), {"q": (3, C), "pi": (3, C)}, {}),
    "implicit": Family(partial(coupled_wave, "zero", ImplicitMidpoint(2, DT)), {"phi": (3, C, 5), "pi": (3, C, 5)}, {}),
    "steady": Family(partial(screened, "zero"), {"phi": FIELD}, {"kappa": FIELD, "rho": FIELD}, "warm_start"),
    "graph": Family(lambda: graphs.SYSTEMS["strang"], {"q": NODES, "pi": NODES}, {"w": EDGES}),
    "graph_steady": Family(graphs.poisson, {"q": NODES}, {"s": NODES, "w": EDGES}, "warm_start"),
    "sequence": Family(lambda: sequences.SYSTEMS["constant"], {"q": TOKENS, "p": TOKENS}, {"f": TOKENS}, "state"),
    "coupled": Family(lambda: next(iter(coupled.COUPLED.values())), {}, {}, "state"),
}  # fmt: skip


@cache
def kind(name: str) -> type:
    return layer_class(package(FAMILIES[name].make(), Path(SCRATCH.name), f"surface_{name}"))
