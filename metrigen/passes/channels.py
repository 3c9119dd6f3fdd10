"""Use what is known of channel maps: K^T = +-K where declared, K (c x) = c (K x) for a number c, and each product once.

Invariant: the value of every output.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import sympy as sp

from metrigen.ir.implicit import Root, RootAdjoint, SiteSum
from metrigen.ir.nodes import Leaf, Map, Mix, Outer, Program, Solve, Statement, Total
from metrigen.passes.prune import prune
from metrigen.passes.tidy import tidy


def merge_channel_maps(program: Program) -> Program:
    """Apply symmetry, pull numbers out and share equal channel maps."""
    symmetry = {array.name: array.symmetry for array in program.inputs}
    scaled: dict[str, tuple[sp.Expr, str]] = {}
    value: dict[str, tuple[sp.Expr, str]] = {}
    seen: dict[tuple[str, str, bool], str] = {}
    body: list[Statement] = []
    for statement in program.body:
        if isinstance(statement, Map):
            statement = _replace_values(statement, value)
            for name, expr in statement.stores:
                number, leaf = expr.as_coeff_Mul()
                if isinstance(leaf, Leaf) and not any(leaf.offset):
                    scaled[name] = (number, leaf.array)
        elif isinstance(statement, (Mix, Total)):
            number, source = scaled.get(statement.src, (sp.S.One, statement.src))
            matrix = statement.matrix if isinstance(statement, Mix) else ""
            turned = isinstance(statement, Mix) and statement.transpose
            if turned and symmetry.get(matrix):
                number, turned = number * symmetry[matrix], False
            if (matrix, source, turned) in seen:
                value[statement.out] = (number, seen[matrix, source, turned])
                continue
            seen[matrix, source, turned] = statement.out
            if number != 1:
                value[statement.out] = (number, statement.out)
            statement = replace(statement, src=source)
            if isinstance(statement, Mix):
                statement = replace(statement, transpose=turned)
        body.append(statement)
    return prune(replace(program, body=tuple(_read_stored(body, value, set(program.outputs)))))


def _replace_values(statement: Map, value: dict[str, tuple[sp.Expr, str]]) -> Map:
    swap = {
        leaf: value[leaf.array][0] * leaf.renamed(value[leaf.array][1])
        for e in statement.expressions
        for leaf in e.atoms(Leaf)
        if leaf.array in value
    }
    if not swap:
        return statement
    return replace(
        statement,
        stores=tuple((n, tidy(e.xreplace(swap))) for n, e in statement.stores),
        sums=tuple((n, k, e.xreplace(swap)) for n, k, e in statement.sums),
        lets=tuple((s, e.xreplace(swap)) for s, e in statement.lets),
    )


def _read_stored(body: list[Statement], value: dict[str, tuple[sp.Expr, str]], outputs: set[str]) -> list[Statement]:
    """Statements that read whole arrays (and outputs) still need the scaled array itself."""
    stored: list[Statement] = []
    made: dict[str, str] = {}
    taken = {name for s in body for name, _ in s.defines}

    def array(name: str) -> str:
        if name not in value:
            return name
        if name not in made:
            number, source = value[name]
            made[name] = f"{name}__scaled"
            while made[name] in taken:  # of a chain of scaled maps, which are merged one by one
                made[name] += "__scaled"
            leaf = _leaf_like(body, source)
            stored.append(Map(stores=((made[name], number * leaf),)))
        return made[name]

    for statement in body:
        if isinstance(statement, (Mix, Total)):
            statement = replace(statement, src=array(statement.src))
        elif isinstance(statement, Outer):
            statement = replace(statement, left=array(statement.left), right=array(statement.right))
        elif isinstance(statement, Solve):
            statement = replace(statement, rhs=array(statement.rhs))
        elif isinstance(statement, SiteSum):
            statement = replace(statement, src=array(statement.src))
        elif isinstance(statement, Root):
            statement = replace(statement, starts=_each(array, statement.starts), given=_each(array, statement.given))
        elif isinstance(statement, RootAdjoint):
            statement = replace(statement, given=_each(array, statement.given), sources=_each(array, statement.sources))
        stored.append(statement)
    if outputs & value.keys():
        raise AssertionError(f"a channel map is itself an output: {sorted(outputs & value.keys())}")
    return stored


def _each(array: Callable[[str], str], names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(array(name) for name in names)


def _leaf_like(body: list[Statement], array: str) -> Leaf:
    rank = next(len(leaf.offset) for s in body if isinstance(s, Map) for e in s.expressions for leaf in e.atoms(Leaf))
    return Leaf(array, (0,) * rank)
