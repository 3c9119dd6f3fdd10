"""Rotation of the momenta: what a bracket holds beyond F[q]*G[p] - F[p]*G[q], and whether a splitting can take it.

    F[p]*mix(B, G[p])           p rotates among its channels, p_t = a B p with B antisymmetric
    w*(F[p]*G[r] - F[r]*G[p])   p and r rotate about one another, p_t = w a_r r, r_t = -w a_p p: a magnetic field,
                                the Coriolis force; w holds no momentum and no derivative of a field

with the inverse masses a of T = sum a p^2/2. Both leave T as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.physics import channels
from metrigen.physics.derivation import Derivation
from metrigen.physics.jets import from_jets, has_unevaluated, jet, jets_of, to_jets
from metrigen.physics.report import show
from metrigen.physics.variation import euler, euler_jets
from metrigen.physics.work_budget import expand
from metrigen.physics.zero import is_zero
from metrigen.spec.neural import learned_functions
from metrigen.spec.symbols import Param, mix, transposed

Pair = tuple[AppliedUndef, AppliedUndef]
_FIX = (
    "beyond F[q]*G[p] - F[p]*G[q] Strang takes F[p]*mix(B, G[p]) with B antisymmetric, and w*(F[p]*G[r] - F[r]*G[p]) "
    "of momenta p and r with w free of the momenta"
)


@dataclass(frozen=True)
class Plane:
    """p_t = rate a_r r, r_t = -rate a_p p."""

    p: AppliedUndef
    r: AppliedUndef
    rate: sp.Expr


def remainder(derivation: Derivation, pairs: Sequence[Pair]) -> list[tuple[AppliedUndef, sp.Expr]]:
    """The rows of the bracket beyond the canonical ones, in jets."""
    bracket = derivation.bracket
    assert bracket is not None
    right = dict(zip(derivation.fields, bracket.right, strict=True))
    canonical = {**{q: jet(right[p]) for q, p in pairs}, **{p: -jet(right[q]) for q, p in pairs}}
    density, out = to_jets(bracket.form), []
    for u, left in zip(derivation.fields, bracket.left, strict=True):
        rest = expand(channels.canonical(euler_jets(density, left) - canonical.get(u, sp.S.Zero)))
        if not is_zero(rest):
            out.append((u, rest))
    return out


def planes(derivation: Derivation, pairs: Sequence[Pair]) -> tuple[Plane, ...]:
    """The planes in which momenta rotate about one another, each once."""
    assert derivation.bracket is not None
    right = dict(zip(derivation.fields, derivation.bracket.right, strict=True))
    momenta, found = [p for _, p in pairs], []
    for u, rest in remainder(derivation, pairs):
        for v in momenta[momenta.index(u) + 1 :] if u in momenta else ():
            rate = sp.Add(*(term for term in sp.Add.make_args(rest) if not term.has(mix))).diff(jet(right[v]))
            if not is_zero(rate):
                found.append(Plane(u, v, from_jets(rate)))
    return tuple(found)


def misfit(derivation: Derivation, pairs: Sequence[Pair], kinetic: sp.Expr) -> tuple[str, str] | None:
    """Why the bracket beyond the canonical part is no rotation that Strang can take, and what it takes; else None."""
    momenta = [p for _, p in pairs]
    masses = {p: euler(kinetic, p).diff(p) for p in momenta}
    for u, rest in remainder(derivation, pairs):
        for term in sp.Add.make_args(rest):
            fits = _of_channels(derivation, u, term) if term.has(mix) else _of_a_plane(derivation, u, term, momenta)
            if u not in momenta or not fits:
                why = f"the bracket is not canonical: the row of {u.func.__name__} also holds {show(term)}"
                return why, _FIX
            if term.has(mix) and not (channels.is_scalar(masses[u]) and not jets_of(to_jets(masses[u]))):
                name = u.func.__name__
                why = f"the channels of {name} rotate with the velocity {show(masses[u])} {name}, not that of all"
                return why, "T = a*p**2/2 with a the same in every channel and at every site"
    for plane in planes(derivation, pairs):
        first, second = masses[plane.p], masses[plane.r]
        if first != second and not (first.is_positive and second.is_positive):
            names = f"{plane.p.func.__name__} and {plane.r.func.__name__}"
            masses_of = f"inverse masses {show(first)} and {show(second)} of unknown sign"
            why = f"{names} rotate about one another with {masses_of}"
            return why, "declare them positive: Param(..., positive=True)"
    return None


def _of_channels(derivation: Derivation, u: AppliedUndef, term: sp.Expr) -> bool:
    """Is it c mix(B, G[u]) with c a scalar and B antisymmetric?"""
    assert derivation.bracket is not None
    own = dict(zip(derivation.fields, derivation.bracket.right, strict=True))[u]
    factor, rotation = term.as_independent(mix)
    if not isinstance(rotation, mix):
        return False
    matrix = rotation.args[0].args[0] if isinstance(rotation.args[0], transposed) else rotation.args[0]
    antisymmetric = isinstance(matrix, Param) and matrix.antisymmetric
    return antisymmetric and rotation.args[1] == jet(own) and channels.is_scalar(factor) and not jets_of(factor)


def _of_a_plane(derivation: Derivation, u: AppliedUndef, term: sp.Expr, momenta: Sequence[AppliedUndef]) -> bool:
    """Is it w G[r] with r another momentum and w of fields at the site alone?"""
    assert derivation.bracket is not None
    right = dict(zip(derivation.fields, derivation.bracket.right, strict=True))
    for v in momenta:
        rate = term.diff(jet(right[v]))
        if rate == 0 or v == u:
            continue
        held = jets_of(rate)
        local = not any(j.order for j in held) and not has_unevaluated(rate) and not channels.has_maps(rate)
        free = not jets_of(
            rate, *momenta, *derivation.bracket.right, *derivation.constraints
        ) and not learned_functions(rate)
        return local and free and is_zero(term - rate * jet(right[v]))
    return False
