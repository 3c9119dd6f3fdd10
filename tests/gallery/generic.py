"""The two-generator systems of the gallery: the energy is constant, the entropy grows, and known solutions."""

from __future__ import annotations

import math

import torch

from tests.gallery.fields import laplace, mode
from tests.gallery.layers import layer, near, point, rough


def both_laws(made, start: tuple[torch.Tensor, ...], tolerance: float, calls: int = 5):
    """Call the layer over and over: relative energy drift below ``tolerance``, entropy up every time."""
    state, first = start, None
    for _ in range(calls):
        after = made(*state)
        first = made.energy(type(after)(*start)) if first is None else first
        assert (made.entropy(after) > made.entropy(type(after)(*state))).all()
        near(made.energy(after) / first, 1.0, tolerance)
        state = after
    return state


def oscillator_heat() -> None:
    """q follows the damped oscillator, and its energy turns into heat."""
    gamma, time = 0.4, 3.0
    made = layer("oscillator_heat", steps=150, dt=time / 150, gamma=gamma, k=1.2, c=2.0)
    w = math.sqrt(1.2 - gamma**2 / 4)
    exact = math.exp(-gamma * time / 2) * (math.cos(w * time) + gamma / (2 * w) * math.sin(w * time))
    near(made(*point(1.0, 0.0, 0.5)).q, exact, 1e-7)
    end = both_laws(made, point(1.0, 0.0, 0.5), 1e-7, calls=20)
    near(end.e, 0.5 + 0.6, 1e-6)


def heated_pendulum() -> None:
    """A small swing is the damped oscillator; on a large one the total energy stays, however strong the drag."""
    gamma, time = 0.4, 3.0
    made = layer("heated_pendulum", steps=300, dt=time / 300, gamma=gamma)
    w = math.sqrt(1 - gamma**2 / 4)
    exact = math.exp(-gamma * time / 2) * (math.cos(w * time) + gamma / (2 * w) * math.sin(w * time))
    near(made(*point(1e-3, 0.0, 0.0)).q / 1e-3, exact, 1e-4)
    both_laws(layer("heated_pendulum", steps=8, dt=0.05, gamma=5.0), point(2.0, 0.0, 0.0), 1e-3, calls=20)


def heat_exchange() -> None:
    """The difference of temperatures decays at the rate kappa (1/c1 + 1/c2)."""
    made = layer("heat_exchange", steps=20, dt=0.05, kappa=0.5, c1=1.0, c2=2.0)
    end = made(*point(3.0, 1.0))
    near(end.e1 - end.e2 / 2, (3.0 - 0.5) * math.exp(-0.75), 1e-7)
    both_laws(made, point(3.0, 1.0), 1e-14)


def heat_conduction() -> None:
    """A ripple decays as exp(-kappa k^2 t), up to the order of the stencil; the energy is kept to rounding."""
    k = math.pi / 16
    wave = torch.cos(k * (torch.arange(16).double() + 0.5))[None, None]
    made = layer("heat_conduction", steps=20, dt=0.1, kappa=0.8)
    near((made(1 + 1e-6 * wave).e - 1) * 1e6, wave * math.exp(-1.6 * laplace(k)), 1e-5)
    both_laws(made, (1 + rough(1, 1, 8).abs(),), 1e-13)


def gas_piston() -> None:
    """With the piston at rest in the middle and equal gases nothing moves; elsewhere both laws hold."""
    made = layer("gas_piston", steps=100, dt=0.02)
    rest = point(1.0, 0.0, 0.3, 0.3)
    near(torch.cat(made(*rest)), torch.cat(rest), 1e-12)
    both_laws(made, point(0.8, 0.1, 0.2, 0.5), 1e-7)


def thermo_wave() -> None:
    """The wave dies out and heats its medium evenly."""
    made = layer("thermo_wave", steps=40, dt=0.1)
    start = rough(1, 1, 5, 4, size=0.5), rough(1, 1, 5, 4, seed=1, size=0.5), 1 + rough(1, 1, 5, 4, seed=2).abs()
    end = both_laws(made, start, 1e-4)
    assert end.pi.square().mean() < start[1].square().mean() / 5
    assert end.e.std() < start[2].std() / 5


def viscoelastic_oscillator() -> None:
    """Spring and dashpot come to rest at zero; all their energy has become heat."""
    end = both_laws(layer("viscoelastic_oscillator", steps=400, dt=0.05), point(1.0, 0.0, 0.0, 1.0), 1e-6, calls=3)
    near(torch.cat(end[:3]), 0.0, 1e-5)
    near(end.e, 1 + 0.5 + 0.5, 1e-5)


def relaxing_rigid_body() -> None:
    """The body ends turning about its axis of largest inertia, at the energy it had."""
    made = layer("relaxing_rigid_body", steps=100, dt=0.05)
    start = point(0.9, 0.5, 0.2)
    energy = 0.81 / 2 + 0.25 / 4 + 0.04 / 6
    end = both_laws(made, start, 1e-5, calls=8)
    near(end.L3.abs(), math.sqrt(6 * energy), 1e-3)


def navier_stokes() -> None:
    """Viscosity damps a sound wave: mass constant, entropy up, the motion slower; the energy is constant up to the
    order of the stencil, which differentiates m/rho by the chain rule that the lattice does not have."""
    _, wave = mode(16, 1)
    made = layer("navier_stokes", steps=40, dt=0.05, mu=0.5, kappa=0.3)
    start = 1 + 0.1 * wave, 0.2 * wave, 0.1 * wave
    end = both_laws(made, start, 1e-4)
    near(end.rho.sum(), start[0].sum(), 1e-12)
    near(end.m.sum(), start[1].sum(), 1e-2)
    assert end.m.abs().max() < 0.2


CHECKS = (
    oscillator_heat, heated_pendulum, heat_exchange, heat_conduction, gas_piston, thermo_wave, viscoelastic_oscillator,
    relaxing_rigid_body, navier_stokes,
)  # fmt: skip
