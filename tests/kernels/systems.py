"""Systems whose kernels hold whole planes, or groups of planes, on chip."""

from __future__ import annotations

import sympy as sp

from metrigen import (
    Composed,
    Dissipation,
    ExplicitEuler,
    Field,
    Input,
    Lattice,
    Leapfrog,
    Param,
    Strang,
    System,
    grad,
    mix,
    momentum,
    stress_energy,
    t,
)
from tests.lattice.systems import DT, membrane, oscillator, rough_wave, transport

x, y = sp.symbols("x y", real=True)


def wave(boundary: str = "periodic") -> System:
    """Damped phi^4: channels apart, the plainest layer."""
    grid = Lattice(x, y, boundary=boundary)
    phi = Field("phi", grid)
    pi = momentum(phi)
    c2, m2 = Param("c2", per="channel", positive=True), Param("m2", per="channel", nonnegative=True)
    lam, gamma = Param("lam", per="channel"), Param("gamma", per="channel", nonnegative=True)
    return System(
        name="wave",
        domain=grid,
        lagrangian=phi.diff(t) ** 2 / 2 - c2 * grad(phi).square / 2 - m2 * phi**2 / 2 - lam * phi**4 / 4,
        bracket=lambda F, G: F[phi] * G[pi] - F[pi] * G[phi],
        metric=lambda F, G: gamma * F[pi] * G[pi],
        integrator=Strang(steps=3, dt=DT),
        readout=stress_energy(),
    )


def driven(boundary: str) -> System:
    """A source and a learned map at every site, a conductivity read at neighbours, and no momentum."""
    grid = Lattice(x, y, boundary=boundary)
    u = Field("u", grid)
    kappa, s = Input("kappa", grid, positive=True), Input("s", grid)
    a, k = Param("a", per="site"), Param("k", positive=True)
    return System(
        name="driven", domain=grid, fields=(u,),
        hamiltonian=kappa * grad(u).square / 2 + k * u**2 / 2 - s * u + a * sp.tanh(u),
        metric=Dissipation((1, lambda F: F[u])), integrator=ExplicitEuler(steps=3, dt=DT),
    )  # fmt: skip


def rotating(block: int | None, boundary: str = "zero") -> System:
    """A wave whose momenta turn among the channels of a block."""
    grid = Lattice(x, y, boundary=boundary)
    phi = Field("phi", grid)
    pi = momentum(phi)
    c2 = Param("c2", per="channel", positive=True)
    gamma = Param("gamma", per="channel", nonnegative=True)
    B = Param("B", shape=("C", "C"), block=block, antisymmetric=True)
    return System(
        name="rotating",
        domain=grid,
        lagrangian=phi.diff(t) ** 2 / 2 - c2 * grad(phi).square / 2 - phi**4 / 4,
        bracket=lambda F, G: F[phi] * G[pi] - F[pi] * G[phi] + F[pi] * mix(B, G[pi]),
        metric=lambda F, G: gamma * F[pi] * G[pi],
        integrator=Strang(steps=2, dt=DT),
        readout=stress_energy(normalise="amplitude"),
    )


def transcendental() -> System:
    """Numbers that no float32 holds, used so often that they get names."""
    grid = Lattice(x, boundary="periodic")
    u = Field("u", grid)
    k = Param("k", per="channel", positive=True)
    return System(
        name="transcendental", domain=grid, fields=(u,),
        hamiltonian=sp.cos(u) * k / sp.pi + u**4 * k / sp.pi + u.diff(x) ** 2 / (2 * sp.pi),
        metric=Dissipation((1 / sp.pi, lambda F: F[u])), integrator=ExplicitEuler(steps=3, dt=DT),
    )  # fmt: skip


def composed(boundary: str, order: int = 4) -> System:
    """A nonlinear wave of one axis in substeps that go forwards and back."""
    line = Lattice(x, boundary=boundary)
    phi, lam = Field("phi", line), Param("lam", per="channel", nonnegative=True)
    return System(
        name="composed", domain=line,
        lagrangian=phi.diff(t) ** 2 / 2 - (1 + phi**2) * grad(phi).square / 2 - lam * phi**4 / 4,
        integrator=Composed(Strang(steps=2, dt=DT), order=order), readout=stress_energy(),
    )  # fmt: skip


def on_chip_systems() -> dict[str, System]:
    """Every boundary, rank, kind of argument and statement of the fused kernels."""
    found = {f"wave-{b}": wave(b) for b in ("periodic", "zero", "neumann")}
    found |= {f"driven-{b}": driven(b) for b in ("periodic", "zero", "neumann")}
    found |= {f"transport-{b}": transport(b) for b in ("periodic", "neumann")}
    found |= {"membrane-zero": membrane("zero"), "oscillator": oscillator(Leapfrog(steps=2, dt=DT))}
    found |= {"transcendental": transcendental()}
    found |= {"composed-zero": composed("zero")}
    found |= {"rotating-2": rotating(2), "rotating-all": rotating(None, "periodic")}
    return found | {"rough-neumann": rough_wave("neumann", Strang(steps=2, dt=DT))}
