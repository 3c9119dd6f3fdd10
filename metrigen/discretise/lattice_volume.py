"""``lattice_volume``: the step that is emitted keeps the volume of phase space, log|det dz'/dz| = 0.

A statement u' = u + g, with g of the other fields as they are at that moment, is a shear: its Jacobian is the identity
plus a block off the diagonal, of determinant one on any lattice, for any g, learned functions and maps of channels
included. A step that is a composition of shears keeps the volume exactly, whatever its size; kicks and drifts of a
separable Hamiltonian are such. Another step is differentiated at random states.

Reference: E. Hairer, C. Lubich, G. Wanner (2006), Geometric Numerical Integration, chapter VI.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import sympy as sp

from metrigen.discretise.dynamics import Dynamics, after
from metrigen.discretise.lattice_probe import Numbers, Stencil
from metrigen.errors import StructureError
from metrigen.ir.interpreter import run
from metrigen.ir.nodes import Map, Program, Statement, loads, stem
from metrigen.ir.queries import known
from metrigen.physics.derivation import Law

NAME = "lattice_volume"
_TOLERANCE = 1e-5  # of log|det| by differences
_CHANGE = 1e-5  # of a number of the state, each way


def lattice_volume(dynamics: Dynamics, step: Program) -> Law:
    """The law of a step before the passes. Raises StructureError, with a state, where a step does not keep volumes."""
    names = tuple(a.name for a in dynamics.state)
    count = shears(step, names)
    if count is not None:
        how = f"the step is {count} shears u + g(the other fields), each of a Jacobian with determinant one"
        return Law(NAME, "proved", how)
    worst = 0.0
    for values in Stencil.of(dynamics).states():
        size = log_determinant(step, names, values)
        if np.isfinite(size) and abs(size) > _TOLERANCE:
            raise StructureError(
                "the step does not keep the volume of phase space", law=NAME, part="integrator",
                why=f"{type(dynamics.derivation.system.integrator).__name__} is no composition of shears",
                witness=f"log|det dz'/dz| = {size:.4g} at a random state",
                fix="Leapfrog(steps=8, dt=0.1) for H = T(p) + V(q), ImplicitMidpoint for another H with a constant "
                "bracket; or drop volume_preserving=",
            )  # fmt: skip
        worst = max(worst, abs(size)) if np.isfinite(size) else worst
    return Law(NAME, "sampled", "Jacobian of the step at random states, by differences", f"log|det| up to {worst:.1e}")


def shears(step: Program, names: tuple[str, ...]) -> int | None:
    """Of how many shears a step is composed, those that add nothing left out; None where it is not.

    Of every field the array that holds it at that moment is known, and of every other array which of these it was
    worked out from. Each update must read others as they are at its moment, and the outputs must be the last ones.
    """
    current = {name: name for name in names}
    origins: dict[str, frozenset[str]] = {name: frozenset({name}) for name in names}
    count = 0
    for statement in known(step, "shears"):
        field, added = _update(statement, current)
        if field is None:
            seen = _seen(statement.reads, origins)
            origins.update({name: seen for name, _ in statement.defines})
            continue
        others = {array for name, array in current.items() if name != field}
        seen = _seen(tuple(load.array for load in loads(added)), origins)
        if not seen <= others:
            return None
        (current[field], _), *_ = statement.defines
        origins[current[field]] = frozenset({current[field]})
        count += added != 0
    return count if current == {name: after(name) for name in names} else None


def _update(statement: Statement, current: Mapping[str, str]) -> tuple[str | None, sp.Expr]:
    """The field that a statement adds something to, and what; None where it is no such statement."""
    if not isinstance(statement, Map) or statement.sums or statement.lets or len(statement.stores) != 1:
        return None, sp.S.Zero
    ((out, expr),) = statement.stores
    field = stem(out)
    own = [load for load in loads(expr) if load.array == current.get(field)]
    if len(own) != 1 or any(own[0].offset):
        return None, sp.S.Zero
    added = sp.expand(expr - own[0])
    return (field, added) if not added.has(own[0]) else (None, sp.S.Zero)


def _seen(arrays: tuple[str, ...], origins: Mapping[str, frozenset[str]]) -> frozenset[str]:
    return frozenset().union(*(origins.get(array, frozenset()) for array in arrays))


def log_determinant(step: Program, names: tuple[str, ...], values: Numbers) -> float:
    """log|det dz'/dz| of a step at a state, by central differences; not a number where the step has no value."""
    start = np.concatenate([values[name].ravel() for name in names])
    sizes = np.cumsum([values[name].size for name in names])[:-1]

    def end(state: np.ndarray) -> np.ndarray:
        parts = zip(names, np.split(state, sizes), strict=True)
        out = run(step, {**values, **{name: x.reshape(values[name].shape) for name, x in parts}})
        return np.concatenate([out[after(name)].ravel() for name in names])

    with np.errstate(all="ignore"):
        moves = _CHANGE * np.eye(len(start))
        columns = [(end(start + move) - end(start - move)) / (2 * _CHANGE) for move in moves]
        jacobian = np.stack(columns, axis=1)
    return float(np.linalg.slogdet(jacobian)[1]) if np.isfinite(jacobian).all() else float("nan")
