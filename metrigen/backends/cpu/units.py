"""Sums over the units of a network as C++: a loop over the rows of the weights of a channel, at one vector of sites."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import sympy as sp

from metrigen.backends.expressions import CPP
from metrigen.ir.leaves import Leaf
from metrigen.ir.units import Units



def unit_lines(statement: Units, load: Callable[[Leaf], str], target: Mapping[str, str]) -> list[str]:
    """The lines of a statement for channel ``c``: every store a value of its own name. ``load`` gives what a leaf is at
    the vector, ``target`` the sum that a term is added to."""
    row, size = [symbol.name for symbol, _ in statement.columns], len(statement.columns)
    at: dict[sp.Basic, sp.Symbol] = {}
    lines = []
    for leaf in statement.leaves:
        at[leaf] = sp.Symbol(f"{leaf.name}__x", real=True)
        lines.append(f"const V {at[leaf]} = {load(leaf)};")
    sums = [(name, rows) for name, rows in statement.sums if name in target]
    expressions = [e for _, e in statement.stores] + [e for _, rows in sums for e in rows]
    shared, reduced = sp.cse([e.xreplace(at) for e in expressions], sp.numbered_symbols("u__", real=True), [])
    values = iter(reduced)
    lines += [f"V {name}{{}};" for name, _ in statement.stores]
    lines += [f"const R* unit__ = {statement.table} + c * {statement.count * size};"]
    lines += [f"for (long k__ = 0; k__ < {statement.count}; ++k__, unit__ += {size}) {{"]
    lines += [f"    const R {name} = unit__[{i}];" for i, name in enumerate(row)]
    lines += [f"    const auto {symbol.name} = {CPP.print(e)};" for symbol, e in shared]
    lines += [f"    {name} += {CPP.print(next(values))};" for name, _ in statement.stores]
    for name, rows in sums:
        to = f"{target[name]}__units.add((c * {statement.count} + k__) * {size}"
        lines += [f"    {to} + {i}, valid(last, {CPP.print(next(values))}));" for i in range(len(rows))]
    return [*lines, "}"]


def unit_sums(statements: tuple[Units, ...], target: Mapping[str, str]) -> dict[str, int]:
    """The sums of the statements -> how many numbers a channel has in each."""
    return {
        target[name]: s.count * len(s.columns) for s in statements for name, _ in s.sums if name in target
    }
