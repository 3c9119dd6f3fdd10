"""Stumpff functions with a decay, the entire functions that the exponential of a 2x2 matrix is made of.

    damped_stumpff(k, r, z, m) = e^r c_k(z),   c_k(z) = sum_n (-z)^n/(2n + k)!,   m = r^2 + z
    c_0(z) = cos sqrt(z),  c_1(z) = sin(sqrt(z))/sqrt(z),  c_k(z) = 1/k! - z c_(k+2)(z)

c_k is entire: oscillation (z > 0), its absence (z < 0) and the border between them are one formula, and so are all
derivatives, c_k' = -(c_(k+1) - k c_(k+2))/2. The decay is part of the function because e^r cosh(w) may be moderate
where cosh(w) is not; m, the determinant where r and z are those of a matrix, because the slow exponent of a strongly
damped oscillator is r + w = m/(r - w), and r + w of rounded r and w is not: it may even grow.

Reference: K. Stumpff (1959), Himmelsmechanik, volume 1.
"""

from __future__ import annotations

from math import factorial
from typing import Any

import numpy as np
import sympy as sp


class damped_stumpff(sp.Function):
    """e^r c_k(z) with k = 0, 1, 2, ...; m = r^2 + z is redundant, and no variable of its own."""

    nargs = 4
    is_real = True

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        k, r, z, m = self.args
        if argindex == 2:
            return self
        if argindex == 3:
            return -(damped_stumpff(k + 1, r, z, m) - k * damped_stumpff(k + 2, r, z, m)) / 2
        if argindex == 4:
            return sp.S.Zero
        raise sp.ArgumentIndexError(self, argindex)


def damped_stumpff_values(k: Any, r: Any, z: Any, m: Any) -> np.ndarray:
    """The function in numpy: a series where |z| < 1, the closed forms elsewhere."""
    order = int(k)
    r, z, m = np.broadcast_arrays(np.asarray(r, float), np.asarray(z, float), np.asarray(m, float))
    near = np.abs(z) < 1
    small = np.where(near, z, 0.0)
    series = sum((-small) ** n / factorial(2 * n + order) for n in range(12))
    far = np.where(near, 1.0, z)
    w = np.sqrt(np.abs(far))
    slow = np.where(r < 0, m / np.where(r < 0, r - w, 1.0), r + w)
    up, down = np.exp(np.where(near | (z > 0), r, slow)), np.exp(r - w)
    even = np.where(far > 0, np.exp(r) * np.cos(w), (up + down) / 2)
    odd = np.where(far > 0, np.exp(r) * np.sin(w), (up - down) / 2) / w
    values = [even, odd]
    for i in range(2, order + 1):
        values.append((np.exp(r) / factorial(i - 2) - values[i - 2]) / far)
    return np.asarray(np.where(near, np.exp(r) * series, values[order]))
