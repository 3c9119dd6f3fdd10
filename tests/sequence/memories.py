"""Specs of matrix memories for tests, and their layers."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from metrigen import Exponential, Field, Input, Param, Sequence, System, contract, energy_density
from tests.lattice.emitted import layer_class, package

tokens = Sequence()
S = Field("S", tokens, axes=("key", "value"))
Q, P = (Field(name, tokens, axes=("key", "value")) for name in "QP")
k, j, q, p, theta = (Input(name, tokens, axes=("key",)) for name in ("k", "j", "q", "p", "theta"))
v = Input("v", tokens, axes=("value",))
beta, lam = (Input(name, tokens, nonnegative=True) for name in ("beta", "lam"))
fade = Input("fade", tokens, axes=("key",), nonnegative=True)
delta = Input("delta", tokens, positive=True)
g = Param("g", per="channel", nonnegative=True, init=0.2)


def one(name: str, energy: Any, **parts: Any) -> System:
    """A memory of one field."""
    found: dict[str, Any] = {
        "fields": (S,),
        "metric": lambda F, G: F[S] * G[S],
        "integrator": Exponential(),
        "readout": contract(q, S),
    }
    return System(name=name, domain=tokens, hamiltonian=energy, **(found | parts))


def pair(name: str, lowered: Any, **parts: Any) -> System:
    """A memory of a pair that rotates by theta; ``lowered``: what the metric lowers."""
    found: dict[str, Any] = {
        "hamiltonian": (Q**2 + P**2) / 2,
        "entropy": -lowered,
        "bracket": lambda F, G: theta * (F[Q] * G[P] - F[P] * G[Q]),
        "metric": lambda F, G: F[Q] * G[Q] + F[P] * G[P],
        "integrator": Exponential(),
        "readout": contract(q, Q) + contract(p, P),
    }
    return System(name=name, domain=tokens, fields=(Q, P), **(found | parts))


SURPRISE = beta * (contract(k, S) - v) ** 2 / 2
BOTH = beta * (contract(k, Q) + contract(j, P) - v) ** 2 / 2
SYSTEMS = {
    "exact": one("exact", SURPRISE + lam * S**2 / 2, integrator=Exponential(dt=delta)),
    "diagonal": one("diagonal", fade * S**2 / 2 - contract(k, S) * v),
    "split": one("split", SURPRISE + fade * S**2 / 2 + g * S**2 / 2, integrator=Exponential(dt=delta)),
    "rotating": pair("rotating", BOTH + lam * (Q**2 + P**2) / 2, integrator=Exponential(dt=delta)),
    "fading": one("fading", lam * S**2 / 2 - contract(k, S) * v),
    "turned": pair("turned", fade * (Q**2 + P**2) / 2 - (contract(k, Q) + contract(j, P)) * v),
}


# Of which the energy is read as well: what its terms are read of differs.
ENERGIES = {
    "surprise": one("surprise", SURPRISE, readout=(contract(q, S), energy_density())),
    "both": one("both", SURPRISE + lam * S**2 / 2 + g * v**2, readout=(contract(q, S), energy_density())),
    "faded": one("faded", fade * S**2 / 2 - contract(k, S) * v, readout=(contract(q, S), energy_density())),
    "couple": pair(
        "couple", 0, hamiltonian=BOTH + lam * (Q**2 + P**2) / 2, entropy=None, bracket=None,
        readout=(contract(q, Q) + contract(p, P), energy_density()),
    ),
    "spinning": pair("spinning", BOTH, readout=(contract(q, Q) + contract(p, P), energy_density())),
}  # fmt: skip


_FOLDER = tempfile.TemporaryDirectory()


@cache
def package_of(name: str) -> ModuleType:
    return package((SYSTEMS | ENERGIES)[name], Path(_FOLDER.name), f"memory_{name}")


def made(name: str, channels: int = 2, key: int = 4, value: int = 3, **more: Any) -> Any:
    """A layer in float64."""
    return layer_class(package_of(name))(channels, key=key, value=value, **{"dtype": torch.float64, **more})


def given(layer: Any, batch: int = 2, length: int = 9, seed: int = 0, size: float = 1.0) -> dict[str, Tensor]:
    """Random inputs of a layer, of the signs that were declared."""
    generator = torch.Generator().manual_seed(seed)
    found = {}
    for name, axes in layer.AXES.items():
        shape = (batch, layer.channels, length, *(getattr(layer, axis) for axis in axes))
        x = size * torch.randn(shape, dtype=torch.float64, generator=generator)
        found[name] = (x.abs() + 0.05 if name in layer.SIGNS else x).requires_grad_()
    return found


def started(layer: Any, batch: int = 2, seed: int = 1) -> Any:
    """A random state."""
    generator = torch.Generator().manual_seed(seed)
    shape = (batch, layer.channels, layer.key, layer.value)
    return layer.STATE(*(torch.randn(shape, dtype=torch.float64, generator=generator) for _ in layer.FIELDS))
