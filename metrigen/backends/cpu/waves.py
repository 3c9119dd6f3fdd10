"""Elliptic constraints on the CPU: a call of the solver of waves, handed the eigenvalues as a function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

import sympy as sp

from metrigen.backends.cpu.dialect import CPP
from metrigen.ir.constraints import constraint_key, constraints_of, walls_of
from metrigen.ir.modes import Walls, half, modes_of, why_no_modes
from metrigen.ir.nodes import Kind, Program, Solve
from metrigen.ir.queries import solves_in


def why_no_waves(program: Program) -> str:
    """Why the kernels cannot solve the constraints of a program, to follow "its operator"; empty where they can."""
    for solve in solves_in(program):
        operator, _ = constraint_key(solve)
        modes = modes_of(operator, program.periodic)
        if modes is None:
            return why_no_modes(operator, program.periodic)
        if not modes.separate:
            return "has mixed derivatives"
    return ""


def walls_of_all(programs: Sequence[Program]) -> Walls | None:
    """How the lattice goes on for the solves of the programs; None where there are none."""
    return walls_of(constraints_of(programs))


def solve_call(solve: Solve, kinds: Mapping[str, Kind], source: str, dense: Set[str], periodic: bool) -> str:
    """The call that solves: ``source`` is where the right side is, ``dense`` are the arrays that have no margins."""
    modes = modes_of(constraint_key(solve)[0], periodic)
    assert modes is not None
    last = modes.rank - 1
    swap: dict[sp.Basic, sp.Basic] = {half(i): sp.Symbol(f"leading[{i}]", real=True) for i in range(last)}
    swap |= {half(last): sp.Symbol("last", real=True)}
    for s in modes.symbol.free_symbols - set(swap):
        swap[s] = sp.Symbol(f"given.{s.name}[c]" if kinds[s.name] is Kind.CHANNEL else f"given.{s.name}", real=True)
    eigenvalue = CPP.print(modes.symbol.xreplace(swap))
    flags = ", ".join(str(flag).lower() for flag in (solve.singular, solve.rhs in dense, solve.out in dense))
    head = f"solve_by_waves<{flags}>(at, {source}, {solve.out}, "
    return f"{head}[&](long c, const Lines* leading, R last) INLINE {{ return {eigenvalue}; }});"
