"""Elliptic constraints: is the auxiliary field determined?

The symbol of the constraints is the matrix D(k) of dC/dpsi at exp(ikx). It must not vanish at any wave vector; at
k = 0 it may, for a source of zero mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

import sympy as sp

from metrigen.physics import channels, linear
from metrigen.physics.conditions import conditional
from metrigen.physics.constraints import Constrained
from metrigen.physics.derivation import Law
from metrigen.physics.jets import Jet, jet, jets_of
from metrigen.physics.operators import Form
from metrigen.physics.positivity import second_order, signs_of_matrix
from metrigen.physics.report import show, violation
from metrigen.physics.signs import Sign, sign_of
from metrigen.physics.zero import all_zero


def check_constraint(constrained: Constrained, rates: Sequence[sp.Expr] | None) -> Law:
    """C(psi, z) = 0 has one solution psi. Raises StructureError(law="constraint") where it is not elliptic."""
    symbol = _determinant(constrained)
    if symbol is None:
        return _by_energy(constrained, rates)
    waves, full, leading = symbol
    if not waves:
        return _at_a_point(full)
    if not _keeps_sign(leading, waves):
        raise violation(
            "the constraint is not elliptic",
            law="constraint",
            residual=leading,
            part="constraints",
            why=f"the leading part of its symbol, {leading}, vanishes at some wave vector",
            witness=_witness(leading, waves),
            fix="a constraint such as psi.diff(x, 2) + psi.diff(y, 2) - omega determines psi",
        )
    how = f"symbol {full}"
    if not _keeps_sign(full, waves):
        return conditional("constraint", how, "where the symbol does not vanish", [full**2])
    if not full.xreplace(dict.fromkeys(waves, sp.S.Zero)).is_zero:
        return Law("constraint", "proved", f"{how} does not vanish: one auxiliary field for every state")
    return _of_zero_mean(f"{how} vanishes at k = 0 alone", constrained, rates)


def _at_a_point(determinant: sp.Expr) -> Law:
    """Without axes a constraint is one linear equation a channel."""
    if determinant.is_zero:
        raise violation(
            "the constraint does not determine its field",
            law="constraint",
            residual=determinant,
            part="constraints",
            why="its matrix is singular",
            fix="an equation that can be solved for psi, such as constraints={psi: a*psi - q} with a positive",
        )
    how = f"determinant {determinant}"
    if determinant.is_nonzero or _strict(sign_of(determinant), determinant):
        return Law("constraint", "proved", f"{how} does not vanish: one auxiliary field for every state")
    return conditional("constraint", how, "where the determinant does not vanish", [determinant**2])


def _of_zero_mean(how: str, constrained: Constrained, rates: Sequence[sp.Expr] | None) -> Law:
    unseen = rates is not None and _unmoved_by_constants(constrained, rates)
    detail = "the source has zero mean; the auxiliary field is fixed up to a constant"
    detail += ", which the equations do not see" if unseen else ""
    return Law("constraint", "conditional", how, detail, holds_at="a source that is a wave of k != 0")


def _by_energy(constrained: Constrained, rates: Sequence[sp.Expr] | None) -> Law:
    """One linear equation of second order: dC/dpsi = +-(c0 - D_i c_ij D_j) with c_ij > 0 and c0 >= 0 is definite."""
    undecided = Law("constraint", "sampled", "not decided: neither constant coefficients nor one linear equation")
    if len(constrained.fields) > 1:
        return undecided
    psi, residual = constrained.fields[0], constrained.residuals[0]
    f, g = (sp.Function(f"{side}:{psi.func.__name__}", real=True)(*psi.args) for side in "fg")
    slopes = {j: residual.diff(j) for j in jets_of(residual, psi)}
    if channels.has_maps(residual) or any(jets_of(c, psi) for c in slopes.values()):
        return undecided
    row = sp.Add(*(c * Jet(g, j.orders) for j, c in slopes.items()))
    for sign in (1, -1):
        matrix = second_order(Form("constraints", (psi,), (f,), (g,), sign * jet(f) * row, (sp.expand(sign * row),)))
        if matrix is None:
            return undecided
        inner, rest = signs_of_matrix([line[1:] for line in matrix[1:]]), sign_of(matrix[0][0])
        coupled = any(not entry.is_zero for entry in matrix[0][1:])
        if coupled or not all(s.verdict == "positive" and not s.by_points for s in inner):
            continue
        how = "c0 - D_i c_ij D_j with c_ij positive definite"
        if rest.verdict == "positive":
            return Law("constraint", "proved", f"{how} and c0 > 0: one auxiliary field for every state")
        if rest.verdict == "zero":
            return _of_zero_mean(f"{how}, c0 = 0", constrained, rates)
        if rest.verdict == "nonnegative":
            return conditional("constraint", f"{how} and c0 >= 0", f"{show(rest.expr)} > 0 at some point", [rest.expr])
    return undecided


def _determinant(constrained: Constrained) -> tuple[tuple[sp.Symbol, ...], sp.Expr, sp.Expr] | None:
    """(waves, det D(k), its part of highest degree in k); None where D is not real and constant."""
    axes = constrained.fields[0].args[1:]
    blocks = _triangular(constrained)
    waves = tuple(sp.Symbol(f"k_{x.name}", positive=True) for x in axes)
    rows = []
    residuals = dict(zip(constrained.fields, constrained.residuals, strict=True))
    for residual in constrained.residuals:
        row = dict.fromkeys(constrained.fields, sp.S.Zero)
        for j in jets_of(residual, *constrained.fields):
            c = residual.diff(j)
            if blocks[residual] != blocks[residuals[j.base]]:
                continue  # below the diagonal blocks: no part of the determinant
            if jets_of(c) or any(x in c.free_symbols for x in axes):
                return None
            row[j.base] += c * sp.Mul(*((sp.I * k) ** n for k, n in zip(waves, j.orders[1:], strict=True)))
        rows.append([sp.expand(row[psi]) for psi in constrained.fields])
    full = sp.expand(linear.determinant(rows))
    if full.has(sp.I) or not full.is_polynomial(*waves):
        return None
    if not waves:  # at a point
        return waves, full, full
    terms = sp.Poly(full, *waves).terms()
    top = max(sum(powers) for powers, _ in terms)
    leading = [c * sp.Mul(*(k**n for k, n in zip(waves, ns, strict=True))) for ns, c in terms if sum(ns) == top]
    return waves, full, sp.Add(*leading)


def _triangular(constrained: Constrained) -> dict[sp.Expr, tuple[int, ...]]:
    """Residual -> the block of equations that determine one another. Ordered along who reads whom the matrix is block
    triangular: its determinant is that of the diagonal blocks, one solved after the other."""
    n = range(len(constrained.fields))
    reads = [{j for j in n if jets_of(constrained.residuals[i], constrained.fields[j])} | {i} for i in n]
    for k in n:
        for i in n:
            reads[i] |= reads[k] if k in reads[i] else set()
    return {constrained.residuals[i]: tuple(j for j in n if j in reads[i] and i in reads[j]) for i in n}


def _keeps_sign(symbol: sp.Expr, waves: tuple[sp.Symbol, ...]) -> bool:
    """Is an even polynomial of one sign at every k but 0? Each face of the orthant in turn, with k_i > 0 on it."""
    found = {_strict(sign_of(face), face) for face in _faces(symbol, waves)}
    return found in ({1}, {-1})


def _strict(sign: Sign, face: sp.Expr) -> int:
    if sign.verdict == "positive":
        return 1
    return -1 if sign.verdict == "negative" and sign_of(-face).verdict == "positive" else 0


def _faces(symbol: sp.Expr, waves: tuple[sp.Symbol, ...]) -> Iterator[sp.Expr]:
    for kept in product((True, False), repeat=len(waves)):
        if any(kept):
            yield symbol.xreplace({k: sp.S.Zero for k, keep in zip(waves, kept, strict=True) if not keep})


def _witness(symbol: sp.Expr, waves: tuple[sp.Symbol, ...]) -> str:
    """Two wave vectors at which the symbol has different signs, or one at which it vanishes."""
    values = []
    for kept in product((0, 1, 2), repeat=len(waves)):
        value = symbol.xreplace({k: sp.Integer(n) for k, n in zip(waves, kept, strict=True)})
        if any(kept) and value.is_number:
            values.append((kept, value))
            where = ", ".join(f"{k}={n}" for k, n in zip(waves, kept, strict=True))
            if value.is_zero:
                return f"{where} gives 0"
    return ""


def _unmoved_by_constants(constrained: Constrained, rates: Sequence[sp.Expr]) -> bool:
    shift = {jet(psi): jet(psi) + sp.Symbol(f"shift[{i}]", real=True) for i, psi in enumerate(constrained.fields)}
    return all_zero(rate.xreplace(shift) - rate for rate in rates).proved
