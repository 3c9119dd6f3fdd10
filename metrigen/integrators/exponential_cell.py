"""The exact exponential of a sequence cell, entry by entry.

    exp(h A) = e^(h s) [ C 1 + S h (A - s) ],   s = tr A/2,  z = h^2 det(A - s),  C = c_0(z),  S = c_1(z)

for a 2x2 matrix, with the entire functions of ``metrigen.ir.damped_stumpff``: one formula for underdamped, critical and
overdamped oscillators. Where z is a square w^2 and the off-diagonal entries are multiples of w, the cell rotates by the
angle w, and C, w S are written cos w, sin w. One field: exp(h A). The diagonal of 1 - exp(h A) is written in the
functions of ``exponential_gap``: 1 - C without a difference, so that slow tokens are exact in roundings of h A.
"""

from __future__ import annotations

from dataclasses import dataclass

import mpmath
import sympy as sp

from metrigen.discretise.sequence import Cell, Matrix
from metrigen.integrators.exponential_gap import gap, stumpff_gap
from metrigen.ir.damped_stumpff import damped_stumpff
from metrigen.ir.nodes import Load


@dataclass(frozen=True)
class Propagator:
    """exp(h A): ``values`` are named quantities, ``entries`` are written in their names, and so are the ``gaps``, the
    diagonal of 1 - exp(h A).

    constant  parameters alone change it: names are parameters, not arrays with a value a token
    rotating  the entries are those of a rotation and a decay, in cos and sin
    """

    values: tuple[tuple[str, sp.Expr], ...]
    entries: Matrix
    gaps: tuple[sp.Expr, ...]
    constant: bool
    rotating: bool = False


def propagator(cell: Cell) -> Propagator:
    """exp(h A) in its rate h s, and in the angle h w or the square z."""
    h, A = cell.dt, cell.A
    symbols = {s for e in (h, *(e for row in A for e in row)) for s in e.free_symbols}
    constant = not any(isinstance(s, Load) for s in symbols)
    if not symbols:
        return Propagator((), *_numbers(h, A), constant=False)

    def named(name: str) -> sp.Symbol:
        return sp.Symbol(name, real=True) if constant else Load(name, ())

    rate, angle, square, det = (named(name) for name in ("rate__h", "angle__h", "square__h", "determinant__h"))
    if len(A) == 1:
        return Propagator(((rate.name, h * A[0][0]),), ((sp.exp(rate),),), (gap(rate, sp.S.Zero),), constant)
    s = sp.expand((A[0][0] + A[1][1]) / 2)
    D = [[sp.expand(A[i][j] - (s if i == j else 0)) for j in range(2)] for i in range(2)]
    z = sp.factor_terms(sp.expand(D[0][0] * D[1][1] - D[0][1] * D[1][0]))
    w = _root(z)
    if w is not None and D[0][0] == 0 and all((D[i][1 - i] / w).is_number for i in range(2)):
        decay = sp.exp(rate)
        mixed = [[D[i][j] / w * decay * sp.sin(angle) for j in range(2)] for i in range(2)]
        entries = [[mixed[i][j] + (decay * sp.cos(angle) if i == j else 0) for j in range(2)] for i in range(2)]
        values, gaps = ((rate.name, h * s), (angle.name, h * w)), (gap(rate, angle),) * 2
        return Propagator(values, tuple(map(tuple, entries)), gaps, constant, rotating=True)
    C, S = damped_stumpff(0, rate, square, det), damped_stumpff(1, rate, square, det)
    entries = [[h * D[i][j] * S + (C if i == j else 0) for j in range(2)] for i in range(2)]
    gaps = tuple(stumpff_gap(rate, square, det) - h * D[i][i] * S for i in range(2))
    m = sp.expand(A[0][0] * A[1][1] - A[0][1] * A[1][0])
    named_values = ((rate.name, h * s), (square.name, h**2 * z), (det.name, h**2 * m))
    return Propagator(named_values, tuple(map(tuple, entries)), gaps, constant)


def _numbers(h: sp.Expr, A: Matrix) -> tuple[Matrix, tuple[sp.Expr, ...]]:
    """exp(h A) of numbers, and the diagonal of 1 - exp(h A)."""
    size = range(len(A))
    with mpmath.workdps(40):
        scaled = mpmath.matrix([[sp.N(h * A[i][j], 40) for j in size] for i in size])
    with mpmath.workdps(400):  # of rates as small as a double may be, 1 - exp(h A) keeps 40 digits
        found = mpmath.expm(scaled)
        gaps = tuple(_number(1 - found[i, i]) for i in size)
        return tuple(tuple(_number(found[i, j]) for j in size) for i in size), gaps


def _number(x: mpmath.mpf) -> sp.Expr:
    rounded = float(x)
    return sp.Integer(int(rounded)) if rounded.is_integer() else sp.Float(rounded)


def _root(z: sp.Expr) -> sp.Expr | None:
    """w with w^2 = z as a product, signs of the factors as they come; None where z is no such square."""
    coefficient, rest = z.as_coeff_Mul()
    root = sp.sqrt(coefficient)
    if not (coefficient.is_Rational and coefficient.is_positive and root.is_Rational):
        return None
    out: sp.Expr = root
    for factor in sp.Mul.make_args(rest):
        base, exponent = factor.as_base_exp()
        if factor == 1:
            continue
        if not (exponent.is_Integer and exponent % 2 == 0):
            return None
        out *= base ** (exponent // 2)
    return out
