"""Means of two numbers that are not negative, and what their derivatives are made of.

    logmean(a, b)       (a - b)/(log a - log b), a where both are equal
    harmonicmean(a, b)  2 a b/(a + b), 0 where one of them is 0

The first is a word of a spec, the second the mean of a ``Lattice(average="harmonic")``.
"""

from __future__ import annotations

from typing import Any

import mpmath
import sympy as sp

from metrigen.spec.elementary import Elementary


class logmean(Elementary):
    """(a - b)/(log a - log b), and a where a = b, for a, b > 0: the weight of a jump process in detailed balance."""

    nargs = 2

    @staticmethod
    def value(a: Any, b: Any) -> Any:
        if a == b:
            return a
        with mpmath.workprec(2 * mpmath.mp.prec + 200):
            return (a - b) / mpmath.log(a / b) if a and b else mpmath.mpf(0)

    @classmethod
    def eval(cls, a: sp.Expr, b: sp.Expr) -> sp.Expr | None:
        if a == b:
            return a
        return logmean(b, a) if sp.default_sort_key(b) < sp.default_sort_key(a) else None

    def _eval_is_positive(self) -> bool | None:
        return True if self.args[0].is_positive and self.args[1].is_positive else None

    def _eval_is_nonnegative(self) -> bool | None:
        """It is real for numbers of one sign, and defined for those that are not negative."""
        return True if all(a.is_nonnegative for a in self.args) else None

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """With s = (a - b)/(a + b): logmean = (a + b)/(2 T0), T0 = atanh(s)/s."""
        a, b = self.args
        slope = logratio(0, a, b).fdiff(argindex + 1)
        first = logratio(0, a, b)
        return 1 / (2 * first) - (a + b) / 2 * slope / first**2

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        a, b = (printer._print(x) for x in self.args)
        text = rf"\Lambda\left({a}, {b}\right)"
        return text if exp is None else rf"{text}^{{{exp}}}"


class logratio(Elementary):
    """T_k(s) = sum_j s^(2j)/(2j + 2k + 1), s = (a - b)/(a + b); T_0 = atanh(s)/s."""

    nargs = 3

    @staticmethod
    def value(k: Any, a: Any, b: Any) -> Any:
        with mpmath.workprec(3 * mpmath.mp.prec + 300):
            s = (a - b) / (a + b)
            if abs(s) < 0.5:
                return mpmath.hyp2f1(1, k + mpmath.mpf(1) / 2, k + mpmath.mpf(3) / 2, s * s) / (2 * k + 1)
            out = mpmath.log(a / b) / (2 * s)
            for n in range(int(k)):
                out = (out - mpmath.mpf(1) / (2 * n + 1)) / s**2
            return out

    def _eval_is_positive(self) -> bool | None:
        return True if self.args[1].is_positive and self.args[2].is_positive else None

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """dT_k/ds = s (1/(1 - s^2) - (2k + 1) T_(k+1)), and 1/(1 - s^2) = (a + b)^2/(4 a b)."""
        k, a, b = self.args
        near, far, sign = (a, b, 1) if argindex == 2 else (b, a, -1)
        s = (a - b) / (a + b)
        return sign * s * (1 / (2 * near) - 2 * far * (2 * k + 1) * logratio(k + 1, a, b) / (a + b) ** 2)


