"""A discrete gradient g, for which g . (z1 - z0) = H1 - H0 exactly, written without a difference of energies.

    bracket, metric without entropy    d = h (J - M)(zbar) dg H                 dH = -h dg H . M dg H <= 0 for every h
    bracket, metric and entropy        d = h (Q J Q dg H + P M P dg S)(zbar)    dH = 0, dS = h P dg S . M P dg S >= 0

with d = z1 - z0 and the projections P = 1 - g g^T/|g|^2 along g = dg H and Q along dg S, so that P M P dg H = 0 and
Q J Q dg S = 0 hold for the discrete gradients as M dH = 0 and J dS = 0 do for the exact ones; where these hold, P and Q
change nothing that the order sees. The products are sums over a plane (over a sample where channels are coupled).

dg H is ``passes.secant``: the difference quotients of the density of the lattice, term by term, in closed form. It
cancels nothing, so what is kept is kept to rounding at every amplitude and step; of a quadratic H it is dH(zbar).

With explicit time H, S, J and M are those of t + h/2: a step keeps H(t + h/2, .), and S(t + h/2, .) never falls.

References: O. Gonzalez (1996), Time integration and discrete Hamiltonian systems; H. C. Oettinger (2018),
GENERIC integrators: structure preserving time integration for thermodynamic systems.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

import sympy as sp

from metrigen.discretise.dynamics import Builder, Dynamics, RightHandSide
from metrigen.integrators.base import TimeStepper, at_mid_time
from metrigen.integrators.implicit import check_arrays, solved, starts, step_equation
from metrigen.ir.implicit import SiteSum
from metrigen.ir.nodes import Load, Program
from metrigen.ir.queries import couples_channels
from metrigen.ir.secants import ratio
from metrigen.passes.quotients import BEGIN, END, MIDDLE, at
from metrigen.passes.secant import secant
from metrigen.passes.vary import bar
from metrigen.physics.derivation import Derivation

Covector = Mapping[str, Load]


@dataclass(frozen=True)
class DiscreteGradient(TimeStepper):
    """z1 - z0 = h (Jbar dg H - Mbar dg H), or h (Jbar dg H + Mbar dg S)."""

    order: ClassVar[int] = 2
    symmetric: ClassVar[bool] = True
    implicit: ClassVar[bool] = True
    keeps: ClassVar[str] = (
        "energy to rounding, for every J and every h (a metric without entropy lowers it); with an entropy, which "
        "never falls, as well"
    )
    restores: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            "lattice_energy": "a step removes from M what would change the energy, so that it keeps the energy",
            "lattice_entropy_degeneracy": "a step removes from J what would change the entropy, so that it never falls",
        }
    )

    def check(self, derivation: Derivation) -> None:
        """Any system without learned functions."""
        check_arrays(derivation)

    def kept(self, derivation: Derivation) -> str:
        return at_mid_time(self.keeps, derivation)

    def step(self, dynamics: Dynamics) -> Program:
        inside, equations = Builder(dynamics), RightHandSide.of(dynamics)
        segment = _Segment.of(inside, equations, dynamics.time + self.dt / 2)
        gradients = {generator: segment.gradient(generator) for generator in equations.gradients}
        defects = {name: segment.end[name] - segment.begin[name] for name in segment.begin}
        for operator, generator, sign in equations.parts:
            covector, other = gradients[generator], gradients.get({"H": "S", "S": "H"}[generator])
            if other is not None:
                covector = segment.projected(covector, other)
            rows: Covector = equations.image(inside, operator, segment.middle, covector, segment.time)
            if other is not None:
                rows = segment.projected(rows, other)
            defects = {name: defects[name] - sign * self.dt * rows[name] for name in rows}
        builder = Builder(dynamics)
        equation = step_equation(inside, "discrete_gradient", defects)
        return builder.finish(solved(builder, equation, segment.end))


@dataclass(frozen=True)
class _Segment:
    """The way from z0 to z1, the unknown of the equation that is being written, at one moment."""

    builder: Builder
    equations: RightHandSide
    begin: Covector
    end: Covector
    middle: Covector
    time: sp.Expr
    coupled: bool

    @classmethod
    def of(cls, builder: Builder, equations: RightHandSide, time: sp.Expr) -> _Segment:
        dynamics = equations.dynamics
        begin, end = starts(dynamics), dynamics.values
        middle = {name: builder.map(f"{name}__middle", (begin[name] + end[name]) / 2) for name in begin}
        programs = [*equations.gradients.values(), *(operator for operator, _, _ in equations.parts)]
        coupled = couples_channels(*programs)
        return cls(builder, equations, begin, end, middle, time, coupled)

    def gradient(self, generator: str) -> dict[str, Load]:
        """dg H or dg S."""
        dynamics, derivation = self.equations.dynamics, self.equations.dynamics.derivation
        part = "hamiltonian" if generator == "H" else "entropy"
        density = derivation.hamiltonian if generator == "H" else derivation.system.entropy
        assert density is not None
        functional = dynamics.lowering.functional(generator, density, part)
        program = secant(functional, tuple(self.begin), len(dynamics.origin), part)
        places = {BEGIN: self.begin, END: self.end, MIDDLE: self.middle}
        ends = {at(name, place): load for place, state in places.items() for name, load in state.items()}
        slopes = self.builder.call(program, ends, self.time)
        return {name: slopes[bar(name)] for name in self.begin}

    def projected(self, vector: Covector, along: Covector) -> dict[str, Load]:
        """The part of a vector that is orthogonal to another."""
        square = self.sum("square", sp.Add(*(load**2 for load in along.values())))
        product = self.sum("product", sp.Add(*(vector[n] * along[n] for n in vector)))
        share = self.builder.map("share", ratio(product, square))
        return {n: self.builder.map(f"{n}__projected", vector[n] - share * along[n]) for n in vector}

    def sum(self, name: str, expr: sp.Expr) -> Load:
        """The sum over the sites of a plane, and over the channels where they are coupled."""
        term = self.builder.map(name, expr)
        out = self.builder.fresh(name)
        self.builder.body.append(SiteSum(out, term.array, self.coupled))
        return self.builder.dynamics.load(out)
