"""What a product is made of: a number, and powers of whatever is not one; and names for values of a statement."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Set
from dataclasses import replace

import sympy as sp

from metrigen.budget import folded
from metrigen.ir.nodes import Inside, Load, Map
from metrigen.passes.cse import ordered, unnamed
from metrigen.spec.neural import learned

Powers = dict[sp.Expr, int]  # base -> exponent; a power that is not whole is a base of its own
Product = tuple[sp.Expr, Powers]
Rule = Callable[[sp.Expr], sp.Expr]


def split(expr: sp.Expr) -> Product:
    """The number and the powers of a product, in the order of SymPy."""
    number, rest = expr.as_coeff_Mul()
    if number.is_Float and abs(float(number)) == 1:
        number = sp.sign(number)
    powers: Powers = {}
    for factor in sp.Mul.make_args(rest) if rest is not sp.S.One else ():
        whole = factor.is_Pow and factor.exp.is_Integer
        powers[factor.base if whole else factor] = int(factor.exp) if whole else 1
    return number, powers


def joined(number: sp.Expr, powers: Powers) -> sp.Expr:
    """The product of them. A number times one sum is multiplied out: SymPy has no other form of it."""
    return sp.Mul(number, *(base**exponent for base, exponent in powers.items()))


def of_site(expr: sp.Expr, own: Set[sp.Symbol]) -> bool:
    """Whether a value depends on the site: it reads an array, or a named value of its statement."""
    return expr.has(Load, Inside) or not own.isdisjoint(expr.free_symbols)


def fresh(statement: Map) -> Iterator[sp.Symbol]:
    """Names for new values of a statement."""
    read = {s for e in statement.expressions for s in e.free_symbols}
    return unnamed({s.name for s in read | statement.own})


def rewritten(statement: Map, rule: Rule, made: dict[sp.Expr, sp.Symbol]) -> Map:
    """The statement with ``rule`` applied to every subexpression once its arguments are rewritten; ``made`` are the
    values that the rule has named meanwhile."""
    whole = sp.Tuple(*statement.expressions)

    def rebuilt(node: sp.Basic, parts: list[sp.Basic]) -> sp.Basic:
        if not node.args or isinstance(node, learned):
            return node
        node = node if parts == list(node.args) else node.func(*parts)
        return rule(node) if isinstance(node, sp.Expr) and node.args and not node.is_number else node

    swap = dict(zip(whole.args, folded(whole, rebuilt).args, strict=True))
    statement = statement.with_expressions(swap.__getitem__)
    return named(statement, made)


def named(statement: Map, made: dict[sp.Expr, sp.Symbol]) -> Map:
    """The statement with more named values of its own."""
    if not made:
        return statement
    return replace(statement, lets=ordered((*((s, e) for e, s in made.items()), *statement.lets)))


def distinct(exprs: Iterable[sp.Expr], kind: type[sp.Basic]) -> list[sp.Expr]:
    """Every subexpression of a kind once, in the order in which they are met; what a learned function is given stays as
    it is (``rewritten``), and none is looked for there."""
    whole = sp.Tuple(*exprs)
    found: dict[sp.Expr, None] = {}
    calls: list[sp.Basic] = []

    def met(node: sp.Basic, _: list[None]) -> None:
        if isinstance(node, kind):
            found[node] = None
        elif isinstance(node, learned):
            calls.append(node)

    folded(whole, met)
    if not calls:
        return list(found)
    reached: set[sp.Basic] = set()
    ahead: list[sp.Basic] = [whole]
    while ahead:
        node = ahead.pop()
        if node not in reached:
            reached.add(node)
            ahead += () if isinstance(node, learned) else node.args
    return [node for node in found if node in reached]
