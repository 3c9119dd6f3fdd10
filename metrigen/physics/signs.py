"""The sign of an expression: decided by assumptions, by counting real roots, else sampled; and LDL^T pivots."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import sympy as sp

from metrigen.physics import channels
from metrigen.physics.intervals import bounds
from metrigen.physics.jets import label
from metrigen.physics.linear import cancelled
from metrigen.physics.opaque import opaque
from metrigen.physics.report import short, show
from metrigen.physics.size import expanded_nodes, expanded_terms
from metrigen.physics.structured import sign_by_structure
from metrigen.physics.work_budget import LARGE_WRITTEN, expand, spend_on
from metrigen.physics.zero import Evaluator, Zero, every, random_point, zero_test
from metrigen.spec.neural import learned

Verdict = Literal["positive", "nonnegative", "zero", "negative", "depends", "unknown"]
LARGE = 5000  # terms beyond which an expression is not multiplied out
_MOST_FACTORED, _SYMBOLS_FACTORED, _DEGREE_FACTORED = 30, 6, 24  # terms, symbols and total degree of a factorisation
_SPREADS = (2.0, 2.0, 20.0, 2.0, 0.3, 200.0)
_SAMPLES = 36


@dataclass(frozen=True)
class Sign:
    """What is known of the sign of ``expr``.

    "positive", "nonnegative", "zero": holds everywhere. "negative": never positive and somewhere negative.
    "depends": both signs occur. "unknown": no negative value was found, none was excluded. ``witness`` shows a
    negative value. ``by_points``: a step on the way to it was decided at random points only.
    """

    expr: sp.Expr
    verdict: Verdict
    witness: str = ""
    by_points: bool = False

    @property
    def holds(self) -> bool:
        return self.verdict in ("positive", "nonnegative", "zero")


def sign_of(expr: sp.Expr) -> Sign:
    """The sign of an expression in jets over all its values."""
    vanishes = zero_test(expr)
    if vanishes:
        return Sign(expr, "zero", by_points=not vanishes.proved)
    values = opaque(expr)
    sampled = None
    if expanded_nodes(values) > LARGE_WRITTEN:  # a witness is cheaper than the forms
        sampled = above, below, text = _sample(expr)
        if above and below:
            return Sign(expr, "depends", text)
    for candidate in _forms(values):
        if candidate.is_positive:
            return Sign(expr, "positive")
        if candidate.is_nonnegative:
            return Sign(expr, "nonnegative")
        if candidate.is_nonpositive:
            return Sign(expr, "negative", _sample(expr)[2])
    by_roots = _by_roots(values)
    if by_roots is not None:
        return Sign(expr, by_roots)
    low, _ = bounds(values)
    if low.is_positive:
        return Sign(expr, "positive")
    if low.is_zero:
        return Sign(expr, "nonnegative")
    structure = sign_by_structure(values)
    if structure is not None:
        return Sign(expr, structure)
    above, below, text = sampled or _sample(expr)
    if below and not above:
        return Sign(expr, "negative", text)
    return Sign(expr, "depends", text) if below else Sign(expr, "unknown")


def _forms(expr: sp.Expr) -> Iterator[sp.Expr]:
    """The same expression in forms whose sign SymPy may see."""
    yield expr
    yield sp.factor_terms(expr)
    if expanded_terms(expr) > LARGE:
        return
    expanded = expand(expr)
    yield expanded
    if expanded.is_polynomial() and len(expanded.args) <= _MOST_FACTORED:
        if len(expanded.free_symbols) > _SYMBOLS_FACTORED or sp.total_degree(expanded) > _DEGREE_FACTORED:
            return
        spend_on(expanded, 20, "a factorisation of")
        yield sp.factor(expanded)


def _by_roots(expr: sp.Expr) -> Verdict | None:
    """A polynomial in one symbol with rational coefficients and no real root keeps its sign."""
    symbols = expr.free_symbols
    if len(symbols) != 1 or not expr.is_polynomial(*symbols):
        return None
    (symbol,) = symbols
    polynomial = sp.Poly(expr, symbol)
    if not all(c.is_Rational for c in polynomial.all_coeffs()) or polynomial.count_roots() > 0:
        return None
    return "positive" if polynomial.eval(0) > 0 else None


def _sample(expr: sp.Expr) -> tuple[bool, bool, str]:
    """(some value is positive, some value is negative, the first negative one in words)."""
    flat = opaque(channels.explicit(expr, 2)[0] if channels.has_maps(expr) else expr)
    above = below = False
    text = ""
    compiled = Evaluator.of((flat,), _SAMPLES)
    for seed in range(_SAMPLES):
        point = random_point(flat, seed, _SPREADS[seed % len(_SPREADS)])
        values = compiled.at(point)
        if values is None:
            continue
        (value,) = values
        above = above or value > 0
        if value < 0 and not below:
            below = True
            where = ", ".join(f"{label(s)}={short(v)}" for s, v in point.items())
            text = f"{where} gives {short(value)}" if where else f"its value is {short(value)}"
    return above, below, text


def condition(sign: Sign) -> str:
    declared = sorted({f.head.name for f in sign.expr.atoms(learned) if f.head.convex and f.head.order == 2})
    return f"{show(sign.expr)} >= 0" + (f" ({', '.join(declared)} declared convex)" if declared else "")


@dataclass(frozen=True)
class Pivots:
    """D of A = L D L^T. ``broken`` is the negative 2x2 minor where a zero pivot has a non-zero row; ``by_points``: that
    an entry vanishes was decided at random points only."""

    values: tuple[sp.Expr, ...]
    broken: sp.Expr | None = None
    by_points: bool = False


def pivots(rows: Sequence[Sequence[sp.Expr]]) -> Pivots:
    """The pivots of a symmetric matrix in the given order, by symmetric elimination."""
    work = [list(row) for row in rows]
    out: list[sp.Expr] = []
    tests: list[Zero] = []
    for k in range(len(work)):
        head = work[k][k]
        rest = range(k + 1, len(work))
        vanishes = zero_test(head)
        if vanishes:
            row = [zero_test(work[k][j]) for j in rest]
            bad = next((j for j, test in zip(rest, row, strict=True) if not test), None)
            if bad is not None:
                return Pivots(tuple(out), -(work[k][bad] ** 2))
            tests += [vanishes, *row]
            out.append(sp.S.Zero)
            continue
        out.append(head)
        for i in rest:
            if work[i][k].is_zero:
                continue
            factor = work[i][k] / head
            for j in rest:
                if not work[k][j].is_zero:
                    spend_on(sp.Tuple(factor, work[k][j]), 1, "an elimination in")
                    work[i][j] = cancelled(work[i][j] - factor * work[k][j])
    return Pivots(tuple(out), by_points=not every(tests).proved)
