# Part of every package that metrigen 0.1.0 emits. Do not edit.
"""What a method is handed, as it is taken or refused: fields, states, inputs, counts, and numbers of samples."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor


def check_fields(**fields: Any) -> None:
    """Fields are tensors, or None for one that starts at zero. Raises TypeError."""
    for name, x in fields.items():
        if x is not None and not isinstance(x, Tensor):
            of_array = "torch.from_numpy makes one of an array"
            hint = of_array if hasattr(x, "__array__") else "the State of this layer is handed over as it is"
            raise TypeError(f"{name} is a tensor, not {type(x).__name__}; {hint}")


def check_state(method: str, state: Any, kind: Any) -> None:
    """A method that reads a state is given one. Raises TypeError."""
    if not hasattr(state, kind._fields[0]):  # not isinstance: a module may be loaded twice
        raise TypeError(f"{method}() reads the {kind.__name__} that forward returned, not {type(state).__name__}")


def check_given(method: str, /, **inputs: Tensor | None) -> None:
    """A method that reads inputs is given all of them. Raises TypeError."""
    missing = [name for name, x in inputs.items() if x is None]
    if missing:
        raise TypeError(f"{method}() needs the input{'s' if len(missing) > 1 else ''} {', '.join(missing)}")


def check_input(x: Any, name: str) -> Tensor:
    """An input that may be cast to the dtype of the fields. Raises TypeError and ValueError."""
    if not isinstance(x, Tensor):
        raise TypeError(f"{name} is a tensor, not {type(x).__name__}")
    if x.is_complex():
        raise ValueError(
            f"{name} is {x.dtype}: an imaginary part has no place in a real field; give its parts as two fields"
        )
    return x


def of_sample(x: Any, axes: int, name: str) -> Tensor:
    """Numbers of samples, (B,) or (B, C), with all the axes of a field. Raises TypeError and ValueError."""
    if check_input(x, name).dim() not in (1, 2):
        raise ValueError(f"{name} has shape {tuple(x.shape)}; needed: (B,) or (B, C), one number a sample or channel")
    return x.reshape((*x.shape, *[1] * (axes - x.dim())))


def as_tolerance(value: Any, name: str) -> float:
    """A finite number that is not negative; raises TypeError and ValueError."""
    if isinstance(value, (str, bool)) or not hasattr(value, "__float__"):
        raise TypeError(f"{name} is a number, not {type(value).__name__}")
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{name}={value!r} must be finite and not negative")
    return float(value)


def as_count(value: Any, name: str, least: int) -> int:
    """A whole number of at least ``least``; raises ValueError."""
    try:
        whole = int(value)
    except (TypeError, ValueError):
        whole = least - 1
    if isinstance(value, (bool, Tensor)) or whole != value or whole < least:
        kind = "a positive whole number" if least else "a whole number, not negative"
        raise ValueError(f"{name}={value!r} must be {kind}")
    return whole
