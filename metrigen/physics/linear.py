"""Small matrices of expressions: determinant, inverse, kernel. Numbers by elimination, symbols by cofactors, block by
block; every step is on account."""

from __future__ import annotations

from collections.abc import Sequence

import sympy as sp

from metrigen.physics.size import nodes
from metrigen.physics.work_budget import count_ops, expand, spend, spend_on
from metrigen.physics.zero import Zero, evaluate, is_zero, random_point, zero_test

Rows = Sequence[Sequence[sp.Expr]]
LARGE_CANCELLED = 200  # operations beyond which common factors stay
_SYMBOLS_CANCELLED = 12  # symbols beyond which they stay as well


def cancelled(expr: sp.Expr) -> sp.Expr:
    """Common factors cancelled where that takes no time; the value is the same either way."""
    operations, symbols = count_ops(expr, LARGE_CANCELLED), len(expr.free_symbols)
    if operations > LARGE_CANCELLED or symbols > _SYMBOLS_CANCELLED:
        return expr
    spend(operations * (2 + operations // 8 * (1 + symbols // 4)), f"cancelling factors in {operations} operations")
    return sp.cancel(expr)


def singular(rows: Rows) -> Zero:
    """Is the determinant zero? A value at a random rational point that is not zero is a proof that it is not."""
    entries = sp.Tuple(*(entry for row in rows for entry in row))
    point = {s: sp.Rational(str(v)) for s, v in random_point(entries, 0).items()}
    numbers = [[evaluate(entry, point) for entry in row] for row in rows]
    if all(n.is_Rational for row in numbers for n in row) and not _by_elimination(numbers).is_zero:
        return Zero(False)
    return zero_test(determinant(rows))


def determinant(rows: Rows) -> sp.Expr:
    """The determinant, not expanded. Raises TooLarge."""
    return sp.Mul(*(_of_block([[rows[i][j] for j in block] for i in block]) for block in blocks(rows)))


def _of_block(rows: Rows) -> sp.Expr:
    if all(entry.is_Rational for row in rows for entry in row):
        return _by_elimination(rows)
    return _by_cofactors(rows, {})[tuple(range(len(rows)))]


def blocks(rows: Rows) -> list[list[int]]:
    """The indices of the diagonal blocks that a matrix falls into, in order."""
    found: list[list[int]] = []
    for i in range(len(rows)):
        tied = [b for b in found if any(not (rows[i][j].is_zero and rows[j][i].is_zero) for j in b)]
        found = [b for b in found if b not in tied] + [sorted([i, *(j for b in tied for j in b)])]
    return sorted(found)


def _by_elimination(rows: Rows) -> sp.Expr:
    """The determinant of rational numbers."""
    work, out = [list(row) for row in rows], sp.S.One
    for k in range(len(work)):
        at = next((r for r in range(k, len(work)) if work[r][k] != 0), None)
        if at is None:
            return sp.S.Zero
        if at != k:
            work[k], work[at], out = work[at], work[k], -out
        out *= work[k][k]
        for r in range(k + 1, len(work)):
            factor = work[r][k] / work[k][k]
            work[r] = [a - factor * b for a, b in zip(work[r], work[k], strict=True)]
    return out


def _by_cofactors(rows: Rows, minors: dict[tuple[int, ...], sp.Expr]) -> dict[tuple[int, ...], sp.Expr]:
    """The minors of the last k rows in all sets of k columns, k = 0 ... n, each from those of the rows below."""
    minors[()] = sp.S.One
    n = len(rows)
    level: list[tuple[int, ...]] = [()]
    for row in reversed(rows):
        wider = sorted({tuple(sorted((*columns, j))) for columns in level for j in range(n) if j not in columns})
        for columns in wider:
            terms = []
            for place, j in enumerate(columns):
                below = minors[columns[:place] + columns[place + 1 :]]
                if not row[j].is_zero and not below.is_zero:
                    spend(nodes(below), f"a minor of {nodes(below)} operations")
                    terms.append((-1) ** place * row[j] * below)
            minors[columns] = sp.Add(*terms)
        level = wider
    return minors


def _minor(rows: Rows, i: int, j: int) -> Rows:
    return [[a for c, a in enumerate(row) if c != j] for r, row in enumerate(rows) if r != i]


def inverse(rows: Rows) -> list[list[sp.Expr]]:
    """The inverse, block by block: numbers by elimination, symbols by cofactors. Raises TooLarge."""
    out = [[sp.S.Zero] * len(rows) for _ in rows]
    for block in blocks(rows):
        part = _inverse_of_block([[rows[i][j] for j in block] for i in block])
        for i, row in zip(block, part, strict=True):
            for j, entry in zip(block, row, strict=True):
                out[i][j] = entry
    return out


def _inverse_of_block(rows: Rows) -> list[list[sp.Expr]]:
    n = len(rows)
    if n == 1:
        return [[1 / rows[0][0]]]
    if all(entry.is_Rational for row in rows for entry in row):
        return [list(row) for row in sp.Matrix(rows).inv(method="GE").tolist()]
    det = expand(determinant(rows))
    spend(n * n * nodes(det), f"an inverse with a determinant of {nodes(det)} operations")
    return [[(-1) ** (i + j) * expand(determinant(_minor(rows, j, i))) / det for j in range(n)] for i in range(n)]


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
        work[at] = [cancelled(a / head) for a in work[at]]
        for r in range(n):
            if r != at and not work[r][column].is_zero:
                factor = work[r][column]
                spend_on(sp.Tuple(*work[at], factor), 1, "an elimination in")
                work[r] = [cancelled(a - factor * b) for a, b in zip(work[r], work[at], strict=True)]
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
