"""Waves that a symmetric stencil with constant coefficients multiplies by a number each: its eigenvalues.

    periodic  exp(i theta.n)                 theta = 2 pi k / N
    mirror    cos(theta (n + 1/2))           theta = pi k / N, the lattice mirrored half a site beyond its walls
    zero      sin(theta (n + 1))             theta = pi (k + 1) / (N + 1), mirrored, sign and all, one site beyond them

Behind walls the stencil has to be, row by row, what it is inside, read on the lattice with its mirror images: that is
looked up in every row that there is, on a lattice of any size. The eigenvalue is a polynomial of

    s = sin(theta/2)**2, p = sin(theta)      of every axis

so that a Laplacian has 4 s there, small where theta is, and no difference of large numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np
import sympy as sp

from metrigen.ir.evaluate import evaluate
from metrigen.ir.nodes import Array, Inside, Kind, Load, Map, Offset, Outside, Program

Row = Mapping[tuple[sp.Expr, Offset], sp.Expr]  # (parameters, offset) -> number


class Walls(Enum):
    """How the lattice goes on beyond its walls."""

    PERIODIC = "periodic"
    MIRROR = "mirror"
    ZERO = "zero"


@dataclass(frozen=True)
class Modes:
    """walls: how the lattice goes on beyond its walls; symbol: the eigenvalue, in ``half(axis)``, ``full(axis)`` and
    the coefficients of the operator; rank: number of axes."""

    walls: Walls
    symbol: sp.Expr
    rank: int

    @property
    def flat(self) -> bool:
        """Whether all waves have one eigenvalue: an operator without derivatives, which any images go with."""
        own = (_HALF, _FULL)
        return not any(s.name.startswith(own) for s in self.symbol.free_symbols)

    @property
    def separate(self) -> bool:
        """Whether a wave and its mirror image along any axis have the same eigenvalue."""
        return not any(s.name.startswith(_FULL) for s in self.symbol.free_symbols)


UNKNOWN = "unknown__"
_HALF, _FULL = "half_wave__", "full_wave__"


def half(axis: int) -> sp.Symbol:
    """sin(theta/2)**2 of an axis."""
    return sp.Symbol(f"{_HALF}{axis}", real=True)


def full(axis: int) -> sp.Symbol:
    """sin(theta) of an axis."""
    return sp.Symbol(f"{_FULL}{axis}", real=True)


def modes_of(operator: sp.Expr, periodic: bool) -> Modes | None:
    """The waves that diagonalise A, a stencil in leaves of ``UNKNOWN``, on lattices of all sizes; else None."""
    found = _analysed(operator, periodic)
    return found if isinstance(found, Modes) else None


def why_no_modes(operator: sp.Expr, periodic: bool) -> str:
    """Why none do, to follow "its operator"; empty where they do."""
    found = _analysed(operator, periodic)
    return found if isinstance(found, str) else ""


def eigenvalues(name: str, modes: Modes, coefficients: tuple[Array, ...]) -> Program:
    """The eigenvalues as a program: s of every axis, p of every axis and the coefficients -> ``name``__value."""
    axes = range(modes.rank)
    waves = {s: Load(s.name, (0,) * modes.rank) for s in (*map(half, axes), *map(full, axes))}
    inputs = (*(Array(s.name, Kind.SITE) for s in waves), *coefficients)
    out = f"{name}__value"
    return Program(name, inputs, (Map(stores=((out, modes.symbol.xreplace(waves)),)),), (out,))


@lru_cache(maxsize=256)
def _analysed(operator: sp.Expr, periodic: bool) -> Modes | str:
    rank = len(next(iter(operator.atoms(Load))).offset)
    if not rank:
        return "has no axes"
    terms = _terms(operator)
    if terms is None:
        return "has coefficients that vary in space"
    inner = _row(terms, None)
    if periodic:
        images: tuple[Walls, ...] = (Walls.PERIODIC,)
    elif not _is_even(inner):
        return "has mixed derivatives between walls"
    else:
        images = tuple(w for w in (Walls.MIRROR, Walls.ZERO) if _continues(terms, inner, w, rank))
    if not images:
        return "is at the walls not what mirror images of the lattice would make it"
    return Modes(images[0], _symbol(inner), rank)


_Term = tuple[sp.Expr, sp.Expr, Offset, tuple[Offset, ...]]  # number, parameters, offset read, sites that have to be


def _terms(operator: sp.Expr) -> list[_Term] | None:
    """The stencil as a sum of products; None where a coefficient is a field."""
    outside = {a: 1 - Inside(a.offset) for a in operator.atoms(Outside)}
    found = []
    for term in sp.Add.make_args(sp.expand(operator.xreplace(outside))):
        rest, local = term.as_independent(Load, Inside, as_Add=False)
        factors = {f.base if f.is_Pow else f for f in sp.Mul.make_args(local)}
        reads = [f for f in factors if isinstance(f, Load)]
        inside = [f.offset for f in factors if isinstance(f, Inside)]
        if len(reads) != 1 or reads[0].array != UNKNOWN or len(reads) + len(inside) != len(factors):
            return None
        number, parameters = rest.as_coeff_Mul()
        found.append((number, parameters, reads[0].offset, tuple(sorted(inside))))
    return found


# Of an axis: how many sites there are before this one and behind it.
_Place = tuple[tuple[int, ...], ...]


def _row(terms: list[_Term], place: _Place | None) -> Row:
    """The row of the matrix at a place (None: far from all walls)."""
    row: dict[tuple[sp.Expr, Offset], sp.Expr] = {}
    for number, parameters, offset, inside in terms:
        if place is None or all(_is_inside(o, place) for o in (offset, *inside)):
            row[parameters, offset] = row.get((parameters, offset), sp.S.Zero) + number
    return {key: number for key, number in row.items() if number != 0}


def _is_inside(offset: Offset, place: _Place) -> bool:
    return all(-before <= o <= behind for o, (before, behind) in zip(offset, place, strict=True))


def _is_even(row: Row) -> bool:
    """Whether each axis can be reversed by itself."""
    axes = range(len(next(iter(row))[1]))
    mirrored = ({(c, (*o[:i], -o[i], *o[i + 1 :])): n for (c, o), n in row.items()} for i in axes)
    return all(row == other for other in mirrored)


def _continues(terms: list[_Term], inner: Row, walls: Walls, rank: int) -> bool:
    """Whether every row is the inner one on the lattice and its images. A row sees no further than the stencil and its
    indicators reach, so that a place is told by so many sites before and behind it."""
    reach = max(abs(o) for _, _, offset, inside in terms for s in (offset, *inside) for o in s)
    sides = list(product(range(reach + 1), repeat=2))
    return all(_row(terms, place) == _imaged(inner, place, walls) for place in product(sides, repeat=rank))


def _imaged(inner: Row, place: _Place, walls: Walls) -> Row:
    row: dict[tuple[sp.Expr, Offset], sp.Expr] = {}
    for (parameters, offset), number in inner.items():
        found = [_image(o, sides[0], sides[1], walls) for o, sides in zip(offset, place, strict=True)]
        at = tuple(o for o, _ in found)
        value = number * sp.Mul(*(sign for _, sign in found))
        row[parameters, at] = row.get((parameters, at), sp.S.Zero) + value
    return {key: number for key, number in row.items() if number != 0}


def _image(offset: int, before: int, behind: int, walls: Walls) -> tuple[int, int]:
    """The site of the lattice that is seen at an offset, and with which sign."""
    sites = before + 1 + behind
    if walls is Walls.MIRROR:
        at = (before + offset) % (2 * sites)
        return (at if at < sites else 2 * sites - 1 - at) - before, 1
    at = (before + offset + 1) % (2 * (sites + 1))  # from the zero before the first site
    sign = 0 if at % (sites + 1) == 0 else 1 if at <= sites else -1
    return ((at if at <= sites else 2 * (sites + 1) - at) - 1 - before if sign else 0), sign


def _symbol(row: Row) -> sp.Expr:
    """sum_o a_o cos(theta.o) by cos(n theta) = T_n(1 - 2 s), sin(n theta) = p U_(n-1)(1 - 2 s)."""
    total = sp.S.Zero
    for (parameters, offset), number in row.items():
        real, imaginary = sp.S.One, sp.S.Zero
        for axis, o in enumerate(offset):
            cosine = sp.chebyshevt(abs(o), 1 - 2 * half(axis))
            sine = sp.sign(o) * full(axis) * sp.chebyshevu(abs(o) - 1, 1 - 2 * half(axis)) if o else sp.S.Zero
            real, imaginary = real * cosine - imaginary * sine, real * sine + imaginary * cosine
        total += number * parameters * real
    return sp.expand(total)


def solved(rhs: Any, modes: Modes, singular: bool, coefficients: Mapping[sp.Symbol, Any]) -> Any:
    """psi of A psi = rhs over the trailing axes, by Fourier transform of the lattice and its images. ``singular``:
    what A maps to zero, the constants, is left out of rhs and psi. Coefficients broadcast against rhs."""
    sides = rhs.shape[2:]
    axes = tuple(range(2, rhs.ndim))
    x = rhs - rhs.mean(axes, keepdims=True) if singular else rhs
    for axis in axes:
        x = _extended(x, axis, modes.walls)
    values: dict[sp.Symbol, Any] = {**coefficients}
    for i, axis in enumerate(axes):
        theta = 2 * np.pi * np.arange(x.shape[axis]) / x.shape[axis]
        shape = [-1 if a == axis else 1 for a in range(x.ndim)]
        values[half(i)], values[full(i)] = np.sin(theta / 2).reshape(shape) ** 2, np.sin(theta).reshape(shape)
    scale = np.array(np.broadcast_to(evaluate(modes.symbol, values), x.shape))
    origin: Any = (..., *[0] * len(axes))
    if singular or modes.walls is Walls.ZERO:  # of the constants, which no field between zeros holds
        scale[origin] = np.inf
    first = 1 if modes.walls is Walls.ZERO else 0
    inside: Any = (..., *(slice(first, first + n) for n in sides))

    def rotated(x: Any, factors: Any) -> Any:
        return np.fft.ifftn(np.fft.fftn(x, axes=axes) * factors, axes=axes).real[inside]

    factors = 1 / scale
    if not (np.iscomplexobj(x) or np.iscomplexobj(factors)):
        return rotated(x, factors)
    # Parts by themselves: a complex step is far smaller than the rounding of what it is a step from.
    real = rotated(x.real, factors.real) - rotated(x.imag, factors.imag)
    return real + 1j * (rotated(x.real, factors.imag) + rotated(x.imag, factors.real))


def _extended(x: Any, axis: int, walls: Walls) -> Any:
    """One period of the lattice with its images along an axis."""
    if walls is Walls.PERIODIC:
        return x
    image = np.flip(x, axis)
    if walls is Walls.MIRROR:
        return np.concatenate([x, image], axis)
    wall = np.zeros_like(np.take(x, [0], axis))
    return np.concatenate([wall, x, wall, -image], axis)
