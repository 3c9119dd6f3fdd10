"""Refusals of the Legendre transform: constraints of a singular Lagrangian, and the gauge behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NoReturn

import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.errors import StructureError
from metrigen.physics import linear
from metrigen.physics.jets import Jet
from metrigen.physics.report import multiplied_out, show, violation
from metrigen.physics.variation import diff_jets, euler_of
from metrigen.physics.zero import is_zero
from metrigen.spec.symbols import momentum, t


def refuse(what: str, *, residual: sp.Expr, why: str, fix: str, witness: str | None = None) -> StructureError:
    """The refusal of a Lagrangian, for the caller to raise."""
    return violation(what, law="legendre", residual=residual, part="lagrangian", why=why, fix=fix, witness=witness)


def refuse_singular(
    fields: Sequence[AppliedUndef],
    gradients: Mapping[Jet, sp.Expr],
    hessian: list[list[sp.Expr]],
    momenta: Mapping[AppliedUndef, sp.Expr],
) -> NoReturn:
    """W is singular: print the primary constraints n.(pi - dL/dv) = 0 of its null vectors, and the gauge if any."""
    constraints = []
    for vector in linear.null_vectors(hessian):
        terms = [
            n * (sp.Symbol(momentum(u).func.__name__, real=True) - momenta[u])
            for n, u in zip(vector, fields, strict=True)
            if not n.is_zero
        ]
        constraints.append(f"{show(multiplied_out(sp.Add(*terms)))} = 0")
    gauge = gauge_identity(gradients, fields)
    silent = [u.func.__name__ for u in fields if momenta[u].is_zero]
    fix = "eliminate the constrained field, or give hamiltonian= and bracket="
    if gauge:
        zero = silent[0] if silent else fields[0].func.__name__
        fix = f"fix the gauge by {zero} = 0 (leave it out of the Lagrangian), or use the bracket of the field strengths"
    raise refuse(
        "the Lagrangian is singular in the velocities",
        residual=sp.S.Zero,
        why="det W = 0; the momenta obey the constraints " + "; ".join(constraints) + (f"; {gauge}" if gauge else ""),
        fix=fix,
    )


def gauge_identity(gradients: Mapping[Jet, sp.Expr], fields: Sequence[AppliedUndef]) -> str:
    """A Noether identity D_t E_0 = sum_i s_i D_i E_i between the equations, as a sentence; "" if there is none.

    One field (the potential) is paired with at most one field per axis, the signs being +-1: electrodynamics and its
    relatives.
    """
    coordinates = fields[0].args
    axes = [x for x in coordinates if x != t]
    equations = [euler_of(dict(gradients), u, coordinates) for u in fields]
    if len(fields) != len(axes) + 1:
        return ""
    for head in range(len(fields)):
        others = [i for i in range(len(fields)) if i != head]
        for sign in (1, -1):
            terms = [sign * diff_jets(equations[i], x) for i, x in zip(others, axes, strict=True)]
            if is_zero(diff_jets(equations[head], t) - sp.Add(*terms)):
                right = " + ".join(f"D_{x} E[{fields[i].func.__name__}]" for i, x in zip(others, axes, strict=True))
                return (
                    f"a gauge symmetry: D_t E[{fields[head].func.__name__}] = {'' if sign > 0 else '-('}{right}"
                    f"{'' if sign > 0 else ')'} holds off shell"
                )
    return ""
