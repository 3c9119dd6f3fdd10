# Part of every package that metrigen 0.1.0 emits. Do not edit.
"""Values looked at as they come and go, where the environment variable METRIGEN_CHECK=1 asks for it."""

from __future__ import annotations

import inspect
import os
import warnings
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import torch
from torch import Tensor

R = TypeVar("R")
P = ParamSpec("P")


def checked(method: Callable[Concatenate[Any, P], R]) -> Callable[Concatenate[Any, P], R]:
    """The method, with fields and inputs checked for what was declared of them and results for being numbers.

    Raises ValueError for what is handed in, FloatingPointError for what comes out; with METRIGEN_CHECK=1 alone, since
    it waits for the device.
    """
    signature = inspect.signature(method)

    @wraps(method)
    def run(self: Any, /, *given: P.args, **named: P.kwargs) -> R:
        if torch.compiler.is_compiling() or os.environ.get("METRIGEN_CHECK", "0") != "1":
            return method(self, *given, **named)
        label = f"{type(self).__name__}.{method.__name__}"
        for name, x in signature.bind(self, *given, **named).arguments.items():
            for part, value in _tensors(name, x):
                _check_given(label, part, value, self.SIGNS.get(part, ""), self.BOUNDS.get(part))
        result = method(self, *given, **named)
        bad = _not_finite(result)
        if bad is not None:
            raise FloatingPointError(f"{label}: {bad}{_first_step(self, method, given, named)}")
        return result

    return run


def _tensors(name: str, x: Any) -> list[tuple[str, Tensor]]:
    """The tensors of an argument by name: one, or those of a state."""
    if isinstance(x, Tensor):
        return [(name, x)]
    fields = getattr(x, "_fields", None)
    pairs = zip(fields, x) if fields else ((f"{name}[{i}]", y) for i, y in enumerate(x if isinstance(x, tuple) else ()))
    return [pair for key, y in pairs for pair in _tensors(key, y)]


def _check_given(label: str, name: str, x: Tensor, sign: str, below: float | None) -> None:
    if not x.is_floating_point() or x.is_meta:
        return
    wrong = ~x.isfinite()
    word = "finite"
    if not bool(wrong.any()) and sign:
        wrong, word = (x <= 0) if sign == "positive" else (x < 0), f"{sign}, as it was declared"
    if not bool(wrong.any()) and below is not None:
        wrong, word = x >= below, f"below {below}, as it was declared"
    if bool(wrong.any()):
        place = tuple(int(i) for i in wrong.nonzero()[0])
        raise ValueError(f"{label}: {name} must be {word}; it is {float(x[place])} at {place}")


def _not_finite(result: Any) -> str | None:
    """Which of the results is no number, and where."""
    for name, x in _tensors("the result", result):
        if x.is_floating_point() and not x.is_meta and not bool(x.isfinite().all()):
            place = tuple(int(i) for i in (~x.isfinite()).nonzero()[0])
            return f"{name} is {float(x[place])} at {place}"
    return None


def _first_step(self: Any, method: Callable[..., Any], given: tuple[Any, ...], named: dict[str, Any]) -> str:
    """The first of several steps after which a field is no number, found by taking them one by one. Nothing where every
    step has values of its own, of inputs or of noise: a step that is taken alone would be another."""
    count = getattr(self, "steps", None)
    apart = getattr(self, "DRIVEN", ()) or getattr(self, "NOISE", ())
    if method.__name__ != "forward" or not count or apart:
        return ""
    state: Any = given
    self.steps = 1
    try:
        for step in range(1, count + 1):
            state = method(self, *state, **named)
            state = tuple(x for n, x in zip(state._fields, state) if n not in ("iterations", "residual", "status"))
            if _not_finite(state) is not None:
                return f", first after step {step} of {count}"
            named = {n: x for n, x in named.items() if n in self.INPUTS}
    finally:
        self.steps = count
    return ""


def warn_above_limit(layer: Any, dt: Any, limit: float) -> None:
    """One warning where the time step that a layer is made with is a number above the step limit."""
    if isinstance(dt, (int, float)) and dt > limit:
        warnings.warn(
            f"{type(layer).__name__}: dt = {dt:g} is above the step limit {limit:.4g} of the von Neumann analysis "
            "at the declared start of the parameters",
            RuntimeWarning,
            stacklevel=3,
        )
