"""Sums over the units of a network as C++: a loop over the rows of the weights of a channel, at one vector of sites."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import sympy as sp

from metrigen.backends.cpu.dialect import CPP
from metrigen.backends.units import unit_pass
from metrigen.ir.loads import Load
from metrigen.ir.units import Units


def unit_lines(statement: Units, value: Callable[[Load], str], target: Mapping[str, str]) -> list[str]:
    """The lines of a statement for channel ``c``: every store a value of its own name. ``value`` gives what a load is
    at the vector, ``target`` the sum that a term is added to."""
    count, size = statement.count, len(statement.columns)
    at: dict[sp.Basic, sp.Basic] = {x: sp.Symbol(f"{x.name}__x", real=True) for x in statement.loads}
    one = unit_pass(statement, at, target)
    lines = [f"const V {at[load]} = {value(load)};" for load in statement.loads]
    lines += [f"V {name}{{}};" for name, _ in one.stores]
    lines += [f"const R* unit__ = {statement.table} + c * {count * size};"]
    lines += [f"for (long k__ = 0; k__ < {count}; ++k__, unit__ += {size}) {{"]
    lines += [f"    const R {symbol.name} = unit__[{place}];" for symbol, place in statement.columns]
    lines += [f"    const auto {symbol.name} = {CPP.print(e)};" for symbol, e in one.lets]
    lines += [f"    {name} += {CPP.print(e)};" for name, e in one.stores]
    for name, row in one.sums:
        to = f"{target[name]}__units.add((c * {count} + k__) * {size}"
        lines += [f"    {to} + {i}, masked(last, {CPP.print(e)}));" for i, e in enumerate(row)]
    return [*lines, "}"]


def unit_sums(statements: tuple[Units, ...], target: Mapping[str, str]) -> dict[str, int]:
    """The sums of the statements -> how many numbers a channel has in each."""
    return {target[name]: s.count * len(s.columns) for s in statements for name, _ in s.sums if name in target}
