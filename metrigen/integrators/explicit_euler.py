"""Explicit Euler: z1 = z0 + h f(t, z0). The baseline; on a field mode it needs h <= gamma / w_max^2.

At a temperature T it is the method of Euler and Maruyama,

    z1 = z0 + h (f(t, z0) + T div M(z0)) + sqrt(2 T h M(z0)) xi        xi standard normal, M diagonal

of order 1 for averages, and for those of exp(-H/T) in the long run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import sympy as sp

from metrigen.discretise.dynamics import Builder, Dynamics, RightHandSide
from metrigen.discretise.noise import ito
from metrigen.integrators.base import TimeStepper
from metrigen.ir.nodes import Program
from metrigen.physics.derivation import Derivation
from metrigen.physics.limits import VonNeumann


@dataclass(frozen=True)
class ExplicitEuler(TimeStepper):
    """z1 = z0 + h f(t, z0), t the time at the beginning of the step."""

    order: ClassVar[int] = 1
    keeps: ClassVar[str] = "linear Casimirs"
    edges: ClassVar[bool] = True
    fluctuates: ClassVar[bool] = True

    def check(self, derivation: Derivation) -> None:
        """Any right-hand side."""

    def step_limit(self, analysis: VonNeumann) -> sp.Expr | None:
        """h r <= 2 for a decay; an undamped oscillation grows at any h."""
        return analysis.decaying(sp.Integer(2))

    def kept(self, derivation: Derivation) -> str:
        if derivation.system.temperature is None:
            return self.keeps
        return "the noise of the metric in mean and variance, as Euler-Maruyama: averages of exp(-H/T) to order dt"

    def step(self, dynamics: Dynamics) -> Program:
        builder = Builder(dynamics)
        state = dynamics.values
        rates = RightHandSide.of(dynamics).at(builder, state, dynamics.time)
        ends = {name: state[name] + self.dt * rate for name, rate in rates.items()}
        if dynamics.noise:
            for name, (drift, kick) in ito(dynamics, builder, state, self.dt).items():
                ends[name] += self.dt * drift + kick
        return builder.finish(ends)
