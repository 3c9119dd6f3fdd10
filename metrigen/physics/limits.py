"""The largest stable time step as a formula, from the symbol of the linear part at the highest lattice frequency.

With the compact Laplacian and spacing h, -D_x^2 has the largest eigenvalue 4/h^2 on every axis; the quadratic part of
H gives the largest frequency w or decay rate r of a field. A method is stable up to a number of its own, dt w <= a or
dt r <= b, which it states in ``step_limit``.

The limit is that of the von Neumann analysis about the state where all fields vanish: a nonlinear term changes V'' with
the state, and the formula takes the quadratic part. Terms known to be negative are left out, they only slow a wave
down. A learned function has no quadratic part that is known: its V''(phi) stays in the formula, to be taken at its
largest. ``norm_K`` stands for the spectral norm of a channel matrix K.

``amplitude_limit`` bounds V'' over all states whose fields stay within an amplitude: c u^n by c amplitude^n, sines,
cosines and tanh by 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.budget import depth
from metrigen.physics import channels
from metrigen.physics.derivation import Derivation
from metrigen.physics.jets import Jet, from_jets, has_unevaluated, jet, jets_of, to_jets
from metrigen.physics.preconditions import canonical_pairs, split
from metrigen.physics.size import fits
from metrigen.physics.variation import euler_jets
from metrigen.physics.work_budget import expand
from metrigen.spec.neural import learned
from metrigen.spec.symbols import t, transposed

Rest = Mapping[sp.Basic, sp.Basic]
Taken = Callable[[sp.Expr, Rest], sp.Expr | None]  # a slope, by what it is at the states that are meant
AMPLITUDE = sp.Symbol("amplitude", positive=True)
_WITHIN_ONE = (sp.sin, sp.cos, sp.tanh)
_READ, _DIGITS = 100, 15  # nodes of a number that is written as a formula; digits of one that is not
_DEEPEST = 30  # levels of an energy whose quadratic part is read; a value of a longer composition takes too long


def step_limit(derivation: Derivation) -> sp.Expr | None:
    """The limit of the chosen integrator; None where it is not known, or where an energy has kinks: their V'' is no
    number."""
    return _number(_limit(derivation, _at_rest))


def amplitude_limit(derivation: Derivation) -> sp.Expr | None:
    """The limit while every field stays between -amplitude and amplitude, without ``amplitude`` where it holds at every
    state; None where no bound is known."""
    return _number(_limit(derivation, _within))


def _number(limit: sp.Expr | None) -> sp.Expr | None:
    undefined = (sp.DiracDelta, sp.zoo, sp.nan, sp.oo)
    return None if limit is None or limit.is_zero or limit.has(*undefined) else limit


def _limit(derivation: Derivation, at: Taken) -> sp.Expr | None:
    method = derivation.system.integrator
    if method is None or derivation.structure.constraints:
        return None
    if depth(derivation.structure.hamiltonian) > _DEEPEST:
        return None
    return method.step_limit(VonNeumann(derivation, at))


@dataclass(frozen=True)
class VonNeumann:
    """The fastest linear wave of a derivation, from which a method says how long a step may be.

    at   what a slope of an energy is taken to be: where the fields vanish, or bounded within an amplitude
    """

    derivation: Derivation
    at: Taken

    def oscillating(self, bound: sp.Expr) -> sp.Expr | None:
        """The step h with h w = bound for the largest frequency w; None where none is known."""
        if self.derivation.structure.bracket is None:
            return None
        pairs = canonical_pairs(self.derivation) or ()
        squared = _largest([_frequency_squared(self.derivation, *pair, self.at) for pair in pairs])
        return None if squared is None else bound / sp.sqrt(squared)

    def decaying(self, bound: sp.Expr) -> sp.Expr | None:
        """The step h with h r = bound for the largest decay rate r of a gradient flow; None where none is known."""
        if self.derivation.structure.bracket is not None or self.derivation.structure.metric is None:
            return None
        rate = _largest([_decay(self.derivation, u, self.at) for u in self.derivation.structure.fields])
        return None if rate is None else bound / rate


def _largest(values: Sequence[sp.Expr | None]) -> sp.Expr | None:
    known = [v for v in values if v is not None]
    if not known or len(known) != len(values) or any(v.is_zero for v in known):
        return None
    distinct = list(dict.fromkeys(known))
    return distinct[0] if len(distinct) == 1 else sp.Max(*distinct)


def _frequency_squared(derivation: Derivation, q: AppliedUndef, p: AppliedUndef, at: Taken) -> sp.Expr | None:
    """w^2 = T'' V'' of one pair that is not coupled to the others in its linear part."""
    pairs = canonical_pairs(derivation) or ()
    parts = split(derivation.structure.hamiltonian, [a for a, _ in pairs], [b for _, b in pairs])
    if parts is None:
        return None
    stiffness = _symbol(derivation, parts.potential, q, at)
    inertia = _symbol(derivation, parts.kinetic, p, at)
    return None if stiffness is None or inertia is None else expand(stiffness * inertia)


def _decay(derivation: Derivation, u: AppliedUndef, at: Taken) -> sp.Expr | None:
    """The largest eigenvalue of -d(rate)/du in its linear part."""
    if has_unevaluated(derivation.equations[u]):
        return None
    return _largest_symbol(derivation, -to_jets(derivation.equations[u]), u, at)


def _symbol(derivation: Derivation, density: sp.Expr, u: AppliedUndef, at: Taken) -> sp.Expr | None:
    return _largest_symbol(derivation, euler_jets(to_jets(density), u), u, at)


def _largest_symbol(derivation: Derivation, force: sp.Expr, u: AppliedUndef, at: Taken) -> sp.Expr | None:
    """sum of c_alpha |k|^alpha at k_i^2 = 4/h^2 over the part of ``force`` that is linear in u; None if it is coupled
    to another field or has a derivative of odd order with a constant coefficient."""
    flat, maps = channels.lift(channels.canonical(force))
    rest = dict.fromkeys(jets_of(flat, *derivation.structure.fields), sp.S.Zero)
    silent = dict.fromkeys(maps, sp.S.Zero)
    total = sp.S.Zero
    for j in rest:
        c = at(flat.diff(j), {**rest, **silent})
        if c is None:
            return None
        if c.is_zero or any(i.order for i in jets_of(c)):
            continue
        if j.base != u or any(n % 2 for n in j.orders):
            return None
        term = c * _shortest(derivation, j.order) if j.order else c
        total += sp.Add(*(part for part in sp.Add.make_args(expand(term)) if not part.is_nonpositive))
    for symbol, atom in maps.items():
        c = at(flat.diff(symbol), {**rest, **silent})
        if c is None:
            return None
        if c.is_zero or channels.argument(atom) != jet(u):
            if c.is_zero or not jets_of(channels.argument(atom), *derivation.structure.fields):
                continue
            if len(jets_of(channels.argument(atom))) > 1 or channels.argument(atom).diff(jet(u)).has(jet(u)):
                continue
            return None
        matrix = atom.args[0]
        matrix = matrix.args[0] if isinstance(matrix, transposed) else matrix
        if isinstance(matrix, sp.Symbol):
            total += c * sp.Symbol(f"norm_{matrix.name}", nonnegative=True)
        else:
            return None
    total = _valued(expand(total))
    return None if total.has(t) else from_jets(total)


def _shortest(derivation: Derivation, order: int) -> sp.Expr:
    """(-4/h^2)^(order/2): what a derivative of even order makes of the shortest wave of the lattice."""
    return (-4 / derivation.system.lattice.spacing**2) ** (order // 2)


def _valued(total: sp.Expr) -> sp.Expr:
    """The numbers in a sum by their value where nobody would read them as a formula."""
    number, rest = total.as_independent(*total.free_symbols, as_Add=True)
    return total if fits(number, _READ) else sp.Float(number.evalf(_DIGITS)) + rest


def _within(slope: sp.Expr, rest: Rest) -> sp.Expr | None:
    """A bound of a slope over the states within the amplitude; None where it is no polynomial in the fields, or moves
    with their derivatives or with channel maps. What does not depend on the state stays as it is."""
    moving = [j for j in rest if slope.has(j)]
    if not moving:
        return slope
    if slope.atoms(learned) or not all(isinstance(j, Jet) and not j.order for j in moving):
        return None
    waves = sorted((f for f in slope.atoms(*_WITHIN_ONE) if f.has(*moving)), key=sp.default_sort_key)
    bounded = {f: sp.Dummy(real=True) for f in waves}
    try:
        terms = sp.Poly(expand(slope.xreplace(bounded)), *moving, *bounded.values()).terms()
    except sp.PolynomialError:
        return None
    total = sp.S.Zero
    for powers, c in terms:
        if any(powers):
            even = all(n % 2 == 0 for n in powers)
            c = sp.S.Zero if even and c.is_nonpositive else c if even and c.is_nonnegative else sp.Abs(c)
        total += c * AMPLITUDE ** sum(powers[: len(moving)])
    return None if total.has(*moving) else total


def _at_rest(slope: sp.Expr, rest: Rest) -> sp.Expr | None:
    """A slope where the fields vanish, learned values aside, which stay as they are; None where a derivative in
    it could not be carried out."""
    if slope.has(sp.Derivative, sp.Subs):
        return None
    values = {f: sp.Dummy(real=True, nonnegative=f.is_nonnegative) for f in slope.atoms(learned)}
    back = {dummy: f for f, dummy in values.items()}
    return slope.xreplace(values).xreplace(dict(rest)).xreplace(back)
