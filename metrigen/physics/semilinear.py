"""Semilinear systems: well-posed because what is nonlinear has no derivatives.

Split H = Q + V, with Q the terms that hold derivatives and the squares c u^2, c >= 0, and V(z) the rest, free of
derivatives. With constant J and M >= 0 that act without derivatives, and Q >= 0 quadratic and free of t,

    dQ/dt = -dQ.M dQ + dQ.(J - M) dV

The first term does not grow. The second is bounded by Q for bounded fields where, for every field u whose gradient
stands in Q, the row (J dV)_u vanishes and (M dV)_u holds such fields alone: then no derivative falls on a field whose
gradient Q does not control.
"""

from __future__ import annotations

import sympy as sp

from metrigen.physics import channels, steady
from metrigen.physics.clock import is_timed
from metrigen.physics.jets import jet, jets_of
from metrigen.physics.signs import sign_of
from metrigen.physics.state import State
from metrigen.physics.variation import euler_jets
from metrigen.physics.work_budget import expand
from metrigen.physics.zero import is_zero


def is_semilinear(state: State) -> bool:
    """Does the estimate above hold? False where it is not decided."""
    forms = [form for form in (state.bracket, state.metric) if form is not None]
    if state.entropy is not None:
        return False
    for form in forms:
        slots = (*form.left, *form.right)
        if any(j.base in state.fields or (j.base in slots and j.order) for j in jets_of(form.density)):
            return False
    principal, rest = _split(state)
    if any(j.order for j in jets_of(rest, *state.fields)) or channels.has_maps(principal) or is_timed(principal):
        return False
    if not steady.nonnegative(principal, [euler_jets(principal, u) for u in state.fields], state.fields):
        return False
    graded = {j.base for j in jets_of(principal, *state.fields) if j.order}
    slopes = [euler_jets(rest, u) for u in state.fields]
    if state.bracket is not None:
        rows = dict(zip(state.fields, state.bracket.apply(slopes), strict=True))
        if not all(is_zero(rows[u]) for u in state.fields if u in graded):
            return False
    if state.metric is not None:
        rows = dict(zip(state.fields, state.metric.apply(slopes), strict=True))
        if any(j.base not in graded for u in state.fields if u in graded for j in jets_of(rows[u], *state.fields)):
            return False
    return True


def _split(state: State) -> tuple[sp.Expr, sp.Expr]:
    """Q and V: derivatives and nonnegative squares, and the rest."""
    principal: list[sp.Expr] = []
    rest: list[sp.Expr] = []
    for term in sp.Add.make_args(expand(state.hamiltonian)):
        held = jets_of(term, *state.fields)
        (principal if any(j.order for j in held) or _square(term, state) else rest).append(term)
    return sp.Add(*principal), sp.Add(*rest)


def _square(term: sp.Expr, state: State) -> bool:
    """term = c u^2 with c >= 0 free of the fields and of the time."""
    if is_timed(term):
        return False
    for u in state.fields:
        factor = term / jet(u) ** 2
        if not jets_of(factor, *state.fields) and not channels.has_maps(factor):
            return sign_of(factor).holds
    return False
