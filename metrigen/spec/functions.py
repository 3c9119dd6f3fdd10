"""Functions of the spec language that SymPy has not, or has without a derivative; each with its value in mpmath.

    choose(c, a, b) a where c > 0, else b: what Piecewise becomes
    whole(x)        the largest integer not above x: floor, with the derivative 0 almost everywhere

The others stand for expressions that rounding or overflow would spoil: e^x - 1, log cosh x, log(1 + e^x), f(x)/x at 0.
Means are in ``spec.means``, hypot in ``spec.distance``.
"""

from __future__ import annotations

from typing import Any

import mpmath
import sympy as sp

from metrigen.spec.distance import bearing, hypot, overhypot
from metrigen.spec.elementary import Elementary
from metrigen.spec.means import SHARES, harmonicmean, logmean, logratio


class choose(Elementary):
    """a where c > 0, else b."""

    nargs = 3

    @staticmethod
    def value(c: Any, a: Any, b: Any) -> Any:
        return a if c > 0 else b

    @classmethod
    def eval(cls, c: sp.Expr, a: sp.Expr, b: sp.Expr) -> sp.Expr | None:
        if a == b:
            return a
        if c.is_positive:
            return a
        return b if c.is_nonpositive else None

    def _eval_is_positive(self) -> bool | None:
        return True if self.args[1].is_positive and self.args[2].is_positive else None

    def _eval_is_nonnegative(self) -> bool | None:
        return True if self.args[1].is_nonnegative and self.args[2].is_nonnegative else None

    def _eval_derivative(self, s: sp.Symbol) -> sp.Expr:
        c, a, b = self.args
        return choose(c, a.diff(s), b.diff(s))

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        c, a, b = (printer._print(x) for x in self.args)
        text = rf"\begin{{cases}}{a} & {c} > 0 \\ {b} & \text{{else}}\end{{cases}}"
        return text if exp is None else rf"\left({text}\right)^{{{exp}}}"


class whole(Elementary):
    """floor(x), constant almost everywhere."""

    nargs = 1

    @staticmethod
    def value(x: Any) -> Any:
        return mpmath.floor(x)

    @classmethod
    def eval(cls, x: sp.Expr) -> sp.Expr | None:
        return sp.floor(x) if x.is_number else x if x.is_integer else None

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return sp.S.Zero

    def _sympystr(self, printer: Any) -> str:
        return f"floor({printer._print(self.args[0])})"

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        text = rf"\left\lfloor {printer._print(self.args[0])} \right\rfloor"
        return text if exp is None else f"{text}^{{{exp}}}"


class expm1(Elementary):
    """exp(x) - 1."""

    nargs = 1

    @staticmethod
    def value(x: Any) -> Any:
        return mpmath.expm1(x)

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return sp.exp(self.args[0])


class logcosh(Elementary):
    """log(cosh(x))."""

    nargs = 1

    @staticmethod
    def value(x: Any) -> Any:
        with mpmath.workprec(3 * mpmath.mp.prec + 100):
            return mpmath.log(mpmath.cosh(x))

    def _eval_is_nonnegative(self) -> bool:
        return True

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return sp.tanh(self.args[0])


class softplus(Elementary):
    """log(1 + exp(x))."""

    nargs = 1
    is_positive = True

    @staticmethod
    def value(x: Any) -> Any:
        return mpmath.log1p(mpmath.exp(x))

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return sigmoid(self.args[0])


class sigmoid(Elementary):
    """1/(1 + exp(-x))."""

    nargs = 1
    is_positive = True

    @staticmethod
    def value(x: Any) -> Any:
        return 1 / (1 + mpmath.exp(-x))

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return sp.sech(self.args[0] / 2) ** 2 / 4


class powlog(Elementary):
    """b^e log(b)^n: the derivatives of a power in its exponent; 0 at b = 0 for e > 0. The order n comes first."""

    nargs = 3

    @staticmethod
    def value(n: Any, b: Any, e: Any) -> Any:
        return mpmath.mpf(0) if b == 0 and e > 0 else b**e * mpmath.log(b) ** n

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        n, b, e = self.args
        if argindex == 3:
            return powlog(n + 1, b, e)
        lower = b ** (e - 1) if n == 1 else powlog(n - 1, b, e - 1)
        return e * powlog(n, b, e - 1) + n * lower


