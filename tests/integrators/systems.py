"""Systems for the structure-keeping integrators, and their layers in float64."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import sympy as sp
import torch

from metrigen import Dissipation, Field, Lattice, Param, System, grad, mix, momentum, stress_energy, t, total
from metrigen.spec.load import load_spec
from tests.conftest import ROOT
from tests.lattice.emitted import layer_class, package

x, y = sp.symbols("x y", real=True)
POINT = Lattice()
DT = Param("dt", positive=True, init=0.1)


def gallery(name: str, integrator: object) -> System:
    """A system of the gallery with another integrator."""
    return replace(load_spec(ROOT / "specs" / "gallery" / f"{name}.py").system, integrator=integrator)


def quartic(integrator: object) -> System:
    """q'' = -w2 q - q^3, in every channel by itself."""
    q, w2 = Field("q", POINT), Param("w2", per="channel", positive=True)
    return System(
        "quartic", POINT, lagrangian=q.diff(t) ** 2 / 2 - w2 * q**2 / 2 - q**4 / 4, integrator=integrator,
        readout=stress_energy(),
    )  # fmt: skip


def coupled_wave(boundary: str, integrator: object, damped: bool = True) -> System:
    """A damped nonlinear wave in one dimension whose channels are coupled."""
    line = Lattice(x, boundary=boundary)
    phi = Field("phi", line)
    pi = momentum(phi)
    lam, gamma = Param("lam", per="channel", nonnegative=True), Param("gamma", nonnegative=True)
    K = Param("K", shape=("C", "C"), symmetric=True)
    return System(
        "coupled_wave", line,
        lagrangian=phi.diff(t) ** 2 / 2 - (1 + phi**2) * grad(phi).square / 2 - lam * phi**4 / 4
        - phi * mix(K, phi) / 2 - total(phi) ** 2 / 8,
        metric=(lambda F, G: gamma * F[pi] * G[pi]) if damped else None, integrator=integrator,
        readout=stress_energy(),
    )  # fmt: skip


def wells(integrator: object) -> System:
    """Allen-Cahn in one dimension: a gradient flow of a free energy that is not convex."""
    line = Lattice(x, boundary="neumann")
    u = Field("u", line)
    return System(
        "wells", line, (u,), hamiltonian=grad(u).square / 2 + (u**2 - 1) ** 2 / 4,
        metric=Dissipation((1, lambda F: F[u])), integrator=integrator,
    )  # fmt: skip


def hot_wave(boundary: str, integrator: object) -> System:
    """A wave in one dimension whose friction heats the medium, T = exp(s): total energy constant, entropy grows."""
    line = Lattice(x, boundary=boundary)
    q, p, s = (Field(name, line) for name in "qps")
    gamma = Param("gamma", nonnegative=True, init=0.5)
    T = sp.exp(s)
    return System(
        "hot_wave", line, (q, p, s), hamiltonian=p**2 / 2 + q.diff(x) ** 2 / 2 + q**4 / 4 + T, entropy=s,
        bracket=lambda F, G: F[q] * G[p] - F[p] * G[q],
        metric=Dissipation((gamma * T, lambda F: F[p] - p / T * F[s])), integrator=integrator,
    )  # fmt: skip


class Layers:
    """Layers of systems, each written and imported once."""

    def __init__(self, folder: Path, systems: Mapping[str, System]) -> None:
        self.folder, self.systems, self.made = folder, systems, {}  # type: ignore[var-annotated]

    def module(self, name: str):  # type: ignore[no-untyped-def]
        if name not in self.made:
            # Modules are cached by name: the folder tells apart those of two test files.
            own = f"{self.folder.name}_{name}".replace("-", "_").lower()
            self.made[name] = package(self.systems[name], self.folder, own)
        return self.made[name]

    def layer(self, name: str, channels: int = 1, **values: object) -> torch.nn.Module:
        return layer_class(self.module(name))(channels, **values).double()


def column(*values: float) -> tuple[torch.Tensor, ...]:
    return tuple(torch.full((1, 1), float(v), dtype=torch.float64) for v in values)


def energy_of(layer: torch.nn.Module, fields: tuple[torch.Tensor, ...], what: str = "energy") -> torch.Tensor:
    """Energy or entropy of fields that ``forward`` has not returned."""

    class State:
        pass

    state = State()
    names = [n for n in layer_state(layer)._fields if n not in ("iterations", "residual", "status")]
    for name, value in zip(names, fields, strict=True):
        setattr(state, name, value)
    return getattr(layer, what)(state)


def layer_state(layer: torch.nn.Module) -> type:
    import sys

    module = sys.modules[type(layer).__module__]
    return getattr(module, type(layer).__name__ + "State")
