"""Sums over the units of a network as Triton: a loop over the rows of the weights of a channel.

What is summed into the weights is one number a program, unit and column, in memory that the program alone writes: torch
adds the programs up, so gradients are the same bits at every run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import sympy as sp

from metrigen.backends.triton.dialect import TRITON
from metrigen.backends.triton.evolution import Kernel
from metrigen.backends.triton.plane import PlaneFunction
from metrigen.backends.units import unit_pass
from metrigen.ir.nodes import Program, Statement
from metrigen.ir.units import Units
from metrigen.passes.vary import bar


def rows(table: str) -> str:
    """The weights of the channel of a plane."""
    return f"{table}__rows"


def sums_of(name: str) -> str:
    """Where a program sums up what flows into the weights of a table."""
    return f"{name}__sums"


def unit_functions(program: Program, name: str) -> tuple[PlaneFunction, ...]:
    """One function for each statement of a program that sums over units, in order."""
    found = units_in(program)
    return tuple(_function(s, f"_{name}_units_{k}") for k, s in enumerate(found))


def units_in(statements: Iterable[Statement]) -> tuple[Units, ...]:
    return tuple(s for s in statements if isinstance(s, Units))


def _function(statement: Units, name: str) -> PlaneFunction:
    sums = ("ok__", *(sums_of(statement.table) for _ in statement.sums[:1]))
    lines = ["tl.debug_barrier()  # of the sums before this one"] if statement.sums else []
    lines += [f"{out} = tl.zeros([TILE__], ACC)" for out, _ in statement.stores]

    def added(_: str, place: str, value: str) -> str:
        at = f"{sums_of(statement.table)} + {place}"
        return f"tl.store({at}, tl.load({at}) + {value})"

    return PlaneFunction(
        name=name, sites=tuple(load.array for load in statement.loads), insides=(), channels=(),
        scalars=(rows(statement.table), *(sums if statement.sums else ())), index_tiles=(), constants=("TILE__", "ACC"),
        lines=(*lines, *_loop(statement, rows(statement.table), added)),
        results=tuple(out for out, _ in statement.stores),
    )  # fmt: skip


def unit_call(
    statement: Units, function: PlaneFunction, numbers: int, grouped: bool, memory: Mapping[str, str]
) -> list[str]:
    """The lines that call a function: for a plane, or for one plane of a group after the other, whose arrays may lie in
    ``memory``. ``numbers`` of a channel are in the weights."""
    table, results = statement.table, ", ".join(function.results)
    if not grouped:
        return [f"{results} = {function.call()}" if results else function.call()]
    given = [f"_load_plane({memory[n]} + c__ * N__, ok__, ACC)" if n in memory else f"{n}[c__]" for n in function.sites]
    given.append(f"{table}_ptr + (first__ + c__) * {numbers}")
    given += ["ok__", f"{bar(table)}_ptr + (plane__ + c__) * {numbers}"] if statement.sums else []
    call = f"{function.name}({', '.join([*given, *function.constants])})"
    targets = ", ".join(f"{n}__c" for n in function.results)
    return [
        *(f"{n} = ()" for n in function.results),
        "for c__ in tl.static_range(GROUP__):",
        f"    {targets} = {call}" if targets else f"    {call}",
        *(f"    {n} += ({n}__c,)" for n in function.results),
    ]


def unit_kernel(statement: Units, name: str, site: str) -> tuple[Kernel, list[str]]:
    """The kernel of a statement on blocks of sites, and the lines that launch it on the shape of ``site``."""
    size = len(statement.columns)
    whole = statement.count * size
    lines = [
        f"{load.array} = tl.load({load.array}_ptr + base__ + at__, mask=ok__, other=0.0).to(ACC)"
        for load in statement.loads
    ]
    lines += [f"{out} = tl.zeros([BLOCK], ACC)" for out, _ in statement.stores]

    def added(out: str, place: str, value: str) -> str:
        return f"tl.store({out}_ptr + partial__ * {whole} + {place}, {value})"

    lines += _loop(statement, f"{statement.table}_ptr + channel__ * {whole}", added)
    lines += [
        f"tl.store({out}_ptr + base__ + at__, {out}.to({out}_ptr.dtype.element_ty), mask=ok__)"
        for out, _ in statement.stores
    ]
    sites = tuple(load.array for load in statement.loads)
    outs, sums = tuple(n for n, _ in statement.stores), tuple(n for n, _ in statement.sums)
    launch = [f"{out} = _new({site})" for out in outs]
    shape = f"(*partials({site}).shape, {statement.count}, {size})"
    launch += [f"{out}__parts = partials({site}).new_zeros({shape})" for out in sums]
    args = ", ".join((*sites, statement.table, *outs, *(f"{out}__parts" for out in sums)))
    launch += [f"launch({name}_kernel, {site}, {args})"]
    launch += [f"{out} = {out}__parts.sum((0, 2))" for out in sums]
    return Kernel(name, sites, (statement.table,), (), outs, sums, tuple(lines)), launch


def _loop(statement: Units, first: str, added: Callable[[str, str, str], str]) -> list[str]:
    """The loop over the units, whose rows begin at ``first``; ``added`` writes what is summed into a number."""
    size = len(statement.columns)
    at: dict[sp.Basic, sp.Basic] = {load: sp.Symbol(load.array, real=True) for load in statement.loads}
    one = unit_pass(statement, at)
    lines = [f"for k__ in range({statement.count}):"]
    lines += [
        f"    {symbol.name} = tl.load({first} + k__ * {size} + {place}).to(ACC)" for symbol, place in statement.columns
    ]
    lines += [f"    {symbol.name} = {TRITON.print(e)}" for symbol, e in one.lets]
    lines += [f"    {out} += {TRITON.print(e)}" for out, e in one.stores]
    for out, numbers in one.sums:
        for i, e in enumerate(numbers):
            value = f"tl.sum(tl.where(ok__, {TRITON.print(e)}, 0.0), axis=0)"
            lines.append(f"    {added(out, f'k__ * {size} + {i}', value)}")
    return lines
