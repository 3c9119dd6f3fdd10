"""Sums over the units of a network as PyTorch: the units lie along one more axis, behind those of the sites."""

from __future__ import annotations

import sympy as sp

from metrigen.backends.expressions import TORCH
from metrigen.ir.units import Units


def unit_lines(statement: Units, rank: int, like: str) -> list[str]:
    """The lines of a statement; ``like`` is an array of its sites."""
    table, sites = statement.table, ", None" * rank
    row = {symbol: sp.Symbol(f"{table}_{symbol.name.rstrip('_')}", real=True) for symbol, _ in statement.columns}
    at = {leaf: sp.Symbol(f"{leaf.name}__u", real=True) for leaf in statement.leaves}
    lines = [f"{row[symbol]} = {table}[:{sites}, :, {place}]" for symbol, place in statement.columns]
    lines += [f"{at[leaf]} = {leaf.name}.unsqueeze(-1)" for leaf in statement.leaves]
    expressions = [e.xreplace({**row, **at}) for e in statement.expressions[len(row) :]]
    shared, reduced = sp.cse(expressions, symbols=sp.numbered_symbols(f"{table}__u", real=True), optimizations=[])
    lines += [f"{symbol} = {TORCH.print(e)}" for symbol, e in shared]
    whole = f".expand_as({like})" if not statement.leaves else ""
    values = iter(reduced)
    for name, _ in statement.stores:
        lines.append(f"{name} = ({TORCH.print(next(values))}).sum(-1){whole}")
    for name, rows in statement.sums:
        over = [0, *range(2, 2 + rank)]
        parts = [f"({TORCH.print(next(values))}).sum({over})" for _ in rows]
        lines.append(f"{name} = torch.stack([{', '.join(parts)}], -1)")
    return lines
