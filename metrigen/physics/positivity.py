"""Is a symmetric bilinear form positive? The matrix of its density, its second-order normal form, its symbol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import sympy as sp

from metrigen.physics import channels
from metrigen.physics.directions import negative_direction
from metrigen.physics.jets import Jet, jets_of
from metrigen.physics.operators import Form, rename
from metrigen.physics.partials import Partials
from metrigen.physics.signs import Sign, Verdict, pivots, sign_of
from metrigen.physics.squares import dominant, weights
from metrigen.physics.variation import diff_jets
from metrigen.physics.work_budget import expand
from metrigen.physics.zero import all_zero, zero_test
from metrigen.spec.symbols import Param

Matrix = list[list[sp.Expr]]


@dataclass(frozen=True)
class Positivity:
    """The signs that positivity rests on; or, with ``undecided``, why they do not decide it. ``needs``: what must not
    be negative for a form whose positivity is conditional."""

    signs: tuple[Sign, ...]
    how: str
    undecided: str = ""
    needs: tuple[sp.Expr, ...] = ()


def of_form(form: Form) -> Positivity:
    """Climb down the ladder until a rung decides."""
    squares = weights(form) or ()
    written = tuple(sign_of(weight) for weight in squares if len(squares) > 1)
    if written and all(s.holds and not s.by_points for s in written):
        return Positivity(written, "a sum of squares as it is written")
    basis, matrix = density_matrix(form)
    if _symmetric(matrix):
        direct = signs_of_matrix(matrix)
        how = "LDL^T of the matrix of the form" if len(basis) > 1 else "sign of the weight"
        if all(s.verdict != "negative" for s in direct) or _pointwise(basis):
            return Positivity(direct, how)
    if channels.has_maps(form.density):
        matrices = _matrices(form.density)
        names = ", ".join(matrix.name for matrix in matrices)
        needs = tuple(minor for matrix in matrices for minor in _minors(matrix))
        return Positivity((), "channel matrix of free sign", f"positive semi-definite {names}", needs)
    normal = second_order(form)
    if normal is not None:
        signs = signs_of_matrix(normal)
        if all(s.verdict != "negative" for s in signs):
            return Positivity(signs, "LDL^T of c_ij in M = c0 - D_i c_ij D_j")
    return by_symbol(form)


def counterexample(form: Form) -> str:
    """Numbers F_z with (F, F) < 0 where the form is a matrix at every site; "" otherwise or if there are none."""
    basis, matrix = density_matrix(form)
    if not _pointwise(basis):
        return ""
    names = dict(zip(form.left, form.state, strict=True))
    return negative_direction(matrix, [f"F[{names[b.base].func.__name__}]" for b in basis], "(F, F)")


def _pointwise(basis: Sequence[sp.Expr]) -> bool:
    """Without derivatives and maps the matrix of the density is the operator itself: its sign decides."""
    return all(isinstance(b, Jet) and b.order == 0 for b in basis)


def density_matrix(form: Form) -> tuple[list[sp.Expr], Matrix]:
    """c_ab in b(f, g) = sum_ab f_a c_ab g_b, a over the jets and the channel maps of the covectors."""
    flat, maps = channels.lift(form.density)
    left = [*jets_of(flat, *form.left), *(s for s in maps if jets_of(maps[s], *form.left))]
    right = [*jets_of(flat, *form.right), *(s for s in maps if jets_of(maps[s], *form.right))]
    twins = {rename(maps.get(g, g), form.right, form.left): g for g in right}
    meaning = {maps.get(f, f): f for f in left}
    basis = list(dict.fromkeys([*meaning, *twins]))
    zero = sp.Symbol("absent[]")
    partials = Partials(flat)
    first = [Partials(partials.along(meaning.get(a, zero))) for a in basis]
    rows = [[half.along(twins.get(b, zero)).xreplace(maps) for b in basis] for half in first]
    return basis, rows


def _symmetric(matrix: Matrix) -> bool:
    """Symmetric for certain: a rung of the ladder that points alone would carry is not taken."""
    n = len(matrix)
    return all_zero(matrix[i][j] - matrix[j][i] for i in range(n) for j in range(i)).proved


def signs_of_matrix(matrix: Matrix) -> tuple[Sign, ...]:
    """The signs of the pivots, those known to be positive eliminated first; of the diagonal where it is dominant."""
    n = range(len(matrix))
    squares = dominant(matrix) if any(not matrix[i][j].is_zero for i in n for j in range(i)) else None
    if squares is not None:
        pinned = set(n) if squares.definite(len(matrix)) else squares.vanishing()
        found: list[Verdict] = ["positive" if i in pinned else "nonnegative" for i in n]
        return tuple(Sign(matrix[i][i], "zero" if matrix[i][i].is_zero else found[i]) for i in n)
    order = sorted(range(len(matrix)), key=lambda i: (not matrix[i][i].is_positive, bool(matrix[i][i].is_zero), i))
    eliminated = pivots([[matrix[i][j] for j in order] for i in order])
    values = [*eliminated.values, *(() if eliminated.broken is None else (eliminated.broken,))]
    signs = tuple(sign_of(value) for value in values)
    return tuple(replace(s, by_points=True) for s in signs) if eliminated.by_points else signs


def _matrices(density: sp.Expr) -> list[Param]:
    found = (s for s in density.free_symbols if isinstance(s, Param) and s.is_matrix)
    return sorted(found, key=lambda s: s.name)


def _minors(matrix: Param) -> tuple[sp.Expr, sp.Expr]:
    """The leading minors of the symmetric part of a matrix of two channels."""
    a, b, d = (channels.entry(matrix, *at) for at in ((0, 0), (0, 1), (1, 1)))
    return a, a * d - ((b + channels.entry(matrix, 1, 0)) / 2) ** 2


def second_order(form: Form) -> Matrix | None:
    """c over the basis (g_j, D_i g_j) such that (M g)_r = c0 g - sum_i D_i(c_ij D_j g), if M has this shape."""
    axes = form.state[0].args[1:]
    n = len(form.state)
    fields = range(n)
    if any(j.order > 2 for row in form.rows for j in jets_of(row, *form.right)):
        return None
    size = n * (1 + len(axes))
    matrix: Matrix = [[sp.S.Zero] * size for _ in range(size)]
    remainder = list(form.rows)
    for r in fields:
        for s in fields:
            for p, x in enumerate(axes):
                for q, y in enumerate(axes):
                    second = Jet(form.right[s], _orders(form.right[s].args, (x, y)))
                    c = -form.rows[r].diff(second) * (1 if x == y else sp.Rational(1, 2))
                    matrix[n + r * len(axes) + p][n + s * len(axes) + q] = c
                    first = Jet(form.right[s], _orders(form.right[s].args, (y,)))
                    remainder[r] = remainder[r] + diff_jets(c * first, x)
    for r in fields:
        rest = expand(remainder[r])
        for s in fields:
            zeroth = Jet(form.right[s], _orders(form.right[s].args, ()))
            matrix[r][s] = rest.diff(zeroth)
            rest = expand(rest - matrix[r][s] * zeroth)
        if not zero_test(rest).proved:
            return None
    return matrix if _symmetric(matrix) else None


def _orders(arguments: Sequence[sp.Basic], directions: Sequence[sp.Basic]) -> tuple[int, ...]:
    return tuple(sum(1 for d in directions if d == a) for a in arguments)


def symbol_matrix(form: Form) -> tuple[tuple[sp.Symbol, ...], Matrix]:
    """The symbol m(k)_rs = sum_alpha c_alpha (i k)^alpha of the rows, coefficients as they stand."""
    axes = form.state[0].args[1:]
    waves = tuple(sp.Symbol(f"k[{x.name}]", real=True) for x in axes)
    matrix = []
    for row in form.rows:
        entries = dict.fromkeys(form.right, sp.S.Zero)
        for j in jets_of(row, *form.right):
            factor = sp.Mul(*((sp.I * k) ** n for k, n in zip(waves, j.orders[1:], strict=True)))
            entries[j.base] += row.diff(j) * factor
        matrix.append([expand(entries[u]) for u in form.right])
    return waves, matrix


def by_symbol(form: Form) -> Positivity:
    """The Hermitian symbol: decides for constant coefficients, samples (frozen at a state) otherwise."""
    _, matrix = symbol_matrix(form)
    if any(entry.has(sp.I) for row in matrix for entry in row):
        real = _realified(matrix)
        signs = signs_of_matrix(real) if real is not None else ()
    else:
        signs = signs_of_matrix(matrix)
    how = "Fourier symbol of the operator"
    negative = [s for s in signs if s.verdict in ("negative", "depends") and _only_waves(s.expr)]
    if form.constant():
        return Positivity((*(_refuse(s) for s in negative), *(s for s in signs if s not in negative)), how)
    leading = [s for s in signs if s.verdict == "negative"]
    if leading:
        return Positivity(tuple(leading), how + ", coefficients frozen")
    return Positivity((), how + ", coefficients frozen", "no negative direction found")


def _only_waves(expr: sp.Expr) -> bool:
    return all(s.name.startswith("k[") for s in expr.free_symbols)


def _refuse(sign: Sign) -> Sign:
    """A symbol that is negative at some wave vector is a negative direction, whatever the others are."""
    return Sign(sign.expr, "negative", sign.witness)


def _realified(matrix: Matrix) -> Matrix | None:
    """[[Re, -Im], [Im, Re]]: positive exactly when the Hermitian matrix is."""
    parts = [[entry.as_real_imag() for entry in row] for row in matrix]
    n = len(matrix)
    if n > 3:
        return None
    real = [[parts[i][j][0] for j in range(n)] + [-parts[i][j][1] for j in range(n)] for i in range(n)]
    return real + [[parts[i][j][1] for j in range(n)] + [parts[i][j][0] for j in range(n)] for i in range(n)]
