"""A density as a sum of coefficients times functions of derivatives, in a form that its text does not decide.

    h(z, D z) = sum_k c_k(z) f_k(D z)

Terms with equal f are one term: whoever multiplies a product out, factors it or gives the coefficient a name gets the
same c_k, and with it the same average on an edge. A function that mixes both, sqrt(1 + z (D z)^2), stays whole as an f.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from functools import reduce

import sympy as sp

from metrigen.discretise.jets import Jet

_Sum = dict[sp.Expr, sp.Expr]  # f -> c


@dataclass(frozen=True)
class Term:
    """coefficient * factor; only ``factor`` holds derivatives."""

    coefficient: sp.Expr
    factor: sp.Expr

    @property
    def whole(self) -> sp.Expr:
        return self.coefficient * self.factor

    @property
    def derivatives(self) -> tuple[Jet, ...]:
        """The derivatives, in a fixed order."""
        return derivatives(self.factor)

    @property
    def at_rest(self) -> sp.Expr | None:
        """The factor where every derivative is zero; None where it has no value there."""
        rest = sp.sympify(self.factor.xreplace(dict.fromkeys(self.derivatives, sp.S.Zero)))
        return None if rest.has(sp.nan, sp.zoo, sp.oo, -sp.oo) else rest


def derivatives(expr: sp.Expr) -> tuple[Jet, ...]:
    """The derivatives in an expression, in a fixed order."""
    return tuple(sorted((j for j in expr.atoms(Jet) if j.order), key=lambda j: j.name))


def terms(expr: sp.Expr, apart: Set[str] = frozenset()) -> tuple[Term, ...]:
    """The terms of a density; the arrays ``apart`` belong to the factors, differentiated or not."""
    held = frozenset(j for j in expr.atoms(Jet) if j.order or j.array in apart)
    return tuple(Term(c, f) for f, c in _split(expr, held).items() if c != 0)


def _split(expr: sp.Expr, held: Set[sp.Basic]) -> _Sum:
    if not expr.free_symbols & held:
        return {sp.S.One: expr}
    if expr.is_Add:
        return _add([_split(a, held) for a in expr.args])
    if expr.is_Mul:
        return reduce(_multiply, (_split(a, held) for a in expr.args))
    if expr.is_Pow and expr.exp.is_Integer and expr.exp.is_positive:
        base = _split(expr.base, held)
        if base != {expr.base: sp.S.One}:
            return reduce(_multiply, [base] * int(expr.exp))
    wider = expr.expand(deep=False, mul=False, multinomial=False)
    return {expr: sp.S.One} if wider == expr else _split(wider, held)


def _add(sums: list[_Sum]) -> _Sum:
    coefficients: dict[sp.Expr, list[sp.Expr]] = {}
    for one in sums:
        for factor, coefficient in one.items():
            coefficients.setdefault(factor, []).append(coefficient)
    return {factor: sp.Add(*parts) for factor, parts in coefficients.items()}


def _multiply(a: _Sum, b: _Sum) -> _Sum:
    return _add([{f * g: c * d} for f, c in a.items() for g, d in b.items()])
