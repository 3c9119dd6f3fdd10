"""Drop what no output needs. Invariant: the outputs keep their values."""

from __future__ import annotations

from dataclasses import replace

from metrigen.ir.nodes import Accumulate, Kind, Map, Program, Statement, Units


def prune(program: Program) -> Program:
    """Remove statements, stores and sums that no output depends on; the inputs stay as they are."""
    needed = set(program.outputs)
    kept: list[Statement] = []
    for statement in reversed(program.body):
        if isinstance(statement, Map):
            statement = replace(
                statement,
                stores=tuple(s for s in statement.stores if s[0] in needed),
                sums=tuple(s for s in statement.sums if s[0] in needed),
            )
            statement = prune_lets(statement)
        if isinstance(statement, Units):
            statement = replace(
                statement,
                stores=tuple(s for s in statement.stores if s[0] in needed),
                sums=tuple(s for s in statement.sums if s[0] in needed),
            )
        if not needed.intersection(name for name, _ in statement.defines):
            continue
        kept.append(statement)
        needed.update(statement.reads)
    return replace(program, body=tuple(reversed(kept)))


def prune_lets(statement: Map) -> Map:
    """Only the values that stores and sums need."""
    used = {s for e in (*(e for _, e in statement.stores), *(e for _, _, e in statement.sums)) for s in e.free_symbols}
    lets = []
    for symbol, expr in reversed(statement.lets):
        if symbol in used:
            lets.append((symbol, expr))
            used |= expr.free_symbols
    return replace(statement, lets=tuple(reversed(lets)))


def read_only(program: Program) -> Program:
    """Only the inputs that are read, and the first site array, which gives the shape of the lattice."""
    read = {name for s in program.body for name in s.reads}
    read |= {
        s.out.removesuffix("__bar") for s in program.body if isinstance(s, Accumulate) and not s.terms
    }  # its shape
    first = next(a for a in program.inputs if a.kind is Kind.SITE)
    return replace(program, inputs=tuple(a for a in program.inputs if a.name in read or a == first))
