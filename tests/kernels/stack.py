"""One small layer of every family, with inputs and a loss, for the tests of how layers go with torch."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from types import ModuleType
from typing import Any

import sympy as sp
import torch
from torch import Tensor, nn

from metrigen import Field, ImplicitMidpoint, Input, Lattice, Leapfrog, System, energy_density, grad, t
from metrigen.spec.load import load_spec
from tests.conftest import ROOT
from tests.lattice.emitted import compiled, layer_class
from tests.modules import Network

x = sp.Symbol("x", real=True)
EDGES = torch.tensor([[0, 1, 2, 0], [1, 2, 3, 3]])


def _implicit() -> System:
    line = Lattice(x)
    u = Field("u", line)
    return System("stack_implicit", line, lagrangian=u.diff(t) ** 2 / 2 - grad(u).square / 2 - u**4 / 4,
                  integrator=ImplicitMidpoint(steps=2, dt=0.1), readout=energy_density())  # fmt: skip


def _twins() -> System:
    """Two inputs whose cotangents are the same numbers."""
    point = Lattice()
    u, s, r = Field("u", point), Input("s", point), Input("r", point)
    return System("stack_twins", point, lagrangian=u.diff(t) ** 2 / 2 - u**2 / 2 + s * u + r * u,
                  integrator=Leapfrog(steps=2, dt=0.1), readout=energy_density())  # fmt: skip


def rand(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


@dataclass(frozen=True)
class Family:
    """A spec, what its layer is made with, and what it is called with: positional arguments, then keywords."""

    spec: str | Callable[[], System]
    make: Callable[[], dict[str, Any]]
    call: Callable[[], tuple[tuple[Tensor, ...], dict[str, Tensor]]]

    @property
    def system(self) -> System:
        return self.spec() if callable(self.spec) else load_spec(ROOT / "specs" / f"{self.spec}.py").system

    def layer(self, **options: Any) -> nn.Module:
        made = layer_class(self.package())(2, **self.make(), **options)
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for weight in made.parameters():
                weight += 0.1 * torch.randn(weight.shape, generator=generator)
        return made

    def package(self) -> ModuleType:
        return _package(self)


def _wave() -> tuple[tuple[Tensor, ...], dict[str, Tensor]]:
    return (rand(3, 2, 4, 4), rand(3, 2, 4, 4, seed=1)), {}


def _maze() -> tuple[tuple[Tensor, ...], dict[str, Tensor]]:
    return (rand(3, 2, 4, 4) + 0.5, rand(3, 2, 4, 4, seed=1) + 0.5, rand(3, 2, 4, 4, seed=2)), {}


def _tokens() -> tuple[tuple[Tensor, ...], dict[str, Tensor]]:
    return (), {name: rand(3, 2, 5, seed=i) for i, name in enumerate(("theta", "lam", "f_q", "f_p"))}


def _network() -> tuple[tuple[Tensor, ...], dict[str, Tensor]]:
    return (rand(3, 2, 4),), {"omega": rand(3, 2, 4, seed=1), "edge_index": EDGES}


def _pairs() -> tuple[tuple[Tensor, ...], dict[str, Tensor]]:
    w = rand(2, 6, 6, seed=1)
    return (rand(3, 2, 6), w + w.mT), {}


FAMILIES = {
    "explicit": Family("gallery/sine_gordon", dict, lambda: ((rand(3, 2, 6), rand(3, 2, 6, seed=1)), {})),
    "coupled": Family("coupled_wave", dict, _wave),
    "implicit": Family(_implicit, dict, lambda: ((rand(3, 2, 6), rand(3, 2, 6, seed=1)), {})),
    "steady": Family("maze", dict, _maze),
    "point": Family("gallery/duffing", dict, lambda: ((rand(3, 2), rand(3, 2, seed=1)), {})),
    "learned": Family("gallery/learned_potential", lambda: {"V": Network(), "steps": 2}, _wave),
    "graph": Family("gallery/graph_kuramoto", lambda: {"edges": 4, "steps": 2}, _network),
    "graph steady": Family("sudoku", dict, _pairs),
    "sequence": Family("lm", dict, _tokens),
}
TWINS = Family(_twins, dict, lambda: ((rand(3, 2), rand(3, 2, seed=1)), {"s": rand(3, 2), "r": rand(3, 2)}))


@cache
def _folder() -> Path:
    folder = Path(mkdtemp(prefix="metrigen_stack_"))
    sys.path.append(str(folder))
    return folder


@cache
def _package(family: Family) -> ModuleType:
    # A name of its own: operators are called by name and content, and those of generated/ may be loaded too.
    system = replace(family.system, name=f"stack_{family.system.name}")
    target = _folder() / system.name
    target.mkdir(exist_ok=True)
    for file, text in compiled(system).files.items():
        (target / file).write_text(text)
    importlib.invalidate_caches()
    return importlib.import_module(target.name)


def called(layer: nn.Module, family: Family, grad: bool = False) -> tuple[Tensor, tuple[Tensor, ...]]:
    """The first field of the state, and the floating tensors that the layer was given."""
    given, named = family.call()
    leaves = tuple(v.requires_grad_(grad) for v in (*given, *named.values()) if v.is_floating_point())
    return layer(*given, **named)[0], leaves


def function(layer: nn.Module, family: Family) -> tuple[Callable[..., Tensor], tuple[Tensor, ...]]:
    """The first field of the state as a function of the floating arguments, and these."""
    given, named = family.call()
    fixed = {k: v for k, v in named.items() if not v.is_floating_point()}
    names = [k for k in named if k not in fixed]
    count = len(given)

    def of(*values: Tensor) -> Tensor:
        return layer(*values[:count], **dict(zip(names, values[count:], strict=True)), **fixed)[0]

    return of, (*given, *(named[k] for k in names))