class guard(Elementary):
    """x where p is not 0, else 1: in p guard(p, x)^e the product is 0 where p is, whatever the power would be."""

    nargs = 2

    @staticmethod
    def value(p: Any, x: Any) -> Any:
        return x if p != 0 else mpmath.mpf(1)

    def _eval_is_nonnegative(self) -> bool | None:
        return True if self.args[1].is_nonnegative else None

    def _eval_derivative(self, s: sp.Symbol) -> sp.Expr:
        return self.args[1].diff(s)


class polar(Elementary):
    """a/(a^2 + b^2)."""

    nargs = 2

    @staticmethod
    def value(a: Any, b: Any) -> Any:
        return a / (a * a + b * b)

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        a, b = self.args
        if argindex == 1:
            return (polar(b, a) - polar(a, b)) * (polar(b, a) + polar(a, b))
        return -2 * polar(a, b) * polar(b, a)


class cosatan(Elementary):
    """1/sqrt(1 + x^2), which does not overflow."""

    nargs = 1
    is_positive = True

    @staticmethod
    def value(x: Any) -> Any:
        return 1 / mpmath.sqrt(1 + x * x)

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return -sinatan(self.args[0]) * polar(1, self.args[0])


class sinatan(Elementary):
    """x/sqrt(1 + x^2)."""

    nargs = 1

    @staticmethod
    def value(x: Any) -> Any:
        return x / mpmath.sqrt(1 + x * x)

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return cosatan(self.args[0]) * polar(1, self.args[0])


class Quotient(Elementary):
    """The k-th derivative of f(x)/x for an odd f, by x, or (``root``) of f(sqrt z)/sqrt z by z."""

    nargs = 2
    of: Any = None
    exact: Any = None
    root = False

    @classmethod
    def value(cls, k: Any, x: Any) -> Any:
        with mpmath.workprec(3 * mpmath.mp.prec + 300):
            if abs(x) < mpmath.mpf(1) / 10:
                return _near(cls._plain, int(k), x)
            return mpmath.diff(cls._plain, x, int(k), h=mpmath.mpf(2) ** (-mpmath.mp.prec // 4)) if k else cls._plain(x)

    @classmethod
    def _plain(cls, x: Any) -> Any:
        r = mpmath.sqrt(x) if cls.root else x
        return cls.exact(r) / r

    def fdiff(self, argindex: int = 2) -> sp.Expr:
        return self.func(self.args[0] + 1, self.args[1])

    def _eval_is_positive(self) -> bool | None:
        return True if self.args[0] == 0 and self.of not in (sp.sin, sp.tan) else None


def _near(f: Any, k: int, x: Any) -> Any:
    """The k-th derivative of an analytic f near 0, by Cauchy's formula on a circle of radius 1/2."""
    points = 4 * mpmath.mp.prec // 3
    circle = [mpmath.expjpi(mpmath.mpf(2 * m + 1) / points) / 2 for m in range(points)]
    total = mpmath.fsum((f(w) * w / (w - x) ** (k + 1)).real for w in circle)
    return mpmath.factorial(k) * total / points


_ODD = {
    "sin": (sp.sin, mpmath.sin), "sinh": (sp.sinh, mpmath.sinh), "tan": (sp.tan, mpmath.tan),
    "tanh": (sp.tanh, mpmath.tanh), "asin": (sp.asin, mpmath.asin), "asinh": (sp.asinh, mpmath.asinh),
    "atan": (sp.atan, mpmath.atan), "atanh": (sp.atanh, mpmath.atanh), "erf": (sp.erf, mpmath.erf),
}  # fmt: skip


def _quotient(name: str, root: bool) -> type[Quotient]:
    of, exact = _ODD[name]
    own = {"of": of, "exact": staticmethod(exact), "root": root}
    return type(name + ("root" if root else "over"), (Quotient,), own)


QUOTIENTS = {_ODD[name][0]: _quotient(name, False) for name in _ODD}  # f -> f(x)/x
ROOTS = {_ODD[name][0]: _quotient(name, True) for name in _ODD}  # f -> f(sqrt z)/sqrt z

# What SymPy does not know the value of: name -> the function of numbers of mpmath.
_OWN: tuple[type[Elementary], ...] = (
    choose, whole, expm1, logmean, logratio, logcosh, softplus, sigmoid, powlog, guard, polar, cosatan, sinatan,
    hypot, bearing, overhypot, harmonicmean, *SHARES.values(), *QUOTIENTS.values(), *ROOTS.values(),
)  # fmt: skip
VALUES = {made.__name__: made.value for made in _OWN}
