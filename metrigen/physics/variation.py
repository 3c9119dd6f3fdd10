"""One variation: the gradient of a density with respect to its jets, and the Euler operator.

    E_u(h) = sum_alpha (-D)_alpha dh/du_alpha

The gradient goes through channel maps by their transpose: for h(u, m) with m = K f(u) it is dh/du + f'(u) K^T dh/dm,
because a density is summed over the channels. ``E_u(h) = 0`` for every u says that h is a total derivative.
"""

from __future__ import annotations

from collections.abc import Sequence

import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.physics import channels
from metrigen.physics.jets import Jet, from_jets, jets_of, to_jets
from metrigen.physics.partials import Partials
from metrigen.physics.size import expanded_terms
from metrigen.physics.work_budget import expansion, spend
from metrigen.spec.symbols import t

LARGE = 5000  # terms beyond which products are not multiplied out


def diff_jets(expr: sp.Expr, coordinate: sp.Symbol, held: Sequence[AppliedUndef] = ()) -> sp.Expr:
    """The total derivative D_mu f = df/dx^mu + sum_alpha u_{alpha+mu} df/du_alpha of an expression in jets.

    The functions ``held`` count as constants: with the fields held it is the explicit derivative. Raises TooLarge.
    """
    flat, maps = channels.lift(expr)
    partials = Partials(flat)
    terms = [partials.along(coordinate)]
    terms += [partials.along(j) * j.shift(coordinate) for j in jets_of(flat) if j.base not in held]
    for symbol, atom in maps.items():
        inner = diff_jets(channels.argument(atom), coordinate, held)
        terms.append(partials.along(symbol) * channels.apply(atom, inner))
    return sp.Add(*terms).xreplace(maps)


def diff_along(expr: sp.Expr, directions: tuple[sp.Symbol, ...]) -> sp.Expr:
    """D_alpha of an expression in jets."""
    for coordinate in directions:
        expr = diff_jets(expr, coordinate)
    return expr


def gradient(density: sp.Expr, covector: sp.Expr = sp.S.One, *, of: AppliedUndef | None = None) -> dict[Jet, sp.Expr]:
    """The derivative of (sum over channels of covector * density) with respect to each jet (of one function only)."""
    flat, maps = channels.lift(density)
    partials = Partials(flat)
    out = {j: covector * partials.along(j).xreplace(maps) for j in jets_of(flat, *(() if of is None else (of,)))}
    for symbol, atom in maps.items():
        pulled = channels.apply_transposed(atom, covector * partials.along(symbol).xreplace(maps))
        for j, value in gradient(channels.argument(atom), pulled, of=of).items():
            out[j] = out.get(j, sp.S.Zero) + value
    return dict(sorted(out.items(), key=lambda item: item[0].name))


def euler_jets(density: sp.Expr, u: AppliedUndef, *, coordinates: tuple[sp.Symbol, ...] | None = None) -> sp.Expr:
    """E_u of a density in jets over ``coordinates`` (default: all but t)."""
    over = tuple(x for x in u.args if x != t) if coordinates is None else coordinates
    return euler_of(gradient(density, of=u), u, over)


def euler_of(gradients: dict[Jet, sp.Expr], u: AppliedUndef, over: tuple[sp.Symbol, ...]) -> sp.Expr:
    """E_u from a gradient that is already known."""
    terms = []
    for j, value in gradients.items():
        if j.base != u or (t not in over and j.order_in(t)):  # over space alone u_t is a field of its own
            continue
        directions = tuple(x for x in j.directions() if x in over)
        terms.append((-1) ** len(directions) * diff_along(value, directions))
    return tidy(sp.Add(*terms))


def tidy(expr: sp.Expr) -> sp.Expr:
    """Products multiplied out and channel maps in normal form: equal results usually compare equal."""
    expr = channels.canonical(expr)
    terms = expanded_terms(expr)
    if terms >= LARGE:
        return expr
    spend(expansion(expr, terms), f"an expansion to {terms} terms")
    return sp.expand_mul(expr)


def over_common(expr: sp.Expr) -> sp.Expr:
    """The terms of a sum whose denominators are sums that differ by a product only, as one fraction."""
    parts = {p: content(p.base) for p in expr.atoms(sp.Pow) if p.base.is_Add and p.exp.is_Integer and p.exp.is_negative}
    groups: dict[sp.Expr, list[tuple[sp.Expr, sp.Expr]]] = {}
    for term in sp.Add.make_args(expr):
        above, below = [], []
        for factor in sp.Mul.make_args(term):
            scale, core = parts.get(factor, (factor, sp.S.One))
            above.append(scale**factor.exp if factor in parts else scale)
            below.append(core**factor.exp if factor in parts else core)
        groups.setdefault(sp.Mul(*below), []).append((term, sp.Mul(*above)))
    whole = [
        sp.Add(*(above for _, above in terms)) * below
        if below != 1 and len(terms) > 1
        else sp.Add(*(t for t, _ in terms))
        for below, terms in groups.items()
    ]
    return sp.Add(*whole)


def content(expr: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """(the factors that all terms of a sum share, what is left of it)."""
    factors = sp.Mul.make_args(sp.factor_terms(expr))
    return sp.Mul(*(f for f in factors if not f.is_Add)), sp.Mul(*(f for f in factors if f.is_Add))


def total_derivative(expr: sp.Expr, coordinate: sp.Symbol) -> sp.Expr:
    """D_mu of an expression in fields, explicit coordinates and channel maps included."""
    return from_jets(diff_jets(to_jets(expr), coordinate))


def euler(density: sp.Expr, field: AppliedUndef, *coordinates: sp.Symbol) -> sp.Expr:
    """The variational derivative of int density over ``coordinates``; without any, over space: the functional
    derivative dF/du. ``euler(L, u, *u.args)`` is the Euler-Lagrange expression."""
    return from_jets(euler_jets(to_jets(density), field, coordinates=coordinates or None))


def euler_lagrange(lagrangian: sp.Expr, field: AppliedUndef) -> sp.Expr:
    """E_u(L) over space and time: zero on solutions."""
    return euler(lagrangian, field, *field.args)
