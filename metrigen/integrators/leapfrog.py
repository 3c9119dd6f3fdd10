"""Leapfrog (Verlet, drift-kick-drift) for a separable Hamiltonian without friction; stable for h w_max <= 2."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import sympy as sp

from metrigen.discretise.dynamics import Dynamics
from metrigen.integrators.base import TimeStepper
from metrigen.integrators.separable import Flows, check_drift_and_kick
from metrigen.ir.nodes import Program
from metrigen.physics.derivation import Derivation
from metrigen.physics.limits import VonNeumann


@dataclass(frozen=True)
class Leapfrog(TimeStepper):
    """q += h/2 T'(p); p -= h V'(q); q += h/2 T'(p), all at the time t + h/2 in the middle of the step."""

    order: ClassVar[int] = 2
    symmetric: ClassVar[bool] = True
    keeps: ClassVar[str] = "symplectic form, time reversal, linear and bilinear momentum maps"

    def check(self, derivation: Derivation) -> None:
        """H = T(p) + V(q) with a canonical bracket, and no metric."""
        check_drift_and_kick(derivation)

    def step_limit(self, analysis: VonNeumann) -> sp.Expr | None:
        """h w <= 2."""
        return analysis.oscillating(sp.Integer(2))

    def step(self, dynamics: Dynamics) -> Program:
        flows = Flows.of(dynamics, dynamics.time + self.dt / 2)
        flows.drift(self.dt / 2)
        flows.kick(flows.force(), self.dt)
        flows.drift(self.dt / 2)
        return flows.builder.finish(flows.state)
