"""One step as the solution of an equation R(z, start) = 0, solved by Newton's method in the layer.

The equation is a program of its own, so its Jacobian, and with it the gradient of the step, follow from ``vary``. What
a method keeps holds to the residual at which the iteration ends, which is the rounding of the state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import sympy as sp

from metrigen.discretise.dynamics import Builder, Dynamics
from metrigen.ir.implicit import Equation, Root
from metrigen.ir.nodes import Array, Kind, Load, Map, Program
from metrigen.ir.queries import couples_channels
from metrigen.passes.pipeline import BUILT, apply
from metrigen.passes.vary import equation
from metrigen.physics.derivation import Derivation
from metrigen.physics.preconditions import unfit
from metrigen.spec.neural import learned_functions


def check_arrays(derivation: Derivation, quotients: bool = True) -> None:
    """Raise SpecError for a function that is given as a module: the gradient of a solution sees fields, inputs and
    parameters alone. ``quotients``: and for one that is declared, of which an average or a difference quotient over a
    step would be needed."""
    found = learned_functions(*derivation.densities)
    names = [head.name for head in found if head.network is None]
    if names:
        raise unfit(
            derivation,
            f"its step is the solution of an equation with an implicit gradient, which cannot reach the weights of the "
            f"module {names[0]}",
            f'ImplicitMidpoint with NeuralFunction("{names[0]}", ..., hidden=(16,)), or Strang or Leapfrog '
            "where H = T(p) + V(q), or RK4",
        )
    if found and quotients:
        raise unfit(
            derivation,
            f"its step needs the mean slope of {found[0].name} between two states, which has no closed form",
            "ImplicitMidpoint, Strang or Leapfrog where H = T(p) + V(q), or RK4",
        )


def start(name: str) -> str:
    """Name of a field at the beginning of the step, inside an equation; the field itself is the unknown."""
    return f"{name}__start"


def starts(dynamics: Dynamics) -> dict[str, Load]:
    """The state at the beginning of the step, inside an equation."""
    return {a.name: dynamics.load(start(a.name)) for a in dynamics.state}


def step_equation(inside: Builder, name: str, defects: Mapping[str, sp.Expr]) -> Equation:
    """The equation of a step: its unknowns are the fields of the state, ``defects`` the residual of each; the
    statements that they read have been written by ``inside``."""
    dynamics = inside.dynamics
    stored = {field: f"{field}__defect" for field in defects}
    inside.body.extend(Map(stores=((stored[field], e),)) for field, e in defects.items())
    outside = (*(Array(start(a.name), Kind.SITE) for a in dynamics.state), *dynamics.inputs, *dynamics.params)
    program = Program(
        name, (*dynamics.state, *outside), tuple(inside.body), tuple(stored.values()), dynamics.lowering.periodic
    )
    program = apply(BUILT, program)
    read = {array for s in program.body for array in s.reads}
    program = replace(program, inputs=(*dynamics.state, *(a for a in outside if a.name in read)))
    return equation(program, len(dynamics.state), couples_channels(program), len(dynamics.origin))


def solved(builder: Builder, equation: Equation, state: Mapping[str, Load]) -> dict[str, Load]:
    """Write the solution of a step equation that begins at ``state``, which is the first guess as well."""
    fields = [a.name for a in builder.dynamics.state]
    outs = tuple(builder.fresh(name) for name in fields)
    begin = {start(name): state[name].array for name in fields}
    given = tuple(begin.get(a.name, a.name) for a in equation.residual.inputs[equation.unknowns :])
    builder.body.append(Root(outs, equation, tuple(state[name].array for name in fields), given))
    return {name: builder.dynamics.load(out) for name, out in zip(fields, outs, strict=True)}
