"""Signs that SymPy does not see: completed squares, quotients, and the logarithmic mean.

a v^2 + b v + c = ((2 a v + b)^2 + 4 a c - b^2)/(4 a) is positive where a and 4 a c - b^2 are. A quotient has the sign
of its numerator where its denominator is not negative, at every point where it is defined. (p - q)/(log p - log q) > 0,
as the logarithm rises.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import sympy as sp

from metrigen.physics.size import expanded_terms, fits
from metrigen.physics.work_budget import expand

Found = Literal["positive", "nonnegative"]
_LARGE, _MOST_TERMS, _DEEPEST = 200, 60, 4


def sign_by_structure(expr: sp.Expr) -> Found | None:
    """The sign of an expression over all its values; None where no argument of this file applies. Raises TooLarge."""
    return _sign(expr, _DEEPEST)


def _sign(expr: sp.Expr, depth: int) -> Found | None:
    if expr.is_positive:
        return "positive"
    if expr.is_nonnegative:
        return "nonnegative"
    if depth == 0 or not fits(expr, _LARGE):
        return None
    return _of_product(expr, depth - 1) if expr.is_Mul else _of_square(expr, depth - 1)


def _of_product(expr: sp.Expr, depth: int) -> Found | None:
    for rest in _without_means(expr):
        return _sign(rest, depth)
    verdict: Found = "positive"
    for factor in expr.args:
        base, exponent = factor.as_base_exp()
        inverse = bool(exponent.is_Integer and exponent < 0)
        sign = _sign(base**-exponent if inverse else factor, depth)
        if sign is None:
            return None
        # Beside a denominator that may vanish nothing is positive everywhere.
        verdict = "positive" if verdict == sign == "positive" else "nonnegative"
    return verdict


def _of_square(expr: sp.Expr, depth: int) -> Found | None:
    if expanded_terms(expr) > _MOST_TERMS:
        return None
    expr = expand(expr)
    if expr.is_nonnegative:
        return "positive" if expr.is_positive else "nonnegative"
    for v in sorted(expr.free_symbols, key=sp.default_sort_key):
        if v.is_real is not True or not expr.is_polynomial(v) or sp.degree(expr, v) != 2:
            continue
        a, b, c = sp.Poly(expr, v).all_coeffs()
        if _sign(a, depth) != "positive":
            continue
        rest = expand(4 * a * c - b**2)
        found: Found | None = "nonnegative" if rest.is_zero else _sign(rest, depth)
        if found is not None:
            return found
    return None


def _without_means(expr: sp.Expr) -> Iterator[sp.Expr]:
    """A product without a factor (p - q)/(log p - log q) or its inverse, if it has one."""
    factors = [factor.as_base_exp() for factor in expr.args]
    for i, (base, exponent) in enumerate(factors):
        for p, q in _logarithms(base):
            for j, (other, opposite) in enumerate(factors):
                ratio = _ratio(other, expand(p - q)) if opposite == -exponent and abs(exponent) == 1 else None
                if ratio is not None:
                    rest = [f for k, f in enumerate(expr.args) if k not in (i, j)]
                    yield sp.Mul(ratio**opposite, *rest)


def _logarithms(base: sp.Expr) -> Iterator[tuple[sp.Expr, sp.Expr]]:
    """(p, q) of log p - log q or log(p/q), p and q positive."""
    if isinstance(base, sp.log):
        p, q = base.args[0].as_numer_denom()
        pairs = [(p, q)]
    else:
        above = [t.args[0] for t in sp.Add.make_args(base) if isinstance(t, sp.log)]
        below = [(-t).args[0] for t in sp.Add.make_args(base) if isinstance(-t, sp.log)]
        fits_ = base.is_Add and len(base.args) == 2 and len(above) == len(below) == 1
        pairs = [(above[0], below[0])] if fits_ else []
    return ((p, q) for p, q in pairs if p.is_positive and q.is_positive)


def _ratio(other: sp.Expr, difference: sp.Expr) -> sp.Expr | None:
    """The number c with other = c (p - q)."""
    content, own = expand(other).primitive()[0], difference.primitive()[0]
    for ratio in (content / own, -content / own):
        if expand(other - ratio * difference).is_zero:
            return ratio
    return None
