"""What sums over the units of a network are worth, and their partial derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

from metrigen.ir.evaluate import evaluate
from metrigen.ir.functions.partial_derivatives import partial_derivative
from metrigen.ir.units import Units
from metrigen.spec.functions import sigmoid


def unit_partial_derivative(e: sp.Expr, symbol: sp.Symbol) -> sp.Expr:
    """de/dsymbol in the values of the activation itself, which are worked out once a unit: 1 - tanh^2, s (1 - s)."""
    found = partial_derivative(e, symbol)
    if e.has(sigmoid) or found.has(sigmoid):
        return found.replace(
            lambda a: a.is_Pow and isinstance(a.base, sp.sech) and a.exp.is_Integer and a.exp % 2 == 0,
            lambda a: _of_sigmoid(a.base.args[0]) ** (a.exp / 2),
        ).replace(sp.tanh, lambda y: 2 * sigmoid(2 * y) - 1)
    return found.replace(
        lambda a: a.is_Pow and isinstance(a.base, sp.sech) and a.exp.is_Integer and a.exp % 2 == 0,
        lambda a: (1 - sp.tanh(a.base.args[0]) ** 2) ** (a.exp / 2),
    )


def _of_sigmoid(y: sp.Expr) -> sp.Expr:
    """sech(y)^2."""
    s = sigmoid(sp.expand(2 * y))
    return 4 * s * (1 - s)


def unit_values(statement: Units, env: dict[str, Any]) -> None:
    """The value of the statement in numpy; a table is (C, units, numbers of a unit)."""
    table = env[statement.table]
    shape = next(env[load.array] for load in statement.loads).shape if statement.loads else env[_site(env)].shape
    values: dict[sp.Symbol, Any] = {load: env[load.array][..., None] for load in statement.loads}
    for symbol, place in statement.columns:
        own = table[:, :, int(place)]
        values[symbol] = own.reshape(own.shape[0], *[1] * (len(shape) - 2), own.shape[1])
    for name, e in statement.stores:
        env[name] = np.broadcast_to(evaluate(e, values).sum(-1), shape)
    over = (0, *range(2, len(shape)))
    for name, row in statement.sums:
        whole = (np.broadcast_to(evaluate(e, values), (*shape, table.shape[1])) for e in row)
        env[name] = np.stack([x.sum(axis=over) for x in whole], -1)


def _site(env: dict[str, Any]) -> str:
    return max(env, key=lambda name: env[name].ndim)
