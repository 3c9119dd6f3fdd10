"""How large would an expression become? A bound counted before the work is done, so that no law runs away."""

from __future__ import annotations

from math import comb

import sympy as sp

_LARGEST_POWER = 1000


def expanded_terms(expr: sp.Expr) -> int:
    """An upper bound of the terms that ``expand`` writes: sums add, products multiply, (a_1 + ... + a_k)^n has
    C(k + n - 1, n); the arguments of functions and roots are expanded as well."""
    outer, inner = _terms(expr)
    return outer + inner


def _terms(expr: sp.Expr) -> tuple[int, int]:
    """(terms of the expression itself, terms inside its functions)."""
    if not expr.args:
        return 1, 0
    parts = [_terms(a) for a in expr.args]
    inner = sum(b for _, b in parts)
    if expr.is_Add:
        return sum(a for a, _ in parts), inner
    if expr.is_Mul:
        product = 1
        for a, _ in parts:
            product *= a
        return product, inner
    if expr.is_Pow and expr.exp.is_Integer:
        n, k = min(abs(int(expr.exp)), _LARGEST_POWER), parts[0][0]
        terms = comb(k + n - 1, n)
        return (terms, inner) if expr.exp.is_positive else (1, inner + terms)
    return 1, inner + sum(a for a, _ in parts)
