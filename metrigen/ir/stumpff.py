"""exp(-d) c_k(x) with the Stumpff functions c_k(x) = sum_j (-x)^j / (2 j + k)!, which are entire.

    c_0(w^2) = cos w,   c_1(w^2) = sin(w)/w,   cosh and sinh for x < 0
    c_(k+2) = (1/k! - c_k)/x,   c_k' = (k c_(k+2) - c_(k+1))/2

The exponential of an oscillator is written in them: one formula for under-, over- and critical damping, smooth across.
The factor exp(-d) is inside, so that a strongly damped one neither overflows nor is 0 times infinity.
"""

from __future__ import annotations

from math import factorial
from typing import Any

import numpy as np
import sympy as sp

_TERMS = 12  # of the series for |x| <= 1: the next one is below 1/24!


class stumpff(sp.Function):
    """exp(-d) c_k(x), k a non-negative integer."""

    nargs = 3
    is_real = True

    @classmethod
    def eval(cls, k: sp.Expr, x: sp.Expr, d: sp.Expr) -> sp.Expr | None:
        return sp.exp(-d) / sp.factorial(k) if x.is_zero else None

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        k, x, d = self.args
        if argindex == 2:
            return (k * stumpff(k + 2, x, d) - stumpff(k + 1, x, d)) / 2
        if argindex == 3:
            return -self
        raise sp.ArgumentIndexError(self, argindex)


def stumpff_values(k: float, x: Any, d: Any) -> np.ndarray:
    """The function on arrays, complex ones included."""
    x, d = np.broadcast_arrays(np.asarray(x), np.asarray(d))
    series = sum((-x) ** j / float(factorial(2 * j + int(k))) for j in range(_TERMS)) * np.exp(-d)
    up, down = np.sqrt(np.where(x.real > 1, x, 1)), np.sqrt(np.where(x.real < -1, -x, 1))
    grown, shrunk = np.exp(down - d) / 2, np.exp(-down - d) / 2
    if int(k) % 2:
        rotating, falling = np.exp(-d) * np.sin(up) / up, (grown - shrunk) / down
    else:
        rotating, falling = np.exp(-d) * np.cos(up), grown + shrunk
    far = np.where(x.real > 0, rotating, falling)
    for n in range(int(k) % 2, int(k), 2):
        far = (np.exp(-d) / float(factorial(n)) - far) / np.where(np.abs(x.real) > 1, x, 1)
    found: np.ndarray = np.where(np.abs(x.real) <= 1, series, far)
    return found
