"""Random arrays of the shapes that a program asks for, its exact directional derivative, and the dot test."""

from __future__ import annotations

import numpy as np

from metrigen.ir.interpreter import run
from metrigen.ir.nodes import Array, Kind, Program
from metrigen.passes.vary import bar

SIZES = (5, 4, 3)
Values = dict[str, np.ndarray]


def random_values(arrays: tuple[Array, ...], rank: int, seed: int = 0, channels: int = 3) -> Values:
    """``drawn`` for two samples on a lattice of ``SIZES``."""
    return drawn(arrays, {Kind.SITE: (2, channels, *SIZES[:rank])}, seed, channels)


def drawn(arrays: tuple[Array, ...], sites: dict[Kind, tuple[int, ...]], seed: int, channels: int) -> Values:
    """Values that respect sign and symmetry; a scalar is small, as a time step is. ``sites``: shapes of fields."""
    rng = np.random.default_rng(seed)
    shapes = {**sites, Kind.CHANNEL: (channels,), Kind.SCALAR: (), Kind.MATRIX: (channels, channels)}
    values = {}
    for array in arrays:
        value = rng.normal(size=(channels, *array.units) if array.kind is Kind.UNITS else shapes[array.kind])
        value = value + array.symmetry * value.T if array.symmetry else value
        value = 0.05 + 0.1 * np.abs(value) if array.kind is Kind.SCALAR else value
        values[array.name] = np.abs(value) + 0.1 if array.positive and array.kind is not Kind.SCALAR else value
    return values


def directional(program: Program, values: Values, along: Values, **graph: np.ndarray) -> Values:
    """d/de program(values + e along) at e = 0 by the complex step: exact to rounding, no difference is taken."""
    tiny = 1e-150
    out = run(program, {name: value + 1j * tiny * along[name] for name, value in values.items()}, **graph)
    return {name: np.imag(value) / tiny for name, value in out.items()}


def dot_defect(program: Program, adjoint: Program, rank: int, constants: tuple[str, ...] = ()) -> float:
    """``defect_between`` at random values on a lattice; what is constant does not move."""
    values, along = random_values(program.inputs, rank), random_values(program.inputs, rank, seed=1)
    return defect_between(program, adjoint, values, along | {name: 0 * along[name] for name in constants})


def defect_between(program: Program, adjoint: Program, values: Values, along: Values, **graph: np.ndarray) -> float:
    """|<J v, w> - <v, J^T w>| over the sum of the |terms|, v = ``along`` and w random."""
    image = directional(program, values, along, **graph)
    cotangents = {bar(name): np.random.default_rng(2).normal(size=image[name].shape) for name in program.outputs}
    flowed = run(adjoint, {**values, **cotangents}, **graph)
    forward = sum((image[name] * cotangents[bar(name)]).sum() for name in program.outputs)
    terms = [(flowed[bar(a.name)] * along[a.name]).sum() for a in program.inputs if bar(a.name) in flowed]
    return abs(forward - sum(terms)) / max(1.0, sum(abs(term) for term in terms))
