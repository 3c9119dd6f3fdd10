"""The oracle: a program run statement by statement with numpy, as plainly as it reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import sympy as sp

from metrigen.ir.edges import Along, EdgeMap
from metrigen.ir.evaluate import Learned, evaluate
from metrigen.ir.implicit import Root, RootAdjoint, SiteSum
from metrigen.ir.modes import UNKNOWN, modes_of, solved
from metrigen.ir.newton import adjoint_values, root_values
from metrigen.ir.nodes import (
    Accumulate,
    Cayley,
    CayleyAdjoint,
    ChannelMatmul,
    ChannelSum,
    Inside,
    Kind,
    Load,
    Map,
    Offset,
    Outer,
    Outside,
    ParameterExpression,
    Program,
    Reduction,
    Solve,
)
from metrigen.ir.statement import unknown
from metrigen.ir.unit_rules import unit_values
from metrigen.ir.units import Units

Values = Mapping[str, Any]


def shifted(x: np.ndarray, offset: Offset, periodic: bool) -> np.ndarray:
    """out[n] = x[n + offset] over the trailing axes; outside: wrapped, or zero."""
    for axis, step in enumerate(offset, start=x.ndim - len(offset)):
        if not step:
            continue
        if periodic:
            x = np.roll(x, -step, axis)
            continue
        size = x.shape[axis]
        out = np.zeros_like(x)
        lo, hi = max(0, -step), min(size, size - step)
        if lo < hi:
            at = [slice(None)] * x.ndim
            frm = [slice(None)] * x.ndim
            at[axis], frm[axis] = slice(lo, hi), slice(lo + step, hi + step)
            out[tuple(at)] = x[tuple(frm)]
        x = out
    return x


def run(
    program: Program,
    values: Values,
    learned_functions: Learned | None = None,
    incidence: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Run ``program`` on arrays of the shapes its kinds state; returns its outputs by name.

    ``learned_functions``: name of a learned function -> callable of (orders of differentiation, *arguments).
    ``incidence``: the matrix B (E, N) of the graph that the arrays live on, +1 at the head of an edge, -1 at its tail.
    """
    env: dict[str, Any] = {array.name: np.asarray(values[array.name]) for array in program.inputs}
    kinds = program.kinds()
    edges = 0 if incidence is None else len(incidence)
    for statement in program:
        if isinstance(statement, Map):
            _map(statement, env, kinds, program.periodic, learned_functions, edges)
        elif isinstance(statement, EdgeMap):
            env[statement.out] = along(statement.along, env[statement.src], incidence)
        elif isinstance(statement, ParameterExpression):
            known = {s: env[s.name] for s in statement.expr.free_symbols}
            env[statement.out] = np.asarray(evaluate(statement.expr, known, learned_functions))
        elif isinstance(statement, Reduction):
            env[statement.out] = env[statement.src].sum()
        elif isinstance(statement, ChannelMatmul):
            matrix = env[statement.matrix].T if statement.transpose else env[statement.matrix]
            env[statement.out] = np.einsum("cd,bd...->bc...", matrix, env[statement.src])
        elif isinstance(statement, ChannelSum):
            x = env[statement.src]
            env[statement.out] = np.broadcast_to(x.sum(1, keepdims=True), x.shape)
        elif isinstance(statement, Outer):
            left, right = env[statement.left], env[statement.right]
            flat = (left.shape[0], left.shape[1], -1)
            env[statement.out] = np.einsum("bcn,bdn->cd", left.reshape(flat), right.reshape(flat))
        elif isinstance(statement, Accumulate):
            nothing = np.zeros_like(env[statement.out.removesuffix("__bar")]) if not statement.terms else 0.0
            env[statement.out] = sum((env[name] for name in statement.terms), start=nothing)
        elif isinstance(statement, Cayley):
            scaled = env[statement.scale] * env[statement.matrix]
            one = np.eye(len(scaled))
            env[statement.out] = np.linalg.solve(one - scaled, one + scaled)
        elif isinstance(statement, CayleyAdjoint):
            _cayley_adjoint(statement, env)
        elif isinstance(statement, Solve):
            env[statement.out] = _solve(statement, env, kinds, program.periodic)
        elif isinstance(statement, SiteSum):
            x = env[statement.src]
            over = tuple(range(1 if statement.channels else 2, x.ndim))
            env[statement.out] = np.broadcast_to(x.sum(over, keepdims=True), x.shape)
        elif isinstance(statement, Root):
            env |= root_values(statement, env, run)
        elif isinstance(statement, RootAdjoint):
            env |= adjoint_values(statement, env, run)
        elif isinstance(statement, Units):
            unit_values(statement, env)
        else:
            raise unknown(statement, "the interpreter")
    return {name: env[name] for name in program.outputs}


