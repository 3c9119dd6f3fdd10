"""The average vector field method, with the operators at the midpoint where they depend on the state.

    z1 - z0 = h (J - M)(zbar) int_0^1 dH(z0 + s (z1 - z0)) ds

The average times z1 - z0 is H1 - H0, so H1 - H0 = -h g.M g with g the average: H is exact for a skew J, and never
rises with a metric, for every h. The average is that of ``integrators.averages``: in closed form, or a quadrature that
is exact for polynomials; what a quadrature leaves of another H, it leaves of the energy.

With explicit time both are taken at t + h/2: H(t + h/2, z1) = H(t + h/2, z0) for a skew J, so that H moves by its own
dependence on the time alone.

References: G. Quispel, D. McLaren (2008), A new class of energy-preserving numerical integration methods;
D. Cohen, E. Hairer (2011), Linear energy-preserving integrators for Poisson systems.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import sympy as sp

from metrigen.discretise.arrays import dynamics as lattice_dynamics
from metrigen.discretise.dynamics import Builder, Dynamics, RightHandSide
from metrigen.integrators.averages import ANALYTIC, average, averaged
from metrigen.integrators.base import TimeStepper, at_mid_time
from metrigen.integrators.implicit import check_arrays, solved, starts, step_equation
from metrigen.ir.nodes import Program
from metrigen.physics.derivation import Derivation
from metrigen.physics.preconditions import unfit
from metrigen.spec.functions import choose, whole

_KINKS = (sp.Abs, sp.Max, sp.Min, sp.sign, sp.Heaviside, sp.Piecewise, sp.floor, sp.ceiling, choose, whole)


@dataclass(frozen=True)
class AverageVectorField(TimeStepper):
    """z1 = z0 + h (J - M)(zbar) int_0^1 dH(z0 + s (z1 - z0)) ds."""

    order: ClassVar[int] = 2
    symmetric: ClassVar[bool] = True
    implicit: ClassVar[bool] = True
    keeps: ClassVar[str] = (
        "energy to rounding, for every skew J and every h (a metric lowers it); linear Casimirs of constant J"
    )

    def check(self, derivation: Derivation) -> None:
        """A smooth H without learned functions, and no entropy."""
        check_arrays(derivation)
        kinks = sorted({f.func.__name__ for f in derivation.hamiltonian.atoms(*_KINKS)})
        if kinks:
            why = f"the average of dH over a step is a quadrature, which is not exact across the kink of {kinks[0]}"
            raise unfit(derivation, why, "DiscreteGradient, which has the exact difference quotient of a kink")
        if derivation.system.entropy is not None:
            raise unfit(
                derivation,
                "with an entropy the energy is kept by M dH = 0, which the average of dH does not obey with M at zbar",
                "DiscreteGradient builds M from its discrete gradient: H to rounding, S never falls",
            )

    def step(self, dynamics: Dynamics) -> Program:
        inside, equations = Builder(dynamics), RightHandSide.of(dynamics)
        begin, end = starts(dynamics), dynamics.values
        middle = {name: inside.map(f"{name}__middle", (begin[name] + end[name]) / 2) for name in begin}
        time = dynamics.time + self.dt / 2
        slope = average(inside, averaged(dynamics, dynamics.derivation.hamiltonian), begin, end, middle, time)
        defects = {name: end[name] - begin[name] for name in begin}
        for operator, _, sign in equations.parts:
            rows = equations.image(inside, operator, middle, slope, time)
            defects = {name: defects[name] - sign * self.dt * rows[name] for name in begin}
        builder = Builder(dynamics)
        return builder.finish(solved(builder, step_equation(inside, "average", defects), end))

    def kept(self, derivation: Derivation) -> str:
        keeps = at_mid_time(self.keeps, derivation)
        if not averaged(lattice_dynamics(derivation), derivation.hamiltonian).rest:
            return keeps
        return (
            f"{keeps}; the energy up to the error of a quadrature with {ANALYTIC} nodes, as H on the lattice is "
            "neither a polynomial nor a sum of functions of one affine combination of the state each: 1.7e-23 |dz|^16 "
            "of a derivative of order 17 of H where it is smooth over a step (DiscreteGradient keeps it to rounding)"
        )
