"""What a layer computes, in plain characters: its equations and the terms of its functionals by the names of arrays."""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.discretise.dynamics import Dynamics
from metrigen.emit.notation import Covectors, text
from metrigen.physics.derivation import Derivation


def array_names(dynamics: Dynamics) -> dict[AppliedUndef, str]:
    """Field -> the array that holds it."""
    return {u: dynamics.array(u) for u in dynamics.derivation.structure.fields}


def plain(expr: sp.Expr, names: dict[AppliedUndef, str]) -> str:
    """An expression with the fields under the names of their arrays: ``c1*phi_xx - gamma*pi``."""
    shown: Covectors = {u: ("", name) for u, name in names.items()}
    return text(expr, shown)


def equations(derivation: Derivation, names: dict[AppliedUndef, str]) -> list[str]:
    """``phi_t = pi`` and so on, one equation of motion each."""
    return [f"{names.get(u, text(u))}_t = {plain(rate, names)}" for u, rate in derivation.equations.items()]


def terms(derivation: Derivation, functional: sp.Expr) -> Iterator[tuple[sp.Expr, tuple[AppliedUndef, ...]]]:
    """The additive terms of a functional with the fields of the state that they vary with, an auxiliary field through
    its constraint; a term without such a field moves nothing and is left out."""
    structure = derivation.structure
    behind = {psi: tuple(u for u in structure.fields if c.has(u)) for psi, c in structure.constraints.items()}
    for term in functional.as_ordered_terms():
        through = {u for psi, fields in behind.items() if term.has(psi) for u in fields}
        inside = tuple(u for u in structure.fields if u in through or term.has(u))
        if inside:
            yield term, inside


def moved_by(derivation: Derivation, u: AppliedUndef, entropy: bool = False) -> tuple[AppliedUndef, ...]:
    """The fields whose rates the slope dH/du (dS/du for the ``entropy``) enters through the brackets."""
    structure = derivation.structure
    generic = derivation.system.entropy is not None
    brackets = [structure.metric] if entropy else [structure.bracket, None if generic else structure.metric]
    found: list[AppliedUndef] = []
    for bracket in filter(None, brackets):
        right, pieces = bracket.right[structure.fields.index(u)], sp.Add.make_args(sp.expand(bracket.form))
        for w, left in zip(structure.fields, bracket.left, strict=True):
            if w not in found and any(piece.has(left) and piece.has(right) for piece in pieces):
                found.append(w)
    return tuple(found)
