"""``grad``: the gradient of a field along the axes of its domain, as it stands in an energy density."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn

import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.errors import SpecError
from metrigen.spec.domain import Index
from metrigen.spec.edges import difference
from metrigen.spec.symbols import t

_SQUARE = "grad(u).square for |grad u|^2 = u_x^2 + u_y^2, or grad(u).dot(grad(v))"


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
        if not isinstance(other, Gradient) or len(other) != len(self):
            raise SpecError(
                f"the product of a gradient with {other!r}",
                why="a scalar product is one of two gradients along the same axes",
                fix="grad(a).dot(grad(b))",
                see="gradient",
            )
        return sp.Add(*(a * b for a, b in zip(self.components, other.components, strict=True)))

    def __mul__(self, factor: Any) -> Gradient:
        if isinstance(factor, Gradient):
            raise _no_number("a product of two gradients", "grad(a).dot(grad(b)), and grad(a).square for |grad a|^2")
        return Gradient(tuple(sp.sympify(factor) * a for a in self.components))

    __rmul__ = __mul__

    def __truediv__(self, divisor: Any) -> Gradient:
        part: Gradient = self * (1 / sp.sympify(divisor))
        return part

    def __neg__(self) -> Gradient:
        return self * -1

    def __add__(self, other: Any) -> Gradient:
        if not isinstance(other, Gradient) or len(other) != len(self):
            raise _no_number("a sum of a gradient and a number", _SQUARE)
        return Gradient(tuple(a + b for a, b in zip(self.components, other.components, strict=True)))

    __radd__ = __add__

    def __sub__(self, other: Any) -> Gradient:
        difference: Gradient = self + (-other)
        return difference

    def __rsub__(self, other: Any) -> Gradient:
        difference: Gradient = -self + other
        return difference

    def __pow__(self, power: Any) -> NoReturn:
        raise _no_number(f"a gradient to the power {power}", _SQUARE)

    def __rtruediv__(self, other: Any) -> NoReturn:
        raise _no_number("a number divided by a gradient", _SQUARE)

    def __getitem__(self, index: int) -> sp.Expr:
        return self.components[index]

    def __len__(self) -> int:
        return len(self.components)


def _no_number(what: str, fix: str) -> SpecError:
    return SpecError(
        f"{what} is no density",
        why="a gradient has a component per axis, a density is a number",
        fix=fix,
        see="gradient",
    )


def grad(f: sp.Expr) -> Gradient:
    """The gradient of a field or expression: one component per axis of the functions that occur in it; on a graph the
    difference along every edge."""
    functions = sorted(sp.sympify(f).atoms(AppliedUndef), key=sp.default_sort_key)
    if not functions:
        raise SpecError(
            f"grad() takes a field, not {f!r}",
            why="nothing in it depends on the coordinates, so it has no axes",
            fix='u = Field("u", domain), and grad(u)',
            see="gradient",
        )
    if any(isinstance(x, Index) for u in functions for x in u.args):
        return Gradient((difference(f),))
    axes = next(([a for a in u.args if a != t] for u in functions if len(u.args) > 0), [])
    return Gradient(tuple(sp.diff(f, axis) for axis in axes))
