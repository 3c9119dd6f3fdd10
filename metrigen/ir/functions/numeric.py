"""The functions of the table in numpy, for the interpreter."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from metrigen.ir.functions.write import helpers, spelling


def like(x: Any, c: float) -> Any:
    """The number c as an array in the shape and precision of x."""
    return np.zeros_like(x) + c


def vector(f: Callable[[float], float]) -> Callable[[Any], Any]:
    """A function of a number as one of arrays, in their precision."""

    def value(x: Any) -> Any:
        x = np.asarray(x)
        out = np.array([_at(f, v) for v in x.ravel().astype(float)]).reshape(x.shape)
        return out.astype(x.dtype if x.dtype.kind == "f" else float)

    return value


def _at(f: Callable[[float], float], x: float) -> float:
    try:
        return f(x)
    except (ValueError, OverflowError):
        return math.inf if x == 0 or x > 0 else math.nan


@cache
def numpy_function(name: str) -> Callable[..., Any]:
    """The function, an order behind its name, on arrays of one shape."""
    found = spelling(name, "numpy")
    names: dict[str, Any] = {"np": np, "math": math, "like": like, "vector": vector}
    call = "lambda x: " + found.format("x") if "{0}" in found else found
    exec(helpers(f"{call}(", "numpy"), names)  # the text is the table's own
    function: Callable[..., Any] = eval(call, names)

    def broadcast(*args: Any) -> Any:
        given = np.broadcast_arrays(*(np.asarray(a) for a in args))
        kind = np.result_type(*(a for a in args), np.float32) if any(isinstance(a, np.ndarray) for a in args) else float
        return function(*(np.asarray(a, dtype=kind if a.dtype.kind != "c" else a.dtype) for a in given))

    return broadcast
