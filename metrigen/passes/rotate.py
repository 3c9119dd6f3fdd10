"""K steps as one pass a step: rotate the loop so that a step's last and the next one's first kernel meet.

A splitting method begins with a pointwise part (a drift) whose result the next part reads at neighbours. Written as

    step^K = tail . inner^(K-1) . head,      inner = head . tail

the pointwise part of the next step runs in the kernel that ends this one. Invariant: the values after K >= 1 steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import sympy as sp

from metrigen.ir.nodes import Array, Kind, Load, Map, Program, Statement
from metrigen.ir.queries import known
from metrigen.passes.partition import neighbour_reads
from metrigen.passes.prune import prune

AHEAD = "__ahead"


@dataclass(frozen=True)
class Loop:
    """``head``: state -> what is carried; ``inner``: carried -> carried; ``tail``: carried -> state.

    Each program takes its arrays first, then the fixed ones that it reads; ``carried`` are the names inside.
    """

    carried: tuple[Array, ...]
    head: Program
    inner: Program
    tail: Program


def rotate(body: Program, state: Sequence[str]) -> Loop:
    """The loop of ``body``, whose outputs are the next values of ``state`` in this order."""
    body = own_outputs(known(body, "rotate"))
    early = _early(body, set(state), {a.name for a in body.inputs if a.driven})
    rest = tuple(s for s in body.body if s not in early)
    inside = {name for s in rest for name in s.reads}
    made = [name for s in early for name, _ in s.defines]
    carried = tuple(Array(n, Kind.SITE) for n in (*state, *made) if n in inside)
    fixed = tuple(a for a in body.inputs if a.name not in state)
    rank = _rank(body)
    copies = {n: f"{n}__start" for n in state if n in inside}
    copying = tuple(Map(stores=((copy, Load(name, (0,) * rank)),)) for name, copy in copies.items())

    def program(name: str, arrays: tuple[Array, ...], statements: tuple[Statement, ...], outputs: list[str]) -> Program:
        read = {n for s in statements for n in s.reads}
        inputs = (*arrays, *(a for a in fixed if a.name in read))
        return prune(Program(name, inputs, statements, tuple(outputs), body.periodic))

    given = tuple(a for a in body.inputs if a.name in state)
    head = program("head", given, (*early, *copying), [copies.get(a.name, a.name) for a in carried])
    tail = program("tail", carried, rest, list(body.outputs))
    next_of = dict(zip(state, body.outputs, strict=True)) | {n: f"{n}{AHEAD}" for n in made}
    ahead = tuple(s.renamed(next_of) for s in early)
    inner = program("inner", carried, (*rest, *ahead), [next_of[a.name] for a in carried])
    return Loop(carried, head, inner, tail)


def _early(body: Program, state: set[str], driven: set[str]) -> tuple[Statement, ...]:
    """Pointwise statements on the state that make what is read at neighbours; what reads another value at every step
    stays in its own."""
    pointwise: dict[str, Map] = {}
    for s in body.body:
        if not isinstance(s, Map) or s.sums or s.lets or not driven.isdisjoint(s.reads):
            continue
        found = {load for e in s.expressions for load in e.atoms(Load)}
        if all(not any(load.offset) and (load.array in state or load.array in pointwise) for load in found):
            pointwise.update((name, s) for name, _ in s.stores)
    neighbours = neighbour_reads(body.body)
    wanted = [n for n in pointwise if n in neighbours and n not in body.outputs]
    chosen: list[Statement] = []
    while wanted:
        statement = pointwise[wanted.pop()]
        if statement not in chosen:
            chosen.append(statement)
            wanted += [n for n in statement.reads if n in pointwise]
    return tuple(s for s in body.body if s in chosen)


def own_outputs(body: Program) -> Program:
    """Every output is defined in the body, is a name of its own and is read by nobody at a neighbour."""
    shared = {a.name for a in body.inputs} | neighbour_reads(body.body)
    kinds = body.kinds()
    outputs: list[str] = []
    copies: list[Map] = []
    for name in body.outputs:
        if kinds[name] is Kind.SITE and (name in shared or name in outputs):
            copies.append(Map(stores=((f"{name}__copy{len(copies)}", Load(name, (0,) * _rank(body))),)))
            name = copies[-1].stores[0][0]
        outputs.append(name)
    return replace(body, body=(*body.body, *copies), outputs=tuple(outputs))


def _rank(body: Program) -> int:
    atoms = (x for s in body.body for e in s.expressions for x in sp.sympify(e).atoms(Load))
    return next((len(load.offset) for load in atoms), 0)
