"""Name what a mask is multiplied with again and again, so that the product is taken once.

    c m (a - b)^2,  m (a - b) d    ->    w = m (a - b),  c w^2,  w d

A mask is 0 or 1, so m x^k = (m x)^k. Invariant: the value of every store and sum, to rounding.
"""

from __future__ import annotations

from dataclasses import replace

import sympy as sp

from metrigen.ir.nodes import Inside, Map, Program
from metrigen.passes.products import Powers, distinct, fresh, joined, of_site, rewritten, split

Pair = tuple[sp.Expr, sp.Expr]


def name_masked(program: Program) -> Program:
    """Every value of a site that is multiplied with one mask in two products or more becomes, masked, a value with a
    name; of several, those first that most products hold."""
    return replace(program, body=tuple(_named(s) if isinstance(s, Map) else s for s in program.body))


def _named(statement: Map) -> Map:
    names = fresh(statement)
    while (pair := _commonest(statement)) is not None:
        mask, value = pair
        symbol = next(names)
        statement = rewritten(statement, lambda e: _with(e, mask, value, symbol), {mask * value: symbol})  # noqa: B023
    return statement


def _commonest(statement: Map) -> Pair | None:
    counts: dict[Pair, int] = {}
    if not any(e.has(Inside) for e in statement.expressions):
        return None
    own = statement.own
    for product in distinct(statement.expressions, sp.Mul):
        for pair in _pairs(split(product)[1], own):
            counts[pair] = counts.get(pair, 0) + 1
    most = max(counts.values(), default=0)
    return next(pair for pair, count in counts.items() if count == most) if most > 1 else None


def _pairs(powers: Powers, own: frozenset[sp.Symbol]) -> list[Pair]:
    masks = [base for base in powers if isinstance(base, Inside)]
    values = [b for b, n in powers.items() if n > 0 and not isinstance(b, Inside) and masks and of_site(b, own)]
    return [(mask, value) for mask in masks for value in values]


def _with(expr: sp.Expr, mask: sp.Expr, value: sp.Expr, symbol: sp.Symbol) -> sp.Expr:
    """A product with the named value in the place of mask and value."""
    if not expr.is_Mul:
        return expr
    number, powers = split(expr)
    if mask not in powers or powers.get(value, 0) < 1:
        return expr
    return joined(number, {symbol if b == value else b: n for b, n in powers.items() if b != mask})
