"""What a slow token needs of 1 - E, without the difference of nearly equal numbers; written out after the variation.

    gap(r, w)            1 - e^r cos w = -(e^r - 1) + e^r (1 - cos w)
    stumpff_gap(r, z, m) 1 - e^r c_0(z) = -(e^r - 1) + z e^r c_2(z)
    slide(x, f, E, G)    E x + G f, G = 1 - E:  f + E (x - f), and x - G (x - f) where E > 1/2

Both forms of ``slide`` rest at x = f whatever E is rounded to; the second moves by what G says. G is no variable of its
own: the derivative by E is x - f.
"""

from __future__ import annotations

import sympy as sp

from metrigen.ir.damped_stumpff import damped_stumpff
from metrigen.spec.functions import choose, expm1

_HALF = sp.Rational(1, 2)


class gap(sp.Function):
    """1 - e^r cos w."""

    nargs = 2
    is_real = True

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        r, w = self.args
        return -sp.exp(r) * sp.cos(w) if argindex == 1 else sp.exp(r) * sp.sin(w)

    def written(self) -> sp.Expr:
        r, w = self.args
        if w == 0:
            return -expm1(r)
        large = 1 + sp.Abs(sp.cos(w))
        return sp.exp(r) * choose(sp.cos(w), sp.sin(w) ** 2 / large, large) - expm1(r)


class stumpff_gap(sp.Function):
    """1 - e^r c_0(z), m = r^2 + z."""

    nargs = 3
    is_real = True

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        if argindex == 3:
            return sp.S.Zero
        return -damped_stumpff(0, *self.args) if argindex == 1 else damped_stumpff(1, *self.args) / 2

    def written(self) -> sp.Expr:
        r, z, _ = self.args
        return z * damped_stumpff(2, *self.args) - expm1(r)


class slide(sp.Function):
    """E x + (1 - E) f."""

    nargs = 4
    is_real = True

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        x, f, E, G = self.args
        return (E, G, x - f, sp.S.Zero)[argindex - 1]

    def written(self) -> sp.Expr:
        x, f, E, G = self.args
        slow = E - _HALF
        return choose(slow, x, f) + choose(slow, -G, E) * (x - f)


def written(e: sp.Expr) -> sp.Expr:
    """The expression without the functions above."""
    for kind in (slide, gap, stumpff_gap):
        e = e.replace(kind, lambda *args, kind=kind: kind(*args).written())
    return e
