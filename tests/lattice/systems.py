"""Small systems that together exercise every statement, boundary and integrator of the lattice domain."""

from __future__ import annotations

import sympy as sp

from metrigen import (
    RK4,
    Dissipation,
    ExplicitEuler,
    Field,
    Input,
    Lattice,
    Leapfrog,
    Param,
    SteadyState,
    Strang,
    SymplecticEuler,
    System,
    derive,
    grad,
    mix,
    momentum,
    stress_energy,
    t,
    total,
)
from metrigen.discretise.arrays import dynamics
from metrigen.discretise.dynamics import Dynamics

x, y, z = sp.symbols("x y z", real=True)
BOUNDARIES = ("periodic", "zero", "neumann")
DT = Param("dt", positive=True, init=0.1)


def rough_wave(boundary: str, integrator: object) -> System:
    """Nonlinear, non-symmetric, variable coefficients: kappa(x)(1 + phi^2)|grad phi|^2, a cross term, couplings."""
    grid = Lattice(x, y, boundary=boundary)
    phi = Field("phi", grid)
    pi = momentum(phi)
    kappa = Input("kappa", grid, positive=True)
    c2, lam = Param("c2", per="channel", positive=True), Param("lam", per="channel")
    gamma = Param("gamma", per="channel", nonnegative=True)
    K = Param("K", shape=("C", "C"), symmetric=True)
    B = Param("B", shape=("C", "C"), antisymmetric=True)
    damped = isinstance(integrator, (Strang, RK4, ExplicitEuler))
    return System(
        name="rough",
        domain=grid,
        lagrangian=phi.diff(t) ** 2 / 2
        - kappa * (1 + phi**2) * grad(phi).square / 2
        - c2 * phi.diff(x) * phi.diff(y) / 3
        - lam * phi**4 / 4
        - phi * mix(K, phi) / 2
        - total(phi) ** 2 / 8,
        bracket=(lambda F, G: F[phi] * G[pi] - F[pi] * G[phi] + F[pi] * mix(B, G[pi])) if damped else None,
        metric=(lambda F, G: gamma * F[pi] * G[pi]) if damped else None,
        integrator=integrator,
        readout=stress_energy(normalise="amplitude"),
    )


def oscillator(integrator: object) -> System:
    """A system of ODEs per channel: no axes."""
    grid = Lattice()
    q = Field("q", grid)
    w = Param("w", per="channel", positive=True)
    return System(
        name="oscillator", domain=grid, lagrangian=q.diff(t) ** 2 / 2 - w**2 * q**2 / 2 - q**4 / 4,
        integrator=integrator, readout=stress_energy(),
    )  # fmt: skip


def transport(boundary: str) -> System:
    """One dimension: a bracket with a derivative and a metric with one."""
    line = Lattice(x, boundary=boundary, spacing=sp.Rational(1, 2))
    u = Field("u", line)
    nu = Param("nu", positive=True)
    return System(
        name="transport", domain=line, fields=(u,), hamiltonian=u**2 / 2 + u**4 / 12 + u.diff(x) ** 2 / 2,
        bracket=lambda F, G: F[u] * G[u].diff(x), metric=lambda F, G: nu * F[u].diff(x) * G[u].diff(x),
        integrator=RK4(steps=2, dt=DT),
    )  # fmt: skip


def membrane(boundary: str) -> System:
    """Three dimensions, second derivatives, a function that is no polynomial, explicit dependence on x."""
    grid = Lattice(x, y, z, boundary=boundary)
    u = Field("u", grid)
    return System(
        name="membrane", domain=grid, fields=(u,),
        hamiltonian=sp.sqrt(1 + grad(u).square) + u.diff(x, 2) ** 2 / 8 + sp.cos(u) * x / 9,
        metric=Dissipation((1, lambda F: F[u])), integrator=ExplicitEuler(steps=2, dt=DT),
    )  # fmt: skip


def screened(boundary: str, solver: str = "cg", average: str = "arithmetic") -> System:
    grid = Lattice(x, y, boundary=boundary, average=average)
    u = Field("u", grid)
    kappa, m2 = Input("kappa", grid, positive=True), Input("m2", grid, positive=True)
    s = Input("s", grid)
    return System(
        name="screened", domain=grid, fields=(u,), hamiltonian=kappa * grad(u).square / 2 + m2 * u**2 / 2 - s * u,
        metric=Dissipation((1, lambda F: F[u])), integrator=SteadyState(solver=solver), readout=stress_energy(),
    )  # fmt: skip


def steppers(steps: int = 2) -> dict[str, object]:
    methods = (ExplicitEuler, SymplecticEuler, Leapfrog, Strang, RK4)
    return {method.__name__: method(steps=steps, dt=DT) for method in methods}


def stepping_systems() -> dict[str, System]:
    found = {
        f"{name}-{boundary}": rough_wave(boundary, method)
        for name, method in steppers().items()
        for boundary in BOUNDARIES
        if name != "SymplecticEuler" or boundary == "zero"
    }
    found |= {f"transport-{boundary}": transport(boundary) for boundary in ("periodic", "neumann")}
    found |= {f"membrane-{boundary}": membrane(boundary) for boundary in BOUNDARIES}
    return found | {"oscillator": oscillator(Leapfrog(steps=2, dt=DT))}


def lattice_dynamics(system: System) -> Dynamics:
    return dynamics(derive(system))
