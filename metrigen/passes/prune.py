"""Drop what no output needs. Invariant: the outputs keep their values."""

from __future__ import annotations

from dataclasses import replace

from metrigen.ir.nodes import Map, Program, Statement


def prune(program: Program) -> Program:
    """Remove statements, stores and sums that no output depends on, and inputs that nothing reads."""
    needed = set(program.outputs)
    kept: list[Statement] = []
    for statement in reversed(program.body):
        if isinstance(statement, Map):
            statement = replace(
                statement,
                stores=tuple(s for s in statement.stores if s[0] in needed),
                sums=tuple(s for s in statement.sums if s[0] in needed),
            )
            statement = _prune_lets(statement)
        if not needed.intersection(name for name, _ in statement.defines):
            continue
        kept.append(statement)
        needed.update(statement.reads)
    inputs = tuple(array for array in program.inputs if array.name in needed)
    return replace(program, inputs=inputs, body=tuple(reversed(kept)))


def _prune_lets(statement: Map) -> Map:
    used = {s for e in (*(e for _, e in statement.stores), *(e for _, _, e in statement.sums)) for s in e.free_symbols}
    lets = []
    for symbol, expr in reversed(statement.lets):
        if symbol in used:
            lets.append((symbol, expr))
            used |= expr.free_symbols
    return replace(statement, lets=tuple(reversed(lets)))
