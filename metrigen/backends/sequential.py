"""A token of coupled channels: what is pointwise before the rotations, the rotations, what is after them.

A rotation needs a whole block of channels: values that one part makes and another reads are held in rows, one a name,
with a place for every channel of a tile.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from metrigen.ir.nodes import Accumulate, ChannelMatmul, Load, Map, Outer, Program
from metrigen.ir.queries import summed_into
from metrigen.ir.statement import unknown


@dataclass(frozen=True)
class Rotated:
    """Row ``dst`` = rotation ``matrix`` (or its transpose) of row ``src``."""

    src: int
    dst: int
    matrix: str


@dataclass(frozen=True)
class Product:
    """Sum over the tokens of row ``left`` times row ``right`` within a block: the cotangent of ``matrix``."""

    left: int
    right: int
    matrix: str


@dataclass(frozen=True)
class SequentialScan:
    """A program of one token, cut at its rotations. ``held`` are the names of the rows; ``early`` those outputs of the
    program that the head makes."""

    head: Program
    tail: Program
    rotated: tuple[Rotated, ...]
    products: tuple[Product, ...]
    held: tuple[str, ...]
    early: Mapping[str, int]


def sequential_scan(program: Program) -> SequentialScan:
    """The parts of ``program``, in which no rotation reads what another one made."""
    late: set[str] = set()
    before: list[Map] = []
    after: list[Map] = []
    whole: list[ChannelMatmul | Outer] = []
    for statement in program.body:
        if isinstance(statement, Map):
            part = after if late.intersection(statement.reads) else before
            part.append(statement)
            if part is after:
                late.update(name for name, _ in statement.defines)
        elif isinstance(statement, (ChannelMatmul, Outer)):
            if late.intersection(statement.reads):
                raise AssertionError("a rotation of what a rotation made is no token of a scan")
            whole.append(statement)
            late.update((statement.out,) if isinstance(statement, ChannelMatmul) else ())
        elif not isinstance(statement, Accumulate):
            raise unknown(statement, "a token of coupled channels")
    owner = summed_into(program)
    made = {name for s in before for name, _ in s.defines}
    sources = [n for s in whole for n in ((s.src,) if isinstance(s, ChannelMatmul) else (s.left, s.right))]
    read = {n for s in after for n in s.reads}
    copies = {n: f"{n}__row" for n in dict.fromkeys(sources) if n not in made}
    stored = [name for s in before for name, _ in s.defines
            if name in read or name in sources or name in program.outputs]  # fmt: skip
    mixed = [s.out for s in whole if isinstance(s, ChannelMatmul)]
    held = (*stored, *copies.values(), *mixed)
    row = {name: i for i, name in enumerate(held)} | {n: held.index(copy) for n, copy in copies.items()}
    before += [Map(stores=((copy, Load(n, ())),)) for n, copy in copies.items()]
    return SequentialScan(
        head=_part(program, "head", before, (*stored, *copies.values())),
        tail=_part(program, "tail", after, tuple(n for n in program.outputs if n in late)),
        rotated=tuple(Rotated(row[s.src], row[s.out], s.matrix) for s in whole if isinstance(s, ChannelMatmul)),
        products=tuple(Product(row[s.left], row[s.right], owner[s.out]) for s in whole if isinstance(s, Outer)),
        held=held,
        early={n: row[n] for n in program.outputs if n in stored},
    )


def _part(program: Program, name: str, body: list[Map], outputs: tuple[str, ...]) -> Program:
    """The statements as a program of its own; it reads arrays of the whole, or rows."""
    own = {n for s in body for n, _ in s.defines}
    read = [n for n in dict.fromkeys(n for s in body for n in s.reads) if n not in own]
    kinds = {a.name: a for a in program.inputs}
    like = program.inputs[0]
    inputs = tuple(kinds.get(n, replace(like, name=n)) for n in read)
    return Program(f"{program.name}_{name}", inputs, tuple(body), outputs)
