"""The implicit midpoint rule: the Gauss method of one stage.

A quadratic invariant Q = z.C z/2 obeys Q1 - Q0 = zbar.C (z1 - z0) = h zbar.C f(zbar) = 0. For a constant J the step is
a Poisson map. It is its own inverse with h -> -h, and stable for every h on a linear system.

Reference: E. Hairer, C. Lubich, G. Wanner (2006), Geometric Numerical Integration, sections IV.2 and VI.4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from metrigen.discretise.dynamics import Builder, Dynamics, RightHandSide
from metrigen.integrators.base import TimeStepper
from metrigen.integrators.implicit import check_arrays, solved, starts, step_equation
from metrigen.ir.nodes import Program
from metrigen.physics.derivation import Derivation


@dataclass(frozen=True)
class ImplicitMidpoint(TimeStepper):
    """zbar = z0 + h/2 f(t + h/2, zbar), z1 = 2 zbar - z0."""

    order: ClassVar[int] = 2
    symmetric: ClassVar[bool] = True
    implicit: ClassVar[bool] = True
    keeps: ClassVar[str] = "quadratic invariants, among them quadratic Casimirs; symplectic for constant J; reversible"

    def check(self, derivation: Derivation) -> None:
        """Any system, learned functions as far as the spec declares them."""
        check_arrays(derivation, quotients=False)

    def step(self, dynamics: Dynamics) -> Program:
        inside = Builder(dynamics)
        middle = dynamics.values
        rates = RightHandSide.of(dynamics).at(inside, middle, dynamics.time + self.dt / 2)
        begin = starts(dynamics)
        defects = {name: middle[name] - begin[name] - self.dt * rate / 2 for name, rate in rates.items()}
        builder = Builder(dynamics)
        found = solved(builder, step_equation(inside, "midpoint", defects), middle)
        return builder.finish({name: 2 * found[name] - middle[name] for name in found})
