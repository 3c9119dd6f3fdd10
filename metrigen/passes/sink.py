"""Take sums over the sites to where they cost least: out of the fusion groups that hold all coupled channels of a site.

Such a fusion group has a sum for each of its channels, too many for registers, and reads and writes them at every
vector of sites. A fusion group without channel maps goes channel by channel and needs one. So a sum that reads nothing
but what a later fusion group of that kind reads anyway is made there; one that stays is made by the last statement of
its fusion group that adds to the same parameter. Invariant: what is summed into every parameter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import sympy as sp

from metrigen.ir.nodes import ChannelMatmul, ChannelSum, Kind, Load, Map
from metrigen.passes.partition import FusionGroup, Partition, Sited, Unfused
from metrigen.passes.prune import prune_lets

Sum = tuple[str, Kind, sp.Expr]


def sink_sums(partition: Partition) -> Partition:
    """The cut with its sums sunk."""
    owner = {term: total.out for total in partition.totals for term in total.terms}
    parts = list(partition.parts)
    for i, part in enumerate(parts):
        if not (isinstance(part, FusionGroup) and part.staged):
            continue
        statements = list(part.statements)
        for k, statement in enumerate(statements):
            if not isinstance(statement, Map):
                continue
            for total in statement.sums:
                moved = _written_out(statement, total)
                later = _later_fusion(parts, i, moved)
                sibling = _sibling(part, k, moved, owner)
                if later is not None:
                    target = parts[later]
                    assert isinstance(target, FusionGroup)
                    parts[later] = replace(target, statements=(_with(target.statements[0], moved, owner),))
                elif sibling is not None:
                    statements[sibling] = _with(statements[sibling], moved, owner)
                else:
                    continue
                statements[k] = _without(statements[k], total)
        parts[i] = replace(part, statements=tuple(s for s in statements if s.defines))
    return replace(partition, parts=tuple(parts))


def _written_out(statement: Map, total: Sum) -> Sum:
    """The sum without values of its statement, but for those that are stored."""
    name, kind, expr = total
    lets, stored = dict(statement.lets), dict(statement.stores)
    origin = next((0,) * len(load.offset) for e in statement.expressions for load in e.atoms(Load))
    while own := expr.free_symbols & lets.keys():
        expr = expr.xreplace({s: Load(s.name, origin) if s.name in stored else lets[s] for s in own})
    return name, kind, expr


def _later_fusion(parts: list[FusionGroup | Unfused], at: int, total: Sum) -> int | None:
    """The first fusion group behind ``at`` that goes channel by channel and reads all that the sum reads."""
    for j in range(at + 1, len(parts)):
        part = parts[j]
        if isinstance(part, FusionGroup) and not part.staged and _reads(total) <= set(part.statements[0].reads):
            return j
    return None


def _sibling(fusion: FusionGroup, at: int, total: Sum, owner: Mapping[str, str]) -> int | None:
    """The last statement behind ``at`` that adds to the same parameter; what the sum reads is held there already."""
    mapped = {s.out for s in fusion.statements if isinstance(s, (ChannelMatmul, ChannelSum))}
    for k in range(len(fusion.statements) - 1, at, -1):
        other = fusion.statements[k]
        if isinstance(other, Map) and owner.get(total[0]) in {owner.get(name) for name, _, _ in other.sums}:
            return k if _reads(total) <= mapped | set(other.reads) else None
    return None


def _reads(total: Sum) -> set[str]:
    return set(Map(sums=(total,)).reads)


def _with(statement: Sited, total: Sum, owner: Mapping[str, str]) -> Map:
    """The statement with one more sum, or with more in the one that it adds to the same parameter."""
    assert isinstance(statement, Map)
    name, _, expr = total
    sums = list(statement.sums)
    for k, (other, kind, term) in enumerate(sums):
        if owner.get(other, other) == owner.get(name, name):
            sums[k] = (other, kind, term + expr)
            return replace(statement, sums=tuple(sums))
    return replace(statement, sums=(*sums, total))


def _without(statement: Sited, total: Sum) -> Map:
    """The statement without the sum, and without values that it alone read."""
    assert isinstance(statement, Map)
    return prune_lets(replace(statement, sums=tuple(s for s in statement.sums if s[0] != total[0])))
