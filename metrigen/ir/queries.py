"""What a program holds, found in its statements."""

from __future__ import annotations

from metrigen.errors import InternalError
from metrigen.ir.implicit import Equation, Root, RootAdjoint
from metrigen.ir.nodes import Accumulate, Map, Program, Solve
from metrigen.spec.neural import Head, heads


def learned_in(program: Program) -> tuple[Head, ...]:
    """The learned functions that a program evaluates, by name."""
    return heads(*(e for s in program.body if isinstance(s, Map) for e in s.expressions))


def solves_in(program: Program) -> tuple[Solve, ...]:
    """The linear equations that a program solves, in order."""
    return tuple(s for s in program.body if isinstance(s, Solve))


def equations_in(program: Program) -> tuple[Equation, ...]:
    """The nonlinear equations that a program solves, each once."""
    return tuple(dict.fromkeys(s.equation for s in program.body if isinstance(s, (Root, RootAdjoint))))


def summed_into(program: Program) -> dict[str, str]:
    """Every term of a sum -> the array whose cotangent the sum is."""
    sums = (s for s in program.body if isinstance(s, Accumulate))
    return {term: s.out.removesuffix("__bar") for s in sums for term in s.terms}


def check_closed(program: Program) -> None:
    """Raise InternalError if a statement reads what is no input and was not defined before it, or if a name that is
    put out is not defined."""
    known = {array.name for array in program.inputs}
    for statement in program.body:
        missing = sorted(set(statement.reads) - known)
        if missing:
            raise InternalError(f"the program {program.name} reads {missing[0]!r}, which nothing defines")
        known.update(name for name, _ in statement.defines)
    lost = [name for name in program.outputs if name not in known]
    if lost:
        raise InternalError(f"the program {program.name} puts out {lost[0]!r}, which nothing defines")
