"""Give intermediates the name of the quantity they are: ``phi_1`` for the first new phi, ``dV_dphi``, ``decay``.

Builders make unique names ``stem__anything``; the stem says what it is. Invariant: a renaming, nothing else.
"""

from __future__ import annotations

from dataclasses import replace

import sympy as sp

from metrigen.ir.nodes import Map, Program, stem
from metrigen.ir.queries import learned_in
from metrigen.passes.prune import prune_lets


def name_quantities(program: Program) -> Program:
    """Rename what the body defines and does not output: its stem, numbered where the stem is taken."""
    taken = {array.name for array in program.inputs} | set(program.outputs)
    taken |= {head.name for head in learned_in(program)}
    names: dict[str, str] = {}
    for statement in program.body:
        for name, _ in statement.defines:
            if "__" not in name or name in program.outputs:
                continue
            what = stem(name)
            free = next(n for n in (what, *(f"{what}_{k}" for k in range(1, len(taken) + 2))) if n not in taken)
            names[name] = free
            taken.add(free)
    return replace(program, body=tuple(statement.renamed(names) for statement in program.body))


def name_stores(program: Program) -> Program:
    """A value that is stored bears the name it is stored under; another value's name, or a number, needs none, and
    what no store or sum reads any more is dropped."""
    return replace(program, body=tuple(_name_stores(s) if isinstance(s, Map) else s for s in program.body))


def _name_stores(statement: Map) -> Map:
    lets = dict(statement.lets)
    swap: dict[sp.Symbol, sp.Symbol] = {}
    for symbol, expr in statement.lets:
        value = expr.xreplace(swap)
        if value.is_Symbol or value.is_number:
            swap[symbol] = value
            del lets[symbol]
    for name, expr in statement.stores:
        value = expr.xreplace(swap)
        if value in lets:
            swap[value] = sp.Symbol(name, real=True)
    for symbol in list(swap):
        swap[symbol] = swap.get(swap[symbol], swap[symbol])
    renamed_lets = tuple((swap.get(s, s), e) for s, e in lets.items())
    found = replace(statement, lets=renamed_lets).with_expressions(lambda e: e.xreplace(swap))
    return prune_lets(found)  # what was multiplied by a zero
