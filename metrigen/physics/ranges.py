"""Where an energy has no value: roots and logarithms of what may be negative."""

from __future__ import annotations

import sympy as sp

from metrigen.physics.declared import stated
from metrigen.physics.jets import from_jets, has_unevaluated, jets_of, to_jets
from metrigen.physics.signs import sign_of
from metrigen.physics.size import TooLarge
from metrigen.physics.work_budget import LAW, limited
from metrigen.spec.system import System

_DENSITIES = ("lagrangian", "hamiltonian", "entropy")


def undefined(system: System, transformed: sp.Expr | None = None) -> tuple[tuple[str, sp.Expr, sp.Expr, bool], ...]:
    """(keyword, base, root or logarithm of it, whether 0 is excluded) for every base that some state takes below zero.

    ``transformed``: the Hamiltonian of a Lagrangian, under the keyword "momentum" for what its momenta must be.
    A density without fields is no affair of the states; one that is too large to be decided is left out.
    """
    found: dict[sp.Expr, tuple[str, sp.Expr, sp.Expr, bool]] = {}
    densities = [(part, expr) for part, expr in stated(system) if part in _DENSITIES]
    if transformed is not None:
        densities.append(("momentum", transformed))
    for part, expr in densities:
        if has_unevaluated(expr):
            continue
        jets = to_jets(expr)
        for whole, base, strict in _taken(jets):
            if base not in found and jets_of(base) and not _safe(base, strict):
                found[base] = part, from_jets(base), from_jets(whole), strict
    return tuple(found.values())


def _taken(expr: sp.Expr) -> list[tuple[sp.Expr, sp.Expr, bool]]:
    powers = [p for p in expr.atoms(sp.Pow) if not p.exp.is_integer and not p.base.is_number]
    # Below the power 1 the force is infinite at 0.
    roots = [(p, p.base, not (p.exp - 1).is_nonnegative) for p in powers]
    logarithms = [(f, f.args[0], True) for f in expr.atoms(sp.log)]
    return sorted([*roots, *logarithms], key=lambda item: sp.default_sort_key(item[0]))


def _safe(base: sp.Expr, strict: bool) -> bool:
    if base.is_positive or (base.is_nonnegative and not strict):
        return True
    try:
        with limited(LAW):
            sign = sign_of(base)
    except TooLarge:
        return True
    return sign.holds or sign.verdict == "unknown"
