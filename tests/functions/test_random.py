"""Random expressions over the table, printed by every target, against mpmath.

An expression is ill-conditioned now and then, so the error that is allowed is measured: what rounding every
intermediate value would do to it, by evaluating it with
every subexpression moved by a few units in the last place.
"""

from __future__ import annotations

import random
from functools import cache
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from metrigen.ir.functions.normal import normal
from metrigen.ir.functions.partial_derivatives import partial_derivative
from metrigen.spec.means import logmean
from tests.functions.evaluated import TARGETS, values
from tests.functions.exact import value
from tests.lengths import LONG

x, y = sp.symbols("x y", real=True)
COUNT = 400 if LONG else 24
POINTS = 16
EPS = 2.0**-52

_UNARY = (
    sp.exp, sp.sin, sp.cos, sp.tanh, sp.sech, sp.atan, sp.asinh, sp.erf, sp.erfc, sp.sinc, sp.Abs, sp.sign, sp.floor,
    sp.ceiling, sp.frac, sp.sinh, sp.cosh, sp.coth, sp.csch, sp.sec, sp.csc, sp.cot, sp.tan, sp.Heaviside,
    lambda e: sp.log(1 + e**2), lambda e: sp.sqrt(1 + e**2), lambda e: sp.cbrt(2 + e**2), lambda e: e**2,
    lambda e: e**3, lambda e: 1 / (2 + sp.cos(e)), lambda e: sp.loggamma(1 + e**2), lambda e: sp.digamma(1 + e**2),
    lambda e: sp.acosh(1 + e**2), lambda e: sp.atanh(sp.tanh(e) / 2), lambda e: sp.asin(sp.sin(e) / 2),
    lambda e: sp.acos(sp.cos(e) / 2), lambda e: sp.log(1 + sp.exp(e)), lambda e: sp.log(sp.cosh(e)),
    lambda e: (1 + e**2) ** sp.Float(1.3), lambda e: sp.sqrt(sp.Max(0, e)), lambda e: sp.Mod(e, 2),
)  # fmt: skip
_BINARY = (
    lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a * b, sp.Max, sp.Min, lambda a, b: sp.atan2(a, 1 + b**2),
    lambda a, b: logmean(1 + a**2, 1 + b**2), lambda a, b: sp.Piecewise((a, b < 1), (b, True)),
    lambda a, b: (1 + a**2) ** sp.sin(b),
)  # fmt: skip
NUMBERS = (sp.Rational(1, 3), sp.Rational(-7, 5), sp.Float(0.3), sp.Integer(2), sp.pi)


@st.composite
def expressions(draw: Any, depth: int = 4) -> sp.Expr:
    if depth == 0 or draw(st.integers(0, 5)) == 0:
        return draw(st.sampled_from((x, y, x, y, *NUMBERS)))
    if draw(st.booleans()):
        return draw(st.sampled_from(_UNARY))(draw(expressions(depth - 1)))
    return draw(st.sampled_from(_BINARY))(draw(expressions(depth - 1)), draw(expressions(depth - 1)))


@cache
def flat(expr: sp.Expr) -> tuple[dict[sp.Expr, sp.Dummy], sp.Expr]:
    """Its parts with the symbols that stand for them, none where it has none, and the expression in those symbols."""
    stand_ins = {a: sp.Dummy(real=True) for a in expr.args if isinstance(a, sp.Expr) and a.free_symbols}
    if not stand_ins or isinstance(expr, sp.Piecewise):
        return {}, expr
    return stand_ins, expr.func(*(stand_ins.get(a, a) for a in expr.args), evaluate=False)


def moved(expr: sp.Expr, point: dict[sp.Symbol, Any], source: random.Random, memo: dict[sp.Basic, Any]) -> Any:
    """The value with every intermediate one moved by up to four units of float64."""
    if expr not in memo:
        stand_ins, outer = flat(expr)
        inner = {d: moved(a, point, source, memo) for a, d in stand_ins.items()} if stand_ins else point
        memo[expr] = value(outer, inner)
        if abs(memo[expr]) > 1e140:
            raise OverflowError("its square is no double")
        memo[expr] *= 1 + mpmath.mpf(source.uniform(-4, 4)) * EPS
    return memo[expr]


def collected() -> list[sp.Expr]:
    """So many expressions as a strategy gives, the same in every run, those alone that hold a variable."""
    found: list[sp.Expr] = []

    @settings(max_examples=COUNT, database=None)
    @given(expressions())
    def collect(e: sp.Expr) -> None:
        if isinstance(e, sp.Expr) and e.free_symbols and not e.has(sp.nan, sp.zoo, sp.oo, sp.I):
            found.append(e)

    collect()
    return list(dict.fromkeys(found))


@cache
def samples() -> tuple[list[sp.Expr], dict[sp.Symbol, np.ndarray], list[list[tuple[Any, Any] | None]]]:
    """Expressions with their slopes, points, and for each of both the value and the error that is allowed, None where
    there is no number to compare with: once for all targets."""
    plain = collected()
    source = np.random.default_rng(3)
    points = {s: np.round(source.uniform(-2, 2, POINTS), 3) for s in (x, y)}
    made = [normal(e) for e in plain]
    made += [partial_derivative(e, x) for e in made]
    right = []
    for k, e in enumerate(made):
        original = plain[k] if k < len(plain) else e
        right.append([expected(original, e, {s: mpmath.mpf(float(p[i])) for s, p in points.items()})
                      for i in range(POINTS)])  # fmt: skip
    return made, points, right


def expected(original: sp.Expr, e: sp.Expr, at: dict[sp.Symbol, Any]) -> tuple[Any, Any] | None:
    with mpmath.workdps(50):
        try:
            want = value(original, at)
            spread = [moved(e, at, random.Random(k), {}) for k in range(6)]
        except (ValueError, ZeroDivisionError, OverflowError):
            return None  # outside the domain, or no number of doubles
        if abs(want) > 1e300:
            return None
        return want, 20 * max(abs(v - want) for v in spread) + 100 * EPS * abs(want) + mpmath.mpf(1e-300)


@pytest.mark.parametrize("target", TARGETS)
def test_random_expressions(target: str) -> None:
    made, points, right = samples()
    wrong = []
    for e, row, numbers in zip(made, values(target, made, points), right, strict=True):
        for i, (got, number) in enumerate(zip(row, numbers, strict=True)):
            with mpmath.workdps(50):
                if number is not None and not abs(mpmath.mpf(float(got)) - number[0]) <= number[1]:
                    want = mpmath.nstr(number[0], 17)
                    wrong.append(f"{e} at {points[x][i]}, {points[y][i]}: {got}, not {want}")
    assert not wrong, "\n".join(wrong[:10])
