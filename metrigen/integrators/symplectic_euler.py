"""Symplectic Euler: kick, then drift; keeps a modified energy, stable for h w_max < 2."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from metrigen.integrators.base import TimeStepper
from metrigen.integrators.dynamics import Dynamics
from metrigen.integrators.separable import Flows
from metrigen.ir.nodes import Program


@dataclass(frozen=True)
class SymplecticEuler(TimeStepper):
    """p -= h V'(q); q += h T'(p)."""

    order: ClassVar[int] = 1
    keeps: ClassVar[str] = "symplectic form, linear and bilinear momentum maps"

    def step(self, dynamics: Dynamics) -> Program:
        flows = Flows.of(dynamics)
        flows.kick(flows.force(), self.dt)
        flows.drift(self.dt)
        return flows.builder.finish(flows.state)
