"""Sums over edges that need no edge array: B^T (w B u), and half of w (B u)(B v) at each end of every edge.

On a dense graph both are products with the matrix w, of the memory of a node array; what is not of this form stays
as it is. Invariant: the values.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import sympy as sp

from metrigen.ir.edges import Along, EdgeMap
from metrigen.ir.nodes import Kind, Load, Map, Program, Statement


@dataclass(frozen=True)
class EdgeSum:
    """out = sum of B^T (weight B u), or of the share of weight (B u)(B v): ``terms`` are (weight, (u,) or (u, v))."""

    out: str
    terms: tuple[tuple[sp.Expr, tuple[str, ...]], ...]


def edge_sums(program: Program) -> tuple[Statement | EdgeSum, ...]:
    """The body with such sums in the place of the statements that make them up."""
    uses = Counter(name for s in program.body for name in s.reads) + Counter(program.outputs)
    sources = {s.out: s.src for s in program.body if isinstance(s, EdgeMap) and s.along is Along.DIFFERENCE}
    values = {
        s.stores[0][0]: s.stores[0][1]
        for s in program.body
        if isinstance(s, Map) and s.over is Kind.EDGE and len(s.stores) == 1 and not s.sums and not s.lets
    }
    found: dict[str, EdgeSum] = {}
    gone: set[str] = set()
    for s in program.body:
        if isinstance(s, EdgeMap) and s.src in values and uses[s.src] == 1:
            degree = {Along.CODIFFERENCE: 1, Along.SHARE: 2}.get(s.along, 0)
            terms = _terms(values[s.src], sources, degree)
            if degree and terms is not None:
                found[s.out] = EdgeSum(s.out, terms)
                gone.add(s.src)
    kept = [s for s in program.body if not gone.intersection(name for name, _ in s.defines)]
    needed = {name for s in kept for name in s.reads if name not in gone} | set(program.outputs)
    return tuple(
        found.get(s.out, s) if isinstance(s, EdgeMap) else s
        for s in kept
        if not (isinstance(s, EdgeMap) and s.out in sources and s.out not in needed)
    )


def _terms(expr: sp.Expr, sources: dict[str, str], degree: int) -> tuple[tuple[sp.Expr, tuple[str, ...]], ...] | None:
    """The terms weight times ``degree`` differences; None where one is not of that form."""
    out = []
    for term in sp.Add.make_args(expr):
        weight, over = [], []
        for factor in sp.Mul.make_args(term):
            base, exponent = factor.as_base_exp()
            if isinstance(base, Load) and base.array in sources and exponent.is_Integer and exponent > 0:
                over += [sources[base.array]] * int(exponent)
            else:
                weight.append(factor)
        product = sp.Mul(*weight)
        if len(over) != degree or any(load.array in sources for load in product.atoms(Load)):
            return None
        out.append((product, tuple(over)))
    return tuple(out)
