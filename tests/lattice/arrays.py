"""Random arrays of the shapes that a program asks for, and the exact directional derivative of a program."""

from __future__ import annotations

import numpy as np

from metrigen.ir.interpreter import run
from metrigen.ir.nodes import Array, Kind, Program

SIZES = (5, 4, 3)


def random_values(arrays: tuple[Array, ...], rank: int, seed: int = 0, channels: int = 3) -> dict[str, np.ndarray]:
    """Values that respect sign and symmetry; a scalar is small, as a time step is."""
    rng = np.random.default_rng(seed)
    shapes = {
        Kind.SITE: (2, channels, *SIZES[:rank]),
        Kind.CHANNEL: (channels,),
        Kind.SCALAR: (),
        Kind.MATRIX: (channels, channels),
    }
    values = {}
    for array in arrays:
        value = rng.normal(size=shapes[array.kind])
        value = value + array.symmetry * value.T if array.symmetry else value
        value = 0.05 + 0.1 * np.abs(value) if array.kind is Kind.SCALAR else value
        values[array.name] = np.abs(value) + 0.1 if array.positive and array.kind is not Kind.SCALAR else value
    return values


def directional(program: Program, values: dict[str, np.ndarray], along: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """d/de program(values + e along) at e = 0 by the complex step: exact to rounding, no difference is taken."""
    tiny = 1e-150
    out = run(program, {name: value + 1j * tiny * along[name] for name, value in values.items()})
    return {name: np.imag(value) / tiny for name, value in out.items()}
