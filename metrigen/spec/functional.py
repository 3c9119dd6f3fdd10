"""Functionals as arguments of a bracket: ``F[u]`` stands for the functional derivative dF/du."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.errors import SpecError


@dataclass(frozen=True)
class Functional:
    """An arbitrary functional F of the state; ``F[u]`` is its derivative, a function of the coordinates of u."""

    name: str
    fields: tuple[AppliedUndef, ...]

    def __getitem__(self, u: AppliedUndef) -> AppliedUndef:
        if u not in self.fields:
            raise SpecError(
                f"{self.name}[{u}]: {u} is not a field of the state",
                fix="the state is " + ", ".join(str(v) for v in self.fields),
                see="fields",
            )
        return sp.Function(f"{self.name}_{u.func.__name__}", real=True)(*u.args)

    @property
    def covectors(self) -> tuple[AppliedUndef, ...]:
        """``F[u]`` for every field u of the state, in its order."""
        return tuple(self[u] for u in self.fields)


class AnyFunctional(Functional):
    """A functional of whatever state, before that is derived: F[u] is a function beside u, for every field u."""

    def __getitem__(self, u: AppliedUndef) -> AppliedUndef:
        if not isinstance(u, AppliedUndef):
            raise SpecError(
                f"{self.name}[{u}]: {u} is not a field of the state", fix=f"{self.name}[u] of a field u", see="fields"
            )
        return sp.Function(f"{self.name}_{u.func.__name__}", real=True)(*u.args)


class Dissipation:
    """The factored metric bracket (F, G) = sum_k int w_k A_k(F) A_k(G): symmetric by construction, and positive
    semi-definite exactly where every weight w_k is. Each A_k is a callable of one functional."""

    def __init__(self, *terms: tuple[Any, Callable[[Functional], Any]]) -> None:
        for term in terms:
            if not (isinstance(term, tuple) and len(term) == 2 and callable(term[1])):
                raise SpecError(
                    "Dissipation takes pairs (weight, A), A a callable of one functional",
                    part="metric",
                    fix="Dissipation((gamma, lambda F: F[pi]))",
                    see="builders",
                )
        self.terms = tuple((sp.sympify(weight), factor) for weight, factor in terms)

    def __call__(self, F: Functional, G: Functional) -> sp.Expr:
        return sp.Add(*(weight * factor(F) * factor(G) for weight, factor in self.terms))
