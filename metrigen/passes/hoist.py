"""Split a step into what depends on parameters alone and what runs every step. Invariant: their composition."""

from __future__ import annotations

from collections.abc import Sequence

from metrigen.ir.nodes import Array, Cayley, Local, Program
from metrigen.ir.queries import known


def hoist(program: Program, state: Sequence[str]) -> tuple[Program, Program]:
    """(prologue, body): the prologue's outputs are inputs of the body and constant over the steps. The body takes
    every array of ``state``, and of the other inputs those that it reads."""
    kinds = program.kinds()
    early = tuple(s for s in known(program, "hoist") if isinstance(s, (Local, Cayley)))
    late = tuple(s for s in program.body if not isinstance(s, (Local, Cayley)))
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
    return prologue, Program(program.name, inputs, late, program.outputs, program.periodic)
