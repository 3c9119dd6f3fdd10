"""Cells whose channels turn one another: both fields alike, one of two, each by its own matrix, a field alone, and no
more than the rotation."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from types import ModuleType

import sympy as sp

from metrigen import Dissipation, Exponential, Field, Param, System, canonical, mix, stress_energy
from tests.lattice.emitted import package
from tests.sequence.systems import cell, f, g, h, k, lam, p, q, tokens, turn, unit

x = Field("x", tokens)
s, dt = Param("s"), Param("dt", positive=True, init=0.5)
B = Param("B", shape=("C", "C"), block=4, antisymmetric=True)
wide = Param("wide", shape=("C", "C"), block=32, antisymmetric=True)
D = Param("D", shape=("C", "C"), block=3, antisymmetric=True)


def alike(name: str = "alike", coupled: bool = True, **parts) -> System:
    """The cell of a language model; the two fields of a channel turn with the same matrix."""

    def bracket(F, G):
        return turn(F, G) + ((F[q] * mix(B, G[q]) + F[p] * mix(B, G[p])) if coupled else 0)

    metric = lambda F, G: lam * (F[q] * G[q] + F[p] * G[p])
    return cell(name, unit - f * q - h * p, bracket=bracket, metric=metric, **parts)


COUPLED = {
    system.name: system
    for system in (
        alike(),
        cell("momenta", bracket=lambda F, G: turn(F, G) + s * F[p] * mix(wide, G[p]), integrator=Exponential(dt=dt),
             readout=stress_energy(normalise="amplitude")),
        cell("each", 2 * q**2 + p**2 / 2 - f * q - h * p,
             bracket=lambda F, G: canonical((q, p))(F, G) + F[q] * mix(B, G[q]) - 2 * F[p] * mix(D, G[p]),
             metric=Dissipation((g, lambda F: F[p])), integrator=Exponential(dt=dt)),
        System("lone", tokens, fields=(x,), hamiltonian=k * x**2 / 2 - f * x, bracket=lambda F, G: F[x] * mix(D, G[x]),
               metric=Dissipation((lam, lambda F: F[x])), integrator=Exponential(dt=sp.Rational(1, 2)), readout=None),
        System("bare", tokens, fields=(x,), hamiltonian=x**2 / 2 - f * x, bracket=lambda F, G: F[x] * mix(B, G[x]),
               integrator=Exponential(), readout=stress_energy()),
    )
}  # fmt: skip
UNCOUPLED = alike("unlike", coupled=False)


@cache
def module(name: str, folder: Path) -> ModuleType:
    """The imported package of a system of the table."""
    return package(COUPLED.get(name, UNCOUPLED), folder, f"coupled_{name}")
