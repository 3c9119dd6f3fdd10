"""Systems with a declared network: what holds for all weights, and the step written out for those that were drawn."""

from __future__ import annotations

import torch
from torch import Tensor

from tests.gallery.cells import C, jacobian
from tests.gallery.flows import descends
from tests.gallery.layers import layer, near, rough


def _sum(weights: Tensor, x: Tensor, act, gains: int = 0) -> Tensor:
    """sum_j gain_j weight_j^gains act(bias_j + weight_j x) of every channel."""
    w, b, g = (weights[:, :, i].reshape(1, weights.shape[0], *[1] * (x.dim() - 2), -1) for i in range(3))
    return (g * w**gains * act(b + w * x.unsqueeze(-1))).sum(-1)


def network_potential() -> None:
    """The energy falls; the step of the damped field with V' written out here."""
    phi, pi = rough(2, 3, 6, 5, seed=1, size=0.5), rough(2, 3, 6, 5, seed=2, size=0.5)
    made = layer("network_potential", channels=3, steps=5, dt=0.1, gamma=[0.1, 0.2, 0.3])
    end = made(phi, pi)
    longer = layer("network_potential", channels=3, steps=20, dt=0.05, gamma=[0.5, 0.5, 0.5])
    descends(longer, longer(phi, pi))
    weights = made.V.detach()
    decay = torch.exp(-0.1 * torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64))[:, None, None]

    def force(u: Tensor) -> Tensor:
        slope = _sum(weights, u, lambda z: 1 - torch.tanh(z) ** 2, 1)
        return sum(torch.roll(u, s, d) - u for s in (1, -1) for d in (2, 3)) - slope

    for _ in range(5):
        phi = phi + 0.05 * pi
        pi = decay * (pi + 0.05 * force(phi)) + 0.05 * force(phi)
        phi = phi + 0.05 * pi
    near(end.phi, phi, 1e-12)
    near(end.pi, pi, 1e-12)


def network_mobility() -> None:
    """Mass is kept and the free energy falls; without gains the mobility is one number: the Cahn-Hilliard equation."""
    u = rough(2, 2, 6, 5, size=0.3)
    made = layer("network_mobility", channels=2, dt=0.005)
    end = descends(made, made(u))
    near(end.u.sum((2, 3)), u.sum((2, 3)), 1e-12)
    one = torch.log(torch.expm1(torch.ones((), dtype=torch.float64)))
    constant = layer("network_mobility", channels=2, M=torch.zeros(1, 16, 3), M_offset=one)
    near(constant(u).u, layer("cahn_hilliard", channels=2)(u).u, 1e-12)


def generative_network() -> None:
    """The roll-out can be run backwards, and keeps the energy and the volume."""
    K = rough(C, C, size=0.3)
    q, p = rough(2, C, seed=1), rough(2, C, seed=2)
    made = layer("generative_network", channels=C, steps=50, dt=0.05, K=K + K.T)
    end = made(q, p)
    near(made(end.q, -end.pi).q, q, 1e-12)
    near(made.energy(end), made.energy(type(end)(q, p)), 5e-3)
    near(jacobian(made, q[:1], p[:1]).det(), 1.0, 1e-11)


CHECKS = (network_potential, network_mobility, generative_network)
