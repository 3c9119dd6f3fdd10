"""A normal form for the algebraic functions of field theories: denominators cleared, roots and squares reduced.

With w = b^(1/q) for every sum b under a root or a denominator, an expression is a Laurent polynomial in the w. It is
multiplied by the powers of w it lacks, and w^q = b and sin^2 = 1 - cos^2 are used until nothing is left to reduce. If
the result is 0 the expression vanishes wherever it is defined; the converse is not claimed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import lcm

import sympy as sp

from metrigen.physics.size import expanded_terms
from metrigen.physics.work_budget import expand

LARGE = 5000  # terms beyond which nothing is multiplied out
_ROUNDS = 4  # roots nested deeper than this are left alone
_SQUARES = {sp.sin: (sp.cos, 1, -1), sp.sinh: (sp.cosh, -1, 1)}  # f^2 = a + b g^2


def vanishes_by_algebra(expr: sp.Expr) -> bool:
    """Does an expression reduce to 0? False also where it is too large to be multiplied out."""
    for _ in range(_ROUNDS):
        roots = _roots(expr)
        expr = expr.xreplace({power: value for root in roots for power, value in root.powers.items()})
        if expanded_terms(expr) > LARGE:
            return False
        expr = expand(expr)
        for root in roots:
            expr = _reduced(expr, root.symbol, root.index, root.base)
            if expanded_terms(expr) > LARGE:
                return False
            expr = expand(expr)
        expr = _squares(expr)
        if expr.is_zero:
            return True
        if not roots:
            return False
    return False


@dataclass(frozen=True)
class _Root:
    """w = base^(1/index), and the powers of the base written in w."""

    base: sp.Expr
    index: int
    symbol: sp.Symbol
    powers: Mapping[sp.Pow, sp.Expr]

    @classmethod
    def of(cls, base: sp.Expr, powers: Sequence[sp.Pow], name: str) -> _Root:
        index = lcm(*(int(p.exp.q) for p in powers))
        # A denominator may have either sign; an even root has not.
        signs = {"positive": True} if index % 2 == 0 else {"real": True}
        w = sp.Symbol(name, **signs)
        return cls(base, index, w, {p: p.base.primitive()[0] ** p.exp * w ** (p.exp * index) for p in powers})


def _roots(expr: sp.Expr) -> list[_Root]:
    """The roots and denominators of sums in an expression; equal up to a rational factor is equal."""
    found: dict[sp.Expr, list[sp.Pow]] = {}
    for power in sorted(expr.atoms(sp.Pow), key=sp.default_sort_key):
        if power.base.is_Add and power.exp.is_Rational and not (power.exp.is_Integer and power.exp > 0):
            found.setdefault(power.base.primitive()[1], []).append(power)
    return [_Root.of(base, powers, f"root[{i}]") for i, (base, powers) in enumerate(found.items())]


def _reduced(expr: sp.Expr, w: sp.Symbol, index: int, base: sp.Expr) -> sp.Expr:
    """An expanded expression times the power of w that it lacks, with w^index = base."""
    terms = [_split(term, w) for term in sp.Add.make_args(expr)]
    lowest = min(0, *(n for _, n in terms))
    return sp.Add(*(c * base ** ((n - lowest) // index) * w ** ((n - lowest) % index) for c, n in terms))


def _split(term: sp.Expr, symbol: sp.Expr) -> tuple[sp.Expr, int]:
    """(c, n) of a product c symbol^n."""
    rest, n = [], 0
    for factor in sp.Mul.make_args(term):
        base, exponent = factor.as_base_exp()
        if base == symbol and exponent.is_Integer:
            n += int(exponent)
        else:
            rest.append(factor)
    return sp.Mul(*rest), n


def _squares(expr: sp.Expr) -> sp.Expr:
    """sin(a)^2 = 1 - cos(a)^2, sinh(a)^2 = cosh(a)^2 - 1 in an expanded expression."""
    for kind, (other, a, b) in _SQUARES.items():
        powers = (p for p in expr.atoms(sp.Pow) if isinstance(p.base, kind) and p.exp.is_Integer and p.exp > 1)
        for f in sorted({p.base for p in powers}, key=sp.default_sort_key):
            square = a + b * other(f.args[0]) ** 2
            terms = [_split(term, f) for term in sp.Add.make_args(expr)]
            expr = sp.Add(*(c * square ** (n // 2) * f ** (n % 2) if n > 1 else c * f**n for c, n in terms))
            if expanded_terms(expr) > LARGE:
                return expr
            expr = expand(expr)
    return expr
