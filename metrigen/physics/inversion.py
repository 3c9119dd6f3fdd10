"""Velocities from momenta: linear where L is quadratic, in closed form for the non-quadratic kinetic terms of the
textbooks (relativistic, Born-Infeld, powers, hyperbolic)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.physics import channels, linear
from metrigen.physics.jets import Jet, label
from metrigen.physics.refusals import refuse
from metrigen.physics.report import short, show
from metrigen.physics.signs import sign_of
from metrigen.physics.variation import over_common, tidy
from metrigen.physics.work_budget import expand
from metrigen.physics.zero import Evaluator, random_point
from metrigen.spec.neural import learned

Fields = Sequence[AppliedUndef]
_STATES, _VARIED = 24, 8  # random states that a sign is looked at, and those from which a velocity is varied
_VELOCITIES = tuple(sp.Rational(k, 8) for k in range(-24, 25))
_INVERSES = {sp.sinh: sp.asinh, sp.atan: sp.tan, sp.asinh: sp.sinh, sp.exp: sp.log, sp.tanh: sp.atanh, sp.log: sp.exp}


@dataclass(frozen=True)
class Inverse:
    """u_t as functions of the momenta, how they were found, and where they are valid."""

    velocities: Mapping[AppliedUndef, sp.Expr]
    how: str
    verdict: Literal["proved", "conditional", "sampled"]
    detail: str = ""
    polynomial: bool = True
    needs: tuple[sp.Expr, ...] = ()

    def energy(self, expr: sp.Expr) -> sp.Expr:
        """pi v - L, with the common root collected where there is one."""
        for atom in sorted(expr.atoms(sp.sign), key=sp.default_sort_key):
            expr = _without_sign(expr, atom)
        return linear.cancelled(expr) if not expr.has(sp.Pow, sp.Function) else sp.factor_terms(sp.powdenest(expr))


def _without_sign(expr: sp.Expr, atom: sp.Expr) -> sp.Expr:
    """sign(a)^2 = 1 and a sign(a) = |a|, so that the derivative of the energy is free of delta functions."""
    a, sigma = atom.args[0], sp.Symbol("sigma[]", real=True)
    terms = sp.Poly(expand(expr.xreplace({atom: sigma})), sigma).terms()
    return sp.Add(*(c * sp.Abs(a) / a if n % 2 else c for (n,), c in terms))


def invert_velocities(
    lagrangian: sp.Expr,
    fields: Fields,
    momenta: Mapping[AppliedUndef, sp.Expr],
    velocities: Mapping[AppliedUndef, Jet],
    conjugate: Mapping[AppliedUndef, Jet],
    hessian: list[list[sp.Expr]],
    det: sp.Expr,
) -> Inverse:
    """Express every velocity by the momenta. Raises StructureError(law="legendre")."""
    speeds = set(velocities.values())
    if not any(speeds & entry.free_symbols for row in hessian for entry in row):
        rest = [conjugate[u] - momenta[u].xreplace(dict.fromkeys(velocities.values(), sp.S.Zero)) for u in fields]
        inverse = linear.inverse(hessian)
        solved = {
            u: over_common(tidy(sp.Add(*(c * r for c, r in zip(row, rest, strict=True)))))
            for u, row in zip(fields, inverse, strict=True)
        }
        return _judged(solved, "L is quadratic in the velocities: v = W^-1 (pi - b)", det, [], polynomial=True)
    _refuse_multivalued(fields, momenta, velocities, hessian)
    closed = _isotropic(lagrangian, fields, velocities, conjugate) or _one_by_one(
        fields, momenta, velocities, conjugate
    )
    if closed is None:
        raise refuse(
            "the velocities cannot be expressed by the momenta in closed form",
            residual=det,
            why="pi = " + ", ".join(show(momenta[u]) for u in fields),
            fix="give hamiltonian= and bracket= directly",
        )
    roots = _radicands(lagrangian, velocities)
    return _judged(closed, "pi(v) inverted in closed form", det, roots, polynomial=False)


def _judged(
    solved: Mapping[AppliedUndef, sp.Expr], how: str, det: sp.Expr, roots: list[sp.Expr], *, polynomial: bool
) -> Inverse:
    """Where is det W != 0? Everywhere, in the domain of its roots, away from its zeros, or not decided."""
    sign = sign_of(det)
    if det.is_nonzero or sign.verdict == "positive":
        return Inverse(solved, how, "proved", polynomial=polynomial)
    if sign.verdict == "unknown":
        if roots:
            return Inverse(solved, how, "conditional", " and ".join(f"{show(r)} > 0" for r in roots), polynomial,
                           tuple(roots))  # fmt: skip
        return Inverse(solved, how, "sampled", "no zero of det W was found", polynomial)
    return Inverse(solved, how, "conditional", f"{show(det)} != 0", polynomial, (det**2,))


def _radicands(lagrangian: sp.Expr, velocities: Mapping[AppliedUndef, Jet]) -> list[sp.Expr]:
    """What stands under the roots of a Lagrangian, as far as it depends on a velocity."""
    powers = [a for a in lagrangian.atoms(sp.Pow) if a.exp.is_Rational and not a.exp.is_Integer]
    found = {a.base for a in powers if a.base.free_symbols & set(velocities.values())}
    return sorted(found, key=sp.default_sort_key)


def _refuse_multivalued(
    fields: Fields,
    momenta: Mapping[AppliedUndef, sp.Expr],
    velocities: Mapping[AppliedUndef, Jet],
    hessian: list[list[sp.Expr]],
) -> None:
    """A kinetic term that is neither convex nor concave where its momentum has a value: one momentum belongs to several
    velocities."""
    for u, row, i in zip(fields, hessian, range(len(fields)), strict=True):
        entry = row[i]
        v = velocities[u]
        seen: dict[bool, str] = {}
        if entry.has(learned) or channels.has_maps(entry):
            continue  # no numbers to look at
        moved = sp.Add(*(term for term in sp.Add.make_args(momenta[u]) if v in term.free_symbols))
        if moved.has(learned) or channels.has_maps(moved):
            moved = entry
        compiled = Evaluator.of((entry, moved), _STATES)
        for seed in range(_STATES):
            point = random_point(entry + moved, seed, (2.0, 0.2, 0.9)[seed % 3])
            value = next(iter(compiled.at(point) or ()), None)
            if value:
                seen.setdefault(bool(value > 0), f"{label(v)}={short(point.get(v, sp.S.Zero))}: {short(value)}")
        if len(seen) == 2 and v in entry.free_symbols and _varies_with(entry, moved, v):
            raise refuse(
                "the Legendre transform is multivalued",
                residual=entry,
                why=f"d2L/d{label(v)}2 = {show(entry)} changes its sign with the velocity: one momentum belongs to "
                "several velocities",
                witness="; ".join(seen[k] for k in sorted(seen)),
                fix="use a kinetic term that is convex in the velocity, or give hamiltonian= and bracket=",
            )


def _varies_with(entry: sp.Expr, momentum: sp.Expr, v: Jet) -> bool:
    """Does the sign change with v alone, all other symbols held?"""
    compiled = Evaluator.of((entry, momentum), _VARIED * len(_VELOCITIES))
    for seed in range(_VARIED):
        fixed = {s: x for s, x in random_point(entry + momentum, seed).items() if s != v}
        signs = set()
        for velocity in _VELOCITIES:
            for value in (compiled.at({**fixed, v: velocity}) or ())[:1]:
                signs.add(bool(value > 0) if value else None)
        if {True, False} <= signs:
            return True
    return False


def _isotropic(
    lagrangian: sp.Expr, fields: Fields, velocities: Mapping[AppliedUndef, Jet], conjugate: Mapping[AppliedUndef, Jet]
) -> dict[AppliedUndef, sp.Expr] | None:
    """L = f(s) with s = sum v_a^2: P = sum pi_a^2 = 4 f'(s)^2 s fixes s, then v_a = pi_a/(2 f'(s))."""
    s = sp.Symbol("s[]", positive=True)
    squares = [velocities[u] ** 2 for u in fields]
    first = velocities[fields[0]]
    f = expand(lagrangian).xreplace({squares[0]: s - sp.Add(*squares[1:])})
    if first in f.free_symbols:
        f = lagrangian.xreplace({squares[0]: s - sp.Add(*squares[1:])})
    f = sp.expand_mul(f.replace(lambda e: isinstance(e, sp.Add), lambda e: expand(e)))
    if f.free_symbols & set(velocities.values()):
        return None
    slope = f.diff(s)
    power = sp.Add(*(conjugate[u] ** 2 for u in fields))
    numerator, denominator = linear.cancelled(4 * slope**2 * s).as_numer_denom()
    relation = expand(numerator - power * denominator)
    if not relation.is_polynomial(s):
        return None
    polynomial = sp.Poly(relation, s)
    if polynomial.degree() != 1:
        return None
    a, b = polynomial.all_coeffs()
    root = linear.cancelled(-b / a)
    return {u: sp.factor_terms(conjugate[u] / (2 * slope.xreplace({s: root}))) for u in fields}


def _one_by_one(
    fields: Fields,
    momenta: Mapping[AppliedUndef, sp.Expr],
    velocities: Mapping[AppliedUndef, Jet],
    conjugate: Mapping[AppliedUndef, Jet],
) -> dict[AppliedUndef, sp.Expr] | None:
    """Each momentum a function of its own velocity, which occurs in it once: undo its operations one by one."""
    out = {}
    for u in fields:
        expr, v = momenta[u], velocities[u]
        if expr.free_symbols & {w for w in velocities.values() if w != v}:
            return None
        found = _undo(expr, v, conjugate[u])
        if found is None:
            return None
        out[u] = found
    return out


def _undo(expr: sp.Expr, v: sp.Symbol, value: sp.Expr) -> sp.Expr | None:
    while expr != v:
        inner = [a for a in expr.args if v in a.free_symbols]
        if len(inner) != 1:
            return None
        outer = [a for a in expr.args if v not in a.free_symbols]
        if isinstance(expr, sp.Add):
            value = value - sp.Add(*outer)
        elif isinstance(expr, sp.Mul):
            value = value / sp.Mul(*outer)
        elif isinstance(expr, sp.Pow) and expr.base == inner[0] and expr.exp.is_Integer and expr.exp % 2 == 1:
            if expr.exp < 0:
                return None
            value = sp.sign(value) * sp.Abs(value) ** (1 / expr.exp)
        elif type(expr) in _INVERSES:
            value = _INVERSES[type(expr)](value)
        else:
            return None
        expr = inner[0]
    return value
