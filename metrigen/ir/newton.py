"""The oracle of ``Root`` and ``RootAdjoint``: Newton's method with the dense Jacobian of every sample."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from metrigen.ir.implicit import Equation, Root, RootAdjoint
from metrigen.ir.kinds import Kind

Env = Mapping[str, Any]
Run = Callable[..., dict[str, np.ndarray]]
_MOST = 60


def root_values(statement: Root, env: Env, run: Run) -> dict[str, np.ndarray]:
    """z by Newton's method, two more iterations after it stands still: the imaginary part of a complex step takes one.

    Raises RuntimeError where it does not converge.
    """
    equation = statement.equation
    given = [env[name] for name in statement.given]
    z = [np.asarray(env[name]) for name in statement.starts]
    still = 0
    for _ in range(_MOST):
        values = _bound(equation, z, given)
        defect = _packed(list(run(equation.residual, values).values()))
        step = np.linalg.solve(_jacobian(equation, z, given, run), -defect[..., None])[..., 0]
        z = _unpacked(_packed(z) + step, z)
        still += bool(np.abs(step).max() <= 1e-13 * (1 + np.abs(_packed(z)).max()))
        if still == 3:
            return dict(zip(statement.outs, z, strict=True))
    raise RuntimeError(f"Newton's method does not converge on {equation.name}")


def adjoint_values(statement: RootAdjoint, env: Env, run: Run) -> dict[str, np.ndarray]:
    """w by elimination."""
    z = [env[name] for name in statement.at]
    matrix = _jacobian(statement.equation, z, [env[name] for name in statement.given], run)
    sources = _packed([np.broadcast_to(env[name], z[0].shape) for name in statement.sources])
    w = np.linalg.solve(np.swapaxes(matrix, -1, -2), sources[..., None])[..., 0]
    return dict(zip(statement.outs, _unpacked(w, z), strict=True))


def _jacobian(equation: Equation, z: list[np.ndarray], given: list[Any], run: Run) -> np.ndarray:
    """dR/dz of every sample, (B, N, N), column by column: N copies of the sample, each with a unit vector."""
    size = sum(x[0].size for x in z)
    units = _unpacked(np.tile(np.eye(size), (len(z[0]), 1)), z)

    def copies(x: Any, kind: Kind) -> Any:
        return np.repeat(np.broadcast_to(x, z[0].shape), size, axis=0) if kind is Kind.SITE else x

    tangent = equation.tangent
    arrays = zip(tangent.inputs, (*z, *given), strict=False)
    values = {a.name: copies(x, a.kind) for a, x in arrays}
    values |= {a.name: v for a, v in zip(tangent.inputs[-equation.unknowns :], units, strict=True)}
    columns = _packed(list(run(tangent, values).values()))
    return np.swapaxes(columns.reshape(len(z[0]), size, size), 1, 2)


def _bound(equation: Equation, z: list[np.ndarray], given: list[Any]) -> dict[str, Any]:
    return {a.name: x for a, x in zip(equation.residual.inputs, (*z, *given), strict=True)}


def _packed(fields: list[np.ndarray]) -> np.ndarray:
    """The unknowns of every sample as one vector, (B, N)."""
    return np.concatenate([x.reshape(len(x), -1) for x in fields], axis=1)


def _unpacked(vectors: np.ndarray, like: list[np.ndarray]) -> list[np.ndarray]:
    parts = np.split(vectors, np.cumsum([x[0].size for x in like])[:-1], axis=1)
    return [part.reshape(-1, *x.shape[1:]) for part, x in zip(parts, like, strict=True)]
