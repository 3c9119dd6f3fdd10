"""The discrete gradient of a functional: ``vary`` with the difference quotients of ``passes.quotients``.

    H(z1) - H(z0) = sum_n g[n] (z1[n] - z0[n])

A stencil sends quotients back where ``vary`` sends derivatives; what is linear, among it the solution of a linear
equation, is reversed by the same transpose. For a quadratic H it is the gradient at the middle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import sympy as sp

from metrigen.ir.nodes import (
    Array,
    ChannelMatmul,
    ChannelSum,
    Load,
    Map,
    Offset,
    Program,
    Solve,
    Statement,
    negate,
    shift,
)
from metrigen.ir.statement import unknown
from metrigen.passes.prune import prune
from metrigen.passes.quotients import BEGIN, END, MIDDLE, Quotients, at
from metrigen.passes.solves import share_solves
from metrigen.passes.vary import Reversal, bar

_PLACES = (BEGIN, END, MIDDLE)


def secant(program: Program, wrt: Sequence[str], rank: int, part: str) -> Program:
    """Outputs ``bar(x)`` for x in ``wrt``, g between ``at(x, "begin")`` and ``at(x, "end")``, the inputs that stand for
    x; ``at(x, "middle")`` is their mean. Raises SpecError where a function has no quotient."""
    quotients = followed(program, wrt, part)
    reversal = _Secants(program, rank, quotients)
    for statement in reversed(program.body):
        reversal.reverse(statement)
    ends: list[Statement] = []
    for statement in program.body:
        defined = {name for name, _ in statement.defines}
        places = _PLACES if defined & quotients.moving else ("",)
        ends += [_placed(statement, quotients, place) for place in places]
    inputs: list[Array] = []
    for array in program.inputs:
        copies = [replace(array, name=at(array.name, place)) for place in _PLACES]
        inputs += copies if array.name in wrt else [array]
    body = (*ends, *reversal.statements, *reversal.finish(wrt))
    outputs = tuple(bar(x) for x in wrt)
    name = f"{program.name}_secant"
    return share_solves(prune(replace(program, name=name, inputs=tuple(inputs), body=body, outputs=outputs)))


def _placed(statement: Statement, quotients: Quotients, place: str) -> Statement:
    """The statement at one end of the segment."""
    return statement.renamed({name: at(name, place) for name in quotients.moving}) if place else statement


def followed(program: Program, wrt: Sequence[str], part: str) -> Quotients:
    """The rules for a program: which arrays follow the state, and which of them are affine in it."""
    rules = Quotients(set(wrt), set(wrt), part)
    moving, affine = set(wrt), set(wrt)
    for statement in program.body:
        rules.moving, rules.affine = moving, affine
        if isinstance(statement, Map):
            moved = {name for name, e in statement.stores if rules.moves(e)}
            straight = {name for name, e in statement.stores if name in moved and rules.is_affine(e)}
        elif isinstance(statement, (ChannelMatmul, ChannelSum, Solve)):
            source = statement.rhs if isinstance(statement, Solve) else statement.src
            moved = {statement.out} if source in moving else set()
            straight = moved if source in affine else set()
        else:
            raise unknown(statement, "the difference quotient of a density")
        moving, affine = moving | moved, affine | straight
    rules.moving, rules.affine = moving, affine
    return rules


class _Secants(Reversal):
    """The reverse pass with quotients, for the state alone."""

    def __init__(self, program: Program, rank: int, quotients: Quotients) -> None:
        super().__init__(program, rank, sp.S.One, frozenset())
        self.quotients = quotients

    def _by_values(self, statement: Map, stores: list[tuple[sp.Expr, sp.Expr]]) -> bool:
        """Never: value by value a statement is reversed by derivatives, which are no quotients."""
        if statement.lets:
            raise TypeError(f"a density holds no named values, and {self.program.name} does")
        return False

    def _stencil(self, cotangent: sp.Expr, expr: sp.Expr, held: str = "", over: object = None) -> None:
        """The quotients of y = expr at the sites; the operator of a linear equation (``held``) stands still."""
        if held:
            return
        found = self.quotients.of(expr)
        for load in sorted(found, key=_place_of):
            self.site.setdefault(load.array, []).append(shift(cotangent * found[load], negate(load.offset)))


def _place_of(load: Load) -> tuple[str, Offset]:
    return load.array, load.offset
