"""Functions that difference quotients are written in (``passes.quotients``), with all their derivatives.

    ratio(a, b)    a/b, and 0 where b = 0: the value at a kink that is the mean of both sides. Below the normal numbers
                   b counts as 0, as 1/b, a derivative, would be beyond the largest
    artanhc(k, y)  sum_n y^n/(2 n + 2 k + 1), y < 1; artanhc(0, x^2) = artanh(x)/x, artanhc(0, -x^2) = arctan(x)/x
                   artanhc(k, y)' = (1/(1 - y) - (2 k + 1) artanhc(k + 1, y))/2

A derivative of ``ratio`` divides once more by b, never by b^2, which vanishes in single precision long before b does.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

TERMS = 26  # of the series for |y| <= 1/4: the next one is below 4^-26
NEAR = 0.25


class ratio(sp.Function):
    """a/b, and 0 where b = 0."""

    nargs = 2
    is_real = True

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        a, b = self.args
        if argindex == 1:
            return ratio(sp.S.One, b)
        if argindex == 2:
            return -ratio(ratio(a, b), b)
        raise sp.ArgumentIndexError(self, argindex)


class artanhc(sp.Function):
    """sum_n y^n/(2 n + 2 k + 1), k a non-negative integer."""

    nargs = 2
    is_real = True

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        k, y = self.args
        if argindex == 2:
            return (1 / (1 - y) - (2 * k + 1) * artanhc(k + 1, y)) / 2
        raise sp.ArgumentIndexError(self, argindex)


def ratio_values(a: Any, b: Any) -> np.ndarray:
    """``ratio`` on arrays, complex ones included."""
    a, b = np.broadcast_arrays(np.asarray(a), np.asarray(b))
    zero = np.abs(b) < np.finfo(b.dtype if b.dtype.kind in "fc" else float).tiny
    return np.where(zero, 0.0, a / np.where(zero, 1.0, b))


def artanhc_values(k: Any, y: Any) -> np.ndarray:
    """``artanhc`` on arrays, complex ones included: the series where |y| <= 1/4, artanh and arctan elsewhere."""
    order, y = int(k), np.asarray(y)
    near = np.abs(y.real) <= NEAR
    inside = np.where(near, y, 0.0)
    series = np.zeros_like(inside)
    for n in reversed(range(TERMS)):
        series = series * inside + 1 / (2 * n + 2 * order + 1)
    up, down = (np.sqrt(np.where(sign * y.real > NEAR, sign * y, 1 / 4)) for sign in (1, -1))
    far = np.where(y.real > 0, np.arctanh(up) / up, np.arctan(down) / down)
    for n in range(order):
        far = (far - 1 / (2 * n + 1)) / np.where(near, 1.0, y)
    return np.where(near, series, far)
