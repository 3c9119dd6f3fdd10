"""Merge pointwise statements into kernels.

A ``Map`` joins an earlier one when everything it reads is ready there and what it reads from that very one is read at
the site itself: a value at a neighbour must have been stored first. Invariant: the outputs keep their values.
"""

from __future__ import annotations

from dataclasses import replace

import sympy as sp

from metrigen.ir.nodes import Kind, Load, Map, Program, Statement
from metrigen.passes.prune import prune


def fuse(program: Program) -> Program:
    """Greedy fusion in program order; each ``Map`` goes into the earliest kernel that can take it."""
    groups: list[Statement] = []
    home: dict[str, int] = {}
    for statement in program.body:
        at = _place(statement, groups, home) if isinstance(statement, Map) else None
        if isinstance(statement, Map) and at is not None:
            groups[at] = _merge(groups[at], statement)
        else:
            groups.append(statement)
            at = len(groups) - 1
        home.update((name, at) for name, _ in statement.defines)
    body = _drop_private(program, groups)
    return prune(replace(program, body=tuple(body)))


def _place(statement: Map, groups: list[Statement], home: dict[str, int]) -> int | None:
    earliest = 0
    neighbours = _read_at_neighbours(statement)
    for name in statement.reads:
        at = home.get(name)
        if at is None:
            continue
        ready = at + 1 if name in neighbours or not isinstance(groups[at], Map) else at
        maker = groups[at]
        if isinstance(maker, Map) and any(name == s for s, _, _ in maker.sums):
            ready = at + 1
        earliest = max(earliest, ready)
    return next((i for i in range(earliest, len(groups)) if _over(groups[i]) is statement.over), None)


def _over(group: Statement) -> Kind | None:
    return group.over if isinstance(group, Map) else None


def _read_at_neighbours(statement: Map) -> set[str]:
    atoms = (load for e in statement.expressions for load in e.atoms(Load))
    return {load.array for load in atoms if any(load.offset)}


def _merge(first: Statement, second: Map) -> Map:
    """``first`` then ``second`` at the same site; stores of the first become values the second reads directly."""
    assert isinstance(first, Map)
    second = _apart(first, second)
    lets = dict(first.lets)
    stores = dict(first.stores)
    swap: dict[sp.Symbol, sp.Symbol] = {}
    for load in sorted(
        {x for e in second.expressions for x in e.atoms(Load) if x.array in stores}, key=lambda x: x.name
    ):
        value = sp.Symbol(f"{load.array}__v", real=True)
        if value not in lets:
            lets[value] = stores[load.array]
            stores[load.array] = value
        swap[load] = value
    second = second.with_expressions(lambda e: e.xreplace(swap))
    return Map(
        (*stores.items(), *second.stores), (*first.sums, *second.sums), (*lets.items(), *second.lets), first.over
    )


def _apart(first: Map, second: Map) -> Map:
    """The second statement with names for its values that the first one has not given to others."""
    taken = dict(first.lets)
    names = {s.name for s, _ in (*first.lets, *second.lets)}
    table: dict[sp.Symbol, sp.Symbol] = {}
    lets: list[tuple[sp.Symbol, sp.Expr]] = []
    for symbol, expr in second.lets:
        expr = expr.xreplace(table)
        if symbol not in taken:
            lets.append((symbol, expr))
        elif taken[symbol] != expr:
            count = 1
            while f"{symbol.name}_{count}" in names:
                count += 1
            table[symbol] = sp.Symbol(f"{symbol.name}_{count}", real=True)
            names.add(table[symbol].name)
            lets.append((table[symbol], expr))
    if not table and len(lets) == len(second.lets):
        return second
    return replace(second, lets=tuple(lets)).with_expressions(lambda e: e.xreplace(table))


def _drop_private(program: Program, groups: list[Statement]) -> list[Statement]:
    """Stores that only their own kernel reads need no memory."""
    read = set(program.outputs).union(*(statement.reads for statement in groups))
    out: list[Statement] = []
    for statement in groups:
        if isinstance(statement, Map):
            statement = replace(statement, stores=tuple(s for s in statement.stores if s[0] in read))
        out.append(statement)
    return out
