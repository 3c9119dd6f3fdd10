"""Small systems whose waves and costs are known by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sympy as sp

from metrigen import (
    Dissipation,
    ExplicitEuler,
    Field,
    Input,
    Lattice,
    Leapfrog,
    Param,
    SteadyState,
    Strang,
    System,
    derive,
    grad,
    momentum,
    t,
)
from metrigen.package.report import Report, report_of
from metrigen.spec.load import Spec

x, y = sp.symbols("x y", real=True)


def wave(gamma: float = 0.0, dt: float = 0.1, spacing: object = 1, axes: tuple[sp.Symbol, ...] = (x,)) -> System:
    """phi_tt + gamma phi_t = c2 lap phi - m2 phi - phi^3, by Strang (friction) or Leapfrog."""
    grid = Lattice(*axes, spacing=spacing)
    phi = Field("phi", grid)
    pi = momentum(phi)
    c2, m2 = Param("c2", positive=True, init=2.0), Param("m2", positive=True, init=0.3)
    friction = Param("gamma", nonnegative=True, init=gamma)
    step = Param("dt", positive=True, init=dt)
    gradient = grad(phi).square if axes else sp.S.Zero
    return System(
        name="wave",
        domain=grid,
        lagrangian=phi.diff(t) ** 2 / 2 - c2 * gradient / 2 - m2 * phi**2 / 2 - phi**4 / 4,
        metric=(lambda F, G: friction * F[pi] * G[pi]) if gamma else None,
        integrator=Strang(steps=4, dt=step) if gamma else Leapfrog(steps=4, dt=step),
    )


def heat(integrator: Any = None, dt: float = 0.1, axes: tuple[sp.Symbol, ...] = (x,)) -> System:
    """u_t = kappa lap u."""
    grid = Lattice(*axes)
    u = Field("u", grid)
    kappa = Param("kappa", positive=True, init=0.8)
    return System(
        name="heat",
        domain=grid,
        fields=(u,),
        hamiltonian=kappa * grad(u).square / 2,
        metric=Dissipation((1, lambda F: F[u])),
        integrator=integrator or ExplicitEuler(steps=4, dt=Param("dt", positive=True, init=dt)),
    )


def screened() -> System:
    """(m2 - kappa lap) u = s."""
    grid = Lattice(x)
    u = Field("u", grid)
    kappa, m2 = Param("kappa", positive=True, init=2.0), Param("m2", positive=True, init=0.5)
    s = Input("s", grid)
    return System(
        name="screened",
        domain=grid,
        fields=(u,),
        hamiltonian=kappa * grad(u).square / 2 + m2 * u**2 / 2 - s * u,
        metric=Dissipation((1, lambda F: F[u])),
        integrator=SteadyState(),
    )


def decay() -> System:
    """u_t = -a u at a point: no axis."""
    grid = Lattice()
    u = Field("u", grid)
    a = Param("a", positive=True, init=0.5)
    return System(
        name="decay",
        domain=grid,
        fields=(u,),
        hamiltonian=a * u**2 / 2,
        metric=lambda F, G: F[u] * G[u],
        integrator=ExplicitEuler(steps=3, dt=0.1),
    )


def flow(density: sp.Expr, u: sp.Expr, grid: Lattice, **parts: Any) -> System:
    """The gradient flow of a density."""
    return System(
        name="flow",
        domain=grid,
        fields=(u,),
        hamiltonian=density,
        metric=lambda F, G: F[u] * G[u],
        integrator=ExplicitEuler(steps=2, dt=0.1),
        **parts,
    )


def report(system: System, source: str = '"""A spec of a test."""\n') -> Report:
    """The report of a system that no file holds."""
    return report_of(
        Spec(system=system, path="specs/test.py", source=source, sha256="0" * 64, keyword_lines={}, symbol_lines={})
    )


def start(system: System) -> Mapping[str, float]:
    """Declared starts by name."""
    found = report(system).waves.numbers
    assert found is not None
    return found.values


__all__ = ["decay", "derive", "flow", "heat", "report", "screened", "start", "wave", "x", "y"]
