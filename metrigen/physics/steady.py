"""The class of a steady state dF = 0: is it a linear equation, is its operator symmetric positive definite?

The Hessian of F is symmetric by itself. It is positive definite where the matrix of the quadratic density over the
jets of the fields is positive semi-definite and the fields themselves carry a positive weight.
"""

from __future__ import annotations

from collections.abc import Sequence

import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.physics import channels
from metrigen.physics.convex import hessian
from metrigen.physics.derivation import SteadyStateClass
from metrigen.physics.directions import negative_direction
from metrigen.physics.jets import Jet, jet, jets_of, label
from metrigen.physics.report import labelled
from metrigen.physics.signs import Sign, pivots, sign_of
from metrigen.physics.size import nodes
from metrigen.physics.squares import Squares, dominant, written
from metrigen.physics.variation import euler_of, gradient
from metrigen.physics.work_budget import expand
from metrigen.physics.zero import zero_test

_MOST_DOMINANT = 40  # rows of a Hessian that is looked at for a dominant diagonal
_LARGE = 1000  # nodes of a Hessian beyond which a witness against it stands for its pivots


def classify(energy: sp.Expr, fields: Sequence[AppliedUndef], boundary: str) -> SteadyStateClass:
    """The class of dF = 0 for a free-energy density in jets."""
    gradients = gradient(energy)
    forces = [euler_of(gradients, u, u.args[1:]) for u in fields]
    culprit = next((f for f in forces if not _affine(f, fields)), None)
    if culprit is not None:
        detail, found = f"dF is not linear in the fields: {labelled(culprit)}", _convexity(energy, fields, boundary)
        return SteadyStateClass(False, False, detail, found.witness, found.spd, "" if found.spd else found.detail)
    quadratic = _quadratic(energy, fields)
    if channels.has_maps(quadratic):
        return SteadyStateClass(True, False, "a channel matrix of free sign couples the channels")
    jets = _jets(quadratic, fields)
    squares = _pinned(written(energy, jets), jets)
    if squares is not None:
        return squares
    direct = _by_density(quadratic, fields, boundary)
    if direct.spd or not any(j.order for j in jets):
        return direct  # without derivatives the symbol is the Hessian once more
    return _by_symbol(forces, fields) or direct


def _pinned(squares: Squares | None, jets: Sequence[Jet]) -> SteadyStateClass | None:
    """The class where a sum of squares, the second variation of F, pins every field; or where it is known to leave one
    free and has no derivatives. None where neither is known."""
    if squares is None or all(len(coefficients) == 1 for _, coefficients in squares.terms):
        return None  # a diagonal Hessian needs no argument
    free = {i for i, j in enumerate(jets) if not j.order} - squares.vanishing()
    if not free or squares.definite(len(jets)):
        return SteadyStateClass(True, True, "a sum of squares with positive weights that vanishes where the fields do")
    if any(j.order for j in jets) or not squares.certain:
        return None
    names = ", ".join(jets[i].base.func.__name__ for i in sorted(free))
    return SteadyStateClass(True, False, f"semi-definite: a sum of squares that vanishes at some {names} other than 0")


def _jets(quadratic: sp.Expr, fields: Sequence[AppliedUndef]) -> list[Jet]:
    """Derivatives, then every field itself."""
    return [j for j in jets_of(quadratic, *fields) if j.order] + [jet(u) for u in fields]


def nonnegative(energy: sp.Expr, forces: Sequence[sp.Expr], fields: Sequence[AppliedUndef]) -> bool:
    """Is the density for certain quadratic with a positive semi-definite matrix over the jets of the fields?"""
    if not all(_affine(force, fields, certain=True) for force in forces):
        return False
    quadratic = _quadratic(energy, fields)
    jets = jets_of(quadratic, *fields)
    found = pivots(hessian(quadratic, jets))
    signs = [sign_of(value) for value in found.values]
    certain = not found.by_points and not any(sign.by_points for sign in signs)
    return certain and found.broken is None and all(sign.holds for sign in signs)


def _convexity(energy: sp.Expr, fields: Sequence[AppliedUndef], boundary: str) -> SteadyStateClass:
    """Is the density strictly convex in the fields, and convex in their derivatives, at every state?"""
    if channels.has_maps(energy):
        return SteadyStateClass(False, False, "channels are coupled, and the sign of F'' is not known")
    return _by_density(expand(energy), fields, boundary)


