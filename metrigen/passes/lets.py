"""Long expressions in let-form: every value that is used more than once, or that lies deep, has a name of its own.

    1/(a + b)^2 + sin(1/(a + b))  ->  w1 = a + b,  w2 = 1/w1,  w2^2 + sin(w2)

Varied value by value, backwards, such an expression and its derivatives stay as long as it is; written out, a
derivative would repeat every denominator and every inner function once more. Invariant: the value of every expression.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import sympy as sp

from metrigen.budget import folded, nodes
from metrigen.spec.neural import learned

Lets = tuple[tuple[sp.Symbol, sp.Expr], ...]
LARGE = 1500  # nodes beyond which an expression is taken apart
_LEVELS = 4  # of an expression between two names


def is_large(expr: sp.Expr) -> bool:
    """Whether an expression is varied in let-form; one that calls a module is not."""
    return nodes(expr) > LARGE and not expr.has(learned)


def let_form(exprs: Sequence[sp.Expr], fresh: Callable[[], sp.Symbol]) -> tuple[Lets, list[sp.Expr]]:
    """(values by name, each before its uses; the expressions in them)."""
    uses: dict[sp.Basic, int] = {}
    for node in _once(exprs):
        for argument in node.args:
            uses[argument] = uses.get(argument, 0) + 1
    for e in exprs:
        uses[e] = uses.get(e, 0) + 1
    lets: list[tuple[sp.Symbol, sp.Expr]] = []

    def rebuilt(node: sp.Basic, parts: list[tuple[sp.Basic, int]]) -> tuple[sp.Basic, int]:
        if not node.args:
            return node, 0
        made = node.func(*(part for part, _ in parts))
        level = 1 + max(depth for _, depth in parts)
        if node.is_number or not isinstance(node, sp.Expr) or not made.args:
            return made, level
        if made.as_coeff_Mul()[1].is_Symbol or not (level > _LEVELS or uses[node] > 1):
            return made, level
        lets.append((fresh(), made))
        return lets[-1][0], 0

    whole = sp.Tuple(*exprs)
    uses[whole] = 1
    parts = folded(whole, lambda node, p: (sp.Tuple(*(a for a, _ in p)), 0) if node is whole else rebuilt(node, p))[0]
    return tuple(lets), list(parts.args)


def _once(exprs: Sequence[sp.Expr]) -> Iterator[sp.Basic]:
    """Every distinct subexpression once."""
    seen: set[sp.Basic] = set()
    stack: list[sp.Basic] = list(exprs)
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            yield node
            stack.extend(node.args)
