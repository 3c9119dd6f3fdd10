"""The linear response of a program at a constant state, in one channel: what it does to a small disturbance.

The derivative of every array by every field of the state is a stencil, offset -> coefficient. Statements compose by
convolution, so the response of a whole step is exact, whatever its boundary: it is that of a site far from the wall.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp

from metrigen.ir.evaluate import FUNCTIONS, evaluate
from metrigen.ir.functions.partial_derivatives import PartialDerivatives
from metrigen.ir.implicit import Root
from metrigen.ir.nodes import (
    Cayley,
    ChannelMatmul,
    ChannelSum,
    Inside,
    Load,
    Map,
    Offset,
    Outside,
    ParameterExpression,
    Program,
    Solve,
)
from metrigen.ir.queries import known
from metrigen.physics.size import expanded_nodes

Numbers = Mapping[str, Any]
Response = dict[tuple[str, Offset], Any]

KINK = "a term has a jump or a kink, or a function that is given at run time"
_LONGEST = 10_000  # nodes of a coefficient that is multiplied out


class Unlinearised(Exception):
    """There is no linear response, or none that can be written; the message is half a sentence that says why."""


@dataclass(frozen=True)
class Linear:
    """Values of the outputs of a program at the constant state, and their responses."""

    values: Mapping[str, Any]
    responses: Mapping[str, Response]


def symbol(name: str) -> sp.Symbol:
    """What stands for the constant value of an array or parameter."""
    return sp.Symbol(name, real=True)


def respond(program: Program, fields: Sequence[str], at: Numbers | None = None) -> Linear:
    """The response of ``program`` to its inputs ``fields``.

    at  name -> number (or an array of them, worked out side by side) of every input; None: symbols stand for them,
        and the result is exact

    Raises Unlinearised.
    """
    value = _exact if at is None else _number
    rank = next((len(a.offset) for s in program if isinstance(s, Map) for e in s.expressions for a in e.atoms(Load)), 0)
    values: dict[str, Any] = {a.name: symbol(a.name) if at is None else np.asarray(at[a.name]) for a in program.inputs}
    responses: dict[str, Response] = {name: {(name, (0,) * rank): 1} for name in fields}
    for a in program.inputs:
        if a.symmetry < 0:
            values[a.name] = sp.S.Zero if at is None else np.asarray(0.0)
    with np.errstate(all="ignore"):
        for statement in known(program, "the linear response"):
            if isinstance(statement, Map) and not statement.sums:
                _map(statement, values, responses, value)
            elif isinstance(statement, ParameterExpression):
                values[statement.out] = value(statement.expr, {s: values[s.name] for s in statement.expr.free_symbols})
            elif isinstance(statement, (ChannelMatmul, ChannelSum)):
                factor = values[statement.matrix] if isinstance(statement, ChannelMatmul) else 1
                values[statement.out] = factor * values[statement.src]
                responses[statement.out] = _scaled(responses.get(statement.src, {}), factor, (0,) * rank)
            elif isinstance(statement, Cayley):
                half = values[statement.scale] * values[statement.matrix]
                values[statement.out] = (1 + half) / (1 - half)
            elif isinstance(statement, Solve):
                raise Unlinearised("an elliptic constraint is solved, which couples all sites")
            elif isinstance(statement, Root):
                raise Unlinearised("a step is the solution of an equation, which couples all sites")
            else:
                raise Unlinearised(f"a {type(statement).__name__} has no linear response")
    found = {name: responses.get(name, {}) for name in program.outputs}
    return Linear({name: values[name] for name in program.outputs}, found)


def _map(statement: Map, values: dict[str, Any], responses: dict[str, Response], value: Any) -> None:
    table: dict[sp.Basic, Any] = {}
    moved: dict[sp.Basic, Response] = {}
    own = {s for s, _ in statement.lets}
    for atom in {a for e in statement.expressions for a in e.free_symbols} - own:
        if isinstance(atom, Load):
            table[atom] = values[atom.array]
            moved[atom] = _scaled(responses.get(atom.array, {}), 1, atom.offset)
        elif isinstance(atom, Inside):
            table[atom] = sp.S.Zero if isinstance(atom, Outside) else sp.S.One
        else:
            table[atom] = values[atom.name]
    for let, expr in statement.lets:
        moved[let] = _response(expr, table, moved, value)
        table[let] = value(expr, table)
    made = [(name, value(e, table), _response(e, table, moved, value)) for name, e in statement.stores]
    for name, constant, response in made:
        values[name], responses[name] = constant, response


def _response(expr: sp.Expr, table: Mapping[sp.Basic, Any], moved: Mapping[sp.Basic, Response], value: Any) -> Response:
    out: Response = {}
    partials, jumps = PartialDerivatives(expr), expr.has(sp.sign, sp.Heaviside)
    for atom in sorted((a for a in expr.free_symbols if moved.get(a)), key=lambda a: a.name):
        if jumps and sp.diff(expr, atom).has(sp.DiracDelta):
            raise Unlinearised(KINK)  # the derivative almost everywhere says nothing of a wave across the jump
        factor = value(partials.along(atom), table)
        for key, coefficient in moved[atom].items():
            out[key] = out.get(key, 0) + factor * coefficient
    return {key: c for key, c in out.items() if not (isinstance(c, sp.Basic) and c.is_number and c.is_zero)}


def _scaled(response: Response, factor: Any, by: Offset) -> Response:
    return {(name, tuple(map(sum, zip(at, by, strict=True)))): c * factor for (name, at), c in response.items()}


def _exact(expr: sp.Expr, table: Mapping[sp.Basic, Any]) -> sp.Expr:
    out = expanded(expr.xreplace(dict(table)))
    if out.has(sp.zoo, sp.nan, sp.oo):
        raise Unlinearised("a coefficient has no value at a constant state")
    if any(f.func.__name__ not in FUNCTIONS for f in out.atoms(sp.Function)):
        raise Unlinearised(KINK)
    return out


def expanded(expr: sp.Expr) -> sp.Expr:
    """Multiplied out, so that coefficients cancel; one that would be too long for that (and to be shown) as it is."""
    return sp.expand(expr) if expanded_nodes(expr) <= _LONGEST else expr


def _number(expr: sp.Expr, table: Mapping[sp.Basic, Any]) -> Any:
    try:
        return np.asarray(evaluate(expr, {s: np.asarray(v, dtype=float) for s, v in table.items()}))
    except (KeyError, TypeError) as error:
        raise Unlinearised(KINK) from error