def _affine(force: sp.Expr, fields: Sequence[AppliedUndef], *, certain: bool = False) -> bool:
    jets = jets_of(force, *fields)
    flat, maps = channels.lift(force)
    if not flat.is_polynomial(*jets, *maps):
        return False
    scale = sp.Symbol("scale[]", positive=True)
    rest = force.xreplace(dict.fromkeys(jets, sp.S.Zero))
    scaled = force.xreplace({j: scale * j for j in jets})
    test = zero_test(scaled - rest - scale * (force - rest))
    return test.proved if certain else test.is_zero


def _quadratic(energy: sp.Expr, fields: Sequence[AppliedUndef]) -> sp.Expr:
    """The part of a density that is of second degree in the fields, total derivatives aside."""
    jets = jets_of(energy, *fields)
    terms = sp.Add.make_args(expand(channels.canonical(energy)))
    scale = sp.Symbol("scale[]", positive=True)
    zoom = {j: scale * j for j in jets}
    kept = []
    for term in terms:
        scaled = expand(channels.canonical(term.xreplace(zoom)))
        if scaled.diff(scale).diff(scale) != 0:
            kept.append(term)
    return sp.Add(*kept)


def _by_density(quadratic: sp.Expr, fields: Sequence[AppliedUndef], boundary: str) -> SteadyStateClass:
    jets = _jets(quadratic, fields)
    matrix = hessian(quadratic, jets)
    squares = _pinned(dominant(matrix), jets) if len(jets) <= _MOST_DOMINANT else None
    if squares is not None:
        return squares
    example = negative_direction(matrix, [label(j) for j in jets], "the second variation of F")
    if example and sum(nodes(entry) for row in matrix for entry in row) > _LARGE:
        return SteadyStateClass(True, False, "the second variation of F is negative along a direction", example)
    found = pivots(matrix)
    if found.broken is not None:
        why = f"indefinite: {labelled(found.broken)} is a negative minor of the Hessian"
        return SteadyStateClass(True, False, why, example)
    signs = [sign_of(value) for value in found.values]
    negative = next((s for s in signs if not s.holds), None)
    if negative is not None:
        return SteadyStateClass(True, False, _doubt(negative), example or negative.witness)
    orders = {(j.base, x): s for j, s in zip(jets, signs, strict=True) if j.order == 1 for x in j.directions()}
    for j, sign in zip(jets, signs, strict=True):
        pinned = boundary == "zero" and any(
            orders[j.base, x].verdict == "positive" for x in j.base.args[1:] if (j.base, x) in orders
        )
        if j.order == 0 and sign.verdict != "positive" and not pinned:
            name = j.base.func.__name__
            weight = "there is no term" if sign.expr.is_zero else f"{labelled(sign.expr)} may vanish in front of"
            why = f"semi-definite: {weight} {name}**2; a constant {name} costs nothing, the solution is not unique"
            return SteadyStateClass(True, False, why)
    return SteadyStateClass(True, True, "weights of the derivatives >= 0, weights of the fields > 0")


def _doubt(sign: Sign) -> str:
    if sign.verdict == "negative":
        return f"indefinite: the weight {labelled(sign.expr)} is negative"
    return f"the weight {labelled(sign.expr)} is not known to be positive"


def _by_symbol(forces: Sequence[sp.Expr], fields: Sequence[AppliedUndef]) -> SteadyStateClass | None:
    """Constant coefficients: the symbol of dF, positive at every wave vector (Swift-Hohenberg above threshold)."""
    rows = []
    for force in forces:
        row = dict.fromkeys(fields, sp.S.Zero)
        for j in jets_of(force, *fields):
            c = force.diff(j)
            if jets_of(c) or any(x in c.free_symbols for x in j.base.args):
                return None
            if any(n % 2 for n in j.orders):
                return None
            squares = zip(j.base.args, j.orders, strict=True)
            row[j.base] += c * sp.Mul(*((-(_wave(x) ** 2)) ** (n // 2) for x, n in squares))
        rows.append([expand(row[u]) for u in fields])
    found = pivots(rows)
    signs = [sign_of(value) for value in found.values]
    if found.broken is None and all(s.verdict == "positive" for s in signs):
        return SteadyStateClass(True, True, "the symbol of dF is positive at every wave vector")
    return None


def _wave(x: sp.Symbol) -> sp.Symbol:
    return sp.Symbol(f"k[{x.name}]", real=True)
