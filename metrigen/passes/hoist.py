"""Split a step into what depends on parameters alone and what runs every step. Invariant: their composition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from metrigen.ir.nodes import Array, Cayley, ParameterExpression, Program, Statement
from metrigen.ir.queries import known
from metrigen.spec.symbols import t


def hoist(program: Program, state: Sequence[str]) -> tuple[Program, Program]:
    """(prologue, body): the prologue's outputs are inputs of the body and constant over the steps. What follows from
    the time moves from step to step, and stays in the body. The body takes every array of ``state``, and of the other
    inputs those that it reads."""
    kinds = program.kinds()
    early, late = _parts(program)
    read = {name for s in late for name in s.reads}
    made = [name for s in early for name, _ in s.defines]
    passed = tuple(name for name in made if name in read)
    used_early = {name for s in early for name in s.reads}
    prologue = Program(
        "prologue", tuple(a for a in program.inputs if a.name in used_early), early, passed, program.periodic
    )
    inputs = (
        *(a for a in program.inputs if a.name in state or a.name in read),
        *(Array(name, kinds[name]) for name in passed),
    )
    return prologue, replace(program, inputs=inputs, body=late)


def _parts(program: Program) -> tuple[tuple[Statement, ...], tuple[Statement, ...]]:
    """The statements on parameters alone, and all others."""
    early: list[Statement] = []
    late: list[Statement] = []
    moving = {t.name}
    for s in known(program, "hoist"):
        fixed = isinstance(s, (ParameterExpression, Cayley)) and moving.isdisjoint(s.reads)
        (early if fixed else late).append(s)
        moving |= set() if fixed else {name for name, _ in s.defines}
    return tuple(early), tuple(late)
