"""``SteadyState`` on a graph: dF = 0 as (B^T w B + m) u = b, with conductances w of the edges and a screening m.

    F = sum_n V(u_n) + sum_e U(B(u + v)_e, ...)        m = V'',   w = sum of U'' over all pairs of differences

Both are read off the densities; b = -dF(0). The solve, its preconditioner and its implicit gradient

    db = lam,  dm_n = -lam_n u_n,  dw_e = -(B lam)_e (B u)_e,  lam = (B^T w B + m)^-1 ubar

need nothing else of the system.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import sympy as sp

from metrigen.discretise.dynamics import Dynamics
from metrigen.discretise.steady_programs import check_one_field
from metrigen.errors import SpecError
from metrigen.ir.edges import EdgeMap
from metrigen.ir.nodes import ChannelMatmul, ChannelSum, Load, Map, Program, Statement
from metrigen.ir.statement import unknown
from metrigen.passes.pipeline import PRUNED, STEADY, apply
from metrigen.passes.tidy import tidy
from metrigen.passes.vary import bar
from metrigen.physics.graph_forms import split_places
from metrigen.physics.incidence import outermost

if TYPE_CHECKING:
    from metrigen.discretise.graph import GraphLowering

SOURCE = "source__term"


@dataclass(frozen=True)
class GraphSteady:
    """weights: -> m at the nodes and w on the edges; source: -> b."""

    unknown: str
    weights: Program
    source: Program

    def programs(self) -> dict[str, Program]:
        return {"weights": self.weights, "source": self.source}


def graph_steady(lowering: GraphLowering, dynamics: Dynamics, solver: str) -> GraphSteady:
    """The programs of the solve; raises SpecError where the system is not of that form."""
    check_one_field(dynamics)
    derivation = dynamics.derivation
    derivation.system.domain.check_solver(solver)
    (u,) = derivation.fields
    (unknown,) = dynamics.state
    node, edge = split_places("hamiltonian", derivation.hamiltonian)
    value = sp.Symbol("u[]", real=True)
    screening = sp.expand(sp.diff(node.xreplace({u: value}), value, 2))
    weights = lowering.values("weights", screening, _conductance(edge, u))
    source = _at_zero(dynamics.gradient(derivation.hamiltonian, "F"), unknown.name)
    negated = Map(stores=((SOURCE, -Load(bar(unknown.name), ())),))
    source = replace(source, body=(*source.body, negated), outputs=(SOURCE,))
    return GraphSteady(unknown.name, apply(STEADY, weights), apply(STEADY, source))


def _conductance(edge: sp.Expr, u: sp.Expr) -> sp.Expr:
    """U'' along the differences of u."""
    drops: dict[sp.Basic, sp.Basic] = {}
    for i, atom in enumerate(a for a in outermost([edge]) if a.has(u)):
        if sp.expand(atom.args[0] - u).has(u):
            raise SpecError(
                f"the steady state holds the difference of {atom.args[0]}",
                part="hamiltonian",
                why="it is solved as (B^T w B + m) u = b, where differences of u itself meet conductances",
                fix="put the factor into the weight of the edge, or step in time with RK4",
                see="steady-state",
            )
        drops[atom] = sp.Symbol(f"drop[{i}]", real=True)
    inside = edge.xreplace(drops)
    symbols = list(drops.values())
    return sp.expand(sp.Add(*(inside.diff(a).diff(b) for a in symbols for b in symbols)))


def _at_zero(program: Program, name: str) -> Program:
    """The program where the array ``name`` is zero, and with it what is linear in it."""
    zero = {name}
    body: list[Statement] = []
    for statement in program.body:
        if isinstance(statement, (EdgeMap, ChannelMatmul, ChannelSum)):
            if statement.src in zero:
                zero.add(statement.out)
            else:
                body.append(statement)
        elif isinstance(statement, Map):
            swap = {x: sp.S.Zero for e in statement.expressions for x in e.atoms(Load) if x.array in zero}
            stores = tuple((out, tidy(e.xreplace(swap))) for out, e in statement.stores)
            zero.update(out for out, e in stores if e == 0)
            body.append(replace(statement, stores=stores))
        else:
            raise unknown(statement, "the gradient of a quadratic form")
    return apply(PRUNED, replace(program, body=tuple(body)))
