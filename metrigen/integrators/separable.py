"""Splitting of H = T(p) + V(q) with a canonical bracket, friction and rotation of the momenta.

    drift     q += h dT/dp
    kick      p -= h dV/dq
    friction  p *= exp(-gamma a h)              T = a p^2/2, metric gamma: exact
    rotation  p <- Cayley(h a B/2) p            bracket block {p_a, p_b} = B_ab: an exact rotation

Each is the flow of one part of the system; an integrator composes them.
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.domains.lower import bar
from metrigen.errors import SpecError
from metrigen.integrators.dynamics import Builder, Dynamics
from metrigen.ir.nodes import Leaf, Mix
from metrigen.spec.symbols import Param, mix


@dataclass(frozen=True)
class Splitting:
    """The parts of a separable system.

    pairs     (field, momentum) of each degree of freedom
    kinetic   T(p), potential V(q)
    friction  momentum -> gamma; rotation  momentum -> [(factor, matrix)]
    mass      momentum -> a of T = a p^2/2, where friction or rotation needs it
    """

    pairs: tuple[tuple[AppliedUndef, AppliedUndef], ...]
    kinetic: sp.Expr
    potential: sp.Expr
    friction: dict[AppliedUndef, sp.Expr]
    rotation: dict[AppliedUndef, tuple[tuple[sp.Expr, Param], ...]]
    inverse_mass: dict[AppliedUndef, sp.Expr]


def split(dynamics: Dynamics, method: str) -> Splitting:
    """Recognise the parts; raises SpecError where the system is not of this form."""
    derivation = dynamics.derivation
    pairs = tuple(derivation.momenta.items()) or _canonical_pairs(dynamics, method)
    momenta, fields = [p for _, p in pairs], [q for q, _ in pairs]
    kinetic, potential = [], []
    for term in sp.Add.make_args(sp.expand(derivation.hamiltonian)):
        if term.has(*momenta) and term.has(*fields):
            raise _unfit(method, f"the Hamiltonian is not separable: {term} couples field and momentum")
        (kinetic if term.has(*momenta) else potential).append(term)
    T = sp.Add(*kinetic)
    friction = _friction(dynamics, momenta, method)
    rotation = _rotation(dynamics, fields, momenta, method)
    masses = {p: _inverse_mass(T, p, momenta, method) for p in momenta if p in friction or p in rotation}
    for p, blocks in rotation.items():
        if blocks and masses[p].free_symbols - {s for s in masses[p].free_symbols if _scalar(s)}:
            raise _unfit(method, f"{p} rotates with a mass of its own per channel ({masses[p]})")
    return Splitting(pairs, T, sp.Add(*potential), friction, rotation, masses)


@dataclass
class Flows:
    """The sub-flows of one step, acting on the current state."""

    builder: Builder
    splitting: Splitting
    state: dict[str, Leaf]

    @classmethod
    def of(cls, dynamics: Dynamics, splitting: Splitting) -> Flows:
        return cls(Builder(dynamics), splitting, {a.name: dynamics.leaf(a.name) for a in dynamics.state})

    def drift(self, h: sp.Expr) -> None:
        dynamics = self.builder.dynamics
        slopes = self.builder.call(dynamics.gradient(self.splitting.kinetic, "T"), self.state)
        for q, p in self.splitting.pairs:
            name = dynamics.array(q)
            self.state[name] = self.builder.map(name, self.state[name] + h * slopes[bar(dynamics.array(p))])

    def force(self) -> dict[str, Leaf]:
        """dV/dq at the present q, to be used by several kicks."""
        dynamics = self.builder.dynamics
        return self.builder.call(dynamics.gradient(self.splitting.potential, "V"), self.state)

    def kick(self, slopes: dict[str, Leaf], h: sp.Expr) -> None:
        dynamics = self.builder.dynamics
        for q, p in self.splitting.pairs:
            name = dynamics.array(p)
            self.state[name] = self.builder.map(name, self.state[name] - h * slopes[bar(dynamics.array(q))])

    def damp(self, h: sp.Expr) -> None:
        dynamics = self.builder.dynamics
        for p, gamma in self.splitting.friction.items():
            name = dynamics.array(p)
            factor = sp.exp(-gamma * self.splitting.inverse_mass[p] * h)
            if not gamma.has(AppliedUndef):
                factor = self.builder.local("decay", factor)
            else:
                factor = factor.xreplace({f: dynamics.leaf(a.name) for f, a in dynamics.lowering.arrays.items()})
            self.state[name] = self.builder.map(name, self.state[name] * factor)

    def rotate(self, h: sp.Expr) -> None:
        dynamics = self.builder.dynamics
        for p, blocks in self.splitting.rotation.items():
            for factor, matrix in blocks:
                angle = factor * self.splitting.inverse_mass[p] * h / 2
                turned = self.builder.rotation(matrix.name, angle)
                name = dynamics.array(p)
                out = self.builder.fresh(name)
                self.builder.body.append(Mix(out, turned, self.state[name].array))
                self.state[name] = dynamics.leaf(out)


def _canonical_pairs(dynamics: Dynamics, method: str) -> tuple[tuple[AppliedUndef, AppliedUndef], ...]:
    """Pairs (q, p) with {F, G} = F_q G_p - F_p G_q + ... of a Hamiltonian spec."""
    bracket = dynamics.derivation.bracket
    if bracket is None:
        raise _unfit(method, "the system has no Poisson bracket")
    slots = tuple(zip(dynamics.derivation.fields, bracket.left, bracket.right, strict=True))
    form = sp.expand(bracket.form)
    pairs = tuple((q, p) for q, f_q, _ in slots for p, _, g_p in slots if _coefficient(form, f_q, g_p) == 1)
    seen = [u for pair in pairs for u in pair]
    if sorted(map(str, seen)) != sorted(map(str, dynamics.derivation.fields)):
        raise _unfit(method, "the bracket does not pair every field with one momentum")
    return pairs


def _coefficient(form: sp.Expr, f: AppliedUndef, g: AppliedUndef) -> sp.Expr:
    """Coefficient of f g in a form, 0 where they meet otherwise."""
    return sp.Add(*(term.as_independent(f, g)[0] for term in sp.Add.make_args(form) if term.as_independent(f, g)[1] == f * g))


def _friction(dynamics: Dynamics, momenta: list[AppliedUndef], method: str) -> dict[AppliedUndef, sp.Expr]:
    metric = dynamics.derivation.metric
    if metric is None:
        return {}
    if dynamics.derivation.system.entropy is not None:
        raise _unfit(method, "the two-generator form needs a heat account", "use RK4 or ExplicitEuler")
    form = sp.expand(metric.form)
    found: dict[AppliedUndef, sp.Expr] = {}
    for u, f, g in zip(dynamics.derivation.fields, metric.left, metric.right, strict=True):
        gamma = _coefficient(form, f, g)
        if gamma == 0:
            continue
        if u not in momenta:
            raise _unfit(method, f"the metric acts on {u}, not on a momentum alone")
        found[u] = gamma
        form = sp.expand(form - gamma * f * g)
        if gamma.has(*momenta):
            raise _unfit(method, f"the friction {gamma} is not linear in the momentum")
    if form != 0:
        raise _unfit(method, f"the metric holds more than friction on single momenta: {form}")
    return found


def _rotation(
    dynamics: Dynamics, fields: list[AppliedUndef], momenta: list[AppliedUndef], method: str
) -> dict[AppliedUndef, tuple[tuple[sp.Expr, Param], ...]]:
    bracket = dynamics.derivation.bracket
    if bracket is None:
        raise _unfit(method, "the system has no Poisson bracket")
    state = dynamics.derivation.fields
    left, right = dict(zip(state, bracket.left, strict=True)), dict(zip(state, bracket.right, strict=True))
    form = sp.expand(bracket.form)
    for q, p in zip(fields, momenta, strict=True):
        form = sp.expand(form - left[q] * right[p] + left[p] * right[q])
    found: dict[AppliedUndef, list[tuple[sp.Expr, Param]]] = {}
    for term in sp.Add.make_args(form) if form != 0 else ():
        match = next((m for p in momenta if (m := _turn(term, p, left[p], right[p])) is not None), None)
        if match is None:
            raise _unfit(method, f"the bracket is not canonical: {term}")
        found.setdefault(match[0], []).append(match[1:])
    return {p: tuple(blocks) for p, blocks in found.items()}


def _turn(
    term: sp.Expr, p: AppliedUndef, f: AppliedUndef, g: AppliedUndef
) -> tuple[AppliedUndef, sp.Expr, Param] | None:
    """term = c f mix(B, g) or -c g mix(B, f) with B antisymmetric and c a number or a scalar."""
    for a, b, sign in ((f, g, 1), (g, f, -1)):
        for turned in sorted(term.atoms(mix), key=str):
            matrix = turned.args[0]
            factor, rest = term.as_independent(a, turned)
            scalar = all(_scalar(s) for s in factor.free_symbols)
            if turned.args[1] == b and rest == a * turned and getattr(matrix, "antisymmetric", False) and scalar:
                return p, sign * factor, matrix
    return None


def _scalar(symbol: sp.Symbol) -> bool:
    return not isinstance(symbol, Param) or (symbol.per == "scalar" and not symbol.is_matrix)


def _inverse_mass(T: sp.Expr, p: AppliedUndef, momenta: list[AppliedUndef], method: str) -> sp.Expr:
    a = sp.Add(*(2 * term / p**2 for term in sp.Add.make_args(T) if term.has(p)))
    if a == 0 or a.has(AppliedUndef):
        raise _unfit(method, f"the kinetic energy {T} is not a p^2/2, so that friction is not linear in the velocity")
    return a


def _unfit(method: str, why: str, fix: str = "use RK4 or ExplicitEuler, which take any right-hand side") -> SpecError:
    return SpecError(f"{method} does not fit this system", part="integrator", why=why, fix=fix)
