"""Cells of every kind: one field and two, constant and chosen by the tokens, with a norm that is not |x|."""

from __future__ import annotations

import importlib
from functools import cache
from pathlib import Path
from types import ModuleType

import sympy as sp
import torch

from metrigen import (
    Dissipation,
    Exponential,
    Field,
    Input,
    Param,
    Sequence,
    System,
    canonical,
    energy_density,
    stress_energy,
)
from tests.lattice.emitted import layer_class, package

tokens = Sequence()
q, p = Field("q", tokens), Field("p", tokens)
omega, f, h = Input("omega", tokens), Input("f", tokens), Input("f_p", tokens)
lam, delta = Input("lam", tokens, nonnegative=True), Input("delta", tokens, positive=True)
a, g = Param("a", per="channel", positive=True), Param("g", per="channel", nonnegative=True)
k = Param("k", positive=True)
unit = (q**2 + p**2) / 2


def turn(F, G):
    return omega * (F[q] * G[p] - F[p] * G[q])


def cell(name: str, hamiltonian: sp.Expr = unit - f * q, bracket=turn, metric=None, **parts) -> System:
    parts.setdefault("integrator", Exponential())
    parts.setdefault("readout", stress_energy())
    metric = metric if metric is not None else Dissipation((lam, lambda F: F[p]))
    return System(name, tokens, fields=(q, p), hamiltonian=hamiltonian, bracket=bracket, metric=metric, **parts)


def isotropic(name: str = "isotropic") -> System:
    """A rotation and a decay: the cell of a language model."""
    metric = lambda F, G: lam * (F[q] * G[q] + F[p] * G[p])
    return cell(name, unit - f * q - h * p, metric=metric)


SYSTEMS = {
    system.name: system
    for system in (
        isotropic(),
        cell("selective", readout=stress_energy(normalise="amplitude")),
        cell("constant", (a * q**2 + p**2) / 2 - f * q, canonical((q, p)), Dissipation((g, lambda F: F[p])),
             integrator=Exponential(dt=Param("dt", positive=True, init=0.5)), readout=energy_density()),
        cell("skewed", (a * q**2 + sp.sqrt(a) * q * p + p**2) / 2 - f * q, canonical((q, p)),
             Dissipation((lam, lambda F: F[p] - g * F[q])), integrator=Exponential(dt=delta)),
        cell("both", metric=lambda F, G: lam * (F[p] + F[q]) * (G[p] + G[q]) + k * F[q] * G[q], readout=None),
        System("scalar", tokens, fields=(q,), hamiltonian=a * q**2 / 2 - f * q, metric=Dissipation((k, lambda F: F[q])),
               integrator=Exponential(dt=delta), readout=stress_energy()),
        cell("numbers", unit - f * q, canonical((q, p)), Dissipation((1, lambda F: F[p]))),
        System("gated", tokens, fields=(q,), hamiltonian=q**2 / 2 - sp.tanh(f) * q,
               metric=Dissipation((lam, lambda F: F[q])), integrator=Exponential(dt=sp.Rational(1, 2)),
               readout=stress_energy(normalise="amplitude")),
    )
}  # fmt: skip
SIGNED = {"lam", "delta"}


@cache
def module(name: str, folder: Path) -> ModuleType:
    """The imported package of a system of the table."""
    return package(SYSTEMS[name], folder, f"sequence_{name}")


def part(made: ModuleType, name: str) -> ModuleType:
    return importlib.import_module(f"{made.__name__}.{name}")


def layer(made: ModuleType, channels: int, seed: int = 0, **options: object) -> torch.nn.Module:
    """A layer in float64 with every parameter away from its start."""
    generator = torch.Generator().manual_seed(seed)
    found = layer_class(made)(channels, **options).double()
    for parameter in found.parameters():
        parameter.data += torch.randn(parameter.shape, dtype=parameter.dtype, generator=generator)
    return found


def inputs(
    made: ModuleType, batch: int, channels: int, length: int, seed: int = 1, size: float = 1.0
) -> dict[str, torch.Tensor]:
    """Tokens (B, C, T) of all sizes around ``size``: oscillating, critical and overdamped steps are among them."""
    generator = torch.Generator().manual_seed(seed)
    shape = (batch, channels, length)
    found = {}
    for name in part(made, "reference").TOKENS:
        scale = size * 10.0 ** (2 * torch.rand(shape, dtype=torch.float64, generator=generator) - 1)
        value = scale * torch.randn(shape, dtype=torch.float64, generator=generator)
        found[name] = value.abs() + 1e-3 * size if name in SIGNED else value
    return found


def states(made: ModuleType, batch: int, channels: int, seed: int = 2) -> tuple[torch.Tensor, ...]:
    """A state (B, C)."""
    generator = torch.Generator().manual_seed(seed)
    count = len(part(made, "reference").FIELDS)
    drawn = (torch.randn(batch, channels, dtype=torch.float64, generator=generator) for _ in range(count))
    return state_class(made)(*drawn)


def state_class(made: ModuleType) -> type:
    return getattr(made, next(n for n in made.__all__ if n.endswith("State")))
