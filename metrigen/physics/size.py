"""How large is an expression, or what would become of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import comb

import sympy as sp

from metrigen.budget import TooLarge as TooLarge
from metrigen.budget import fits as fits
from metrigen.budget import folded
from metrigen.budget import nodes as nodes

_LARGEST_POWER = 1000
Written = tuple[int, int]  # terms of an expanded expression, and its nodes


@contextmanager
def blamed_on(part: str) -> Iterator[None]:
    """Names the part of the spec that outgrew a limit."""
    try:
        yield
    except TooLarge as error:
        error.part = error.part or part
        raise


def expanded_terms(expr: sp.Expr) -> int:
    """An upper bound of the terms that ``expand`` writes: sums add, products multiply, (a_1 + ... + a_k)^n has
    C(k + n - 1, n); the arguments of functions and roots are expanded as well."""
    outer, inner = folded(expr, _terms)
    return outer + inner


def _terms(expr: sp.Basic, parts: list[tuple[int, int]]) -> tuple[int, int]:
    """(terms of the expression itself, terms inside its functions)."""
    if not expr.args:
        return 1, 0
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


def expanded_nodes(expr: sp.Expr) -> int:
    """About how many nodes ``expand`` writes. The denominators of a product are multiplied out together, and every
    term of the numerator carries a copy of their product."""
    return folded(expr, _written)[0][1]


def _written(expr: sp.Basic, parts: list[tuple[Written, Written]]) -> tuple[Written, Written]:
    """(terms, nodes) of the expanded expression, and of its expanded denominator, (1, 0) where it has none."""
    none = (1, 0)
    if not expr.args:
        return (1, 1), none
    if expr.is_Add:
        return (sum(a for (a, _), _ in parts), 1 + sum(n for (_, n), _ in parts)), none
    if expr.is_Mul:
        below = _multiplied([d for _, d in parts if d != none])
        above = [w for w, d in parts if d == none]
        terms, size = _multiplied([*above, (1, 1 + below[1])] if below != none else above)
        return (terms, size), none
    if expr.is_Pow and expr.exp.is_Integer:
        n, (k, size) = min(abs(int(expr.exp)), _LARGEST_POWER), parts[0][0]
        terms = comb(k + n - 1, n)
        power = (terms, 3 * size if k == 1 else terms * (2 + min(n, k) * (size // k)))
        return (power, none) if expr.exp.is_positive else ((1, 2 + power[1]), power)
    return (1, 1 + sum(n for (_, n), _ in parts)), none


def _multiplied(factors: list[Written]) -> Written:
    """(terms, nodes) of a product that is multiplied out: every term holds one of each factor."""
    if not factors:
        return 1, 0
    terms = 1
    for k, _ in factors:
        terms *= k
    return terms, terms + sum(terms * size // k for k, size in factors)
