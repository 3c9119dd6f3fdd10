"""Splitting of H = T(p) + V(q) with a canonical bracket, friction and rotation of the momenta.

    drift     q += h dT/dp
    kick      p -= h dV/dq
    friction  p *= exp(-gamma a h)              T = a p^2/2, metric gamma: exact; at a temperature the noise with it
    rotation  p <- Cayley(h a B/2) p            F[p]*mix(B, G[p]): the channels rotate, T is kept exactly
              p, r rotate by h w sqrt(a_p a_r)    w*(F[p]*G[r] - F[r]*G[p]), T = (a_p p^2 + a_r r^2)/2: exact

Each is the flow of one part of the system, Cayley's up to the third order; an integrator composes them. A coefficient
that depends on the time stands still over a step, at the moment that the integrator says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.discretise.dynamics import Builder, Dynamics
from metrigen.discretise.noise import bath, friction_noise, xi
from metrigen.ir.nodes import ChannelMatmul, Load
from metrigen.passes.vary import bar
from metrigen.physics.derivation import Derivation
from metrigen.physics.heat import Account, friction_with_heat
from metrigen.physics.preconditions import (
    Separable,
    canonical_pairs,
    check_pairs,
    check_separable,
    name_of,
    split,
    unfit,
)
from metrigen.physics.rotation import Plane, planes, remainder
from metrigen.physics.variation import euler
from metrigen.spec.domain import ANY
from metrigen.spec.symbols import mix, t


def check_drift_and_kick(derivation: Derivation) -> None:
    """Raise SpecError unless drifts and kicks are all there is: H = T(p) + V(q), a canonical bracket, no metric."""
    if derivation.structure.metric is not None:
        raise unfit(
            derivation,
            f"{name_of(derivation)} has no friction, and the system has a metric bracket",
            f"Strang(...) takes linear friction on the momenta; {ANY}",
        )
    pairs = check_pairs(derivation)
    if remainder(derivation, pairs):
        raise unfit(
            derivation,
            "the bracket is not canonical: it holds more than F[q]*G[p] - F[p]*G[q]",
            f"Strang(...) takes a rotation of the momenta, F[p]*mix(B, G[p]) or w*(F[p]*G[r] - F[r]*G[p]); {ANY}",
        )
    check_separable(derivation, pairs)


@dataclass(frozen=True)
class Splitting:
    """The parts of a separable system that has passed ``physics.preconditions``.

    pairs     (field, momentum) of each degree of freedom
    energy    kinetic(p) + potential(q)
    friction  momentum -> gamma a, the rate of p_t = -gamma a p with T = a p^2/2
    accounts  heat field -> what it takes up of the energy that friction takes from momenta
    rotation  momentum -> ((b a, B), ...) of p_t = b a B p
    planes    two momenta that rotate about one another, with their inverse masses
    """

    pairs: tuple[tuple[AppliedUndef, AppliedUndef], ...]
    energy: Separable
    friction: Mapping[AppliedUndef, sp.Expr]
    rotation: Mapping[AppliedUndef, tuple[tuple[sp.Expr, str], ...]]
    accounts: Mapping[AppliedUndef, Account]
    planes: tuple[tuple[Plane, sp.Expr, sp.Expr], ...]


def splitting(derivation: Derivation) -> Splitting:
    """The sub-flows of a derivation whose integrator is known to fit."""
    pairs = canonical_pairs(derivation)
    energy = split(derivation.structure.hamiltonian, *zip(*pairs, strict=True)) if pairs else None
    if pairs is None or energy is None:
        raise AssertionError("an integrator that does not fit is refused by derive")
    speed = {p: euler(energy.kinetic, p).diff(p) for _, p in pairs}
    rotation = {p: _turns(derivation, q, p, speed[p]) for q, p in pairs}
    rotating = {p: rotations for p, rotations in rotation.items() if rotations}
    flat = tuple((plane, speed[plane.p], speed[plane.r]) for plane in planes(derivation, pairs))
    if derivation.system.entropy is not None:
        heated = friction_with_heat(derivation, pairs)
        return Splitting(pairs, energy, heated.rates, rotating, heated.accounts, flat)
    return Splitting(pairs, energy, _friction(derivation, speed), rotating, {}, flat)


def _friction(derivation: Derivation, speed: Mapping[AppliedUndef, sp.Expr]) -> dict[AppliedUndef, sp.Expr]:
    metric = derivation.structure.metric
    if metric is None:
        return {}
    slots = zip(derivation.structure.fields, metric.left, metric.right, strict=True)
    rates = {u: euler(metric.form, f).diff(g) * speed[u] for u, f, g in slots if u in speed}
    return {p: rate for p, rate in rates.items() if rate != 0}


def _turns(derivation: Derivation, q: AppliedUndef, p: AppliedUndef, speed: sp.Expr) -> tuple[tuple[sp.Expr, str], ...]:
    """The terms b mix(B, dH/dp) in the row of p of the bracket."""
    bracket = derivation.structure.bracket
    assert bracket is not None
    left, right = (dict(zip(derivation.structure.fields, side, strict=True)) for side in (bracket.left, bracket.right))
    rest = sp.expand(euler(bracket.form, left[p]) + right[q])
    rotations = [term.as_independent(mix) for term in sp.Add.make_args(rest) if term.has(mix)]
    return tuple((factor * speed, rotated.args[0].name) for factor, rotated in rotations)


@dataclass
class Flows:
    """The sub-flows of one step, acting on the current state, each with the coefficients of the one moment ``time``."""

    builder: Builder
    splitting: Splitting
    state: dict[str, Load]
    time: sp.Expr

    @classmethod
    def of(cls, dynamics: Dynamics, time: sp.Expr) -> Flows:
        start = dynamics.values
        return cls(Builder(dynamics), splitting(dynamics.derivation), start, time)

    def drift(self, h: sp.Expr) -> None:
        dynamics = self.builder.dynamics
        slopes = self.builder.call(dynamics.gradient(self.splitting.energy.kinetic, "T"), self.state, self.time)
        for q, p in self.splitting.pairs:
            name = dynamics.array(q)
            self.state[name] = self.builder.map(name, self.state[name] + h * slopes[bar(dynamics.array(p))])

    def force(self) -> dict[str, Load]:
        """dV/dq at the present q, to be used by several kicks."""
        dynamics = self.builder.dynamics
        return self.builder.call(dynamics.gradient(self.splitting.energy.potential, "V"), self.state, self.time)

    def kick(self, slopes: dict[str, Load], h: sp.Expr) -> None:
        dynamics = self.builder.dynamics
        for q, p in self.splitting.pairs:
            name = dynamics.array(p)
            self.state[name] = self.builder.map(name, self.state[name] - h * slopes[bar(dynamics.array(q))])

    def damp(self, h: sp.Expr) -> None:
        dynamics = self.builder.dynamics
        factors: dict[AppliedUndef, sp.Expr] = {}
        for p, rate in self.splitting.friction.items():
            factors[p] = self._coefficient("decay", sp.exp(-rate * h))
        for e, account in self.splitting.accounts.items():
            self._heat(e, account, factors)
        for p, factor in factors.items():
            name = dynamics.array(p)
            self.state[name] = self.builder.map(name, self.state[name] * factor + self._kick_of_bath(p, h))

    def _kick_of_bath(self, p: AppliedUndef, h: sp.Expr) -> sp.Expr:
        """What the bath adds to a momentum over h: with the friction the exact Ornstein-Uhlenbeck process."""
        dynamics = self.builder.dynamics
        if not dynamics.noise:
            return sp.S.Zero
        mass = 1 / euler(self.splitting.energy.kinetic, p).diff(p)
        spread = friction_noise(self.splitting.friction[p], mass, bath(dynamics), h)
        return self._coefficient("spread", spread) * xi(dynamics, dynamics.array(p))

    def _heat(self, e: AppliedUndef, account: Account, factors: Mapping[AppliedUndef, sp.Expr]) -> None:
        """U(e) grows by what the momenta are about to lose, sum a p^2 (1 - factor^2)/2."""
        name = self.builder.dynamics.array(e)
        at = self.builder.places(self.state, self.time)
        kinetic, lost = self.splitting.energy.kinetic, sp.S.Zero
        for p in account.momenta:
            mass = euler(kinetic, p).diff(p).xreplace(at)
            lost += mass * at[p] ** 2 * (1 - factors[p] ** 2) / 2
        slope, growth = (value.xreplace(at) for value in (account.slope, account.growth))
        gain = lost / slope if account.growth == 0 else sp.log(1 + growth * lost / slope) / growth
        self.state[name] = self.builder.map(name, self.state[name] + gain)

    def _coefficient(self, name: str, value: sp.Expr) -> sp.Expr:
        return self.builder.coefficient(name, value, self.state, self.time)

    def rotate(self, h: sp.Expr) -> None:
        """All rotations. Those that share a momentum do not commute: they stand in a palindrome, which has order 2."""
        parts: list[Callable[[sp.Expr], None]] = []
        touched: list[AppliedUndef] = []
        for p, blocks in self.splitting.rotation.items():
            parts += [partial(self._turn_channels, p, *block) for block in blocks]
            touched += [p] * len(blocks)
        for plane in self.splitting.planes:
            parts.append(partial(self._turn_plane, *plane))
            touched += [plane[0].p, plane[0].r]
        if len(touched) == len(set(touched)):
            for part in parts:
                part(h)
            return
        *others, last = parts
        for part in others:
            part(h / 2)
        last(h)
        for part in reversed(others):
            part(h / 2)

    def _turn_channels(self, p: AppliedUndef, factor: sp.Expr, matrix: str, h: sp.Expr) -> None:
        dynamics = self.builder.dynamics
        cayley = self.builder.rotation(matrix, (factor * h / 2).xreplace({t: self.time}))
        name = dynamics.array(p)
        out = self.builder.fresh(name)
        self.builder.body.append(ChannelMatmul(out, cayley, self.state[name].array))
        self.state[name] = dynamics.load(out)

    def _turn_plane(self, plane: Plane, a: sp.Expr, b: sp.Expr, h: sp.Expr) -> None:
        """sqrt(a) p and sqrt(b) r rotate by h w sqrt(a b)."""
        size = a if a == b else sp.sqrt(a) * sp.sqrt(b)
        angle = h * plane.rate * size
        c, s = (self._coefficient(n, f(angle)) for n, f in (("turn_cos", sp.cos), ("turn_sin", sp.sin)))
        there, back = (s, s) if a == b else (
            self._coefficient("turn_sin", sp.sin(angle) * sp.sqrt(x) / sp.sqrt(y)) for x, y in ((b, a), (a, b))
        )  # fmt: skip
        names = [self.builder.dynamics.array(u) for u in (plane.p, plane.r)]
        p, r = (self.state[name] for name in names)
        values = (c * p + there * r, c * r - back * p)
        self.state.update({n: self.builder.map(n, e) for n, e in zip(names, values, strict=True)})
