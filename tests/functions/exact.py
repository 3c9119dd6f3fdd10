"""Values in mpmath, of functions as a textbook has them, and derivatives by differences of many digits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import mpmath
import sympy as sp

from metrigen.spec.elementary import Elementary
from metrigen.spec.functions import QUOTIENTS, ROOTS

_NAMES: dict[str, Callable[..., Any]] = {
    "Abs": abs, "sign": mpmath.sign, "Max": max, "Min": min, "polygamma": mpmath.psi, "loggamma": mpmath.loggamma,
    "Heaviside": lambda x, h=0.5: h if x == 0 else mpmath.mpf(x > 0), "frac": lambda x: x - mpmath.floor(x),
    "ceiling": mpmath.ceil, "Mod": lambda a, b: a - b * mpmath.floor(a / b), "sinc": mpmath.sinc,
    "erfc": lambda x: mpmath.erfc(x) if abs(x) < 1e6 else mpmath.mpf(0 if x > 0 else 2),
    "erf": lambda x: mpmath.erf(x) if abs(x) < 1e6 else mpmath.sign(x),
    "tanh": lambda x: mpmath.tanh(x) if abs(x) < 1e6 else mpmath.sign(x),
    "choose": lambda c, a, b: a if c > 0 else b,
}  # fmt: skip
for _of, _made in QUOTIENTS.items():
    _NAMES[_made.__name__] = lambda k, x, name=_of.__name__: getattr(mpmath, name)(x) / x
for _of, _made in ROOTS.items():
    _NAMES[_made.__name__] = lambda k, x, name=_of.__name__: getattr(mpmath, name)(mpmath.sqrt(x)) / mpmath.sqrt(x)


def value(expr: sp.Basic, point: Mapping[sp.Symbol, Any]) -> Any:
    """The value of an expression at a point. Raises where it is not real or not defined."""
    if expr.is_Symbol:
        return point[expr]
    if expr.is_Rational:
        return mpmath.mpf(expr.p) / expr.q
    if expr.is_number:
        return mpmath.mpf(sp.N(expr, mpmath.mp.dps)._to_mpmath(mpmath.mp.prec))
    if isinstance(expr, sp.Piecewise):
        return next(value(e, point) for e, c in expr.args if c == True or _holds(c, point))  # noqa: E712
    args = [value(a, point) for a in expr.args]
    if expr.is_Add:
        return mpmath.fsum(args)
    if expr.is_Mul:
        return mpmath.fprod(args)
    if expr.is_Pow:
        found = args[0] ** (int(args[1]) if args[1] == int(args[1]) and abs(args[1]) < 1000 else args[1])
    elif isinstance(expr, Elementary) and expr.func.__name__ not in _NAMES:
        found = expr.value(*args)
    else:
        name = expr.func.__name__
        found = (_NAMES.get(name) or getattr(mpmath, name))(*args)
    if isinstance(found, mpmath.mpc):
        if found.imag != 0:
            raise ValueError("not real")
        found = found.real
    if not mpmath.isfinite(found):
        raise ValueError("not finite")
    return found


def _holds(condition: sp.Basic, point: Mapping[sp.Symbol, Any]) -> bool:
    if isinstance(condition, sp.And):
        return all(_holds(c, point) for c in condition.args)
    if isinstance(condition, sp.Or):
        return any(_holds(c, point) for c in condition.args)
    left, right = value(condition.lhs, point), value(condition.rhs, point)
    return {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right, "==": left == right,
            "!=": left != right}[condition.rel_op]  # fmt: skip


def derivatives(f: Callable[[Any], Any], x: float, most: int = 3) -> list[Any]:
    """[f, f', f'', ...] up to ``most`` at x by central differences; at 0, where f may be a limit, beside it."""
    step = 20 if not x else 20 + max(0, -int(mpmath.floor(mpmath.log10(abs(mpmath.mpf(x))))))
    saturated = int(min(x * x, 700.0))  # digits of 1 - tanh x or erfc x
    with mpmath.workdps(60 + 3 * step + saturated if x else 210):
        at = mpmath.mpf(x) if x else mpmath.mpf(10) ** -45
        h = abs(at) * mpmath.mpf(10) ** -20 if x else mpmath.mpf(10) ** -50
        a, b, c, d, e = (f(at + k * h) for k in (-2, -1, 0, 1, 2))
        found = [c, (d - b) / (2 * h), (d - 2 * c + b) / h**2, (e - 2 * d + 2 * b - a) / (2 * h**3)]
        return [v if x or abs(v) > 1e-40 else mpmath.mpf(0) for v in found[: most + 1]]
