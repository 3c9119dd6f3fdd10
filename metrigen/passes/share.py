"""Evaluate a function once at a site: where the channels of a site meet, what one stage of a fusion group has stored
is read by the stages behind it instead of being evaluated again.

    h = cos(theta); s = total(h); f = s * cos(theta)    ->    h = cos(theta); s = total(h); f = s * h

All channels of a site are held between two stages anyway. Invariant: the value of every store and sum.
"""

from __future__ import annotations

from dataclasses import replace

import sympy as sp

from metrigen.ir.nodes import Load, Map
from metrigen.passes.partition import FusionGroup, Partition
from metrigen.passes.prune import prune_lets

Known = dict[tuple[type[sp.Basic], str], str]  # function and array at the site itself -> the array that holds its value


def share_functions(partition: Partition) -> Partition:
    """The cut, its fusion groups of several stages without functions that an earlier stage has evaluated."""
    parts = tuple(_shared(part) if isinstance(part, FusionGroup) and part.staged else part for part in partition.parts)
    return replace(partition, parts=parts)


def _shared(fusion: FusionGroup) -> FusionGroup:
    known: Known = {}
    statements = []
    for statement in fusion.statements:
        if isinstance(statement, Map):
            statement = _with_known(statement, known)
            known |= _stored(statement)
        statements.append(statement)
    return replace(fusion, statements=tuple(statements))


def _stored(statement: Map) -> Known:
    """The functions of one array whose values the statement stores."""
    lets = dict(statement.lets)
    array_of = {value: name for name, value in statement.stores if value in lets}
    found: Known = {}
    for name, value in statement.stores:
        function = lets.get(value, value)
        if not isinstance(function, sp.Function) or len(function.args) != 1:
            continue
        argument = function.args[0]
        if isinstance(argument, Load) and not any(argument.offset):
            found[function.func, argument.array] = name
        elif argument in array_of:
            found[function.func, array_of[argument]] = name
    return found


def _with_known(statement: Map, known: Known) -> Map:
    swap: dict[sp.Basic, sp.Basic] = {}
    for expression in statement.expressions:
        for function in expression.atoms(sp.Function):
            argument = function.args[0]
            if isinstance(argument, Load) and not any(argument.offset) and (function.func, argument.array) in known:
                swap[function] = Load(known[function.func, argument.array], argument.offset)
    if not swap:
        return statement
    return prune_lets(statement.with_expressions(lambda e: e.xreplace(swap)))
