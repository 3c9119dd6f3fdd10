"""Every function with two derivatives against mpmath: both signs, from denormals to overflow, zero, ends and kinks.

The error is in units of the last place of max(|f|, |x f'|): what a rounding of x does to the value counts as none.
Values below the smallest normal number may be 0. METRIGEN_LONG=1 takes twenty times as many points.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy as sp

from metrigen.ir.functions.normal import normal
from metrigen.ir.functions.partial_derivatives import partial_derivative
from metrigen.ir.functions.table import REWRITTEN, TABLE
from tests.functions.cases import CASES, points, x
from tests.functions.evaluated import TARGETS, values
from tests.functions.exact import derivatives, value
from tests.lengths import LONG

pytestmark = pytest.mark.covering

COUNT = 60 if LONG else 3
SINGLE, DOUBLE = np.float32, np.float64


@cache
def exact(name: str, dtype: type) -> tuple[np.ndarray, list[list[Any]]]:
    """Points where the function is defined, and there [f, f', f'', f''']."""
    case, kept, found = CASES[name], [], []
    for p in points(case, dtype, COUNT):
        try:
            found.append(derivatives(lambda y: value(case.exact, {x: y}), float(p), case.orders + 1))
            kept.append(p)
        except (ValueError, ZeroDivisionError, OverflowError, mpmath.libmp.NoConvergence):
            continue  # outside the domain
    return np.array(kept, dtype), found


@cache
def computed(target: str, dtype: type) -> dict[str, np.ndarray]:
    """All cases in one call of the target: (order, point)."""
    given = {name: exact(name, dtype)[0] for name in CASES}
    size = 1 << (max(map(len, given.values())) - 1).bit_length()
    expressions, where, at = [], [], {}
    for i, (name, case) in enumerate(CASES.items()):
        own = sp.Symbol(f"x{i}", real=True)
        at[own] = np.resize(given[name], size)
        derived = [normal(case.expr)]
        for _ in range(case.orders):
            derived.append(partial_derivative(derived[-1], x))
        expressions += [e.xreplace({x: own}) for e in derived]
        where += [name] * len(derived)
    found = values(target, expressions, at)
    return {
        name: np.stack([row for row, owner in zip(found, where, strict=True) if owner == name])[:, : len(given[name])]
        for name in CASES
    }


def error(got: float, f: Any, scale: Any, dtype: type) -> float:
    """|got - f| in units of the last place of the scale."""
    info = np.finfo(dtype)
    top = mpmath.mpf(float(info.max))
    if abs(f) > top:
        right = abs(got) == np.inf or abs(got) > 0.99 * float(info.max)
        return 0.0 if right and np.sign(got) == mpmath.sign(f) else np.inf
    if not np.isfinite(got):
        return np.inf
    with mpmath.workdps(40):
        miss = abs(mpmath.mpf(got) - f)
        if miss <= float(info.tiny):
            return 0.0
        unit = np.spacing(dtype(min(scale, top / 2)))
        return float(miss / mpmath.mpf(float(unit)))


def limit(name: str, target: str) -> float:
    """The accuracy that the table states; a power on Triton is a product of three exponentials."""
    if target == "triton" and name.startswith("power"):
        return 6
    rows = {row.name: row.ulp for row in TABLE}
    case = CASES[name]
    return max([case.ulp, *(rows.get(f.func.__name__, 4) for f in normal(case.expr).atoms(sp.Function))])


@pytest.mark.parametrize("dtype", [SINGLE, DOUBLE], ids=["float32", "float64"])
@pytest.mark.parametrize("target", TARGETS)
def test_functions_and_two_derivatives(target: str, dtype: type) -> None:
    wrong = []
    for name in CASES:
        at, found = exact(name, dtype)
        for order, row in enumerate(computed(target, dtype)[name]):
            worst = max(
                (
                    error(float(got), d[order], max(abs(d[order]), abs(float(p) * d[order + 1])), dtype),
                    float(p),
                    float(got),
                )
                for got, d, p in zip(row, found, at, strict=True)
            )
            if not worst[0] <= limit(name, target):
                wrong.append(f"{name}, derivative {order}: {worst[0]:.3g} ulp at x = {worst[1]!r}: {worst[2]!r}")
    assert not wrong, "\n".join(wrong)


def test_every_function_is_swept() -> None:
    """A row of the table, and a word that is rewritten, occurs in a case or in a slope of one."""
    seen: set[str] = set()
    for case in CASES.values():
        expressions = [case.expr, normal(case.expr)]
        for _ in range(case.orders):
            expressions.append(partial_derivative(expressions[-1], x))
        seen |= {f.func.__name__ for e in expressions for f in e.atoms(sp.Function, sp.Max, sp.Min, sp.Piecewise)}
    # Of two arguments, or renamed by SymPy: tested beside.
    seen |= {"sinc", "digamma", "powlog", "atan2", "shareproduct"}
    assert {row.name for row in TABLE} - seen == set()
    assert set(REWRITTEN) - seen == set()