def _map(
    statement: Map,
    env: dict[str, Any],
    kinds: Mapping[str, Kind],
    periodic: bool,
    functions: Learned | None,
    edges: int,
) -> None:
    site = next(env[name] for name in (*statement.reads, *env) if kinds[name] in (Kind.SITE, statement.over))
    shape = (*site.shape[:2], edges) if statement.over is Kind.EDGE else site.shape
    own = {symbol for symbol, _ in statement.lets}
    atoms = {atom for e in statement.expressions for atom in e.free_symbols} - own
    values = _values(atoms, env, kinds, shape[2:], periodic)
    for symbol, expr in statement.lets:
        values[symbol] = evaluate(expr, values, functions)
    stores = [(name, np.broadcast_to(evaluate(e, values, functions), shape)) for name, e in statement.stores]
    for name, kind, e in statement.sums:
        axes = (0, *range(2, len(shape))) if kind is Kind.CHANNEL else None
        env[name] = np.broadcast_to(evaluate(e, values, functions), shape).sum(axis=axes)
    env.update(stores)


def along(which: Along, x: np.ndarray, incidence: np.ndarray | None) -> np.ndarray:
    """One of the four maps between nodes and edges, by the incidence matrix."""
    if incidence is None:
        raise ValueError("a program with maps along edges needs the incidence matrix of its graph")
    if which in (Along.DIFFERENCE, Along.CODIFFERENCE):
        matrix = incidence
    else:
        matrix = np.abs(incidence)
    across: np.ndarray = x @ (matrix.T if which in (Along.DIFFERENCE, Along.AVERAGE) else matrix)
    return across if matrix is incidence else across / 2


def _values(
    atoms: set[sp.Symbol], env: Mapping[str, Any], kinds: Mapping[str, Kind], sides: tuple[int, ...], periodic: bool
) -> dict[sp.Symbol, Any]:
    """What the symbols of an expression stand for, as arrays that broadcast over the sites."""
    values: dict[sp.Symbol, Any] = {}
    for atom in atoms:
        if isinstance(atom, Load):
            values[atom] = shifted(env[atom.array], atom.offset, periodic)
        elif isinstance(atom, Inside):
            mask = shifted(np.ones((1, 1, *sides)), atom.offset, periodic)
            values[atom] = 1 - mask if isinstance(atom, Outside) else mask
        elif atom.name in kinds:
            x = env[atom.name]
            values[atom] = x.reshape(-1, *[1] * len(sides)) if kinds[atom.name] is Kind.CHANNEL else x
    return values


def dense(statement: Solve, env: Values, kinds: Mapping[str, Kind], shape: tuple[int, ...], periodic: bool) -> Any:
    """The matrix of A in every sample and channel, (B, C, N, N) with N the number of sites."""
    sides, size = shape[2:], int(np.prod(shape[2:]))
    units = {**env, statement.out: np.eye(size).reshape(size, 1, 1, *sides)}
    values = _values(set(statement.operator.free_symbols), units, {**kinds, statement.out: Kind.SITE}, sides, periodic)
    columns = np.broadcast_to(evaluate(statement.operator, values), (size, *shape))
    return np.moveaxis(columns.reshape(size, *shape[:2], size), 0, -1)


def _solve(statement: Solve, env: Values, kinds: Mapping[str, Kind], periodic: bool) -> Any:
    """By the waves that A multiplies by numbers, where there are such; else by elimination."""
    rhs = env[statement.rhs]
    modes = modes_of(statement.acting_on(UNKNOWN), periodic)
    if modes is not None:
        own = {s for s in statement.operator.free_symbols if s.name in statement.coefficients}
        given = _values(own, env, kinds, rhs.shape[2:], periodic)
        return solved(rhs, modes, statement.singular, given)
    return eliminated(statement, env, kinds, rhs, periodic)


def eliminated(statement: Solve, env: Values, kinds: Mapping[str, Kind], rhs: Any, periodic: bool) -> Any:
    """A^-1 rhs by elimination; a singular A has the constants added, which are orthogonal to everything else."""
    matrix = dense(statement, env, kinds, rhs.shape, periodic)
    flat = rhs.reshape(*rhs.shape[:2], -1)
    if not statement.singular:
        return np.linalg.solve(matrix, flat[..., None]).reshape(rhs.shape)
    scale = np.abs(matrix).max()
    mean_free = flat - flat.mean(-1, keepdims=True)
    out = np.linalg.solve(matrix + scale / flat.shape[-1], mean_free[..., None])[..., 0]
    return (out - out.mean(-1, keepdims=True)).reshape(rhs.shape)


def _cayley_adjoint(statement: CayleyAdjoint, env: dict[str, Any]) -> None:
    matrix, scale = env[statement.matrix], env[statement.scale]
    one = np.eye(len(matrix))
    bar = np.linalg.solve((one - scale * matrix).T, env[statement.cotangent]) @ (one + env[statement.rotation]).T
    env[statement.out_matrix] = scale * bar
    env[statement.out_scale] = (bar * matrix).sum()
