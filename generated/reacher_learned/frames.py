# Part of every package that metrigen 0.1.0 emits. Do not edit.
"""Trajectories as what reads a state takes them: every state of theirs is a sample."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import torch
from torch import Tensor

R = TypeVar("R")
P = ParamSpec("P")


def framed(method: Callable[Concatenate[Any, P], R]) -> Callable[Concatenate[Any, P], R]:
    """A method that reads a state, so that it also reads a trajectory, fields (B, C, n, *S): energies become (B, n),
    sites (B, R*C, n, *S). Inputs (B, C, n, *S) go with the states, others are the same for all. Raises TypeError where
    the time stands in what is read, and none is handed in, ValueError for inputs or times of another trajectory."""

    @wraps(method)
    def run(self: Any, /, *given: P.args, **named: P.kwargs) -> R:
        state: Any = given[0] if given else named.get("state")
        first = getattr(state, self.FIELDS[0], None)
        if not isinstance(first, Tensor) or first.dim() != 3 + self.RANK:
            return method(self, *given, **named)
        if method.__name__ in self.CLOCKED and "t" not in named:
            raise TypeError(
                f"{method.__name__}() of a trajectory needs the times of its states, as t stands in its formula: "
                f"hand in t=, a tensor ({first.shape[2]},) or {(first.shape[0], first.shape[2])}; after a rollout of "
                f"steps dt from t0 it is t0 + dt * every * torch.arange(1, {first.shape[2] + 1})"
            )
        further, inputs = given[1:], {name: x for name, x in named.items() if name != "state"}
        samples, count = first.shape[0], first.shape[2]

        def alike(name: str, x: Any) -> Any:
            if not isinstance(x, Tensor) or name in self.MORE:
                return x
            if name == "t":
                _fits(name, x.shape, (samples, count))
                return x if x.dim() == 0 else x.expand(samples, count).flatten()
            if x.dim() == 3 + self._axes(name, inputs):
                end = None if name not in self.ALONG and x.dim() == first.dim() else 3
                _fits(name, (x.shape[0], *x.shape[2:end]), (samples, *first.shape[2:end]))
                return _folded(x.expand(samples, -1, count, *x.shape[3:]))
            shared = name not in self.SAMPLES and x.dim() < 2 + self._axes(name, inputs)
            return x if shared or x.shape[0] == 1 else x.repeat_interleave(count, 0)

        folded = (_folded(x) if name in self.FIELDS else x for name, x in zip(state._fields, state))
        whole, along = type(state)(*folded), {n: alike(n, x) for n, x in inputs.items()}

        def read(i: slice, **at: Any) -> Any:
            own = {n: x if x is inputs[n] else x[i] for n, x in along.items()}
            of_states: Callable[..., Any] = method  # of more samples, but the same types
            return of_states(self, type(state)(*(x[i] for x in whole)), *further, **{**own, **at})

        if along.get("t") is inputs.get("t") or method.__name__ not in self.CLOCKED or not self._in_pairs(inputs):
            return _unfolded(read(slice(None)), samples, count)
        # Weights of all pairs take one time.
        apart = [read(slice(i, i + 1), t=t) for i, t in enumerate(along["t"])] or [read(slice(None), t=0.0)]
        return _unfolded(_joined(apart), samples, count)

    return run


def _fits(name: str, sizes: Sequence[int], trajectory: tuple[int, ...]) -> None:
    """Sizes (B, n, *S), or (B, n) or (n,), are those of the trajectory, or one. Raises ValueError."""
    pairs = zip(reversed(sizes), reversed(trajectory))
    if len(sizes) > len(trajectory) or any(own not in (1, wanted) for own, wanted in pairs):
        samples, count, *sites = trajectory
        over = f" over sites {tuple(sites)}" if sites else ""
        raise ValueError(
            f"{name} has sizes {tuple(sizes)} beside channels; the trajectory has {count} states of {samples} samples"
            f"{over}, as (B, C, n, ...), and so has what goes with it, or 1 where it is the same for all"
        )


def _folded(x: Tensor) -> Tensor:
    """(B, C, n, ...) -> (B n, C, ...)."""
    return x.movedim(2, 1).flatten(0, 1)


def _joined(parts: Sequence[Any]) -> Any:
    """Results of one sample after the other, along the first axis."""
    first = parts[0]
    if isinstance(first, dict):
        return {name: _joined([x[name] for x in parts]) for name in first}
    if isinstance(first, tuple):
        made = map(_joined, zip(*parts))
        return type(first)(*made) if hasattr(first, "_fields") else tuple(made)
    return torch.cat(list(parts))


def _unfolded(x: Any, samples: int, count: int) -> Any:
    """(B n, ...) -> (B, n), or with more axes (B, C, n, ...)."""
    if isinstance(x, dict):
        return {name: _unfolded(part, samples, count) for name, part in x.items()}
    if isinstance(x, tuple):
        parts = [_unfolded(part, samples, count) for part in x]
        return type(x)(*parts) if hasattr(x, "_fields") else tuple(parts)
    apart = x.unflatten(0, (samples, count))
    return apart if apart.dim() == 2 else apart.movedim(1, 2)
