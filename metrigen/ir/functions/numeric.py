"""The functions of the table in numpy, for the interpreter."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from metrigen.ir.functions.target import Target

# Functions of the same name in numpy.
_SAME = """
    exp log sin cos tan tanh sinh cosh sign hypot expm1
""".split()
FUNCTIONS = Target(
    {
        **{name: f"np.{name}" for name in _SAME},
        "csch": "(1.0 / np.sinh({0}))",
        "coth": "(1.0 / np.tanh({0}))",
        "sec": "(1.0 / np.cos({0}))",
        "csc": "(1.0 / np.sin({0}))",
        "cot": "(1.0 / np.tan({0}))",
        "asin": "np.arcsin",
        "acos": "np.arccos",
        "atan": "np.arctan",
        "atan2": "np.arctan2",
        "asinh": "np.arcsinh",
        "acosh": "np.arccosh",
        "atanh": "np.arctanh",
        "erf": "vector(math.erf)",
        "erfc": "vector(math.erfc)",
        "Abs": "np.abs",
        "Max": "np.maximum",
        "Min": "np.minimum",
        "whole": "np.floor",
    },
    {
        "where": "np.where",
        "abs": "np.abs",
        "sqrt": "np.sqrt",
        "log1p": "np.log1p",
        "like": "like",
        "pow": "np.power",
        "floor": "np.floor",
        "quotient": "np.divide",
        "largest": "np.maximum",
        "smallest": "np.minimum",
    },
)


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
    found = FUNCTIONS.spelling(name)
    names: dict[str, Any] = {"np": np, "math": math, "like": like, "vector": vector}
    call = "lambda x: " + found.format("x") if "{0}" in found else found
    exec(FUNCTIONS.helpers(f"{call}("), names)  # the text is the table's own
    function: Callable[..., Any] = eval(call, names)

    def broadcast(*args: Any) -> Any:
        given = np.broadcast_arrays(*(np.asarray(a) for a in args))
        kind = np.result_type(*(a for a in args), np.float32) if any(isinstance(a, np.ndarray) for a in args) else float
        return function(*(np.asarray(a, dtype=kind if a.dtype.kind != "c" else a.dtype) for a in given))

    return broadcast
