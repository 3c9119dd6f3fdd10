"""Sums over the units of a network as PyTorch: the units lie along one more axis, behind those of the sites."""

from __future__ import annotations

from collections.abc import Collection

import sympy as sp

from metrigen.backends.torch.dialect import TORCH
from metrigen.backends.units import unit_pass
from metrigen.ir.units import Units


def unit_lines(statement: Units, rank: int, like: str, given: Collection[str] = ()) -> list[str]:
    """The lines of a statement but for those of its views that are ``given``; ``like`` is an array of its sites."""
    table, sites = statement.table, ", None" * rank
    row = {symbol: sp.Symbol(f"{table}_{symbol.name.rstrip('_')}", real=True) for symbol, _ in statement.columns}
    at = {load: sp.Symbol(f"{load.name}__u", real=True) for load in statement.loads}
    one = unit_pass(statement, {**row, **at})
    lines = [f"{row[symbol]} = {table}[:{sites}, :, {place}]" for symbol, place in statement.columns]
    lines += [f"{at[load]} = {load.name}.unsqueeze(-1)" for load in statement.loads]
    lines = [line for line in lines if line not in given]
    lines += [f"{symbol} = {TORCH.print(e)}" for symbol, e in one.lets]
    whole = f".expand_as({like})" if not statement.loads else ""
    lines += [f"{name} = ({TORCH.print(e)}).sum(-1){whole}" for name, e in one.stores]
    over = [0, *range(2, 2 + rank)]
    for name, numbers in one.sums:
        parts = ", ".join(f"({TORCH.print(e)}).sum({over})" for e in numbers)
        lines.append(f"{name} = torch.stack([{parts}], -1)")
    return lines
