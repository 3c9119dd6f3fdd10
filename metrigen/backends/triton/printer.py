"""Programs as Triton: one kernel per ``Map``, launched in program order with torch for the channel maps between.

A kernel program owns a block of sites of one (sample, channel) plane. Neighbours are loaded from memory with the
sizes of the lattice as compile-time constants; a sum over sites leaves one partial per program and is finished by
torch, so gradients are the same bits at every run.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import sympy as sp

from metrigen.backends.torch.printer import statement_line
from metrigen.backends.triton.dialect import TRITON
from metrigen.backends.triton.evolution import Kernel
from metrigen.backends.triton.plane import coordinates, inlined, moved, site_index
from metrigen.backends.triton.units import unit_kernel
from metrigen.ir.nodes import (
    ChannelMatmul,
    Inside,
    Kind,
    Load,
    Map,
    Offset,
    Outer,
    Outside,
    Program,
    Statement,
    Units,
    offset_text,
)
from metrigen.passes.prune import prune


@dataclass(frozen=True)
class Driver:
    """The sequence of launches of one program.

    on_request   whether some of what it makes is
    components   of a readout: arrays that lie one after the other in one tensor, which it makes or is given
    """

    name: str
    args: tuple[str, ...]
    lines: tuple[str, ...]
    results: tuple[str, ...]
    on_request: bool = False
    components: tuple[str, ...] = ()


def print_kernels(
    program: Program,
    rank: int,
    name: str | None = None,
    on_request: tuple[str, ...] = (),
    components: tuple[str, ...] = (),
) -> tuple[tuple[Kernel, ...], Driver]:
    """The kernels of a program and the function that launches them; ``on_request`` are outputs that are made where they
    are asked for, with all that nothing else needs; ``components`` lie in one tensor (``joinable``)."""
    name = name or program.name
    kinds = program.kinds()
    kernels: list[Kernel] = []
    site = next((a.name for a in program.inputs if a.kind is Kind.SITE), "")
    lines = _opened(program, site, components)
    always = prune(replace(program, outputs=tuple(n for n in program.outputs if n not in on_request)))
    spare = {n for s in program for n, _ in s.defines} - {n for s in always for n, _ in s.defines}
    for statement in program.body:
        if isinstance(statement, Units):
            kernel, launch = unit_kernel(statement, f"{name}_{len(kernels)}", site)
            kernels.append(kernel)
            lines.extend(launch)
            continue
        if not isinstance(statement, Map):
            lines.extend(_between(statement, name))
            continue
        statement = inlined(statement)
        kernel = _kernel(statement, f"{name}_{len(kernels)}", kinds, rank, program.periodic, spare, components)
        kernels.append(kernel)
        lines.extend(_launch(kernel, statement, site, components))
    args = tuple(a.name for a in program.inputs if a.name not in components)
    return tuple(kernels), Driver(
        name, args, tuple(lines), tuple(program.outputs), any(kernel.on_request for kernel in kernels), components
    )


def _between(statement: Statement, program: str) -> list[str]:
    """A statement between two kernels: products with channel matrices in kernels of their own, the rest in torch."""
    block = "TOGETHER__" if program.startswith("step") else "None"
    if isinstance(statement, ChannelMatmul):
        turned = ", transposed=True" if statement.transpose else ""
        return [f"{statement.out} = _coupled({statement.matrix}, {statement.src}, {block}{turned})"]
    if isinstance(statement, Outer):
        return [f"{statement.out} = _outer({statement.left}, {statement.right}, {block})"]
    return statement_line(statement)


def _opened(program: Program, site: str, components: Sequence[str]) -> list[str]:
    """The places of the components in the tensor that holds them: a new one, or the cotangent ``grad`` of it."""
    if not components:
        return []
    count, makes = len(components), components == tuple(program.outputs)
    made = [f"whole__ = _whole({site}, {count})"] if makes else []
    places = ", ".join(components) + ("," if count == 1 else "")
    return [*made, f"{places} = _components({'whole__' if makes else 'grad.contiguous()'}, {count})"]


def joinable(program: Program, components: Sequence[str]) -> bool:
    """Whether kernels alone read and write the components, each of them once, so that they may lie in one tensor."""
    beside = {name for s in program.body if not isinstance(s, Map) for name in (*s.reads, *(n for n, _ in s.defines))}
    stored = [out for s in program.body if isinstance(s, Map) for out, _ in s.stores]
    given = {a.name for a in program.inputs if a.kind is Kind.SITE}
    return (
        len(set(components)) == len(components)
        and not beside & set(components)
        and all((name in given) != (stored.count(name) == 1) for name in components)
    )


def _kernel(
    statement: Map,
    name: str,
    kinds: dict[str, Kind],
    rank: int,
    periodic: bool,
    spare: Collection[str],
    components: Sequence[str],
) -> Kernel:
    atoms = sorted({a for e in statement.expressions for a in e.free_symbols}, key=lambda a: a.name)
    own = {symbol for symbol, _ in statement.lets}
    found = [a for a in atoms if isinstance(a, Load)]
    by_kind = {
        kind: tuple(
            a.name for a in atoms if not isinstance(a, (Load, Inside)) and a not in own and kinds[a.name] is kind
        )
        for kind in (Kind.CHANNEL, Kind.SCALAR)
    }
    first = dict.fromkeys(components, "whole__")
    lines = _addressing({a.offset for a in atoms if isinstance(a, (Load, Inside))}, rank, periodic)
    if first.keys() & {*(load.array for load in found), *(out for out, _ in statement.stores)}:
        lines.insert(0, f"whole__ = base__ + plane__ // C__ * {len(components) - 1} * C__ * N__")
    lines += [f"{c} = tl.load({c}_ptr + channel__).to(ACC)" for c in by_kind[Kind.CHANNEL]]
    lines += [f"{s} = tl.load({s}_ptr).to(ACC)" for s in by_kind[Kind.SCALAR]]
    for load in found:
        at = _suffix(load.offset)
        place = f"{load.array}_ptr + {first.get(load.array, 'base__')} + at{at}"
        lines.append(f"{load.name} = tl.load({place}, mask=ok{at}, other=0.0).to(ACC)")
    for a in atoms:
        if isinstance(a, Inside):
            complement = "1.0 - " if isinstance(a, Outside) else ""
            lines.append(f"{a.name} = {complement}ok{_suffix(a.offset)}.to(ACC)")
    lines += [f"{s.name} = {TRITON.print(e)}" for s, e in statement.lets]
    for out, expr in statement.stores:
        place = f"{out}_ptr + {first.get(out, 'base__')} + at__"
        stored = f"tl.store({place}, {_value(expr)}.to({out}_ptr.dtype.element_ty), mask=ok__)"
        lines += asked(stored, out in spare)
    for out, _, expr in statement.sums:
        added = f"tl.store({out}_ptr + partial__, tl.sum(tl.where(ok__, {_tile(expr)}, 0.0), axis=0))"
        lines += asked(added, out in spare)
    return Kernel(
        name,
        tuple(sorted({load.array for load in found})),
        by_kind[Kind.CHANNEL],
        by_kind[Kind.SCALAR],
        tuple(n for n, _ in statement.stores),
        tuple(n for n, _, _ in statement.sums),
        tuple(lines),
        any(n in spare for n, _ in statement.defines),
    )


def asked(line: str, on_request: bool) -> list[str]:
    """A line, which is left out of the compiled kernel where nobody asks for what it makes."""
    return ["if VARIED__:", f"    {line}"] if on_request else [line]


def _tile(expr: sp.Expr) -> str:
    text = TRITON.print(expr)
    return text if expr.free_symbols else f"tl.full([BLOCK], {text}, ACC)"


def _value(expr: sp.Expr) -> str:
    """A tile that a method can be called of."""
    return _tile(expr) if expr.is_Symbol or not expr.free_symbols else f"({_tile(expr)})"


def _suffix(offset: Offset) -> str:
    """What the address and the mask of a site end with; no array has such a name at any offset."""
    return f"__site_{offset_text(offset)}" if any(offset) else "__"


def _addressing(offsets: set[Offset], rank: int, periodic: bool) -> list[str]:
    """Addresses and masks of the sites n + s: ``at__site_s``, ``ok__site_s``."""
    lines: list[str] = []
    for offset in sorted(o for o in offsets if any(o)):
        masks = ["ok__"]
        for axis, step in enumerate(offset):
            if step and not periodic:
                index = moved(axis, step, False)
                masks.append(f"({index} >= 0) & ({index} < N{axis}__)")
        at = _suffix(offset)
        lines.append(f"at{at} = {site_index(offset, periodic)}")
        lines.append(f"ok{at} = {' & '.join(masks)}")
    return [*coordinates(rank, lines), *lines]


def _launch(kernel: Kernel, statement: Map, site: str, components: Sequence[str]) -> list[str]:
    lines = [f"{out} = _new({site})" for out in kernel.stores if out not in components]
    lines += [f"{out}__parts = partials({site})" for out in kernel.sums]
    args = ", ".join(
        (*kernel.sites, *kernel.channels, *kernel.scalars, *kernel.stores, *(f"{out}__parts" for out in kernel.sums))
    )
    constants = ", VARIED__=varied" if kernel.on_request else ""
    lines.append(f"launch({kernel.name}_kernel, {site}, {args}{constants})")
    for out, kind, _ in statement.sums:
        lines.append(f"{out} = {out}__parts.sum({'dim=(0, 2)' if kind is Kind.CHANNEL else ''})")
    return lines
