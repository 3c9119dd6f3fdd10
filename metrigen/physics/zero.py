"""Is an expression zero? ``expand`` first, then three random points at 40 digits, relative to the sum of |terms|."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import mpmath
import sympy as sp

from metrigen.physics import channels

DIGITS = 40
_TOLERANCE = mpmath.mpf("1e-25")
LARGE = 3000  # operations beyond which an expression is not expanded
Point = dict[sp.Symbol, sp.Expr]


def is_zero(expr: sp.Expr, *, summed: bool = False) -> bool:
    """Whether an expression in jets vanishes identically, in every channel or (``summed``) summed over them."""
    if expr.is_zero:
        return True
    if not channels.has_maps(expr):
        return _is_zero_flat(expr)
    expr = channels.canonical(expr)
    if expr.is_zero:
        return True
    # A term with n maps touches at most n + 1 channels.
    components = channels.explicit(expr, min(channels.degree(expr) + 1, 3))
    if summed:
        components = [sp.Add(*components)]
    return all(_is_zero_flat(component) for component in components)


def _is_zero_flat(expr: sp.Expr) -> bool:
    if expr.is_zero:
        return True
    if _clearly_not(expr):
        return False
    if sp.count_ops(expr) > LARGE:
        return _vanishes(expr)
    return _vanishes(sp.expand(expr))


def _clearly_not(expr: sp.Expr) -> bool:
    """A value that is far from zero at the first point spares the expansion."""
    terms = sp.Add.make_args(expr)
    values = Evaluator.of(terms).at(random_point(expr, 0))
    if values is None:
        return False
    return bool(abs(mpmath.fsum(values)) > mpmath.mpf("1e-12") * (1 + mpmath.fsum(values, absolute=True)))


def _vanishes(expr: sp.Expr) -> bool:
    """Zero, or three points (of twelve tried) where the terms cancel to 25 digits."""
    if expr.is_zero:
        return True
    compiled = Evaluator.of(sp.Add.make_args(expr))
    decided = 0
    for seed in range(12):
        values = compiled.at(random_point(expr, seed))
        if values is None:
            continue  # outside the domain of a root or a logarithm
        with mpmath.workdps(DIGITS):
            if abs(mpmath.fsum(values)) > _TOLERANCE * mpmath.fsum(values, absolute=True):
                return False
        decided += 1
        if decided == 3:
            return True
    return decided > 0


def random_point(expr: sp.Expr, seed: int, spread: float = 2.0) -> Point:
    """Values for every symbol that respect its declared sign; the first point is positive throughout."""
    source = random.Random(20260329 + seed)
    point: Point = {}
    for symbol in sorted(expr.free_symbols, key=lambda s: (s.name, str(type(s)))):
        value = sp.Float(repr(round(source.uniform(0.15, spread), 3)), DIGITS)
        flip = source.random() < 0.5
        negative = symbol.is_nonpositive or (flip and seed % 2 == 1 and not symbol.is_nonnegative)
        point[symbol] = -value if negative else value
    return point


@dataclass(frozen=True)
class Evaluator:
    """Many expressions compiled once, to be evaluated at several points."""

    symbols: tuple[sp.Symbol, ...]
    function: Callable[..., Sequence[object]]

    @classmethod
    def of(cls, exprs: Sequence[sp.Expr]) -> Evaluator:
        symbols = tuple(random_point(sp.Tuple(*exprs), 0))
        return cls(symbols, sp.lambdify(symbols, list(exprs), "mpmath"))

    def at(self, point: Point) -> list[mpmath.mpf] | None:
        """The values at a point; None where one of them is not real."""
        with mpmath.workdps(DIGITS):
            try:
                arguments = [mpmath.mpf(str(point[s])) for s in self.symbols]
                values = [mpmath.mpmathify(value) for value in self.function(*arguments)]
            except (ZeroDivisionError, ValueError, TypeError, NameError):
                return None
        return values if all(isinstance(v, mpmath.mpf) and mpmath.isfinite(v) for v in values) else None


def evaluate(expr: sp.Expr, point: Point) -> sp.Expr:
    """The value of an expression without channel maps at a point."""
    value = expr.xreplace(point)
    return value if value.is_Float or value.is_Rational else sp.N(value, DIGITS)
