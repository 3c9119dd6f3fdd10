"""Use what is known of channel maps: K^T = +-K where declared, K (c x) = c (K x) for a number c, and each product once.

Invariant: the value of every output.
"""

from __future__ import annotations

from dataclasses import replace

import sympy as sp

from metrigen.ir.nodes import ChannelMatmul, ChannelSum, Load, Map, Program, Statement
from metrigen.ir.queries import known
from metrigen.passes.prune import prune
from metrigen.passes.tidy import tidy


def merge_channel_maps(program: Program) -> Program:
    """Apply symmetry, pull numbers out and share equal channel maps."""
    merger = _Merger(program)
    for statement in known(program, "merge_channel_maps"):
        merger.write(statement)
    return prune(replace(program, body=tuple(merger.body)))


class _Merger:
    """The statements written so far. The name of a channel map in the program is one thing, and what is stored under it
    another, once a number has been pulled out: ``value`` says what a name stands for, (number, what is stored), and
    every statement is written in terms of what is stored."""

    def __init__(self, program: Program) -> None:
        self.symmetry = {array.name: array.symmetry for array in program.inputs}
        self.outputs, self.taken = set(program.outputs), set(program.kinds())
        self.rank = next((len(load.offset) for s in program for e in s.expressions for load in e.atoms(Load)), 0)
        self.value: dict[str, tuple[sp.Expr, str]] = {}
        self.multiple: dict[str, tuple[sp.Expr, str]] = {}  # what is a number times an array, as it is stored
        self.seen: dict[tuple[str, str, bool], str] = {}
        self.scaled: dict[str, str] = {}
        self.body: list[Statement] = []

    def write(self, statement: Statement) -> None:
        if isinstance(statement, Map):
            self._map(statement)
        elif isinstance(statement, (ChannelMatmul, ChannelSum)) and statement.out not in self.outputs:
            self._channel_map(statement)
        else:
            self.body.append(statement.with_reads(self._stored))

    def _map(self, statement: Map) -> None:
        found = {load for e in statement.expressions for load in e.atoms(Load) if load.array in self.value}
        swap = {load: self.value[load.array][0] * load.renamed(self.value[load.array][1]) for load in found}
        if swap:
            statement = statement.with_expressions(lambda e: e.xreplace(swap))
            statement = replace(statement, stores=tuple((n, tidy(e)) for n, e in statement.stores))
        for name, expr in statement.stores:
            number, load = expr.as_coeff_Mul()
            if isinstance(load, Load) and not any(load.offset):
                self.multiple[name] = (number, load.array)
        self.body.append(statement)

    def _channel_map(self, statement: ChannelMatmul | ChannelSum) -> None:
        src = statement.src
        number, source = self.multiple[src] if src in self.multiple else (sp.S.One, self._stored(src))
        matrix, transposed = (
            (statement.matrix, statement.transpose) if isinstance(statement, ChannelMatmul) else ("", False)
        )
        if transposed and self.symmetry.get(matrix):
            number, transposed = number * self.symmetry[matrix], False
        stored = self.seen.setdefault((matrix, source, transposed), statement.out)
        if number != 1 or stored != statement.out:
            self.value[statement.out] = (number, stored)
        if stored == statement.out:
            made = (
                ChannelMatmul(stored, matrix, source, transposed)
                if isinstance(statement, ChannelMatmul)
                else ChannelSum(stored, source)
            )
            self.body.append(made)

    def _stored(self, name: str) -> str:
        """The array that a name stands for, for those who read the whole of it: written here, once."""
        if name not in self.value:
            return name
        number, stored = self.value[name]
        if number == 1:
            return stored
        if name not in self.scaled:
            scaled = f"{name}__scaled"
            while scaled in self.taken:
                scaled += "__scaled"
            self.scaled[name] = scaled
            self.taken.add(scaled)
            self.body.append(Map(stores=((scaled, number * Load(stored, (0,) * self.rank)),)))
        return self.scaled[name]
