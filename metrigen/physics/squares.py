"""Positivity that is seen without elimination: sums of squares as they are written, and dominant diagonals.

A symmetric matrix with d_i = a_ii - sum_j |a_ij| >= 0 is the sum of squares

    x.A x = sum_i d_i x_i^2 + sum_{i<j} |a_ij| (x_i + sign(a_ij) x_j)^2

and so is a density sum_k w_k L_k^2 with w_k >= 0 and L_k linear. Where the sum vanishes every term does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.physics.jets import Jet, jets_of
from metrigen.physics.linear import determinant
from metrigen.physics.opaque import opaque
from metrigen.physics.operators import Form, rename
from metrigen.physics.size import TooLarge, fits
from metrigen.physics.work_budget import expand, spend

_LARGE = 400  # operations of an entry whose sign is looked at
_MOST_TERMS = 400


@dataclass(frozen=True)
class Squares:
    """sum_k w_k L_k^2: (is w_k positive, the coefficients of L_k by index); every w_k is at least nonnegative."""

    terms: tuple[tuple[bool, Mapping[int, sp.Expr]], ...]

    @property
    def certain(self) -> bool:
        """Is every weight positive or absent and every coefficient a number, so that ``definite`` decides?"""
        return all(positive and all(c.is_Rational for c in terms.values()) for positive, terms in self.terms)

    def vanishing(self) -> set[int]:
        """Indices i such that x_i = 0 wherever the sum vanishes: those whose square stands alone, and those tied to
        them by a square of two terms."""
        zero: set[int] = set()
        grown = True
        while grown:
            grown = False
            for positive, coefficients in self.terms:
                rest = {i: c for i, c in coefficients.items() if i not in zero}
                if positive and len(rest) == 1 and next(iter(rest.values())).is_nonzero:
                    zero |= set(rest)
                    grown = True
        return zero

    def definite(self, count: int) -> bool:
        """Does the sum vanish at x = 0 alone? By the indices that must vanish, or by the Gram matrix of numbers."""
        zero = self.vanishing()
        free = [i for i in range(count) if i not in zero]
        if not free:
            return True
        rows = [[c.get(i, sp.S.Zero) for i in free] for positive, c in self.terms if positive]
        if len(free) > 12 or not all(entry.is_Rational for row in rows for entry in row):
            return False
        gram = [[sp.Add(*(row[i] * row[j] for row in rows)) for j in range(len(free))] for i in range(len(free))]
        return bool(determinant(gram).is_positive)


def dominant(matrix: Sequence[Sequence[sp.Expr]]) -> Squares | None:
    """The squares of a symmetric matrix with a dominant diagonal; None where it is not seen to have one."""
    n = len(matrix)
    terms: list[tuple[bool, Mapping[int, sp.Expr]]] = []
    left = [[matrix[i][i]] for i in range(n)]
    for i in range(n):
        for j in range(i):
            entry = matrix[i][j]
            if entry.is_zero:
                continue
            sign = _sign(entry)
            if sign is None:
                return None
            left[i].append(-sign * entry)
            left[j].append(-sign * entry)
            terms.append((bool(_value(entry).is_nonzero), {i: sp.S.One, j: sp.Integer(sign)}))
    for i, parts in enumerate(left):
        rest = _sum(parts)
        if rest is None or not rest.is_nonnegative:
            return None
        if not rest.is_zero:
            terms.append((bool(rest.is_positive), {i: sp.S.One}))
    return Squares(tuple(terms))


def written(density: sp.Expr, jets: Sequence[Jet]) -> Squares | None:
    """The squares of the part of second degree of a density that is written as a sum of w L^2 and of terms of lower
    degree; None if it is not."""
    index = {j: i for i, j in enumerate(jets)}
    terms: list[tuple[bool, Mapping[int, sp.Expr]]] = []
    parts = sp.Add.make_args(density)
    if len(parts) > _MOST_TERMS:
        return None
    for term in parts:
        held = {f for f in sp.Mul.make_args(term) if f.free_symbols & index.keys()}
        weight = sp.Mul(*(f for f in sp.Mul.make_args(term) if f not in held))
        if not held:
            continue
        if len(held) > 1:
            return None
        factor = next(iter(held))
        squared = factor.is_Pow and factor.exp == 2
        linear = _linear(factor.base if squared else factor, index)
        if linear is None or (squared and not _value(weight).is_nonnegative):
            return None
        if squared:
            terms.append((bool(_value(weight).is_positive), linear))
    return Squares(tuple(terms))


def _linear(expr: sp.Expr, index: Mapping[Jet, int]) -> dict[int, sp.Expr] | None:
    """The coefficients of an affine expression, free of the jets; None if it is not affine."""
    out: dict[int, sp.Expr] = {}
    for term in sp.Add.make_args(expr):
        held = [f for f in sp.Mul.make_args(term) if f.free_symbols & index.keys()]
        if not held:
            continue
        if len(held) > 1 or held[0] not in index:
            return None
        i = index[held[0]]
        out[i] = out.get(i, sp.S.Zero) + term / held[0]
    return out


def weights(form: Form) -> list[sp.Expr] | None:
    """w_k of a form that is written as the sum of w_k L_k(f) L_k(g); None if it is not."""
    parts = sp.Add.make_args(form.density)
    if len(parts) > _MOST_TERMS:
        return None
    out = []
    for term in parts:
        factors = sp.Mul.make_args(term)
        left = sp.Mul(*(f for f in factors if jets_of(f, *form.left)))
        right = sp.Mul(*(f for f in factors if jets_of(f, *form.right)))
        weight = sp.Mul(*(f for f in factors if not jets_of(f, *form.left, *form.right)))
        if any(jets_of(f, *form.left) and jets_of(f, *form.right) for f in factors):
            opened = _square_of_sum(term, form.left, form.right)
            if opened is None:
                return None
            out.append(opened)
            continue
        same = rename(right, form.right, form.left)
        if left == same:
            out.append(weight)
        elif left == -same or expand(left + same).is_zero:
            out.append(-weight)
        elif expand(left - same).is_zero:
            out.append(weight)
        else:
            return None
    return out


def _square_of_sum(term: sp.Expr, left: Iterable[AppliedUndef], right: Iterable[AppliedUndef]) -> sp.Expr | None:
    """w of a term w (sum_k L_k(f) L_k(g)), where the sum is one factor; None if it is no such term."""
    left, right = tuple(left), tuple(right)
    factors = sp.Mul.make_args(term)
    sums = [f for f in factors if jets_of(f, *left) and jets_of(f, *right)]
    if len(sums) != 1 or not sums[0].is_Add or len(factors) == 1:
        return None
    inner = weights(Form("metric", (), left, right, sums[0], ()))
    if inner is None or not all(_value(w).is_nonnegative for w in inner):
        return None
    return sp.Mul(*(f for f in factors if f is not sums[0]))


def _sign(entry: sp.Expr) -> int | None:
    value = _value(entry)
    if value.is_nonnegative:
        return 1
    return -1 if value.is_nonpositive else None


def _value(entry: sp.Expr) -> sp.Expr:
    return opaque(entry) if fits(entry, _LARGE) else sp.Symbol("large[]", real=True)


def _sum(parts: Sequence[sp.Expr]) -> sp.Expr | None:
    total = sp.Add(*parts)
    if not fits(total, _LARGE):
        return None
    try:
        spend(len(parts), f"a sum of {len(parts)} terms")
        return opaque(expand(total))
    except TooLarge:
        return None
