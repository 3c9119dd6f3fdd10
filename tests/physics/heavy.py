"""Systems with long expressions: many terms, deep compositions, hidden units, kinetic matrices that are inverted."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

import sympy as sp

from metrigen import (
    RK4,
    AverageVectorField,
    Dissipation,
    ExplicitEuler,
    Field,
    ImplicitMidpoint,
    Lattice,
    Param,
    System,
    energy_density,
    friction,
    grad,
    t,
)

POINT = Lattice()
x, y, z = sp.symbols("x y z", real=True)


def descent(energy: Callable[[sp.Expr], sp.Expr], dt: float = 0.5) -> System:
    """Gradient flow of one number."""
    u = Field("u", POINT)
    return System(
        name="descent", domain=POINT, fields=(u,), hamiltonian=energy(u), metric=Dissipation((1, lambda F: F[u])),
        integrator=ExplicitEuler(steps=1, dt=dt), readout=energy_density(),
    )  # fmt: skip


def nested(levels: int, one: Callable[[sp.Expr, int], sp.Expr]) -> System:
    return descent(lambda u: reduce(one, range(levels), u))


def tanhs(levels: int) -> System:
    return nested(levels, lambda e, k: sp.tanh(e / 2 + 1))


def sines(levels: int) -> System:
    return nested(levels, lambda e, k: sp.sin(e + sp.Rational(1, k + 2)))


def cosines(count: int) -> System:
    """A periodic potential of many harmonics, as a Lagrangian."""
    u = Field("u", POINT)
    potential = sum(sp.cos(i * u) / i**2 for i in range(1, count + 1))
    return System(
        name="harmonics", domain=POINT, lagrangian=u.diff(t) ** 2 / 2 - potential, integrator=RK4(steps=1, dt=0.01),
        readout=energy_density(),
    )  # fmt: skip


def phases(count: int) -> System:
    return descent(lambda u: sum(sp.cos(sp.Rational(k, 7) * u + k) / k for k in range(1, count)), dt=0.001)


def monomials(count: int) -> System:
    u, w = Field("u", POINT), Field("w", POINT)
    return System(
        name="monomials", domain=POINT, fields=(u, w),
        hamiltonian=sum(u**k * w ** (k % 7) for k in range(1, count + 1)),
        metric=Dissipation((1, lambda F: F[u]), (1, lambda F: F[w])), integrator=ExplicitEuler(steps=1, dt=0.01),
        readout=energy_density(),
    )  # fmt: skip


def hidden_units(units: int, visible: int = 2) -> System:
    """An energy with hidden units summed out: v^2/2 - log sum exp(W v)."""
    v = [Field(f"v{i}", POINT) for i in range(visible)]
    W = [[Param(f"w{i}{j}") for j in range(units)] for i in range(visible)]
    energy = sum(f**2 for f in v) / 2 - sp.log(
        sum(sp.exp(sum(v[i] * W[i][j] for i in range(visible))) for j in range(units))
    )
    return System(
        name="hidden_units", domain=POINT, fields=tuple(v), hamiltonian=energy, metric=friction(1, *v),
        integrator=ExplicitEuler(steps=4, dt=0.1), readout=energy_density(),
    )  # fmt: skip


def relativistic_kepler() -> System:
    q = [Field(f"q{i}", POINT) for i in range(3)]
    m, k = Param("m", positive=True), Param("k", positive=True)
    speed = sum(f.diff(t) ** 2 for f in q)
    distance = sp.sqrt(sum(f**2 for f in q))
    return System(
        name="relativistic_kepler", domain=POINT, lagrangian=-m * sp.sqrt(1 - speed) + k / distance,
        integrator=RK4(steps=4, dt=0.01), readout=energy_density(),
    )  # fmt: skip


def skyrme_quartic() -> System:
    line = Lattice(x)
    u, v, k = Field("u", line), Field("v", line), Param("k", positive=True)
    quadratic = sum(f.diff(t) ** 2 - grad(f).square for f in (u, v)) / 2
    quartic = k * (u.diff(t) * v.diff(x) - u.diff(x) * v.diff(t)) ** 2 / 2
    return System(
        name="skyrme_quartic", domain=line, lagrangian=quadratic + quartic, integrator=RK4(steps=2, dt=0.01),
        readout=energy_density(),
    )  # fmt: skip


def st_venant_kirchhoff_3d() -> System:
    axes = (x, y, z)
    box = Lattice(*axes)
    U = [Field(f"U{i}", box) for i in range(3)]
    la, mu = Param("la", positive=True), Param("mu", positive=True)
    F = sp.Matrix(3, 3, lambda i, j: U[i].diff(axes[j]) + (1 if i == j else 0))
    E = (F.T * F - sp.eye(3)) / 2
    W = la * E.trace() ** 2 / 2 + mu * sum(E[i, j] ** 2 for i in range(3) for j in range(3))
    return System(
        name="st_venant_kirchhoff_3d", domain=box, lagrangian=sum(f.diff(t) ** 2 for f in U) / 2 - W,
        integrator=RK4(steps=1, dt=0.01), readout=energy_density(),
    )  # fmt: skip


def modern_hopfield(units: int = 3, patterns: int = 4) -> System:
    return hidden_units(patterns, units)


def four_fields_3d() -> System:
    box = Lattice(x, y, z)
    f = [Field(f"f{i}", box) for i in range(4)]
    energy = sum(grad(u).square for u in f) / 2 + sum(u**4 for u in f) / 4 + f[0] ** 2 * f[2] ** 2 / 2
    return System(
        name="four_fields_3d", domain=box, fields=tuple(f), hamiltonian=energy,
        bracket=lambda F, G: F[f[0]] * G[f[1]] - F[f[1]] * G[f[0]] + F[f[2]] * G[f[3]] - F[f[3]] * G[f[2]],
        integrator=AverageVectorField(steps=1, dt=0.05), readout=energy_density(),
    )  # fmt: skip


def double_pendulum() -> System:
    a, b = Field("a", POINT), Field("b", POINT)
    m1, m2 = Param("m1", positive=True), Param("m2", positive=True)
    l1, l2, g = Param("l1", positive=True), Param("l2", positive=True), Param("g", positive=True)
    va, vb = a.diff(t), b.diff(t)
    kinetic = (m1 + m2) * l1**2 * va**2 / 2 + m2 * l2**2 * vb**2 / 2 + m2 * l1 * l2 * va * vb * sp.cos(a - b)
    potential = -(m1 + m2) * g * l1 * sp.cos(a) - m2 * g * l2 * sp.cos(b)
    return System(
        name="double_pendulum", domain=POINT, lagrangian=kinetic - potential,
        integrator=ImplicitMidpoint(steps=4, dt=0.01), readout=energy_density(),
    )  # fmt: skip


HEAVY: dict[str, Callable[[], System]] = {
    "tanh25": lambda: tanhs(25),
    "tanh60": lambda: tanhs(60),
    "sin15": lambda: sines(15),
    "sin30": lambda: sines(30),
    "sin120": lambda: sines(120),
    "phases100": lambda: phases(100),
    "phases400": lambda: phases(400),
    "monomials": lambda: monomials(60),
    "cosines80": lambda: cosines(80),
    "cosines1000": lambda: cosines(1000),
    "hidden2": lambda: hidden_units(2),
    "hidden3": lambda: hidden_units(3),
    "hidden4": lambda: hidden_units(4),
    "hopfield": modern_hopfield,
    "relativistic_kepler": relativistic_kepler,
    "skyrme_quartic": skyrme_quartic,
    "st_venant_kirchhoff_3d": st_venant_kirchhoff_3d,
    "four_fields_3d": four_fields_3d,
    "double_pendulum": double_pendulum,
}
