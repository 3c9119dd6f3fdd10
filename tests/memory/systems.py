"""Small systems that compile in a moment, and what a spawned worker does with their layers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sympy as sp

from metrigen import Field, Lattice, Leapfrog, Param, Strang, System, energy_density, momentum, t


def oscillator(
    *, name: str = "osc", init: float = 1.0, steps: int = 2, dt: Any = 0.1, per: str = "scalar", power: int = 2,
    damping: float = 0.0, boundary: str = "periodic",
) -> System:  # fmt: skip
    """q'' = -w2 q^(power - 1) - damping q', on no axes."""
    grid = Lattice(boundary=boundary)
    q = Field("q", grid)
    w2 = Param("w2", per=per, positive=True, init=init)
    return System(
        name=name,
        domain=grid,
        lagrangian=q.diff(t) ** 2 / 2 - w2 * q**power / power,
        bracket=lambda F, G: F[q] * G[momentum(q)] - F[momentum(q)] * G[q],
        metric=(lambda F, G: damping * F[momentum(q)] * G[momentum(q)]) if damping else None,
        integrator=Strang(steps=steps, dt=dt) if damping else Leapfrog(steps=steps, dt=dt),
        readout=energy_density(),
    )


def wave(axes: int = 1) -> System:
    """phi_tt = c2 phi_xx."""
    grid = Lattice(*sp.symbols("x y z", real=True)[:axes])
    phi = Field("phi", grid)
    c2 = Param("c2", per="channel", positive=True, init=1.0)
    density = phi.diff(t) ** 2 / 2 - c2 * sum(phi.diff(x) ** 2 for x in grid.axes) / 2
    return System("wave", grid, lagrangian=density, integrator=Leapfrog(steps=2, dt=0.1), readout=energy_density())


@dataclass(frozen=True)
class Own(Leapfrog):
    """A method that is not of metrigen."""


def moved(job: tuple[Any, Any]) -> Any:
    """What a worker does: a layer and a state, both pickled."""
    made, state = job
    return made(state).detach()


class Drawn:
    """A data set whose samples are states of a layer."""

    def __init__(self, made: Any) -> None:
        self.made = made

    def __len__(self) -> int:
        return 2

    def __getitem__(self, i: int) -> Any:
        import torch

        return self.made(torch.full((1, 1), float(i))).detach()


CHANGES: tuple[Callable[[], System], ...] = (
    lambda: oscillator(name="other"),
    lambda: oscillator(init=2.0),
    lambda: oscillator(steps=3),
    lambda: oscillator(dt=0.2),
    lambda: oscillator(dt=Param("dt", positive=True, init=0.1)),
    lambda: oscillator(dt=Param("dt", positive=True, init=0.1, below=1.0)),
    lambda: oscillator(per="channel"),
    lambda: oscillator(power=4),
    lambda: oscillator(damping=0.1),
    lambda: oscillator(damping=0.2),
    lambda: oscillator(boundary="zero"),
)
