"""The programs of ``SteadyState`` on a lattice: dF = A u - b, or dF = 0 as an equation.

On the lattice dF = A u - b with A = the linear part of the variation of F and b = -dF(0). Where channels are not
coupled A u is written as

    (A u)[n] = m[n] u[n] + sum_s w_s[n] (u[n] - u[n + s])

with edge weights w and screening m computed once: differences keep their accuracy where A is nearly singular, and
with m, w >= 0 the fixed point u <- (b + sum w u[n + s]) / (m + sum w) subtracts nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp

from metrigen.discretise.dynamics import Dynamics
from metrigen.errors import SpecError
from metrigen.ir.implicit import Equation
from metrigen.ir.nodes import (
    Array,
    ChannelMatmul,
    ChannelSum,
    Kind,
    Load,
    Map,
    Offset,
    Program,
    loads,
    offset_text,
    stem,
)
from metrigen.ir.queries import couples_channels
from metrigen.passes.pipeline import BUILT, SPLIT, apply
from metrigen.passes.tidy import tidy
from metrigen.passes.vary import equation, vary


@dataclass(frozen=True)
class Stencil:
    """A u = m u + sum_s w_s (u - u[s]): ``weights`` computes m and every w_s, ``apply`` uses them, ``gather`` is
    sum_s w_s u[s] and ``diagonal`` m + sum_s w_s."""

    weights: Program
    apply: Program
    gather: Program
    diagonal: Program
    monotone: bool


@dataclass(frozen=True)
class LinearSteady:
    """operator: u -> A u; source: -> b; adjoint: the variation of lambda . A u with respect to all but u."""

    unknown: str
    operator: Program
    source: Program
    adjoint: Program

    @property
    def monotone(self) -> bool:
        """Whether a fixed point subtracts nothing: every weight and the screening are non-negative."""
        return False

    def programs(self) -> dict[str, Program]:
        """By name; without the adjoint where the operator holds numbers alone."""
        found = {"operator": self.operator, "source": self.source}
        return found | ({"operator_adjoint": self.adjoint} if self.adjoint.outputs else {})


@dataclass(frozen=True)
class StencilSteady(LinearSteady):
    """Where channels are not coupled and the weights separate."""

    stencil: Stencil

    @property
    def monotone(self) -> bool:
        return self.stencil.monotone

    def programs(self) -> dict[str, Program]:
        stencil = self.stencil
        return super().programs() | {"weights": stencil.weights, "apply": stencil.apply, "gather": stencil.gather,
                                     "diagonal": stencil.diagonal}  # fmt: skip


@dataclass(frozen=True)
class NonlinearSteady:
    """dF = 0 as an equation, whose Jacobian is symmetric and positive definite."""

    equation: Equation

    def programs(self) -> dict[str, Program]:
        """Those of the equation are its own."""
        return {}


def check_one_field(dynamics: Dynamics) -> None:
    """Raise SpecError where the state has several fields, on any domain."""
    if len(dynamics.state) != 1:
        raise SpecError(
            "SteadyState solves for one field",
            part="integrator",
            why="the state has several fields",
            fix="one field a layer of SteadyState: solve for each by a layer of its own, or step in time with RK4",
            see="steady-state",
        )


def nonlinear_steady(dynamics: Dynamics) -> NonlinearSteady:
    """dF = 0 as a nonlinear equation."""
    check_one_field(dynamics)
    gradient = apply(BUILT, dynamics.gradient(dynamics.derivation.hamiltonian, "gradient"))
    read = {name for s in gradient.body for name in s.reads}
    outside = tuple(a for a in gradient.inputs if a not in dynamics.state and a.name in read)
    names = {out: f"{stem(out)}__defect" for out in gradient.outputs}
    body = tuple(s.renamed(names) for s in gradient.body)
    gradient = Program("gradient", (*dynamics.state, *outside), body, tuple(names.values()), dynamics.lowering.periodic)
    return NonlinearSteady(equation(gradient, 1, couples_channels(gradient), len(dynamics.origin)))


def linear_steady(dynamics: Dynamics, solver: str) -> LinearSteady:
    """The programs of the solve; raises SpecError where the chosen solver does not fit."""
    check_one_field(dynamics)
    (unknown,) = dynamics.state
    gradient = apply(BUILT, dynamics.gradient(dynamics.derivation.hamiltonian, "F"))
    operator, source = _split_linear(gradient, unknown.name)
    stencil = _stencil(operator, unknown.name)
    wrt = [a.name for a in operator.inputs if a.name != unknown.name]
    parts = unknown.name, operator, source, vary(operator, wrt, rank=len(dynamics.origin))
    found = LinearSteady(*parts) if stencil is None else StencilSteady(*parts, stencil)
    if solver == "monotone" and not found.monotone:
        raise SpecError(
            'solver="monotone" does not fit this system',
            part="integrator",
            why="it needs edge weights and a screening that are non-negative for every input"
            if stencil
            else "it needs channels that are not coupled",
            fix='declare the coefficients positive=True, or use solver="cg"',
            see="steady-state",
        )
    return found


def _split_linear(gradient: Program, unknown: str) -> tuple[Program, Program]:
    """dF(u) = A u - b, term by term."""
    carriers = {unknown}
    for statement in gradient.body:
        if isinstance(statement, (ChannelMatmul, ChannelSum)) and statement.src in carriers:
            carriers.update(name for name, _ in statement.defines)
    *head, last = gradient.body
    if not isinstance(last, Map) or any(isinstance(s, Map) for s in head):
        raise SpecError(
            "the steady state couples channels in a way that cannot be solved",
            part="integrator",
            why="a channel map acts on a product of others",
            fix="couple by mix(K, u) and total(u) of the field alone, or step in time with AverageVectorField",
            see="steady-state",
        )
    ((_, expr),) = last.stores
    linear: list[sp.Expr] = []
    constant: list[sp.Expr] = []
    for term in sp.Add.make_args(expr):
        held = [load for load in loads(term) if load.array in carriers]
        at_zero = term.xreplace(dict.fromkeys(held, sp.S.Zero))
        pieces = sp.Add.make_args(sp.expand(term)) if held and at_zero != 0 else (term,)
        for piece in pieces:
            (linear if any(load.array in carriers for load in loads(piece)) else constant).append(piece)
    inputs = gradient.inputs
    operator = Program(
        "operator", inputs, (*head, Map(stores=((f"{unknown}__image", tidy(sp.Add(*linear))),))),
        (f"{unknown}__image",), gradient.periodic,
    )  # fmt: skip
    source = Program(
        "source", inputs, (Map(stores=((f"{unknown}__source", tidy(-sp.Add(*constant))),)),),
        (f"{unknown}__source",), gradient.periodic,
    )  # fmt: skip
    return apply(SPLIT, operator), apply(SPLIT, source)


def _stencil(operator: Program, unknown: str) -> Stencil | None:
    """Weights of the operator, or None where channels are coupled or the weights do not separate."""
    if len(operator.body) != 1 or not isinstance(operator.body[0], Map):
        return None
    ((_, image),) = operator.body[0].stores
    reads = [load for load in loads(image) if load.array == unknown]
    entries = {load.offset: sp.diff(image, load) for load in reads}
    origin = (0,) * len(reads[0].offset)
    weights: dict[Offset, sp.Expr] = {s: tidy(-c) for s, c in entries.items() if any(s)}
    screening = tidy(sp.expand(sp.Add(*entries.values())))
    if any(load.array == unknown for e in (*weights.values(), screening) for load in loads(e)):
        return None
    names = {s: f"weight__to_{offset_text(s)}" for s in weights}
    outside = tuple(a for a in operator.inputs if a.name != unknown)
    stored = (("screening__", screening), *((names[s], w) for s, w in weights.items()))
    site = tuple(Array(name, Kind.SITE, True) for name, _ in stored)
    u = Load(unknown, origin)
    load = {s: Load(names[s], origin, True) for s in weights}
    screen = Load("screening__", origin, True)

    def program(name: str, inputs: tuple[Array, ...], out: str, expr: sp.Expr) -> Program:
        return Program(name, inputs, (Map(stores=((out, expr),)),), (out,), operator.periodic)

    field = (Array(unknown, Kind.SITE), *site)
    image_expr = screen * u + sp.Add(*(load[s] * (u - Load(unknown, s)) for s in weights))
    gather_expr = sp.Add(*(load[s] * Load(unknown, s) for s in weights))
    return Stencil(
        weights=Program(
            "weights", (operator.inputs[0], *outside), (Map(stores=stored),), tuple(n for n, _ in stored),
            operator.periodic,
        ),
        apply=program("apply", field, "image__", image_expr),
        gather=program("gather", field, "gathered__", gather_expr),
        diagonal=program("diagonal", site, "diagonal__entry", screen + sp.Add(*load.values())),
        monotone=all(e.is_nonnegative is True for e in (screening, *weights.values())),
    )  # fmt: skip
