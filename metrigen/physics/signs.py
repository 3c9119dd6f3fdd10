"""The sign of an expression: decided by assumptions, by counting real roots, else sampled; and LDL^T pivots."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import sympy as sp

from metrigen.physics import channels
from metrigen.physics.intervals import bounds
from metrigen.physics.report import label, short, show
from metrigen.physics.zero import evaluate, is_zero, random_point

Verdict = Literal["positive", "nonnegative", "zero", "negative", "depends", "unknown"]
_SPREADS = (2.0, 2.0, 20.0, 2.0, 0.3, 200.0)


@dataclass(frozen=True)
class Sign:
    """What is known of the sign of ``expr``.

    "positive", "nonnegative", "zero": holds everywhere. "negative": never positive and somewhere negative.
    "depends": both signs occur. "unknown": no negative value was found, none was excluded. ``witness`` shows a
    negative value.
    """

    expr: sp.Expr
    verdict: Verdict
    witness: str = ""

    @property
    def holds(self) -> bool:
        return self.verdict in ("positive", "nonnegative", "zero")


def sign_of(expr: sp.Expr) -> Sign:
    """The sign of an expression in jets over all its values."""
    if expr.is_zero or is_zero(expr):
        return Sign(expr, "zero")
    for candidate in _forms(expr):
        if candidate.is_positive:
            return Sign(expr, "positive")
        if candidate.is_nonnegative:
            return Sign(expr, "nonnegative")
        if candidate.is_nonpositive:
            return Sign(expr, "negative", _sample(expr)[2])
    by_roots = _by_roots(expr)
    if by_roots is not None:
        return Sign(expr, by_roots)
    low, _ = bounds(expr)
    if low.is_positive:
        return Sign(expr, "positive")
    if low.is_zero:
        return Sign(expr, "nonnegative")
    above, below, text = _sample(expr)
    if below and not above:
        return Sign(expr, "negative", text)
    return Sign(expr, "depends", text) if below else Sign(expr, "unknown")


def _forms(expr: sp.Expr) -> Iterator[sp.Expr]:
    """The same expression in forms whose sign SymPy may see."""
    yield expr
    expanded = sp.expand(expr)
    yield expanded
    yield sp.factor_terms(expr)
    if expanded.is_polynomial() and len(expanded.args) <= 30:
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
    flat = channels.explicit(expr, 2)[0] if channels.has_maps(expr) else expr
    above = below = False
    text = ""
    for seed in range(36):
        point = random_point(flat, seed, _SPREADS[seed % len(_SPREADS)])
        value = evaluate(flat, point)
        if not (value.is_Float or value.is_Rational):
            continue
        above = above or value > 0
        if value < 0 and not below:
            below = True
            where = ", ".join(f"{label(s)}={short(v)}" for s, v in point.items())
            text = f"{where} gives {short(value)}" if where else f"its value is {short(value)}"
    return above, below, text


def condition(sign: Sign) -> str:
    return f"{show(sign.expr)} >= 0"


@dataclass(frozen=True)
class Pivots:
    """D of A = L D L^T. ``broken`` is the negative 2x2 minor where a zero pivot has a non-zero row."""

    values: tuple[sp.Expr, ...]
    broken: sp.Expr | None = None


def pivots(rows: Sequence[Sequence[sp.Expr]]) -> Pivots:
    """The pivots of a symmetric matrix in the given order, by symmetric elimination."""
    work = [list(row) for row in rows]
    out: list[sp.Expr] = []
    for k in range(len(work)):
        head = work[k][k]
        rest = range(k + 1, len(work))
        if head.is_zero or is_zero(head):
            bad = next((j for j in rest if not is_zero(work[k][j])), None)
            if bad is not None:
                return Pivots(tuple(out), -(work[k][bad] ** 2))
            out.append(sp.S.Zero)
            continue
        out.append(head)
        for i in rest:
            if work[i][k].is_zero:
                continue
            factor = work[i][k] / head
            for j in rest:
                if not work[k][j].is_zero:
                    work[i][j] = sp.cancel(work[i][j] - factor * work[k][j])
    return Pivots(tuple(out))
