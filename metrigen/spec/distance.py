"""The root of a sum of two squares, at every magnitude.

hypot(a, b)    sqrt(a^2 + b^2); the squares alone leave the range of numbers, or are 0, where the root is not
bearing(a, b)  a/hypot(a, b), its derivative by a; at a = b = 0, where it has none, 0
"""

from __future__ import annotations

from typing import Any

import mpmath
import sympy as sp

from metrigen.spec.elementary import Elementary


class hypot(Elementary):
    """sqrt(a^2 + b^2)."""

    nargs = 2
    is_nonnegative = True

    @staticmethod
    def value(a: Any, b: Any) -> Any:
        return mpmath.hypot(a, b)

    @classmethod
    def eval(cls, a: sp.Expr, b: sp.Expr) -> sp.Expr | None:
        for one, other in ((a, b), (b, a)):
            if sp.sympify(one).is_zero:
                return sp.Abs(other)
        return hypot(b, a) if sp.default_sort_key(b) < sp.default_sort_key(a) else None

    def _eval_is_positive(self) -> bool | None:
        return True if any(a.is_nonzero for a in self.args) else None

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        a, b = self.args
        return bearing(a, b) if argindex == 1 else bearing(b, a)

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        a, b = (printer._print(x**2) for x in self.args)
        text = rf"\sqrt{{{a} + {b}}}"
        return text if exp is None else rf"\left({text}\right)^{{{exp}}}"


class bearing(Elementary):
    """a/sqrt(a^2 + b^2), 0 at a = b = 0."""

    nargs = 2

    @staticmethod
    def value(a: Any, b: Any) -> Any:
        h = mpmath.hypot(a, b)
        return a / h if h else mpmath.mpf(0)

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """b^2/h^3, -a b/h^3."""
        a, b = self.args
        return bearing(b, a) * (overhypot(b, a) if argindex == 1 else -overhypot(a, b))


class overhypot(Elementary):
    """a/(a^2 + b^2), 0 at a = b = 0."""

    nargs = 2

    @staticmethod
    def value(a: Any, b: Any) -> Any:
        return a / (a * a + b * b) if a or b else mpmath.mpf(0)

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        a, b = self.args
        if argindex == 1:
            return (overhypot(b, a) - overhypot(a, b)) * (overhypot(b, a) + overhypot(a, b))
        return -2 * overhypot(a, b) * overhypot(b, a)
