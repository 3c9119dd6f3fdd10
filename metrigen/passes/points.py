"""Programs of a system of ODEs, whose one site is a point.

``at_a_point``: a sum over the sites of a channel is the value itself. ``jacobian``: of an equation of few unknowns the
matrix itself, where a lattice has products with it alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import sympy as sp

from metrigen.ir.implicit import Root, RootAdjoint, SiteSum
from metrigen.ir.nodes import Load, Map, Program, Statement


def at_a_point(program: Program) -> Program:
    """The program, and those of its equations, without sums over the sites of one channel: every output as it was."""
    return replace(program, body=tuple(map(_statement, program.body)))


def _statement(statement: Statement) -> Statement:
    if isinstance(statement, SiteSum) and not statement.channels:
        return Map(stores=((statement.out, Load(statement.src, ())),))
    if isinstance(statement, (Root, RootAdjoint)):
        e = statement.equation
        return replace(
            statement,
            equation=replace(
                e, residual=at_a_point(e.residual), tangent=at_a_point(e.tangent), transposed=at_a_point(e.transposed),
                pullback=at_a_point(e.pullback),
            ),
        )  # fmt: skip
    return statement


def jacobian(tangent: Program, unknowns: int) -> Program:
    """J from the program of J v, whose last inputs are v: the products with all unit vectors, a column after the other,
    so that output k unknowns + i is J_ik."""
    along = [a.name for a in tangent.inputs[-unknowns:]]
    made = [name for s in tangent.body for name, _ in s.defines]
    body: list[Statement] = []
    outputs: list[str] = []
    for k in range(unknowns):
        names = {name: f"{name}__along{k}" for name in made}
        unit = {name: sp.Integer(int(j == k)) for j, name in enumerate(along)}
        body += [_with_values(s, unit, f"__along{k}").renamed(names) for s in tangent.body]
        outputs += [names[name] for name in tangent.outputs]
    return Program("jacobian", tangent.inputs[:-unknowns], tuple(body), tuple(outputs), tangent.periodic)


def _with_values(statement: Statement, values: Mapping[str, sp.Expr], suffix: str) -> Statement:
    """The statement with numbers for some arrays, and with names of its own for what it names."""
    assert isinstance(statement, Map)
    own = {s: sp.Symbol(f"{s.name}{suffix}", real=True) for s, _ in statement.lets}
    atoms = {load for e in statement.expressions for load in e.atoms(Load) if load.array in values}
    swap: dict[sp.Basic, sp.Basic] = {**own, **{load: values[load.array] for load in atoms}}
    return replace(
        statement,
        stores=tuple((n, e.xreplace(swap)) for n, e in statement.stores),
        lets=tuple((own[s], e.xreplace(swap)) for s, e in statement.lets),
    )
