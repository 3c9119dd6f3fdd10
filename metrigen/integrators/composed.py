"""Compositions of a symmetric method of order 2 with itself, to order 4 or 6: a palindrome of substeps g_k h.

    order 4   s = 5   g = (a, a, 1 - 4 a, a, a),  a = 1/(4 - 4^(1/3)),  so that  sum g^3 = 0
    order 6   s = 9   a palindrome with  sum g = 1,  sum g^3 = sum g^5 = 0  and the last condition of order 5

A substep begins at t plus those before it. What every step of the method keeps the composition keeps; it is symmetric.
Some g are negative, as in every composition of order above 2: a part of the step runs back in time, which only a flow
without dissipation may do.

References: M. Suzuki (1990), Fractal decomposition of exponential operators; W. Kahan, R.-C. Li (1997), Composition
constants for raising the orders of unconventional schemes for ordinary differential equations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import ClassVar

import sympy as sp

from metrigen.discretise.dynamics import Builder, Dynamics, after
from metrigen.errors import SpecError
from metrigen.integrators.base import TimeStepper
from metrigen.integrators.leapfrog import Leapfrog
from metrigen.integrators.strang import Strang
from metrigen.ir.nodes import Program
from metrigen.physics.derivation import Derivation
from metrigen.physics.limits import VonNeumann
from metrigen.physics.preconditions import canonical_pairs, check_domain, check_integrator, unfit
from metrigen.physics.rotation import remainder
from metrigen.spec.symbols import t

_FIX = "Composed(Strang(steps=8, dt=0.1), order=4)"


def _palindrome(*half: float) -> tuple[float, ...]:
    """The substeps on both sides of the one in the midst, which makes their sum 1."""
    return (*half, 1 - 2 * sum(half), *reversed(half))


SUBSTEPS: Mapping[int, tuple[float, ...]] = MappingProxyType(
    {
        4: _palindrome(*(1 / (4 - 4 ** (1 / 3)),) * 2),
        6: _palindrome(0.39216144400731413928, 0.33259913678935943860, -0.70624617255763935981, 0.08221359629355080023),
    }
)
# h w up to which a harmonic oscillator is stable where a substep is a drift, a kick and a drift.
STABLE: Mapping[int, sp.Rational] = MappingProxyType({4: sp.Rational(27209, 10000), 6: sp.Rational(25326, 10000)})


@dataclass(frozen=True)
class Composed(TimeStepper):
    """Substeps of ``method``, forwards and back; ``steps`` and ``dt`` are those of ``method``.

    method  an integrator that is symmetric and of order 2: Strang, Leapfrog, Exponential, ImplicitMidpoint, ...
    order   4 or 6, of 5 or 9 substeps a step
    """

    steps: int = field(init=False)
    dt: sp.Expr = field(init=False)
    method: TimeStepper
    order: int = field(default=4, kw_only=True)  # type: ignore[misc]  # every composition has its own

    symmetric: ClassVar[bool] = True
    keeps: ClassVar[str] = "what its method keeps"

    def __post_init__(self) -> None:
        method = self.method
        if not isinstance(method, TimeStepper):
            raise SpecError(
                f"Composed takes an integrator, not {method!r}", part="integrator", fix=_FIX, see="composed"
            )
        if not method.symmetric or method.order != 2:
            raise SpecError(
                f"Composed does not take {type(method).__name__}",
                part="integrator",
                why="the errors that cancel are those of a symmetric method of order 2, and it is "
                + (f"of order {method.order}" if method.symmetric else "not symmetric"),
                fix=_FIX,
                see="composed",
            )
        if self.order not in SUBSTEPS:
            raise SpecError(
                f"Composed(..., order={self.order!r}) is not known",
                part="integrator",
                fix="order=4 or 6",
                see="composed",
            )
        object.__setattr__(self, "steps", method.steps)
        object.__setattr__(self, "dt", method.dt)
        super().__post_init__()

    def check(self, derivation: Derivation) -> None:
        """What the method takes, without a metric."""
        system, name = derivation.system, type(self.method).__name__
        check_domain(derivation, self.method)
        if derivation.metric is not None:
            back = min(SUBSTEPS[self.order])
            raise unfit(
                derivation,
                "a composition of order above 2 has substeps that run back in time, as all of them have, and the flow "
                "of a metric bracket has no way back: what it has damped would grow",
                f"{name}(...) alone, of order 2, or RK4 or ExplicitEuler, which take any right-hand side",
                f"order={self.order} goes {back:.3g} dt back: exp(-gamma dt) becomes exp({-back:.3g} gamma dt) there",
            )
        try:
            check_integrator(replace(derivation, system=replace(system, integrator=self.method)))
        except SpecError as error:
            raise unfit(derivation, f"{name} does not fit: {error.why}", str(error.fix), error.witness) from error

    def step_limit(self, analysis: VonNeumann) -> sp.Expr | None:
        """h w <= 2.72 or 2.53 where a substep is a drift, a kick and a drift; not known elsewhere."""
        pairs = canonical_pairs(analysis.derivation)
        plain = isinstance(self.method, (Leapfrog, Strang)) and pairs and not remainder(analysis.derivation, pairs)
        return analysis.oscillating(STABLE[self.order]) if plain else None

    def with_dt(self, dt: sp.Expr) -> Composed:
        return replace(self, method=self.method.with_dt(dt))

    def kept(self, derivation: Derivation) -> str:
        return f"what {type(self.method).__name__} keeps: {self.method.kept(derivation)}"

    def step(self, dynamics: Dynamics) -> Program:
        weights = SUBSTEPS[self.order]
        builder = Builder(dynamics)
        state = dynamics.values
        parts: dict[tuple[float, float], Program] = {}
        begun = 0.0
        for g in weights:
            key = (g, begun if dynamics.timed else 0.0)
            if key not in parts:
                later = dynamics.later(sp.Float(begun) * self.dt) if begun else dynamics
                parts[key] = self.method.over(sp.Float(g) * self.dt).step(later)
            ends = builder.call(parts[key], state, t)
            state = {name: ends[after(name)] for name in state}
            begun += g
        return builder.finish(state)
