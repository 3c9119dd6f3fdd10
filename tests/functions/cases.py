"""Functions of one variable to sweep, the plain formula that each must equal, and where."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import sympy as sp

from metrigen.spec.distance import hypot
from metrigen.spec.functions import QUOTIENTS, ROOTS, cosatan, expm1, logcosh, sigmoid, sinatan, softplus
from metrigen.spec.means import harmonicmean, logmean, share

x = sp.Symbol("x", real=True)
_WHOLE = tuple(float(k) for k in range(-1000, 1001))
_HALF = sp.Rational(1, 2)


@dataclass(frozen=True)
class Case:
    """``expr`` as a spec says it; ``plain``, if another formula is the textbook's; values between ``low`` and ``high``,
    the ends included where they are finite; ``orders``: derivatives that are checked; without ``without``;
    ``ulp``: its accuracy, where no function in it states another."""

    expr: sp.Expr
    plain: sp.Expr | None = None
    low: float = -np.inf
    high: float = np.inf
    orders: int = 2
    without: tuple[float, ...] = ()
    ulp: float = 4

    @property
    def exact(self) -> sp.Expr:
        return self.expr if self.plain is None else self.plain


CASES: dict[str, Case] = {
    "exp": Case(sp.exp(x)),
    "log": Case(sp.log(x), low=0, without=(0.0,)),
    "sin": Case(sp.sin(x), low=-8000, high=8000),
    "cos": Case(sp.cos(x), low=-8000, high=8000),
    "tan": Case(sp.tan(x), low=-8000, high=8000),
    "sec": Case(sp.sec(x), low=-8000, high=8000),
    "csc": Case(sp.csc(x), low=-8000, high=8000, without=(0.0,)),
    "cot": Case(sp.cot(x), low=-8000, high=8000, without=(0.0,)),
    "sinh": Case(sp.sinh(x)),
    "cosh": Case(sp.cosh(x)),
    "tanh": Case(sp.tanh(x)),
    "sech": Case(sp.sech(x)),
    "csch": Case(sp.csch(x), without=(0.0,)),
    "coth": Case(sp.coth(x), without=(0.0,)),
    "asin": Case(sp.asin(x), low=-1, high=1, without=(-1.0, 1.0)),
    "acos": Case(sp.acos(x), low=-1, high=1, without=(-1.0, 1.0)),
    "atan": Case(sp.atan(x)),
    "atan2 of y": Case(sp.atan2(x, 2)),
    "atan2 of x": Case(sp.atan2(-3, x)),
    "asinh": Case(sp.asinh(x)),
    "acosh": Case(sp.acosh(x), low=1, without=(1.0,)),
    "atanh": Case(sp.atanh(x), low=-1, high=1, without=(-1.0, 1.0)),
    "erf": Case(sp.erf(x)),
    "erfc": Case(sp.erfc(x)),
    "loggamma": Case(sp.loggamma(x), low=0, without=(0.0,)),
    "digamma": Case(sp.digamma(x), low=0, without=(0.0,)),
    "polygamma 1": Case(sp.polygamma(1, x), low=0, without=(0.0,)),
    "abs": Case(sp.Abs(x), without=(0.0,)),
    "sign": Case(sp.sign(x), without=(0.0,)),
    "step": Case(sp.Heaviside(x), without=(0.0,)),
    "max": Case(sp.Max(x, sp.Rational(1, 10)) ** 2),
    "min": Case(sp.Min(x, sp.Rational(1, 10)) ** 2),
    "floor": Case(sp.floor(x) * x, low=-999.5, high=999.5, without=_WHOLE),
    "ceiling": Case(sp.ceiling(x) * x, low=-999.5, high=999.5, without=_WHOLE),
    "frac": Case(sp.frac(x), low=-999.5, high=999.5, without=_WHOLE),
    "mod": Case(sp.Mod(x, 3), low=-999.5, high=999.5, without=_WHOLE),
    "huber": Case(sp.Piecewise((x**2 / 2, x < 1), (x - _HALF, True))),
    "sinc": Case(sp.sinc(x), low=-8000, high=8000),
    "hypot": Case(hypot(x, sp.Integer(3)), sp.sqrt(x**2 + 9)),
    "hypot of small": Case(hypot(x, x / 3), sp.sqrt(10) / 3 * sp.Abs(x), without=(0.0,), orders=1),
    "logmean": Case(logmean(x, sp.Integer(3)), (x - 3) / (sp.log(x) - sp.log(3)), low=1e-15, high=1e15),
    "harmonicmean": Case(harmonicmean(x, sp.Integer(3)), 6 * x / (x + 3), low=0),
    "share": Case(share(0, x, sp.Integer(3)), x / (x + 3), low=0),
    "expm1": Case(expm1(x), sp.exp(x) - 1),
    "logcosh": Case(logcosh(x), sp.log(sp.cosh(x))),
    "softplus": Case(softplus(x), sp.log(1 + sp.exp(x))),
    "sigmoid": Case(sigmoid(x), 1 / (1 + sp.exp(-x))),
    "cosatan": Case(cosatan(x), 1 / sp.sqrt(1 + x**2), orders=1),
    "sinatan": Case(sinatan(x), x / sp.sqrt(1 + x**2), orders=1),
    "root": Case(sp.sqrt(x), low=0, without=(0.0,)),
    "cube root": Case(sp.cbrt(x), low=0, without=(0.0,)),
    "cube root of square": Case(sp.cbrt(x**2), without=(0.0,)),
    "power 2.3": Case(x ** sp.Float("2.3"), low=0, without=(0.0,)),
    "power 2.0": Case(x**2.0),
    "power -7/2": Case(x ** sp.Rational(-7, 2), low=0, without=(0.0,)),
    "power 7": Case(x**7),
    "two to the": Case(2**x),
    "clamped root": Case(sp.sqrt(sp.Max(0, x**2 - 1)), low=-1e9, high=1e9, orders=1, without=(-1.0, 1.0)),
    "log cosh": Case(sp.log(sp.cosh(x))),
    "sinh over cosh": Case(sp.sinh(x) / sp.cosh(x)),
    "log of 1 + exp": Case(sp.log(1 + sp.exp(x))),
    "log of exps": Case(sp.log(sp.exp(x) + sp.exp(-x))),
    "abs power": Case(sp.Abs(x) ** sp.Rational(5, 2), without=(0.0,)),
    "atanh over": Case(sp.atanh(x) / x, low=-1, high=1, without=(-1.0, 1.0)),
    "expm1 over": Case((sp.exp(x) - 1) / x, high=80),
    "bernoulli": Case(x / (sp.exp(x) - 1), low=-4, high=80),
    "1 - cos over": Case((1 - sp.cos(x)) / x**2, 2 * sp.sin(x / 2) ** 2 / x**2, low=-8000, high=8000),
    "cosh - 1 over": Case((sp.cosh(3 * x) - 1) / x**2, 2 * sp.sinh(3 * x / 2) ** 2 / x**2, low=-25, high=25),
    "root - 1 over": Case((sp.sqrt(1 + x**2) - 1) / x**2, low=-1e6, high=1e6, ulp=6),
    "log1p over": Case(sp.log(1 + 2 * x) / x, low=-0.5, high=1e15, without=(-0.5,)),
    "exps over": Case(sp.exp(2 * x) / x - sp.exp(-x) / x, low=-30, high=30),
    "x coth x": Case(x * sp.coth(x), low=-4, high=4),
    "sin 3x over": Case(sp.sin(3 * x) / x, low=-2000, high=2000),
}
for _of in QUOTIENTS:
    _low, _high = (
        (-1, 1)
        if _of in (sp.asin, sp.atanh)
        else (-1.5, 1.5)
        if _of is sp.tan
        else (-88, 88)
        if _of is sp.sinh
        else (-8000, 8000)
    )
    _ends = () if abs(_low) > 1 else (-1.0, 1.0)
    CASES[f"{_of.__name__}(x)/x"] = Case(QUOTIENTS[_of](0, x), _of(x) / x, _low, _high, without=_ends)
    CASES[f"{_of.__name__}(sqrt x)/sqrt x"] = Case(
        ROOTS[_of](0, x), _of(sp.sqrt(x)) / sp.sqrt(x), 0, min(_high**2, 7000), without=_ends
    )


def points(case: Case, dtype: type, count: int) -> np.ndarray:
    """Both signs, on a logarithmic scale from denormals to overflow, zero, close to the ends and to whole numbers."""
    info = np.finfo(dtype)
    source = np.random.default_rng(7)
    top = np.log10(float(info.max))
    wide = 10 ** source.uniform(-top - 5, top, count)
    near = 10 ** source.uniform(-4, 2.2, 2 * count)
    whole = np.arange(0, 3)[:, None] + np.array([0.0, 1e-3, -1e-6, 0.49]).reshape(1, -1)
    edges = np.array([88.6, 88.8, 89.3, 103.5, 709.5, 709.9, 710.4, 745.0, 0.0, float(info.tiny), float(info.tiny) / 8])
    found = np.concatenate([wide, near, whole.ravel(), edges])
    with np.errstate(over="ignore"):
        found = np.concatenate([found, -found]).astype(dtype)
    for end in (case.low, case.high):
        if np.isfinite(end):
            away = (10 ** source.uniform(-6, -1, count // 2)) * (1 if end == case.low else -1)
            found = np.concatenate([found, np.asarray(end + away).astype(dtype)])
    kept = found[(found >= case.low) & (found <= case.high) & np.isfinite(found)]
    kept = np.array([v for v in np.unique(kept) if float(v) not in case.without], dtype)
    return np.resize(kept, -(-len(kept) // 8) * 8)
