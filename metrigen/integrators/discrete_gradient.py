"""The midpoint discrete gradient of Gonzalez: a gradient g with g . (z1 - z0) = H1 - H0 exactly.

    dg H = dH(zbar) + [H1 - H0 - dH(zbar) . d] d / |d|^2         d = z1 - z0

    bracket, metric without entropy    d = h (J - M)(zbar) dg H                 dH = -h dg H . M dg H <= 0 for every h
    bracket, metric and entropy        d = h (Q J Q dg H + P M P dg S)(zbar)    dH = 0, dS = h P dg S . M P dg S >= 0

with the projections P = 1 - g g^T/|g|^2 along g = dg H and Q along dg S, so that P M P dg H = 0 and Q J Q dg S = 0 hold
for the discrete gradients as M dH = 0 and J dS = 0 do for the exact ones; where these hold, P and Q change nothing that
the order sees. The products are sums over a plane (over a sample where channels are coupled).

The bracket [...] of a polynomial H is taken as (average of dH - dH(zbar)) . d, which cancels nothing; that of another H
as the difference of two sums, of which a rounding of H is left when z1 is near z0.

References: O. Gonzalez (1996), Time integration and discrete Hamiltonian systems; H. C. Oettinger (2018),
GENERIC integrators: structure preserving time integration for thermodynamic systems.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

import sympy as sp

from metrigen.integrators.averages import averaged, degree, nodes
from metrigen.integrators.base import TimeStepper
from metrigen.integrators.dynamics import Builder, Dynamics, RightHandSide
from metrigen.integrators.implicit import solved, starts, step_equation
from metrigen.ir.implicit import SiteSum
from metrigen.ir.nodes import Leaf, Mix, Program, Total
from metrigen.passes.vary import bar
from metrigen.physics.jets import jets_of, to_jets

# Added to a square that may vanish: far below the square of a rounding, or of the roundings of two sums that cancel.
_TINY, _CANCELS = sp.Float("1e-30"), sp.Float("1e-16")
Covector = Mapping[str, Leaf]


@dataclass(frozen=True)
class DiscreteGradient(TimeStepper):
    """z1 - z0 = h (Jbar dg H - Mbar dg H), or h (Jbar dg H + Mbar dg S)."""

    order: ClassVar[int] = 2
    symmetric: ClassVar[bool] = True
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

    def step(self, dynamics: Dynamics) -> Program:
        inside, equations = Builder(dynamics), RightHandSide.of(dynamics)
        segment = _Segment.of(inside, equations)
        gradients = {generator: segment.gradient(generator) for generator in equations.slopes}
        defects = {name: segment.end[name] - segment.begin[name] for name in segment.begin}
        for operator, generator, sign in equations.parts:
            covector, other = gradients[generator], gradients.get({"H": "S", "S": "H"}[generator])
            if other is not None:
                covector = segment.projected(covector, other)
            rows: Covector = equations.image(inside, operator, segment.middle, covector)
            if other is not None:
                rows = segment.projected(rows, other)
            defects = {name: defects[name] - sign * self.dt * rows[name] for name in rows}
        builder = Builder(dynamics)
        equation = step_equation(inside, "discrete_gradient", defects)
        return builder.finish(solved(builder, equation, segment.end))


@dataclass(frozen=True)
class _Segment:
    """The way from z0 to z1, the unknown of the equation that is being written."""

    builder: Builder
    equations: RightHandSide
    begin: Covector
    end: Covector
    middle: Covector
    coupled: bool

    @classmethod
    def of(cls, builder: Builder, equations: RightHandSide) -> _Segment:
        dynamics = equations.dynamics
        begin, end = starts(dynamics), {a.name: dynamics.leaf(a.name) for a in dynamics.state}
        middle = {name: builder.map(f"{name}__middle", (begin[name] + end[name]) / 2) for name in begin}
        programs = [*equations.slopes.values(), *(operator for operator, _, _ in equations.parts)]
        coupled = any(isinstance(s, (Mix, Total)) for p in programs for s in p.body)
        return cls(builder, equations, begin, end, middle, coupled)

    def gradient(self, generator: str) -> dict[str, Leaf]:
        """dg H or dg S."""
        dynamics, builder = self.equations.dynamics, self.builder
        derivation, program = dynamics.derivation, self.equations.slopes[generator]
        density = derivation.hamiltonian if generator == "H" else derivation.system.entropy
        here = builder.call(program, self.middle)
        slope = {name: here[bar(name)] for name in self.begin}
        apart = {name: self.end[name] - self.begin[name] for name in self.begin}
        order = degree(density, derivation)
        if order is not None and order <= 2:
            return slope
        local = all(j.order <= 1 for j in jets_of(to_jets(density), *derivation.fields))
        if order is None and local and not derivation.constraints:
            lowered = dynamics.lowering.sites(generator, {"value__density": density})
            (last,), (first,) = (builder.call(lowered, at).values() for at in (self.end, self.begin))
            gap, tiny = last - first - sp.Add(*(slope[n] * apart[n] for n in apart)), _CANCELS
        else:
            average = averaged(builder, program, self.begin, self.end, nodes(order))
            gap, tiny = sp.Add(*((average[n] - slope[n]) * apart[n] for n in apart)), _TINY
        square = self.sum("square", sp.Add(*(d**2 for d in apart.values())))
        share = builder.map("share", self.sum("gap", gap) / (square + tiny))
        return {n: builder.map(f"{n}__gradient", slope[n] + share * apart[n]) for n in apart}

    def projected(self, vector: Covector, along: Covector) -> dict[str, Leaf]:
        """The part of a vector that is orthogonal to another."""
        square = self.sum("square", sp.Add(*(leaf**2 for leaf in along.values())))
        product = self.sum("product", sp.Add(*(vector[n] * along[n] for n in vector)))
        share = self.builder.map("share", product / (square + _TINY))
        return {n: self.builder.map(f"{n}__projected", vector[n] - share * along[n]) for n in vector}

    def sum(self, name: str, expr: sp.Expr) -> Leaf:
        """The sum over the sites of a plane, and over the channels where they are coupled."""
        term = self.builder.map(name, expr)
        out = self.builder.fresh(name)
        self.builder.body.append(SiteSum(out, term.array, self.coupled))
        return self.builder.dynamics.leaf(out)
