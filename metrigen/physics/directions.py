"""A vector along which a symmetric matrix is negative, in numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import sympy as sp

from metrigen.physics.jets import label
from metrigen.physics.opaque import opaque
from metrigen.physics.zero import Evaluator, random_point


def negative_direction(matrix: Sequence[Sequence[sp.Expr]], names: Sequence[str], value: str) -> str:
    """ "a=1, b=-1 gives (F, F) = -2" at a random point of the symbols in the matrix; "" if none was found."""
    entries = [opaque(entry) for row in matrix for entry in row]
    if not entries:
        return ""
    compiled = Evaluator.of(entries)
    for seed in range(12):
        point = random_point(sp.Tuple(*entries), seed)
        numbers = compiled.at(point)
        if numbers is None:
            continue
        square = np.array([float(v) for v in numbers]).reshape(len(matrix), -1)
        lowest, vectors = np.linalg.eigh((square + square.T) / 2)
        if lowest[0] < -1e-12 * max(1.0, float(abs(square).max())):
            vector = vectors[:, 0] / vectors[int(np.argmax(abs(vectors[:, 0]))), 0]
            state = [f"{label(s)}={float(v):.4g}" for s, v in point.items()]
            along = [f"{name}={c:.4g}" for name, c in zip(names, vector, strict=True) if abs(c) > 1e-12]
            return f"{', '.join((*state, *along))} gives {value} = {float(vector @ square @ vector):.4g}"
    return ""
