"""The linear equations that programs solve for auxiliary fields: which of them are one and the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import sympy as sp

from metrigen.ir.modes import UNKNOWN, Walls, eigenvalues, modes_of
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
    return statement.acting_on(UNKNOWN), statement.singular


def eigenvalues_of(constraints: Mapping[Constraint, Program]) -> dict[Constraint, Program]:
    """The eigenvalues of those of the operators that waves diagonalise, each as a program of the same coefficients."""
    found = {}
    for key, program in constraints.items():
        modes = modes_of(key[0], program.periodic)
        if modes is not None:
            found[key] = eigenvalues(f"{program.name}__modes", modes, program.inputs[1:])
    return found


def walls_of(constraints: Mapping[Constraint, Program]) -> Walls | None:
    """How the lattice goes on for all waves that are solved with; None where there are none."""
    found = [modes for key, p in constraints.items() if (modes := modes_of(key[0], p.periodic)) is not None]
    return next((m.walls for m in found if not m.flat), found[0].walls if found else None)
