"""``grad``: the gradient of a field along the axes of its domain, as it stands in an energy density."""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.errors import SpecError
from metrigen.spec.domain import Index
from metrigen.spec.edges import difference
from metrigen.spec.symbols import t


@dataclass(frozen=True)
class Gradient:
    """The components (d_x f, d_y f, ...) of a gradient."""

    components: tuple[sp.Expr, ...]

    @property
    def square(self) -> sp.Expr:
        """|grad f|^2 = sum_i (d_i f)^2."""
        return self.dot(self)

    def dot(self, other: Gradient) -> sp.Expr:
        """grad f . grad g = sum_i d_i f d_i g."""
        return sp.Add(*(a * b for a, b in zip(self.components, other.components, strict=True)))

    def __getitem__(self, index: int) -> sp.Expr:
        return self.components[index]

    def __len__(self) -> int:
        return len(self.components)


def grad(f: sp.Expr) -> Gradient:
    """The gradient of a field or expression: one component per axis of the functions that occur in it; on a graph the
    difference along every edge."""
    functions = sorted(sp.sympify(f).atoms(AppliedUndef), key=sp.default_sort_key)
    if not functions:
        raise SpecError(f"grad() takes a field, not {f!r}")
    if any(isinstance(x, Index) for u in functions for x in u.args):
        return Gradient((difference(f),))
    axes = next(([a for a in u.args if a != t] for u in functions if len(u.args) > 0), [])
    return Gradient(tuple(sp.diff(f, axis) for axis in axes))
