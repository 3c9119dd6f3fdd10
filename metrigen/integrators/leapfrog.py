"""Leapfrog (Verlet, drift-kick-drift) for a separable Hamiltonian without friction; stable for h w_max <= 2."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from metrigen.integrators.base import TimeStepper
from metrigen.integrators.dynamics import Dynamics
from metrigen.integrators.separable import Flows
from metrigen.ir.nodes import Program


@dataclass(frozen=True)
class Leapfrog(TimeStepper):
    """q += h/2 T'(p); p -= h V'(q); q += h/2 T'(p)."""

    order: ClassVar[int] = 2
    symmetric: ClassVar[bool] = True
    keeps: ClassVar[str] = "symplectic form, time reversal, linear and bilinear momentum maps"

    def step(self, dynamics: Dynamics) -> Program:
        flows = Flows.of(dynamics)
        flows.drift(self.dt / 2)
        flows.kick(flows.force(), self.dt)
        flows.drift(self.dt / 2)
        return flows.builder.finish(flows.state)
