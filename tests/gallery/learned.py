"""Systems with a learned function: what holds for any module, and the explicit system for a module in closed form."""

from __future__ import annotations

import torch

from tests.gallery.flows import descends
from tests.gallery.layers import layer, near, rough
from tests.modules import Closed, Network, quartic


def learned_potential() -> None:
    """The energy falls for any V; with the potential of the damped phi^4 field its step, written out here."""
    phi, pi = rough(2, 3, 6, 5, seed=1, size=0.5), rough(2, 3, 6, 5, seed=2, size=0.5)
    made = layer("learned_potential", channels=3, steps=5, dt=0.1, gamma=[0.1, 0.2, 0.3], V=quartic(0.3, 0.5))
    end = made(phi, pi)
    decay = torch.exp(-0.1 * torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64))[:, None, None]

    def force(u: torch.Tensor) -> torch.Tensor:
        return sum(torch.roll(u, s, d) - u for s in (1, -1) for d in (2, 3)) - 0.3 * u - 0.5 * u**3

    for _ in range(5):
        phi = phi + 0.05 * pi
        pi = decay * (pi + 0.05 * force(phi)) + 0.05 * force(phi)
        phi = phi + 0.05 * pi
    near(end.phi, phi, 1e-12)
    near(end.pi, pi, 1e-12)
    made = layer("learned_potential", channels=3, steps=20, dt=0.05, gamma=[0.5, 0.5, 0.5], V=Network(seed=3))
    descends(made, made(phi, pi))


def learned_mobility() -> None:
    """Mass is kept and the free energy falls for any M; a constant one gives the Cahn-Hilliard equation."""
    u = rough(2, 2, 6, 5, size=0.3)
    made = layer("learned_mobility", channels=2, dt=0.005, M=Network(seed=2))
    end = descends(made, made(u))
    near(end.u.sum((2, 3)), u.sum((2, 3)), 1e-12)
    constant = layer("learned_mobility", channels=2, M=Closed(lambda u, a: 0 * u + torch.log(torch.expm1(a)), 1.0))
    near(constant(u).u, layer("cahn_hilliard", channels=2)(u).u, 1e-12)


CHECKS = (learned_potential, learned_mobility)
