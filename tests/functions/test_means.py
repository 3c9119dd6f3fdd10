"""The harmonic mean and the shares that its derivatives are made of, against mpmath over all magnitudes of a number.

Pairs (a, b) from denormals to the largest numbers, equal, nearly equal, and with zeros; value and two derivatives on
every target, to the units of the last place that the table states, of the result itself, denormal ones too.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import product
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy as sp

from metrigen.ir.functions.partial_derivatives import partial_derivative
from metrigen.ir.functions.table import ROWS
from metrigen.spec.means import harmonicmean, share
from tests.functions.evaluated import DEVICE, TARGETS, values
from tests.lengths import LONG

pytestmark = pytest.mark.covering

a, b = sp.symbols("a b", real=True)
WRT = ((), (a,), (b,), (a, a), (a, b), (b, b))
MAGNITUDES = {
    np.float32: (-44, -41, -38, -37, -30, -25, -19, -12, -6, -1, 0, 1, 5, 12, 19, 25, 30, 37, 38),
    np.float64: (-322, -310, -307, -300, -250, -160, -150, -100, -30, -12, -3, 0, 2, 12, 30, 100, 154, 200, 300, 307),
}  # fmt: skip

# What a textbook has, (a, b, s = a + b) -> the value for every entry of WRT.
Formula = Callable[[Any, Any, Any], Any]
EXACT: dict[str, tuple[Formula, ...]] = {
    "harmonicmean": (
        lambda a, b, s: 2 * a * b / s, lambda a, b, s: 2 * (b / s) ** 2, lambda a, b, s: 2 * (a / s) ** 2,
        lambda a, b, s: -4 * b**2 / s**3, lambda a, b, s: 4 * a * b / s**3, lambda a, b, s: -4 * a**2 / s**3,
    ),
    "share": (
        lambda a, b, s: a / s, lambda a, b, s: b / s**2, lambda a, b, s: -a / s**2,
        lambda a, b, s: -2 * b / s**3, lambda a, b, s: (a - b) / s**3, lambda a, b, s: 2 * a / s**3,
    ),
}  # fmt: skip
AT_ZERO = {"harmonicmean": (0, 0.5, 0.5, 0, 0, 0), "share": (0.5, 0, 0, 0, 0, 0)}
WORDS = {"harmonicmean": harmonicmean(a, b), "share": share(0, a, b)}


def derived(expr: sp.Expr) -> list[sp.Expr]:
    """The value and the derivatives of ``WRT``, as the compiler takes them."""
    found = []
    for symbols in WRT:
        e = expr
        for s in symbols:
            e = partial_derivative(e, s)
        found.append(e)
    return found


@cache
def pairs(dtype: type) -> tuple[np.ndarray, np.ndarray]:
    source = np.random.default_rng(5)
    powers = MAGNITUDES[dtype] * (8 if LONG else 1)
    drawn = [float(f"{m}e{e}") for e, m in zip(powers, np.round(source.uniform(1, 3.4, len(powers)), 6), strict=True)]
    info = np.finfo(dtype)
    numbers = np.array([0.0, *drawn, float(info.tiny), float(info.max), float(info.smallest_subnormal)], dtype)
    near = [(v, np.nextafter(v, dtype(0))) for v in numbers if v]
    both = np.array([*product(numbers, numbers), *near], dtype)
    both = np.resize(both, (-(-len(both) // 8) * 8, 2))
    return np.ascontiguousarray(both[:, 0]), np.ascontiguousarray(both[:, 1])


def unit(dtype: type, size: Any) -> float:
    """The last place of a number."""
    return float(np.spacing(dtype(min(float(abs(size)), float(np.finfo(dtype).max) / 2))))


def miss(got: float, word: str, order: int, x: Any, y: Any, dtype: type) -> float:
    """The error in units of the last place. Where a power of s is below, what rounding a or b does counts as none, as a
    denormal number has few digits; of a difference, (a - b)/s^3, the terms count, it is free where they overflow."""
    if not x and not y:
        return 0.0 if got == AT_ZERO[word][order] else np.inf
    info, s = np.finfo(dtype), x + y
    want = terms = EXACT[word][order](x, y, s)
    difference = (word, WRT[order]) == ("share", (a, b))
    if difference:
        terms = 1 / s**2
    if abs(terms) > float(info.max):
        return 0.0 if difference or got == np.inf * float(mpmath.sign(want)) else np.inf
    if not np.isfinite(got):
        return np.inf
    place = unit(dtype, terms)
    if len(WRT[order]) + (word == "share") >= 2:
        spread = sum(abs(terms) / v for v in (x, y) if 0 < v < float(info.tiny))
        place += 3 * float(info.smallest_subnormal * min(spread, mpmath.mpf(float(info.max))))
    if DEVICE != "cpu":
        place += float(info.tiny)  # a GPU may round what is smaller to 0
    return float(abs(mpmath.mpf(got) - want) / place)


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("target", TARGETS)
def test_every_pair(target: str, dtype: type) -> None:
    at = dict(zip((a, b), pairs(dtype), strict=True))
    expressions = [e for word in WORDS for e in derived(WORDS[word])]
    found = values(target, expressions, at)
    wrong = []
    with mpmath.workdps(50):
        points = [(mpmath.mpf(float(x)), mpmath.mpf(float(y))) for x, y in zip(*at.values(), strict=True)]
        for i, row in enumerate(found):
            word, order = list(WORDS)[i // len(WRT)], i % len(WRT)
            errors = [miss(float(got), word, order, *p, dtype) for got, p in zip(row, points, strict=True)]
            at_worst = int(np.argmax(errors))
            if not errors[at_worst] <= ROWS[word].ulp:
                place = ", ".join(mpmath.nstr(z, 9) for z in points[at_worst])
                wrong.append(f"{word} by {WRT[order]}: {errors[at_worst]:.3g} units at {place}: {row[at_worst]!r}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("target", TARGETS)
def test_nan_is_handed_on(target: str) -> None:
    at = {a: np.array([np.nan, 1, np.nan, 0, 1, 1, 1, 1]), b: np.array([1, np.nan, 0, np.nan, 1, 1, 1, 1])}
    found = values(target, [e for word in WORDS for e in derived(WORDS[word])], at)
    assert np.isnan(found[:, :4]).all()
    assert np.isfinite(found[:, 4:]).all()