class harmonicmean(Elementary):
    """2 a b/(a + b), 0 where one of them is 0, for a, b >= 0: the coefficient of two resistances in a row.

    Its gradient is 2 (q^2, p^2) with the shares p = a/(a + b) and q = 1 - p. At a = b = 0 it has none; there it is
    (1/2, 1/2), its value for a = b, which a concave function may have for a slope.
    """

    nargs = 2

    @staticmethod
    def value(a: Any, b: Any) -> Any:
        return 2 * a * b / (a + b) if a or b else mpmath.mpf(0)

    @classmethod
    def eval(cls, a: sp.Expr, b: sp.Expr) -> sp.Expr | None:
        if a == b:
            return a
        if a.is_zero or b.is_zero:
            return sp.S.Zero
        return harmonicmean(b, a) if sp.default_sort_key(b) < sp.default_sort_key(a) else None

    def _eval_is_positive(self) -> bool | None:
        return True if all(a.is_positive for a in self.args) else None

    def _eval_is_nonnegative(self) -> bool | None:
        return True if all(a.is_nonnegative for a in self.args) else None

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        a, b = self.args
        return 2 * (sharesquare(0, b, a) if argindex == 1 else sharesquare(0, a, b))

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        a, b = self.args
        text = rf"\frac{{{printer._print(2 * a * b)}}}{{{printer._print(a + b)}}}"
        return text if exp is None else rf"\left({text}\right)^{{{exp}}}"


class Share(Elementary):
    """p^j q^k/(a + b)^m with the shares p = a/(a + b), q = b/(a + b); ``powers`` = (j, k), the order m comes first.

    At a = b = 0 both shares are 1/2, and 0 is the value for m > 0. In (a + b)^-n a^j b^k, n = j + k + m:

        d/da = (j a^(j-1) b^(k+1) - (k + m) a^j b^k)/(a + b)^(n+1)

    so the derivatives of a share are sums of shares, none of them a product that overflows before it is formed.
    """

    nargs = 3
    powers = (1, 0)

    @classmethod
    def value(cls, m: Any, a: Any, b: Any) -> Any:
        j, k = cls.powers
        if not a and not b:
            return mpmath.mpf(0) if m else mpmath.mpf(1) / 2 ** (j + k)
        return a**j * b**k / (a + b) ** (j + k + int(m))

    @classmethod
    def eval(cls, m: sp.Expr, a: sp.Expr, b: sp.Expr) -> sp.Expr | None:
        return sp.Rational(1, 2 ** sum(cls.powers)) if m == 0 and a == b else None

    def _eval_is_positive(self) -> bool | None:
        return True if all(a.is_positive for a in self.args[1:]) else None

    def _eval_is_nonnegative(self) -> bool | None:
        return True if all(a.is_nonnegative for a in self.args[1:]) else None

    def fdiff(self, argindex: int = 2) -> sp.Expr:
        (m, a, b), (j, k) = self.args, self.powers
        if argindex == 3:
            (a, b), (j, k) = (b, a), (k, j)
        return j * _shares(m + 1, a, b, j - 1, k + 1) - (k + m) * _shares(m + 1, a, b, j, k)

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        (m, a, b), (j, k) = self.args, self.powers
        text = rf"\frac{{{printer._print(a**j * b**k)}}}{{{printer._print((a + b) ** (j + k + m))}}}"
        return text if exp is None else rf"\left({text}\right)^{{{exp}}}"


class share(Share):
    """a/(a + b)/(a + b)^m."""


class shareproduct(Share):
    """a b/(a + b)^2/(a + b)^m."""

    powers = (1, 1)

    @classmethod
    def eval(cls, m: sp.Expr, a: sp.Expr, b: sp.Expr) -> sp.Expr | None:
        if sp.default_sort_key(b) < sp.default_sort_key(a):
            return shareproduct(m, b, a)
        return super().eval(m, a, b)


class sharesquare(Share):
    """a^2/(a + b)^2/(a + b)^m."""

    powers = (2, 0)


SHARES = {made.powers: made for made in (share, shareproduct, sharesquare)}


def _shares(m: sp.Expr, a: sp.Expr, b: sp.Expr, j: int, k: int) -> sp.Expr:
    """p^j q^k/(a + b)^m; 0 for a power below 0, which has the factor 0 where it comes up."""
    if min(j, k) < 0:
        return sp.S.Zero
    return SHARES[j, k](m, a, b) if j >= k else SHARES[k, j](m, b, a)
