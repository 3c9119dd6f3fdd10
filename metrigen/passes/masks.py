"""Name what a mask is multiplied with again and again, so that the product is taken once.

    c m (a - b)^2,  m (a - b) d    ->    w = m (a - b),  c w^2,  w d

A mask is 0 or 1, so m x^k = (m x)^k. Invariant: the value of every store and sum, to rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Set
from dataclasses import replace
from functools import cache

import sympy as sp

from metrigen.ir.nodes import Inside, Map, Program
from metrigen.passes.products import Powers, distinct, fresh, joined, of_site, rewritten, split

Pair = tuple[sp.Expr, sp.Expr]


def name_masked(program: Program) -> Program:
    """Every value of a site that is multiplied with one mask in two products or more becomes, masked, a value with a
    name; of several, those first that most products hold."""
    return replace(program, body=tuple(_named(s) if isinstance(s, Map) else s for s in program.body))


def _named(statement: Map) -> Map:
    if not any(e.has(Inside) for e in statement.expressions):
        return statement
    names, own = fresh(statement), set(statement.own)

    @cache
    def pairs(product: sp.Expr) -> list[Pair]:  # most products are the same from one name to the next
        return _pairs(split(product)[1], own)

    while (pair := _commonest(distinct(statement.expressions, sp.Mul), pairs)) is not None:
        symbol = next(names)
        own.add(symbol)

        def rule(e: sp.Expr, pair: Pair = pair, symbol: sp.Symbol = symbol) -> sp.Expr:
            return _with(e, pair, symbol) if e.is_Mul and pair in pairs(e) else e

        statement = rewritten(statement, rule, {pair[0] * pair[1]: symbol})
    return statement


def _commonest(products: Iterable[sp.Expr], pairs: Callable[[sp.Expr], list[Pair]]) -> Pair | None:
    counts: dict[Pair, int] = {}
    for product in products:
        for pair in pairs(product):
            counts[pair] = counts.get(pair, 0) + 1
    most = max(counts.values(), default=0)
    return next(pair for pair, count in counts.items() if count == most) if most > 1 else None


def _pairs(powers: Powers, own: Set[sp.Symbol]) -> list[Pair]:
    masks = [base for base in powers if isinstance(base, Inside)]
    values = [b for b, n in powers.items() if n > 0 and not isinstance(b, Inside) and masks and of_site(b, own)]
    return [(mask, value) for mask in masks for value in values]


def _with(product: sp.Expr, pair: Pair, symbol: sp.Symbol) -> sp.Expr:
    """The product with the named value in the place of mask and value."""
    mask, value = pair
    number, powers = split(product)
    return joined(number, {symbol if b == value else b: n for b, n in powers.items() if b != mask})
