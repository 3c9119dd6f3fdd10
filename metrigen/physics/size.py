"""How large is an expression, or what would become of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import comb

import sympy as sp

from metrigen.errors import SpecError

_LARGEST_POWER = 1000


class TooLarge(SpecError):
    """A step of the derivation of an extreme spec outgrew its limit. Laws that meet it are ``sampled``; where nothing
    can be said without it the spec is refused. ``short`` says what was called for."""

    def __init__(self, short: str, part: str | None = None) -> None:
        super().__init__(
            "an expression became too large to be derived in seconds",
            part=part,
            why=short,
            fix="use fewer fields, fewer or lower derivatives inside functions, or a bracket of lower order",
        )
        self.short = short


@contextmanager
def blamed_on(part: str) -> Iterator[None]:
    """Names the part of the spec that outgrew a limit."""
    try:
        yield
    except TooLarge as error:
        error.part = error.part or part
        raise


def nodes(expr: sp.Basic) -> int:
    """The number of nodes of an expression as a tree."""
    stack, count = [expr], 0
    while stack:
        count += 1
        stack.extend(stack.pop().args)
    return count


def fits(expr: sp.Basic, most: int) -> bool:
    """At most so many nodes? Counts no further than that."""
    stack, count = [expr], 0
    while stack:
        count += 1
        if count > most:
            return False
        stack.extend(stack.pop().args)
    return True


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
