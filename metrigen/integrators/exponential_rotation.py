"""The rotations of coupled channels over a token, from the parameters alone.

    R = (1 - s B)^-1 (1 + s B),   s = h b k/2

for u_t = b B dH/du with dH/du = k (u - f): orthogonal for every antisymmetric B, by 2 arctan(s beta) where B rotates by
the rate beta. To second order in h it is the flow of the coupling.
"""

from __future__ import annotations

import sympy as sp

from metrigen.discretise.sequence import Cell
from metrigen.ir.nodes import Cayley, Kind, ParameterExpression, Program, Statement
from metrigen.passes.pipeline import NAMED, apply


def rotation_of(cell: Cell) -> tuple[Program, dict[str, str]]:
    """The program of the rotations, without statements where channels are not coupled, and field -> the name of its
    rotation; fields that rotate alike share one."""
    body: list[Statement] = []
    made: dict[tuple[str, sp.Expr], str] = {}
    rotated: dict[str, str] = {}
    for rotation in cell.rotations:
        key = (rotation.matrix.name, rotation.angle)
        if key not in made:
            made[key] = f"rotation__{rotation.field}"
            scale = f"angle__{rotation.field}"
            body += [
                ParameterExpression(scale, Kind.SCALAR, rotation.angle),
                Cayley(made[key], rotation.matrix.name, scale),
            ]
        rotated[rotation.field] = made[key]
    return apply(NAMED, Program("rotation", cell.rotation_arrays, tuple(body), tuple(made.values()))), rotated
