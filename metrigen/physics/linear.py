"""Small exact linear algebra over expressions: inverse by cofactors, kernel by elimination. No rewriting."""

from __future__ import annotations

from collections.abc import Sequence

import sympy as sp

from metrigen.physics.zero import is_zero

Rows = Sequence[Sequence[sp.Expr]]


def determinant(rows: Rows) -> sp.Expr:
    """The determinant by expansion along the first row."""
    if not rows:
        return sp.S.One
    return sp.Add(*((-1) ** j * a * determinant(_minor(rows, 0, j)) for j, a in enumerate(rows[0]) if not a.is_zero))


def _minor(rows: Rows, i: int, j: int) -> Rows:
    return [[a for c, a in enumerate(row) if c != j] for r, row in enumerate(rows) if r != i]


def inverse(rows: Rows) -> list[list[sp.Expr]]:
    """The inverse by cofactors; a diagonal matrix entry by entry."""
    n = len(rows)
    if all(rows[i][j].is_zero for i in range(n) for j in range(n) if i != j):
        return [[1 / rows[i][i] if i == j else sp.S.Zero for j in range(n)] for i in range(n)]
    det = sp.expand(determinant(rows))
    return [[(-1) ** (i + j) * sp.expand(determinant(_minor(rows, j, i))) / det for j in range(n)] for i in range(n)]


def null_vectors(rows: Rows) -> list[list[sp.Expr]]:
    """A basis of the kernel of a square matrix, by elimination with the symbolic zero test."""
    n = len(rows)
    work = [list(row) for row in rows]
    pivots: list[int] = []
    for column in range(n):
        at = len(pivots)
        chosen = next((r for r in range(at, n) if not is_zero(work[r][column])), None)
        if chosen is None:
            continue
        work[at], work[chosen] = work[chosen], work[at]
        head = work[at][column]
        work[at] = [sp.cancel(a / head) for a in work[at]]
        for r in range(n):
            if r != at and not work[r][column].is_zero:
                factor = work[r][column]
                work[r] = [sp.cancel(a - factor * b) for a, b in zip(work[r], work[at], strict=True)]
        pivots.append(column)
    basis = []
    for free in (c for c in range(n) if c not in pivots):
        vector = [sp.S.Zero] * n
        vector[free] = sp.S.One
        for r, column in enumerate(pivots):
            vector[column] = -work[r][free]
        basis.append(vector)
    return basis


def solution(rows: Rows, right: Sequence[sp.Expr]) -> list[sp.Expr] | None:
    """One solution of A x = b, unknowns that stay free set to zero; None if there is none."""
    work = [[*row, b] for row, b in zip(rows, right, strict=True)]
    count = len(rows[0]) if rows else 0
    pivots: list[int] = []
    for column in range(count):
        at = len(pivots)
        chosen = next((r for r in range(at, len(work)) if not is_zero(work[r][column])), None)
        if chosen is None:
            continue
        work[at], work[chosen] = work[chosen], work[at]
        head = work[at][column]
        work[at] = [sp.cancel(a / head) for a in work[at]]
        for r in range(len(work)):
            if r != at and not work[r][column].is_zero:
                factor = work[r][column]
                work[r] = [sp.cancel(a - factor * b) for a, b in zip(work[r], work[at], strict=True)]
        pivots.append(column)
    if not all(is_zero(row[count]) for row in work[len(pivots) :]):
        return None
    out = [sp.S.Zero] * count
    for r, column in enumerate(pivots):
        out[column] = work[r][count]
    return out
