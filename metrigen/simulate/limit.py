"""The step limit of a model at its own numbers: parameters and inputs as they were given."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.errors import Warned
from metrigen.ir.evaluate import evaluate
from metrigen.ir.nodes import Kind
from metrigen.simulate.model import Model
from metrigen.spec.symbols import InputFunction


def step_limit(model: Model) -> float | None:
    """The smallest value of the derived limit over the sites, driven inputs as at t = 0; None where none is known."""
    limit = model.layer.source.derivation.step_limit
    if limit is None:
        return None
    limit = limit.xreplace({f: sp.Symbol(f.func.__name__) for f in limit.atoms(InputFunction)})
    if limit.atoms(AppliedUndef):
        return None
    arrays = {**model.fixed, **model.driven_at(0.0)}
    matrices = {a.name for a in model.layer.lowered.dynamics.params if a.kind is Kind.MATRIX}
    table: dict[sp.Symbol, Any] = {}
    for symbol in limit.free_symbols:
        name = symbol.name.removeprefix("norm_")
        if name not in arrays:
            return None
        table[symbol] = np.linalg.norm(arrays[name], 2) if name in matrices else _along(arrays[name], model)
    with np.errstate(all="ignore"):
        found = np.asarray(evaluate(limit, table), dtype=float)
    least = float(found[np.isfinite(found)].min()) if np.isfinite(found).any() else np.nan
    return least if np.isfinite(least) and least > 0 else None


def _along(value: np.ndarray, model: Model) -> np.ndarray:
    """A value a channel as one a channel of a field, (1, C, 1, ...); others as they are."""
    if value.ndim == 1:
        return value.reshape(1, -1, *(1 for _ in model.place.shape))
    return value


def above_limit(model: Model) -> float | None:
    """The step limit, if dt is above it."""
    limit = step_limit(model)
    return limit if limit is not None and model.dt > limit * (1 + 1e-9) else None


def about_limit(model: Model) -> str:
    """dt, and what is known of its limit, in words."""
    limit = step_limit(model)
    if limit is None:
        return f"dt = {model.dt:g}; no step limit is known as a formula here"
    where = "above" if model.dt > limit else "below"
    return f"dt = {model.dt:g} is {where} the step limit of the von Neumann analysis, {limit:.4g} at these numbers"


def warnings(model: Model) -> list[Warned]:
    """What is told before a run: a step above the limit."""
    limit = above_limit(model)
    if limit is None:
        return []
    why = f"{about_limit(model)}: the shortest waves grow"
    return [Warned("the time step is above the step limit", part="integrator", why=why, fix=f"--dt below {limit:.4g}")]
