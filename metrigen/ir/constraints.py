"""The linear equations that programs solve for auxiliary fields: which of them are one and the same."""

from __future__ import annotations

from collections.abc import Iterable

import sympy as sp

from metrigen.ir.nodes import Array, Kind, Map, Program, Solve, stem
from metrigen.ir.queries import solves_in

# What makes two solves one: the operator, acting on an array of no name, and whether it is singular.
Constraint = tuple[sp.Expr, bool]


def constraints_of(programs: Iterable[Program]) -> dict[Constraint, Program]:
    """The operator of every linear equation that the programs solve, as a program psi, coefficients -> A psi."""
    found: dict[Constraint, Program] = {}
    for program in programs:
        kinds = program.kinds()
        for statement in solves_in(program):
            if constraint_key(statement) in found:
                continue
            what = stem(statement.out)
            unknown = what if what not in statement.coefficients else f"{what}__solved"
            taken = {p.name for p in found.values()}
            name = next(n for k in range(len(taken) + 1) if (n := f"elliptic__{what}{k or ''}") not in taken)
            inputs = (Array(unknown, Kind.SITE), *(Array(c, kinds[c]) for c in statement.coefficients))
            image = Map(stores=((f"{unknown}__image", statement.acting_on(unknown)),))
            found[constraint_key(statement)] = Program(name, inputs, (image,), (f"{unknown}__image",), program.periodic)
    return found


def constraint_key(statement: Solve) -> Constraint:
    return statement.acting_on("unknown__"), statement.singular
