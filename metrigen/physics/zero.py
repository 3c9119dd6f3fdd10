"""Is an expression zero? Expansion and the algebra of roots and denominators first: a proof. Then three random points
at 40 digits, relative to the sum of |terms|: no proof, and the result says so."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import mpmath
import sympy as sp

from metrigen.physics import channels
from metrigen.physics.normal import vanishes_by_algebra
from metrigen.physics.opaque import equal_arguments, opaque
from metrigen.physics.size import expanded_terms
from metrigen.physics.values import values_of
from metrigen.physics.work_budget import count_ops, expand, spend_on
from metrigen.spec.neural import learned

DIGITS = 40
_TOLERANCE = mpmath.mpf("1e-25")
LARGE = 3000  # operations beyond which an expression is not expanded
LARGE_EXPANDED = 20000  # terms that an expansion may have
By = Literal["expansion", "channels", "points"]
UNPROVED: dict[By, str] = {
    "channels": "written out for 3 channels only",
    "points": "decided at 3 random points of 40 digits, not by expansion",
}
_GROUNDS: tuple[By, ...] = ("expansion", "channels", "points")  # from strong to weak
_POINTS, _SPREADS, _MOST_CHANNELS = 18, (2.0, 2.0, 2.0, 2.0, 20.0, 0.3), 3
Point = dict[sp.Symbol, sp.Expr]


@dataclass(frozen=True)
class Zero:
    """Does an expression vanish, and how was that decided? True in a condition where it does.

    "expansion"  multiplied out it is 0, or differs from 0 at a point
    "channels"   so for a few channels written out, where the number of channels in a term has no bound: no proof
    "points"     0 to 25 digits at the points tried: no proof
    """

    is_zero: bool
    by: By = "expansion"

    def __bool__(self) -> bool:
        return self.is_zero

    @property
    def proved(self) -> bool:
        return self.is_zero and self.by == "expansion"


def is_zero(expr: sp.Expr, *, summed: bool = False) -> bool:
    """Whether an expression in jets vanishes identically, in every channel or (``summed``) summed over them."""
    return zero_test(expr, summed=summed).is_zero


def all_zero(exprs: Iterable[sp.Expr]) -> Zero:
    """The test of several expressions, up to the first that does not vanish."""
    return every(map(zero_test, exprs))


def every(tests: Iterable[Zero]) -> Zero:
    """Zero where every test says so, decided by the weakest ground among them."""
    weakest = Zero(True)
    for test in tests:
        if not test:
            return test
        weakest = max(weakest, test, key=lambda z: _GROUNDS.index(z.by))
    return weakest


def zero_test(expr: sp.Expr, *, summed: bool = False) -> Zero:
    """``is_zero`` together with how it was decided."""
    if expr.is_zero:
        return Zero(True)
    if not channels.has_maps(expr):
        return _test_flat(expr)
    expr = channels.canonical(expr)
    if expr.is_zero:
        return Zero(True)
    # Zero with an independent value for every outermost map is zero for whatever these maps give, in every channel.
    flat, _ = channels.lift(expr)
    if _test_flat(flat).proved:
        return Zero(True)
    if summed and _test_flat(channels.lift(channels.summed(expr))[0]).proved:
        return Zero(True)
    # A term with n maps touches at most n + 1 channels.
    touched = channels.degree(expr) + 1
    components = channels.explicit(expr, min(touched, _MOST_CHANNELS))
    if summed:
        components = [sp.Add(*components)]
    found = every(_test_flat(component) for component in components)
    return every((found, Zero(True, "channels"))) if touched > _MOST_CHANNELS else found


def _test_flat(expr: sp.Expr) -> Zero:
    if expr.has(learned):
        return _test_learned(expr)
    if expr.is_zero:
        return Zero(True)
    if _clearly_not(expr):
        return Zero(False)
    if count_ops(expr, LARGE) <= LARGE and expanded_terms(expr) <= LARGE_EXPANDED:
        expr = expand(expr)
        if expr.is_zero or vanishes_by_algebra(expr):
            return Zero(True)
    return Zero(_vanishes(expr), "points")


def _test_learned(expr: sp.Expr) -> Zero:
    """The test for every value of the learned functions; equal arguments are equal by the same grounds."""
    grounds = [Zero(True)]

    def vanishes(difference: sp.Expr) -> bool:
        test = _test_flat(difference)
        grounds.extend([test] if test else [])
        return test.is_zero

    alike = opaque(equal_arguments(expr, vanishes))
    found = _test_flat(alike)
    return every((found, *grounds)) if found else found


def _clearly_not(expr: sp.Expr) -> bool:
    """A value that is far from zero at the first point spares the expansion."""
    terms = sp.Add.make_args(expr)
    values = Evaluator.of(terms).at(random_point(expr, 0))
    if values is None:
        return False
    return bool(abs(mpmath.fsum(values)) > mpmath.mpf("1e-12") * (1 + mpmath.fsum(values, absolute=True)))


def _vanishes(expr: sp.Expr) -> bool:
    """Do the terms cancel to 25 digits at three points (of those tried)? Of an impulse no point decides."""
    if expr.has(sp.DiracDelta):
        return False
    compiled = Evaluator.of(sp.Add.make_args(expr))
    decided = 0
    for seed in range(_POINTS):
        values = compiled.at(random_point(expr, seed, _SPREADS[seed % len(_SPREADS)]))
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
    def of(cls, exprs: Sequence[sp.Expr], points: int = 3) -> Evaluator:
        """``points``: about how many it is compiled for. Raises TooLarge."""
        spend_on(sp.Tuple(*exprs), (1 + points) / 20, "the values at random points of")
        return cls.free(exprs)

    @classmethod
    def free(cls, exprs: Sequence[sp.Expr]) -> Evaluator:
        """The same off every account: for a message, which no limit may stand against."""
        symbols = tuple(random_point(sp.Tuple(*exprs), 0))
        return cls(symbols, values_of(symbols, exprs, DIGITS))

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
