"""The classical Runge-Kutta method of order 4: the non-geometric baseline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import sympy as sp

from metrigen.discretise.dynamics import Builder, Dynamics, RightHandSide
from metrigen.integrators.base import TimeStepper
from metrigen.ir.nodes import Program
from metrigen.physics.derivation import Derivation
from metrigen.physics.limits import VonNeumann


@dataclass(frozen=True)
class RK4(TimeStepper):
    """k1 = f(t, z), k2 = f(t + h/2, z + h k1/2), k3 = f(t + h/2, z + h k2/2), k4 = f(t + h, z + h k3);
    z += h (k1 + 2 k2 + 2 k3 + k4)/6."""

    order: ClassVar[int] = 4
    keeps: ClassVar[str] = "linear Casimirs"
    edges: ClassVar[bool] = True

    def check(self, derivation: Derivation) -> None:
        """Any right-hand side."""

    def step_limit(self, analysis: VonNeumann) -> sp.Expr | None:
        """h w <= 2 sqrt(2) for an oscillation, h r <= 2.785 for a decay; not known where there are both."""
        if analysis.derivation.bracket is None:
            return analysis.decaying(sp.Rational(557, 200))
        return analysis.oscillating(2 * sp.sqrt(2)) if analysis.derivation.metric is None else None

    def step(self, dynamics: Dynamics) -> Program:
        builder, equations = Builder(dynamics), RightHandSide.of(dynamics)
        start = dynamics.values
        total: dict[str, sp.Expr] = dict.fromkeys(start, sp.S.Zero)
        at = start
        half = sp.Rational(1, 2)
        for weight, place, reach in ((1, 0, half), (2, half, half), (2, half, 1), (1, 1, None)):
            rates = equations.at(builder, at, dynamics.time + place * self.dt)
            slopes = {name: builder.map(f"{name}__k", rate) for name, rate in rates.items()}
            total = {name: total[name] + weight * slope for name, slope in slopes.items()}
            if reach is not None:
                at = {n: builder.map(f"{n}__at", start[n] + reach * self.dt * k) for n, k in slopes.items()}
        return builder.finish({name: start[name] + self.dt * total[name] / 6 for name in start})
