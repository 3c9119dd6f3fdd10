"""The loops over the tokens of coupled channels in Triton: a token after the other, whole blocks of channels at a time.

A lane holds a channel. Numbers of a rotation lie in a tile of a row for every place in a block and a column for every
lane, and so do the values of the channels of a lane's block, which one gather fetches:

    (R x)_c = sum_j table_jc x[j-th channel in the block of c]
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from metrigen.backends.sequential import SequentialScan
from metrigen.backends.triton.scan import (
    BACKWARD_AT_ONCE,
    TOKENS_AT_ONCE,
    load_back,
    load_tokens,
    place_token,
    store_states,
)
from metrigen.passes.vary import bar

# Numbers of all rotations of a program: they stay in registers, and so do as many sums backward.
LARGEST_TILES = 1 << 13


def power_of_two(n: int) -> int:
    """The least power of two that is not below n."""
    return 1 << (n - 1).bit_length()


def multiple(blocks: Sequence[int]) -> int:
    """Channels of whole blocks of every rotation."""
    return math.lcm(*blocks)


def fits(blocks: Sequence[int]) -> bool:
    """Whether a program can hold rotations with so many channels in a block."""
    return sum(map(power_of_two, blocks)) * power_of_two(multiple(blocks)) <= LARGEST_TILES


@dataclass(frozen=True)
class SequentialLoops:
    """Lines that take a few tokens at once, forward and backward. A scan is as fast as its longest chain, and a round
    of tokens is loaded while the one before it is taken.

    first, adjoint_first    loads of the round at ``t__``
    scan, adjoint           the body of a loop: the round that is loaded, and loads of the next one
    """

    first: tuple[str, ...]
    scan: tuple[str, ...]
    adjoint_first: tuple[str, ...]
    adjoint: tuple[str, ...]


@dataclass(frozen=True)
class Names:
    """What the lines of a token call things: ``blocks`` rotation -> channels that it couples."""

    fields: tuple[str, ...]
    tokens: tuple[str, ...]
    numbers: tuple[str, ...]
    blocks: Mapping[str, int]


def sequential_loops(
    names: Names, step: SequentialScan, adjoint: SequentialScan, results: Sequence[str], flowed: Sequence[str]
) -> SequentialLoops:
    """``names.numbers``: coefficients of one number a channel that the step reads; ``results`` and ``flowed``: outputs
    of the step and of its adjoint, those of the rotations left out."""
    first: list[str] = []
    for k in range(TOKENS_AT_ONCE):
        load_tokens(first, names.tokens, k, 1)
    back: list[str] = []
    for k in range(BACKWARD_AT_ONCE):
        load_back(back, names.fields, names.tokens, k)
    return SequentialLoops(
        tuple(first), _scan(names, step, results, first), tuple(back), _adjoint(names, adjoint, results, flowed, back)
    )


def _scan(names: Names, sequential: SequentialScan, results: Sequence[str], loads: Sequence[str]) -> tuple[str, ...]:
    lines = _ahead(names.tokens, TOKENS_AT_ONCE, 1, loads)
    for k in range(TOKENS_AT_ONCE):
        places = _sources(names, k) | {u: f"{u}__x" for u in names.fields}
        made = _token(lines, names, sequential, "step", places)
        lines += [f"{u}__x = {made[n]}" for u, n in zip(names.fields, results, strict=True)]
        store_states(lines, names.fields, k)
    return tuple(lines)


def _adjoint(
    names: Names, sequential: SequentialScan, results: Sequence[str], flowed: Sequence[str], loads: Sequence[str]
) -> tuple[str, ...]:
    read = (*names.tokens, *names.fields, *(f"{u}__out" for u in names.fields))
    lines = _ahead(read, BACKWARD_AT_ONCE, -1, loads)
    n, m = len(names.fields), len(names.tokens)
    for k in range(BACKWARD_AT_ONCE):
        lines += [f"{u}__g = {u}__x + {u}__out__{k}__now" for u in names.fields]
        places = _sources(names, k) | {u: f"{u}__{k}__now" for u in names.fields}
        places |= {bar(out): f"{u}__g" for u, out in zip(names.fields, results, strict=True)}
        made = _token(lines, names, sequential, "step_adjoint", places)
        lines += [f"{u}__x = {made[name]}" for u, name in zip(names.fields, flowed[:n], strict=True)]
        lines += [
            f"tl.store({token}__bar_ptr + at{k}__, {made[name]}.to({token}_ptr.dtype.element_ty), mask=ok{k}__)"
            for token, name in zip(names.tokens, flowed[n : n + m], strict=True)
        ]
        lines += [f"{c}__sum += {made[name]}" for c, name in zip(names.numbers, flowed[n + m :], strict=True)]
    return tuple(lines)


def _ahead(read: Sequence[str], count: int, step: int, loads: Sequence[str]) -> list[str]:
    """What is read at the tokens of this round gets its name, that of the next round is on its way."""
    lines = [f"{n}__{k}__now = {n}__{k}" for k in range(count) for n in read]
    lines += [f"t__ {'+' if step > 0 else '-'}= {count}", *loads, f"t__ {'-' if step > 0 else '+'}= {count}"]
    for k in range(count):
        place_token(lines, k, step)
    return lines


def _sources(names: Names, k: int) -> dict[str, str]:
    """How a token calls what it reads."""
    return {n: f"{n}__{k}__now" for n in names.tokens} | {c: c for c in names.numbers}


def _token(
    lines: list[str], names: Names, sequential: SequentialScan, program: str, places: Mapping[str, str]
) -> dict[str, str]:
    """Lines of one token; what they call the outputs of its program. ``places``: what is read -> what it is called."""
    held = {name: f"{name}__held" for name in sequential.held}
    given = ", ".join(places[a.name] for a in sequential.head.inputs)
    lines.append(f"{', '.join(held[n] for n in sequential.head.outputs)}, = _{program}_head({given})")
    neighbours: dict[tuple[int, int], str] = {}

    def of_block(row: int, size: int) -> str:
        """The tile of a row's channels in the block of every lane."""
        if (row, size) not in neighbours:
            neighbours[row, size] = f"{held[sequential.held[row]]}__of{size}"
            rows = power_of_two(size)
            lines.append(
                f"{neighbours[row, size]} = _of_block({held[sequential.held[row]]}, neighbour{size}__, {rows}, BLOCK)"
            )
        return neighbours[row, size]

    for rotated in sequential.rotated:
        tile = of_block(rotated.src, names.blocks[rotated.matrix])
        lines.append(f"{held[sequential.held[rotated.dst]]} = tl.sum({rotated.matrix}__table * {tile}, axis=0)")
    for product in sequential.products:
        # The transposed sum: what it gathers is what the transposed rotation gathers too.
        tile = of_block(product.left, names.blocks[product.matrix])
        lines.append(f"{product.matrix}__sum += {tile} * {held[sequential.held[product.right]]}[None, :]")
    known = {**places, **held}
    made = {n: f"{n}__made" for n in sequential.tail.outputs}
    given = ", ".join(known[a.name] for a in sequential.tail.inputs)
    lines.append(f"{', '.join(made.values())}, = _{program}_tail({given})")
    return made | {n: held[sequential.held[row]] for n, row in sequential.early.items()}
