"""The implicit methods, and the systems that they are tried on."""

from __future__ import annotations

import sympy as sp
import torch

from metrigen import AverageVectorField, DiscreteGradient, Dissipation, Field, ImplicitMidpoint, Lattice, System, grad
from tests.integrators.systems import DT, POINT, coupled_wave, gallery, hot_wave, quartic, wells, x

METHODS = {"midpoint": ImplicitMidpoint, "average": AverageVectorField, "gonzalez": DiscreteGradient}
MECHANICS = ("pendulum", "rigid_body", "heavy_top", "lotka_volterra")
ENTROPIC = ("gas_piston", "relaxing_rigid_body", "thermo_wave")


def systems() -> dict[str, System]:
    found: dict[str, System] = {}
    for name, method in METHODS.items():
        one = method(steps=1, dt=DT)
        found[f"quartic-{name}"] = quartic(one)
        found |= {f"{system}-{name}": gallery(system, one) for system in MECHANICS}
        found |= {f"wave_{b}-{name}": coupled_wave(b, one) for b in ("periodic", "neumann")}
        found[f"wells-{name}"] = wells(one)
        found[f"conservative-{name}"] = coupled_wave("zero", one, damped=False)
        found[f"riccati-{name}"] = riccati(one)
        found[f"harmonic-{name}"] = harmonic(one)
    found |= {f"{s}-{n}": gallery(s, METHODS[n](1, DT)) for s in ENTROPIC for n in ("midpoint", "gonzalez")}
    found["hot_wave-gonzalez"] = hot_wave("neumann", DiscreteGradient(1, DT))
    found["hot_harmonic-gonzalez"] = harmonic(DiscreteGradient(1, DT), hot=True)
    return found


def harmonic(integrator: object, hot: bool = False) -> System:
    """A wave whose stiffness depends on the state and has a harmonic mean on the edges, so that a polynomial H is a
    rational function on the lattice; ``hot``: with friction that heats."""
    line = Lattice(x, boundary="periodic", average="harmonic")
    q, p, s = (Field(name, line) for name in "qps")
    energy, canonical = p**2 / 2 + (1 + q**2 / 4) * grad(q).square / 2, lambda F, G: F[q] * G[p] - F[p] * G[q]
    if not hot:
        return System("harmonic", line, (q, p), hamiltonian=energy, bracket=canonical, integrator=integrator)
    T = sp.exp(s)
    return System(
        "hot_harmonic", line, (q, p, s), hamiltonian=energy + T, entropy=s, bracket=canonical,
        metric=Dissipation((T / 2, lambda F: F[p] - p / T * F[s])), integrator=integrator,
    )  # fmt: skip


def riccati(integrator: object) -> System:
    """u' = u^2, which leaves every bound at t = 1/u0: a step beyond has no solution."""
    u = Field("u", POINT)
    return System(
        "riccati", POINT, (u,), hamiltonian=-(u**3) / 3, metric=lambda F, G: F[u] * G[u], integrator=integrator
    )


STARTS = {
    "quartic": (0.8, 0.3), "pendulum": (1.5, 0.4), "rigid_body": (0.6, 1.1, -0.4), "lotka_volterra": (0.6, 1.3),
    "heavy_top": (0.3, -0.2, 1.5, 0.6, 0.0, 0.8), "gas_piston": (0.9, 0.4, 0.2, -0.1),
    "relaxing_rigid_body": (0.6, 1.1, -0.4),
}  # fmt: skip


def fields(state: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    return tuple(state[:-3])
