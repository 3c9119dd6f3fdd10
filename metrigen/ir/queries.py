"""What a program holds, found in its statements."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from metrigen.ir.implicit import Equation, Root, RootAdjoint, SiteSum
from metrigen.ir.nodes import STATEMENTS, Accumulate, ChannelMatmul, ChannelSum, Map, Program, Solve, Statement
from metrigen.ir.statement import unknown
from metrigen.spec.neural import Head, learned_functions

_Body = TypeVar("_Body", bound=Iterable[Statement])


def known(body: _Body, where: str) -> _Body:
    """The statements, if all are of known kinds; InternalError in the name of ``where``, who is to deal with them."""
    for statement in body:
        if not isinstance(statement, STATEMENTS):
            raise unknown(statement, where)
    return body


def maps_in(body: Iterable[Statement], where: str) -> tuple[Map, ...]:
    """The kernels among the statements, in order; of the other known kinds none is one."""
    return tuple(s for s in known(body, where) if isinstance(s, Map))


def couples_channels(*programs: Program) -> bool:
    """Whether a statement takes values of several channels to one."""
    return any(
        isinstance(s, (ChannelMatmul, ChannelSum))
        or (isinstance(s, SiteSum) and s.channels)
        or (isinstance(s, (Root, RootAdjoint)) and s.equation.coupled)
        for program in programs
        for s in known(program, "couples_channels")
    )


def learned_in(program: Program) -> tuple[Head, ...]:
    """The learned functions that a program evaluates, by name."""
    return learned_functions(*(e for s in program.body for e in s.expressions))


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
