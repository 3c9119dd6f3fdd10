"""Cut a program on a graph into fusion groups: passes over the nodes, each with a loop over the edges of a node.

A fusion group works out edge values where they are summed, at either end of an edge, so that no edge array is kept but
those that a program returns. It may read at other nodes what earlier fusion groups have stored. Invariant: the values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sympy as sp

from metrigen.ir.edges import Along, EdgeMap
from metrigen.ir.nodes import (
    Accumulate,
    ChannelMatmul,
    ChannelSum,
    Kind,
    Load,
    Map,
    Outer,
    ParameterExpression,
    Program,
    Reduction,
    Statement,
)
from metrigen.ir.queries import known

AtNodes = Map | ChannelMatmul | ChannelSum | Outer
OnEdges = Map | EdgeMap


@dataclass(frozen=True)
class GraphFusion:
    """One pass over the nodes.

    edges    what is worked out on every edge of a node, in order
    owned    those of ``edges`` whose sums and stored values are taken here, once for every edge
    gathers  sums over the edges of a node
    nodes    what is worked out at the node, in order
    stored   site arrays that memory has to hold
    """

    edges: tuple[OnEdges, ...]
    owned: tuple[Map, ...]
    gathers: tuple[EdgeMap, ...]
    nodes: tuple[AtNodes, ...]
    stored: tuple[str, ...]


@dataclass(frozen=True)
class GraphPartition:
    """A program as fusion groups, the statements on parameters ahead of them, and parameter -> terms of its
    cotangent."""

    fusions: tuple[GraphFusion, ...]
    early: tuple[ParameterExpression, ...]
    totals: Mapping[str, tuple[str, ...]]


def graph_partition(program: Program) -> GraphPartition | None:
    """The fusion groups of a program; None where it holds a statement that none of them can do."""
    body = known(program, "graph_cut")
    if not all(
        isinstance(s, (Map, EdgeMap, ChannelMatmul, ChannelSum, Outer, ParameterExpression, Reduction, Accumulate))
        for s in body
    ):
        return None
    folds = {s.out: s.src for s in body if isinstance(s, Reduction)}
    totals = {s.out: tuple(folds.get(n, n) for n in s.terms) for s in body if isinstance(s, Accumulate)}
    totals |= {out: (src,) for out, src in folds.items() if out in program.outputs}
    summed = {n for s in body if isinstance(s, (Map, Outer)) for n in _sums(s)}
    if not {n for terms in totals.values() for n in terms} <= summed:
        return None
    totals |= {n: (n,) for n in program.outputs if n in summed}
    levels = _levels(program)
    reads = {n for s in body if isinstance(s, EdgeMap) and s.onto is Kind.EDGE for n in (s.src,)}
    count = max(levels.values(), default=0) + 1
    fusions = tuple(_fusion(program, levels, level, reads) for level in range(count))
    early = tuple(s for s in body if isinstance(s, ParameterExpression))
    return GraphPartition(tuple(s for s in fusions if s.gathers or s.nodes or s.owned), early, totals)


def _sums(statement: Map | Outer) -> tuple[str, ...]:
    return (statement.out,) if isinstance(statement, Outer) else tuple(n for n, _, _ in statement.sums)


def _on_edges(statement: Statement) -> bool:
    if isinstance(statement, EdgeMap):
        return statement.onto is Kind.EDGE
    return isinstance(statement, Map) and statement.over is Kind.EDGE


def _levels(program: Program) -> dict[Statement, int]:
    """Statement -> the fusion group that does it: behind that of what it reads at other nodes."""
    found: dict[Statement, int] = {}
    of_array: dict[str, int] = {}
    for s in program.body:
        if isinstance(s, (ParameterExpression, Reduction, Accumulate)):
            continue
        ends = isinstance(s, EdgeMap) and s.onto is Kind.EDGE
        found[s] = max((of_array[n] + ends for n in s.reads if n in of_array), default=0)
        of_array |= {n: found[s] for n, _ in s.defines}
    return found


def _fusion(program: Program, levels: Mapping[Statement, int], level: int, ends: set[str]) -> GraphFusion:
    here = [s for s in program.body if levels.get(s) == level]
    gathers = tuple(s for s in here if isinstance(s, EdgeMap) and s.onto is Kind.SITE)
    nodes = tuple(s for s in here if isinstance(s, (Map, ChannelMatmul, ChannelSum, Outer)) and not _on_edges(s))
    owned = tuple(
        s for s in here if isinstance(s, Map) and _on_edges(s)
        and (s.sums or any(n in program.outputs for n, _ in s.stores))
    )  # fmt: skip
    needed = {n for s in (*gathers, *owned) for n in s.reads} | {n for s in owned for n, _ in s.defines}
    edges: list[OnEdges] = []
    for s in reversed(program.body):
        if isinstance(s, (Map, EdgeMap)) and _on_edges(s) and needed.intersection(n for n, _ in s.defines):
            edges.insert(0, s)
            needed.update(s.reads)
    later = {n for s, at in levels.items() if at > level for n in s.reads} | {*program.outputs} | ends
    made = [n for s in (*gathers, *nodes) for n, kind in s.defines if kind is Kind.SITE]
    return GraphFusion(tuple(edges), owned, gathers, nodes, tuple(n for n in made if n in later))


def is_even(program: Program) -> bool:
    """Whether it makes no difference which end of an edge is its head: what goes to both ends alike is even under the
    exchange, what leaves one end and enters the other odd."""
    signs: dict[str, int] = {}
    for s in program.body:
        if isinstance(s, EdgeMap) and s.onto is Kind.EDGE:
            signs[s.out] = -1 if s.along is Along.DIFFERENCE else 1
        elif isinstance(s, EdgeMap):
            if signs.get(s.src, 1) != (-1 if s.along is Along.CODIFFERENCE else 1):
                return False
        elif isinstance(s, Map) and s.over is Kind.EDGE:
            found = _signs(s, signs)
            if found is None:
                return False
            signs |= found
    return True


def _signs(s: Map, signs: Mapping[str, int]) -> dict[str, int] | None:
    """Array -> 1 where it is even, -1 where it is odd; None where one is neither, or a sum is not even."""
    opposite = {a: -a for e in s.expressions for a in e.atoms(Load) if signs.get(a.array) == -1}

    def sign(expr: sp.Expr) -> int:
        whole = _inlined(expr, dict(s.lets))
        other = whole.xreplace(opposite)
        return next((k for k in (1, -1) if sp.expand(other - k * whole) == 0), 0)

    found = {n: sign(e) for n, e in s.stores}
    return found if all(found.values()) and all(sign(e) == 1 for _, _, e in s.sums) else None


def _inlined(expr: sp.Expr, values: dict[sp.Symbol, sp.Expr]) -> sp.Expr:
    """The expression without the values of its statement, some of which stand for others."""
    for _ in values:
        expr = expr.xreplace(values)
    return expr
