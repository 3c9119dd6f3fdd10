"""What ``kernels.py`` of a package with coupled channels has of its own, around
``metrigen.backends.triton.sequential``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from metrigen.backends.sequential import sequential_scan
from metrigen.backends.triton.scan import BACKWARD_AT_ONCE, TOKENS_AT_ONCE, Pointwise, print_pointwise
from metrigen.backends.triton.sequential import Names, multiple, power_of_two, sequential_loops
from metrigen.integrators.scan import Scan


def sequential_text(scan: Scan) -> tuple[list[Pointwise], dict[str, Any]]:
    """The pointwise parts of a token, and what the template reads."""
    step, adjoint = sequential_scan(scan.step), sequential_scan(scan.step_adjoint)
    numbers = tuple(n for n in scan.reads(scan.step) if n not in scan.rotations)
    names = Names(scan.fields, scan.tokens, numbers, scan.block_of)
    flowed = scan.step_adjoint.outputs[: len(scan.fields) + len(scan.tokens) + len(numbers)]
    parts = [print_pointwise(p) for sequential in (step, adjoint) for p in (sequential.head, sequential.tail)]
    return parts, {
        "loops": sequential_loops(names, step, adjoint, scan.step.outputs, flowed),
        "rotations": len(scan.rotations),
        "multiple": multiple(scan.blocks),
        "rows": sum(map(power_of_two, scan.blocks)),
        "at_once": TOKENS_AT_ONCE,
        "backward_at_once": BACKWARD_AT_ONCE,
        "load_step": block(load_numbers(numbers)),
        "load_tables": block(_tables(scan.block_of)),
        "load_start": block(
            f"{u}__x = tl.load({u}__start_ptr + sample__ * C__ + channel__, mask=ok__, other=0.0).to(ACC)"
            for u in scan.fields
        ),
        "zero_start": block(f"{u}__x = tl.zeros([BLOCK], ACC)" for u in scan.fields),
        "zero_sums": block([
            *(f"{n}__sum = tl.zeros([BLOCK], ACC)" for n in numbers),
            *(f"{r}__sum = tl.zeros([{power_of_two(size)}, BLOCK], ACC)" for r, size in scan.block_of.items()),
        ]),
        "store_sums": block(_sums(scan, numbers)),
    }  # fmt: skip


def load_numbers(names: Sequence[str]) -> list[str]:
    """Coefficients of one number a channel."""
    return [f"{n} = tl.load({n}_ptr + channel__, mask=ok__, other=1.0).to(ACC)" for n in names]


def block(lines: Iterable[str]) -> str:
    """Lines of the body of a kernel."""
    return "\n".join(f"    {line}" for line in lines)


def _tables(blocks: Mapping[str, int]) -> list[str]:
    """The rotations, and where the channels of a block are."""
    lines = []
    for size in sorted(set(blocks.values())):
        rows = power_of_two(size)
        lines += [
            f"row{size}__ = tl.arange(0, {rows})[:, None]",
            f"in{size}__ = (row{size}__ < {size}) & ok__[None, :]",
            f"neighbour{size}__ = _neighbour(lane__, {size}, {rows}, BLOCK)",
        ]
    for r, size in blocks.items():
        at = f"{r}_ptr + row{size}__ * C__ + channel__[None, :]"
        lines.append(f"{r}__table = tl.load({at}, mask=in{size}__, other=0.0).to(ACC)")
    return lines


def _sums(scan: Scan, numbers: tuple[str, ...]) -> list[str]:
    """What a program leaves behind: the cotangents of the start, and its share of those of the coefficients."""
    at = "sample__ * C__ + channel__"
    lines = []
    for n in scan.channelwise:
        value = f"{n}__sum" if n in numbers else "tl.zeros([BLOCK], ACC)"
        lines.append(f"tl.store({n}__sum_ptr + {at}, {value}, mask=ok__)")
    for r, size in scan.block_of.items():
        place = f"(sample__ * {size} + row{size}__) * C__ + channel__[None, :]"
        lines.append(f"tl.store({r}__sum_ptr + {place}, {r}__sum, mask=in{size}__)")
    for u in scan.fields:
        lines.append(f"tl.store({u}__begin_ptr + {at}, {u}__x.to({u}_ptr.dtype.element_ty), mask=ok__)")
    return lines
