"""Differential operators out of bilinear forms, by one more Euler operator: (J g)_i = E_{f_i}[ b(f, g) ]."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.errors import SpecError
from metrigen.physics import channels
from metrigen.physics.derivation import Bilinear
from metrigen.physics.jets import Jet, from_jets, jets_of, to_jets
from metrigen.physics.partials import Partials
from metrigen.physics.report import show_form
from metrigen.physics.size import blamed_on
from metrigen.physics.variation import diff_along, euler_jets, tidy
from metrigen.physics.zero import is_zero
from metrigen.spec.density import check_evaluated
from metrigen.spec.functional import Functional
from metrigen.spec.numbers import check_finite
from metrigen.spec.slips import cure
from metrigen.spec.symbols import t
from metrigen.spec.words import worded


@dataclass(frozen=True)
class Form:
    """A bilinear density b(f, g) in jets of the covectors ``left`` (f = dF/dz) and ``right`` (g = dG/dz).

    ``rows[i]`` is (J g)_i: linear in the jets of ``right``.
    """

    part: str
    state: tuple[AppliedUndef, ...]
    left: tuple[AppliedUndef, ...]
    right: tuple[AppliedUndef, ...]
    density: sp.Expr
    rows: tuple[sp.Expr, ...]

    def apply(self, covectors: Sequence[sp.Expr]) -> tuple[sp.Expr, ...]:
        """J g for covectors given as expressions in jets."""
        table = replacement(self.right, covectors, self.rows)
        return tuple(tidy(row.xreplace(table)) for row in self.rows)

    def indicated(self, covectors: Sequence[sp.Expr]) -> tuple[sp.Expr, ...]:
        """J g in the fields, the derivatives of g indicated and not carried out."""
        of = {f: from_jets(g) for f, g in zip(self.right, covectors, strict=True)}
        out = []
        for row in self.rows:
            slots = {j: sp.Symbol(f"slot[{i}]", real=True) for i, j in enumerate(jets_of(row, *self.right))}
            meaning = {
                s: sp.Derivative(of[j.base], *j.directions()) if j.order else of[j.base] for j, s in slots.items()
            }
            out.append(from_jets(row.xreplace(slots)).xreplace(meaning))
        return tuple(out)

    def at(self, left: Sequence[AppliedUndef], right: Sequence[AppliedUndef]) -> sp.Expr:
        """The density with other functions in the place of its covectors."""
        return rename(self.density, (*self.left, *self.right), (*left, *right))

    @property
    def swapped(self) -> sp.Expr:
        """b(g, f)."""
        return self.at(self.right, self.left)

    def constant(self) -> bool:
        """Are the coefficients free of the state and of the coordinates?"""
        covectors = {*self.left, *self.right}
        return not any(j.base not in covectors for j in jets_of(self.density)) and not any(
            x in self.density.free_symbols for u in self.state for x in u.args
        )


def rename(expr: sp.Expr, old: Sequence[AppliedUndef], new: Sequence[AppliedUndef]) -> sp.Expr:
    """Other functions of the same coordinates in the place of ``old``, in every jet."""
    names = dict(zip(old, new, strict=True))
    return expr.xreplace({j: Jet(names[j.base], j.orders) for j in jets_of(expr, *old)})


def replacement(
    bases: Sequence[AppliedUndef], values: Sequence[sp.Expr], where: Sequence[sp.Expr]
) -> dict[Jet, sp.Expr]:
    """jet of base -> D_alpha value, for every jet of the bases in ``where``."""
    of = dict(zip(bases, values, strict=True))
    needed: dict[Jet, None] = {}
    for expr in where:
        needed.update(dict.fromkeys(jets_of(expr, *bases)))
    return {j: diff_along(of[j.base], j.directions()) for j in needed}


def build_form(
    part: str, bracket: Callable[[Functional, Functional], Any], state: tuple[AppliedUndef, ...]
) -> tuple[Form, Bilinear]:
    """The bilinear form of a ``bracket=`` or ``metric=`` callable. Raises SpecError if it is none."""
    F, G = Functional("F", state), Functional("G", state)
    try:
        value = worded(sp.sympify(bracket(F, G)))
    except SpecError as error:
        error.part = error.part or part
        raise
    except Exception as error:
        raise SpecError(
            f"{part}= could not be evaluated: {type(error).__name__}: {error}",
            part=part,
            fix=cure(error) or f"{part}=lambda F, G: an expression in F[u] and G[u]",
            see="bracket-linear",
        ) from error
    if not isinstance(value, sp.Expr):
        raise SpecError(
            f"{part}= must give a SymPy expression, not {value!r}",
            part=part,
            fix=f"{part}=lambda F, G: an expression with one F[u] and one G[u] in every term",
            see="not-an-expression",
        )
    check_evaluated(part, value)
    if value.has(sp.I):
        raise SpecError(f"{part}= is complex: {value}", part=part, fix="write it in real fields", see="complex")
    check_finite(part, value)
    density = to_jets(value)
    with blamed_on(part):
        check_covectors(part, density, state, F.covectors, G.covectors)
        rows = tuple(euler_jets(density, f) for f in F.covectors)
    form = Form(part, state, F.covectors, G.covectors, density, rows)
    return form, Bilinear(value, F.covectors, G.covectors)


def check_covectors(
    part: str,
    density: sp.Expr,
    state: tuple[AppliedUndef, ...],
    left: tuple[AppliedUndef, ...],
    right: tuple[AppliedUndef, ...],
) -> None:
    """Refuse time derivatives of covectors and what is not linear in either of them."""
    if any(j.order_in(t) for j in jets_of(density, *left, *right)):
        raise SpecError(
            f"{part}=: a bracket contains no time derivatives",
            part=part,
            why="it takes two functionals of the state at one time",
            fix="derivatives along the axes alone, F[u]*G[u].diff(x)",
            see="time-derivative",
        )
    for side, name in ((left, "F"), (right, "G")):
        if not _linear(density, side):
            shown = show_form(density, F=(left, state), G=(right, state))
            raise SpecError(
                f"{part}= is not linear in {name}",
                part=part,
                why=f"a bracket is a bilinear form; {shown} has a term of another degree in {name}[...]",
                fix="let every term contain exactly one F[u] and one G[u]",
                see="bracket-linear",
            )


def _linear(density: sp.Expr, bases: tuple[AppliedUndef, ...]) -> bool:
    jets = jets_of(density, *bases)
    scale = sp.Symbol("scale[]", positive=True)
    scaled = density.xreplace({j: scale * j for j in jets})
    if not is_zero(scaled - scale * density):
        return False
    # Homogeneous of degree one everywhere and smooth is linear; |f| and sqrt(f**2 + g**2) are not smooth.
    if channels.has_maps(density):
        return True
    partials, inside = Partials(density), set(jets)
    for slope in (partials.along(j) for j in jets):
        again = Partials(slope)
        if not all(is_zero(again.along(j)) for j in jets if j in slope.free_symbols & inside):
            return False
    return True
