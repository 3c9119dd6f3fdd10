"""Bounds of an expression from the ranges of its symbols and of sin, cos, tanh, exp: 2 + sin(u) is positive."""

from __future__ import annotations

import sympy as sp

from metrigen.spec.symbols import Param

Interval = tuple[sp.Expr, sp.Expr]
_UNIT = (sp.sin, sp.cos, sp.tanh)


def bounds(expr: sp.Expr) -> Interval:
    """(lower, upper), each a number or an infinity; possibly wider than the range, never narrower."""
    if expr.is_number:
        return expr, expr
    if expr.is_Add:
        return _sum([bounds(a) for a in expr.args])
    if expr.is_Mul:
        out: Interval = (sp.S.One, sp.S.One)
        for a in expr.args:
            out = _product(out, bounds(a))
        return out
    if expr.is_Pow and expr.exp.is_Integer and expr.exp > 0:
        return _power(bounds(expr.base), int(expr.exp))
    if isinstance(expr, _UNIT):
        return -sp.S.One, sp.S.One
    return _by_sign(expr)


def _by_sign(expr: sp.Expr) -> Interval:
    low = sp.S.Zero if expr.is_nonnegative else -sp.oo
    high = sp.S.Zero if expr.is_nonpositive else sp.oo
    below = expr.below if isinstance(expr, Param) else None
    return low, high if below is None else sp.nsimplify(below, rational=True)


def _sum(parts: list[Interval]) -> Interval:
    lows, highs = [a for a, _ in parts], [b for _, b in parts]
    low = -sp.oo if any(a is -sp.oo or a == -sp.oo for a in lows) else sp.Add(*lows)
    high = sp.oo if any(b == sp.oo for b in highs) else sp.Add(*highs)
    return low, high


def _product(a: Interval, b: Interval) -> Interval:
    ends = [_times(p, q) for p in a for q in b]
    return sp.Min(*ends), sp.Max(*ends)


def _times(a: sp.Expr, b: sp.Expr) -> sp.Expr:
    return sp.S.Zero if a.is_zero or b.is_zero else a * b


def _power(base: Interval, n: int) -> Interval:
    low, high = base
    if n % 2 == 1:
        return low**n, high**n
    ends = [abs(low) ** n, abs(high) ** n]
    straddles = low <= 0 and high >= 0
    return (sp.S.Zero if straddles else sp.Min(*ends)), sp.Max(*ends)
