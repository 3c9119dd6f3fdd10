"""Domains as a user names them: where the fields live. How a domain discretises is in ``metrigen.domains``."""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp

from metrigen.errors import SpecError
from metrigen.spec.names import check_name

BOUNDARIES = ("periodic", "zero", "neumann")
AVERAGES = ("arithmetic", "harmonic")


@dataclass(frozen=True, init=False)
class Lattice:
    """A regular lattice of cell-centred sites with one axis per coordinate symbol, or no axis (ODEs per channel).

    boundary  "periodic" wraps; "zero": the field vanishes outside and both wall edges carry energy; "neumann": no
              flux through the wall, edges that cross it carry none
    spacing   distance h of neighbouring sites, the same on every axis; a positive rational or float
    average   how a coefficient at two sites becomes the coefficient of the edge between them: "arithmetic"
              (a + b)/2 or "harmonic" 2ab/(a + b), which keeps a wall closed

    Grid sizes are no part of a spec: a module trained on 15x15 runs on 39x39.
    """

    axes: tuple[sp.Symbol, ...]
    boundary: str
    spacing: sp.Expr
    average: str

    def __init__(
        self, *axes: sp.Symbol, boundary: str = "periodic", spacing: object = 1, average: str = "arithmetic"
    ) -> None:
        for axis in axes:
            if not isinstance(axis, sp.Symbol):
                raise SpecError(
                    f"a lattice axis must be a SymPy symbol, not {axis!r}",
                    part="domain",
                    fix='x, y = sp.symbols("x y", real=True)',
                )
            check_name(axis.name, "axis")
            if axis.name == "t":
                raise SpecError("a lattice axis cannot be called t", part="domain", why="t is the time")
        if len({axis.name for axis in axes}) != len(axes):
            raise SpecError("two lattice axes have the same name", part="domain")
        if len(axes) > 3:
            raise SpecError("a lattice has at most three axes", part="domain")
        for label, value, known in (("boundary", boundary, BOUNDARIES), ("average", average, AVERAGES)):
            if value not in known:
                raise SpecError(
                    f"unknown {label} {value!r}", part="domain", fix="one of " + ", ".join(map(repr, known))
                )
        step = sp.nsimplify(spacing, rational=True) if not isinstance(spacing, sp.Basic) else spacing
        if not (step.is_number and step.is_positive):
            raise SpecError(f"the lattice spacing must be a positive number, not {spacing!r}", part="domain")
        object.__setattr__(self, "axes", tuple(axes))
        object.__setattr__(self, "boundary", boundary)
        object.__setattr__(self, "spacing", step)
        object.__setattr__(self, "average", average)
