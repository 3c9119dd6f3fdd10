"""Cut a program into fusion groups: runs of statements that one pass over the sites can do.

A statement joins the fusion group under way unless it reads at a neighbour what that fusion group itself writes.
Pointwise channel maps (``ChannelMatmul``, ``ChannelSum``) join as well: the fusion group then holds all coupled
channels of a site at once; so do sums over the units of a network. Sums over the sites (``Outer``, ``SiteSum``) and
solutions of equations stand alone. Invariant: the order of the statements.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from metrigen.ir.implicit import Root, RootAdjoint, SiteSum
from metrigen.ir.nodes import Accumulate, ChannelMatmul, ChannelSum, Load, Map, Outer, Program, Solve, Statement, Units
from metrigen.ir.queries import known, maps_in

Sited = Map | ChannelMatmul | ChannelSum | Units
Unfused = Outer | SiteSum | Root | RootAdjoint | Solve


@dataclass(frozen=True)
class FusionGroup:
    """``stored`` are the arrays made here that memory has to hold: outputs, and what is read later or at neighbours."""

    statements: tuple[Sited, ...]
    stored: tuple[str, ...]

    @property
    def staged(self) -> bool:
        """Whether it is more than one pointwise statement: its stages meet at a site, all channels of each."""
        return len(self.statements) > 1 or any(not isinstance(s, Map) for s in self.statements)

    @property
    def made(self) -> tuple[str, ...]:
        return tuple(name for s in self.statements for name in site_stores(s))


@dataclass(frozen=True)
class Partition:
    """A program as fusion groups and what stands alone, and which sums make up each parameter cotangent."""

    parts: tuple[FusionGroup | Unfused, ...]
    totals: tuple[Accumulate, ...]


def partition(program: Program) -> Partition | None:
    """The fusion groups of a program; None where it holds statements on parameters that are more than sums."""
    groups: list[list[Sited] | Unfused] = []
    totals: list[Accumulate] = []
    for statement in known(program, "partition"):
        if isinstance(statement, Accumulate):
            totals.append(statement)
        elif isinstance(statement, Unfused):
            groups.append(statement)
        elif isinstance(statement, (Map, ChannelMatmul, ChannelSum, Units)):
            _join(groups, statement)
        else:
            return None
    later = [*_reads(groups), set(program.outputs)]
    parts: list[FusionGroup | Unfused] = []
    for i, group in enumerate(groups):
        if not isinstance(group, list):
            parts.append(group)
            continue
        needed = set().union(*later[i + 1 :])
        made = [name for s in group for name in site_stores(s)]
        parts.append(FusionGroup(tuple(group), tuple(name for name in made if name in needed)))
    return Partition(tuple(parts), tuple(totals))


def neighbour_reads(statements: Sequence[Statement]) -> set[str]:
    """Arrays that are read at a neighbour."""
    maps = maps_in(statements, "neighbour_reads")
    return {load.array for s in maps for e in s.expressions for load in e.atoms(Load) if any(load.offset)}


def site_stores(statement: Statement) -> tuple[str, ...]:
    """Site arrays that a statement makes."""
    if isinstance(statement, (Map, Units)):
        return tuple(name for name, _ in statement.stores)
    return (statement.out,) if isinstance(statement, (ChannelMatmul, ChannelSum)) else ()


def _join(groups: list[list[Sited] | Unfused], statement: Sited) -> None:
    """Into the last fusion group that can take it: what it reads is ready there, at neighbours from earlier fusion
    groups."""
    neighbours = neighbour_reads([statement])
    at = len(groups)
    for i in range(len(groups) - 1, -1, -1):
        group = groups[i]
        if isinstance(group, list):
            made = {name for s in group for name in site_stores(s)}
            if made & neighbours:
                break
            at = i
            if made & set(statement.reads):
                break
        elif {name for name, _ in group.defines} & set(statement.reads):
            break
    if at == len(groups):
        groups.append([statement])
    else:
        chosen = groups[at]
        assert isinstance(chosen, list)
        chosen.append(statement)


def _reads(groups: list[list[Sited] | Unfused]) -> list[set[str]]:
    found = []
    for group in groups:
        statements: Sequence[Statement] = group if isinstance(group, list) else [group]
        found.append({name for s in statements for name in s.reads})
    return found
