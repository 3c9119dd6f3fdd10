"""Expressions with the maps between nodes and edges of a graph: where they live, and their value on a small graph.

Every identity of a graph system is one of its nodes and edges for every graph. It is proved where it holds with each
map taken for a symbol of its own; written out on the triangle it is refuted, or not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.physics.jets import Jet
from metrigen.physics.zero import Zero, every, zero_test
from metrigen.spec.edges import average, codifference, difference, share
from metrigen.spec.symbols import Param

MAPS = (difference, codifference, average, share)
TRIANGLE = ((1, 0), (2, 1), (2, 0))  # (head, tail) of every edge
Edges = Sequence[tuple[int, int]]


def places(expr: sp.Expr) -> frozenset[str]:
    """Where an expression takes values: "node", "edge", both (which is no value at all), or neither: everywhere."""
    if isinstance(expr, (difference, average)):
        return frozenset({"edge"})
    if isinstance(expr, (codifference, share)):
        return frozenset({"node"})
    if isinstance(expr, Param):
        return frozenset({{"site": "node", "sample": "node"}.get(expr.per, expr.per)} & {"node", "edge"})
    function = expr.base if isinstance(expr, Jet) else expr
    if isinstance(function, AppliedUndef):
        return frozenset(str(x) for x in function.args) & {"node", "edge"}
    return frozenset().union(*(places(a) for a in expr.args))


def outermost(exprs: Iterable[sp.Expr]) -> list[sp.Expr]:
    """The maps in expressions that stand inside no other map, in a fixed order."""
    found: dict[sp.Expr, None] = {}
    stack = list(exprs)
    while stack:
        expr = stack.pop()
        if isinstance(expr, MAPS):
            found[expr] = None
        else:
            stack.extend(expr.args)
    return sorted(found, key=sp.default_sort_key)


def opaque(expr: sp.Expr) -> sp.Expr:
    """Every outermost map as a real symbol of its own name."""
    return expr.xreplace({atom: sp.Symbol(_name(atom), real=True) for atom in outermost([expr])})


def _name(atom: sp.Expr) -> str:
    return re.sub(r"\[[0,]+\]", "", str(atom))


def graph_zero(expr: sp.Expr) -> Zero:
    """Does a value on nodes or edges vanish for every state of every graph?"""
    if zero_test(opaque(expr)).proved:
        return Zero(True)
    on_triangle = every(zero_test(value) for value in written_out(expr, TRIANGLE))
    return Zero(True, "points") if on_triangle else Zero(False)


def written_out(expr: sp.Expr, edges: Edges) -> list[sp.Expr]:
    """The values at all nodes (or on all edges) of a graph, every function and parameter written with its index."""
    where = places(expr)
    count = len(edges) if "edge" in where else 1 + max(max(edge) for edge in edges)
    atoms = outermost([expr])
    inner = {atom: _mapped(atom, edges) for atom in atoms}
    names = {atom: sp.Symbol(f"map[{i}]", real=True) for i, atom in enumerate(atoms)}
    flat = expr.xreplace(names)
    free = sorted(flat.free_symbols, key=lambda s: s.name)
    out = []
    for i in range(count):
        table: dict[sp.Basic, sp.Basic] = {names[atom]: inner[atom][i] for atom in atoms}
        table |= {s: indexed(s, i) for s in free if places(s)}
        out.append(flat.xreplace(table))
    return out


def indexed(symbol: sp.Symbol, i: int) -> sp.Symbol:
    """The value of a function or parameter at node or edge i."""
    signs = {sign: True for sign in ("positive", "nonnegative") if getattr(symbol, f"is_{sign}")}
    return sp.Symbol(f"{symbol.name}@{i}", real=True, **signs)


def _mapped(atom: sp.Expr, edges: Edges) -> list[sp.Expr]:
    argument = atom.args[0]
    nodes = 1 + max(max(edge) for edge in edges)
    values = written_out(argument, edges)
    half = sp.Rational(1, 2)
    if isinstance(atom, (difference, average)):
        front, back = (1, -1) if isinstance(atom, difference) else (half, half)
        return [front * values[head] + back * values[tail] for head, tail in edges]
    if not places(argument):
        values = values[:1] * len(edges)
    front, back = (1, -1) if isinstance(atom, codifference) else (half, half)
    return [
        sp.Add(
            *(front * v for v, (head, _) in zip(values, edges, strict=True) if head == n),
            *(back * v for v, (_, tail) in zip(values, edges, strict=True) if tail == n),
        )
        for n in range(nodes)
    ]
