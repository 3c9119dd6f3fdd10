"""Add up what one kernel sums into one parameter, so that it is one sum there. Invariant: the value of every output."""

from __future__ import annotations

from dataclasses import replace

import sympy as sp

from metrigen.ir.nodes import Accumulate, Kind, Map, Program, Statement


def gather_sums(program: Program) -> Program:
    """Sums of a ``Map`` that one ``Accumulate`` alone reads become the first of them."""
    owner = _owners(program)
    kept: dict[str, str] = {}
    body: list[Statement] = []
    for statement in program.body:
        if isinstance(statement, Map) and statement.sums:
            statement = _gather(statement, owner, kept)
        elif isinstance(statement, Accumulate):
            terms = tuple(dict.fromkeys(kept.get(term, term) for term in statement.terms))
            statement = replace(statement, terms=terms)
        body.append(statement)
    return replace(program, body=tuple(body))


def _owners(program: Program) -> dict[str, str]:
    """Sum -> the one Accumulate that reads it; sums with any other reader are left out."""
    readers: dict[str, list[str]] = {}
    for statement in program.body:
        out = statement.out if isinstance(statement, Accumulate) else ""
        for name in statement.terms if isinstance(statement, Accumulate) else statement.reads:
            readers.setdefault(name, []).append(out)
    return {n: r[0] for n, r in readers.items() if len(r) == 1 and r[0] and n not in program.outputs}


def _gather(statement: Map, owner: dict[str, str], kept: dict[str, str]) -> Map:
    sums: dict[str, tuple[Kind, sp.Expr]] = {}
    first: dict[str, str] = {}
    for name, kind, expr in statement.sums:
        to = first.setdefault(owner[name], name) if name in owner else name
        kept[name] = to
        sums[to] = (kind, sums[to][1] + expr if to in sums else expr)
    return replace(statement, sums=tuple((name, kind, expr) for name, (kind, expr) in sums.items()))
