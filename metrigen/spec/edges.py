"""The linear maps between the nodes and the edges of a graph, unevaluated: its edges are known at run time only.

B is the incidence matrix of arbitrarily oriented edges, (B f)_e = f_head - f_tail; |B| has the entries |B_en|.

difference     B f            nodes -> edges    ``grad(f)`` on a graph
codifference   B^T j          edges -> nodes    what flows in along the edges of a node, less what flows out
average        |B| f / 2      nodes -> edges    the mean of both ends
share          |B|^T j / 2    edges -> nodes    half of what the edges of a node carry
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.spec.domain import Index
from metrigen.spec.symbols import Param


class _EdgeMap(sp.Function):
    """Linear in its argument: sums split, and what is the same on the whole graph stands before the map."""

    nargs = 1
    is_real = True
    notation = ""

    @classmethod
    def eval(cls, f: sp.Expr) -> sp.Expr | None:
        return _linear(cls, f)

    def _eval_derivative(self, s: sp.Symbol) -> sp.Expr:
        return self.func(self.args[0].diff(s))

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        text = rf"{self.notation}\left({printer._print(self.args[0])}\right)"
        return text if exp is None else rf"\left({text}\right)^{{{exp}}}"


class difference(_EdgeMap):
    """(B f)_e = f_head - f_tail: the gradient of a graph. Zero where f is the same at every node."""

    notation = "B"

    @classmethod
    def eval(cls, f: sp.Expr) -> sp.Expr | None:
        return sp.S.Zero if uniform(f) else _linear(cls, f)


class codifference(_EdgeMap):
    """(B^T j)_n, the transpose of ``difference``: the sum over edges that end at n less that over edges that start."""

    notation = "B^{T}"


class average(_EdgeMap):
    """The mean of the values at both ends of an edge."""

    notation = r"\tfrac{1}{2} |B|"

    @classmethod
    def eval(cls, f: sp.Expr) -> sp.Expr | None:
        return f if uniform(f) else _linear(cls, f)


class share(_EdgeMap):
    """The transpose of ``average``: half of the sum over the edges of a node."""

    notation = r"\tfrac{1}{2} |B|^{T}"


def uniform(expr: sp.Expr) -> bool:
    """Is the value the same on the whole graph, in every node and on every edge?"""
    if isinstance(expr, Param):
        return expr.per in ("scalar", "channel")
    if isinstance(expr, AppliedUndef):
        return not any(isinstance(x, Index) for x in expr.args)
    if isinstance(expr, (_EdgeMap, Index)):
        return False
    # The jet of a function and the symbol of a channel map know what they stand for.
    known = getattr(expr, "base", getattr(expr, "of", None)) if isinstance(expr, sp.Symbol) else None
    if isinstance(known, sp.Expr):
        return uniform(known)
    return all(uniform(a) for a in expr.args)


def _linear(act: Callable[[sp.Expr], sp.Expr], f: sp.Expr) -> sp.Expr | None:
    """``act`` term by term with uniform factors in front; None where that changes nothing."""
    if f.is_zero:
        return sp.S.Zero
    if f.is_Add:
        return sp.Add(*(act(term) for term in f.args))
    if f.is_Mul:
        front = [factor for factor in f.args if uniform(factor)]
        if front:
            return sp.Mul(*front) * act(sp.Mul(*(factor for factor in f.args if factor not in front)))
    return None
