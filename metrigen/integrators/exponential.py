"""Exponential splitting: the linear part of every site and channel by its exact flow, the rest by a kick.

With H = a p^2/2 + k q^2/2 + V(q) and friction r a site obeys q' = a p, p' = -k q - r p beside V, whose flow is

    exp(-d) [[C + d S, a h S], [-k h S, C - d S]]     d = r h/2,  x = a k h^2 - d^2,  C = c_0(x),  S = c_1(x)

in the Stumpff functions of ``ir.stumpff``: exact for under-, over- and critical damping, and for k of either sign. The
step is half of this flow, p -= h V'(q), and the other half; without V it is the flow itself, for any h. V holds the
coupling of sites and channels, sources, what is not linear, and what depends on the time, which the kick takes at
t + h/2; against its stiffness the step stays limited.

Reference: E. Hairer, C. Lubich, G. Wanner (2006), Geometric Numerical Integration, section XIII.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import sympy as sp

from metrigen.discretise.dynamics import Dynamics
from metrigen.integrators.base import TimeStepper
from metrigen.integrators.memory import Memory, memory_of
from metrigen.integrators.scan import Scan, scan_of
from metrigen.integrators.separable import Flows
from metrigen.ir.nodes import Program
from metrigen.ir.stumpff import stumpff
from metrigen.passes.vary import bar
from metrigen.physics.clock import is_timed
from metrigen.physics.derivation import Derivation
from metrigen.physics.jets import from_jets, jet, to_jets
from metrigen.physics.preconditions import (
    check_friction,
    check_pairs,
    check_quadratic,
    check_separable,
    everywhere,
    pointwise_stiffness,
    rows,
    unfit,
)
from metrigen.physics.report import show
from metrigen.physics.rotation import remainder
from metrigen.physics.variation import euler, euler_jets
from metrigen.spec.domain import ANY, Domain, Graph, Lattice, Sequence


@dataclass(frozen=True)
class Exponential(TimeStepper):
    """Half of the exact linear flow, kick, the other half.

    On a ``Sequence`` one exact step a token, with the drive held over it: ``integrators.scan``. There ``dt`` may be a
    number, a parameter or an input with a value a token.
    """

    steps: int = 1
    dt: sp.Expr = sp.S.One

    order: ClassVar[int] = 2
    symmetric: ClassVar[bool] = True
    domains: ClassVar[tuple[type[Domain], ...]] = (Lattice, Graph, Sequence)
    keeps: ClassVar[str] = (
        "the linear part of every site exact at any damping; decay of phase-space volume exact; symplectic and "
        "reversible without friction"
    )

    def check_token(self, derivation: Derivation) -> None:
        """``integrators.scan`` says which cells have a form; it does not call ``step``."""
        if type(self).step is not Exponential.step:
            raise unfit(derivation, "a token is one exact step of linear dynamics, and not its step()", "Exponential()")

    def check(self, derivation: Derivation) -> None:
        """Pairs with T = a p^2/2 and linear friction, whose coefficients are those of every site."""
        if derivation.system.entropy is not None:
            why = "the friction of a two-generator system heats a field"
            raise unfit(derivation, why, "Strang keeps that account")
        pairs = check_pairs(derivation)
        for u, rest in remainder(derivation, pairs):
            why = f"the bracket is not canonical: the row of {u.func.__name__} also holds {show(rest)}"
            raise unfit(derivation, why, f"Strang(...) takes a rotation of the momenta; {ANY}")
        momenta, energy = [p for _, p in pairs], check_separable(derivation, pairs)
        check_quadratic(derivation, energy.kinetic, momenta)
        check_friction(derivation, momenta)
        rates = [euler_jets(to_jets(energy.kinetic), p).diff(jet(p)) for p in momenta]
        if derivation.metric is not None:
            slots = zip(rows(derivation.metric), derivation.metric.right, strict=True)
            rates += [row.diff(jet(right)) for row, right in slots]
        for value in map(from_jets, rates):
            if is_timed(value):
                raise unfit(
                    derivation,
                    f"the coefficient {show(value)} depends on the time, and the flow of a site is worked out once",
                    "Strang(...) takes inertia and friction that depend on the time",
                )
            if not everywhere(value) or value.free_symbols & {*derivation.system.domain.axes}:
                raise unfit(
                    derivation,
                    f"the coefficient {show(value)} changes from site to site, and the flow of a site is worked out "
                    "once",
                    "Strang(...) takes friction that changes from site to site",
                )

    def token_programs(self, dynamics: Dynamics) -> Scan | Memory:
        derivation = dynamics.derivation
        return memory_of(derivation) if derivation.system.remembers else scan_of(derivation)

    def step(self, dynamics: Dynamics) -> Program:
        flows = Flows.of(dynamics, dynamics.time + self.dt / 2)
        energy = flows.splitting.energy
        fields = [q for q, _ in flows.splitting.pairs]
        stiffness = {q: pointwise_stiffness(energy.potential, q) for q in fields}
        rest = sp.expand(energy.potential - sp.Add(*(k * q**2 / 2 for q, k in stiffness.items())))
        if not rest.has(*fields, *dynamics.derivation.constraints):
            self._turn(flows, stiffness, self.dt)
            return flows.builder.finish(flows.state)
        self._turn(flows, stiffness, self.dt / 2)
        slopes = flows.builder.call(dynamics.gradient(rest, "V"), flows.state, flows.time)
        flows.kick({bar(dynamics.array(q)): slopes[bar(dynamics.array(q))] for q in fields}, self.dt)
        self._turn(flows, stiffness, self.dt / 2)
        return flows.builder.finish(flows.state)

    def _turn(self, flows: Flows, stiffness: dict[sp.Basic, sp.Expr], h: sp.Expr) -> None:
        builder, splitting = flows.builder, flows.splitting
        for q, p in splitting.pairs:
            a, k = euler(splitting.energy.kinetic, p).diff(p), stiffness[q]
            d = splitting.friction.get(p, sp.S.Zero) * h / 2
            x = a * k * h**2 - d**2
            even, odd = stumpff(sp.S.Zero, x, d), stumpff(sp.S.One, x, d)
            block = {"qq": even + d * odd, "qp": a * h * odd, "pq": -k * h * odd, "pp": even - d * odd}
            entry = {n: builder.local(f"flow_{n}", e) if e.free_symbols else e for n, e in block.items()}
            at, to = (builder.dynamics.array(u) for u in (q, p))
            u, v = flows.state[at], flows.state[to]
            flows.state[at] = builder.map(at, entry["qq"] * u + entry["qp"] * v)
            flows.state[to] = builder.map(to, entry["pq"] * u + entry["pp"] * v)
