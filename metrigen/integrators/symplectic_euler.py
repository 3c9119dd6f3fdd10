"""Symplectic Euler: kick, then drift; keeps a modified energy, stable for h w_max < 2."""

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
class SymplecticEuler(TimeStepper):
    """p -= h V'(q); q += h T'(p), both at the time t at which the step begins."""

    order: ClassVar[int] = 1
    keeps: ClassVar[str] = "symplectic form, linear and bilinear momentum maps"

    def check(self, derivation: Derivation) -> None:
        """H = T(p) + V(q) with a canonical bracket, and no metric."""
        check_drift_and_kick(derivation)

    def step_limit(self, analysis: VonNeumann) -> sp.Expr | None:
        """h w <= 2."""
        return analysis.oscillating(sp.Integer(2))

    def step(self, dynamics: Dynamics) -> Program:
        flows = Flows.of(dynamics, dynamics.time)
        flows.kick(flows.force(), self.dt)
        flows.drift(self.dt)
        return flows.builder.finish(flows.state)
