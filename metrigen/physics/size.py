"""How large would an expression become? A bound counted before the work is done, so that no law runs away."""

from __future__ import annotations

from math import comb

import sympy as sp

from metrigen.errors import SpecError

LARGEST_DERIVATIVE = 30_000  # nodes of an expression times the symbols it is differentiated by
_LARGEST_POWER = 1000


class TooLarge(SpecError):
    """An expression of an extreme spec outgrew what can be derived in seconds. Laws that meet it are not tested."""

    def __init__(self, nodes: int, symbols: int) -> None:
        super().__init__(
            "an expression became too large to be derived in seconds",
            why=f"a total derivative of {nodes} operations in {symbols} derivatives of the fields was called for",
            fix="use fewer or lower derivatives inside functions, or a bracket of lower order",
        )
        self.short = f"a derivative of {nodes} operations in {symbols} jets was called for"


def check_derivative(expr: sp.Expr, symbols: int) -> None:
    """Raise TooLarge before an expression is differentiated by so many symbols."""
    most = LARGEST_DERIVATIVE // (symbols + 1)
    if not _fits(expr, most):
        raise TooLarge(nodes(expr), symbols)


def nodes(expr: sp.Expr) -> int:
    """The number of nodes of an expression as a tree."""
    return 1 + sum(nodes(a) for a in expr.args)


def _fits(expr: sp.Expr, most: int) -> bool:
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
