"""A small layer of every family, and what it is handed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from metrigen import ImplicitMidpoint, Leapfrog, System
from tests.graph import systems as graphs
from tests.integrators.systems import DT, coupled_wave
from tests.lattice.emitted import layer_class, package
from tests.lattice.systems import oscillator, rough_wave, screened, steppers
from tests.sequence import coupled
from tests.sequence import systems as sequences

SCRATCH = TemporaryDirectory()
C = 2
PLANE, LINE, NODES, TOKENS, POINT = (3, C, 4, 5), (3, C, 7), (3, C, graphs.NODES), (3, C, 6), (3, C)
EDGES = (1, 1, graphs.EDGE_INDEX.shape[1])


@dataclass(frozen=True)
class Family:
    """A system; names and shapes of its fields and inputs, of which those in ``positive`` are; the keyword that takes
    where it starts, empty where fields are arguments; sizes of the constructor."""

    make: Callable[[], System]
    fields: tuple[str, ...]
    shape: tuple[int, ...]
    inputs: dict[str, tuple[int, ...]]
    start: str = ""
    positive: tuple[str, ...] = ()
    sizes: tuple[tuple[str, Any], ...] = ()

    @property
    def on_graph(self) -> bool:
        return self.shape == NODES


FAMILIES = {
    "lattice": Family(partial(rough_wave, "neumann", steppers()["Strang"]), ("phi", "pi"), PLANE, {"kappa": PLANE},
                      positive=("kappa",)),
    "point": Family(lambda: oscillator(Leapfrog(steps=2, dt=0.1)), ("q", "pi"), POINT, {}),
    "implicit": Family(partial(coupled_wave, "zero", ImplicitMidpoint(2, DT)), ("phi", "pi"), LINE, {}),
    "steady": Family(partial(screened, "zero"), ("u",), PLANE, {"kappa": PLANE, "m2": PLANE, "s": PLANE},
                     "warm_start", ("kappa", "m2")),
    "graph": Family(lambda: graphs.SYSTEMS["strang"], ("q", "pi"), NODES, {"w": EDGES}, "", ("w",),
                    (("nodes", graphs.NODES),)),
    "graph_steady": Family(graphs.poisson, ("q",), NODES, {"s": NODES, "w": EDGES}, "warm_start", ("w",),
                           (("nodes", graphs.NODES),)),
    "sequence": Family(lambda: sequences.SYSTEMS["constant"], ("q", "p"), POINT, {"f": TOKENS}, "state"),
    "coupled": Family(lambda: coupled.COUPLED["each"], ("q", "p"), POINT, {"f": TOKENS, "f_p": TOKENS}, "state"),
}  # fmt: skip
ALL = tuple(FAMILIES)
STEPPING = ("lattice", "point", "implicit", "graph")


@cache
def kind(name: str) -> type:
    """The class of the layer of a family."""
    return layer_class(package(FAMILIES[name].make(), Path(SCRATCH.name), f"surface_{name}"))


def layer(name: str, **options: Any) -> Any:
    return kind(name)(C, **dict(FAMILIES[name].sizes), **options)


def drawn(shape: tuple[int, ...], seed: int, positive: bool = False) -> Tensor:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return x.abs() + 0.5 if positive else 0.5 * x


def inputs(name: str) -> dict[str, Tensor]:
    """What ``forward`` is handed beside fields."""
    family = FAMILIES[name]
    found = {n: drawn(shape, i, n in family.positive) for i, (n, shape) in enumerate(family.inputs.items())}
    return found | ({"edge_index": graphs.EDGE_INDEX} if family.on_graph else {})


def fields(name: str) -> tuple[Tensor, ...]:
    return tuple(drawn(FAMILIES[name].shape, 10 + i) for i, _ in enumerate(FAMILIES[name].fields))


def state(name: str) -> Any:
    """A state of the layer, of these fields; of a solve it reports nothing."""
    made, given = kind(name).STATE, fields(name)
    return made(*given, *[torch.zeros(3) for _ in made._fields[len(given) :]])


def run(name: str, made: Any) -> Any:
    """``forward`` of a layer in float64, its fields by position and its inputs by keyword."""
    return made(*(() if FAMILIES[name].start else fields(name)), **inputs(name))
