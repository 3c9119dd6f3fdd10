# Part of every package that metrigen 0.1.0 emits. Do not edit.
"""States: named tuples of tensors that torch knows, and that can be cut off, moved, copied and handed over whole."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import torch
from torch import Tensor
from torch.utils import _pytree

S = TypeVar("S", bound=type)
R = TypeVar("R")
P = ParamSpec("P")


def registered(state: S) -> S:
    """A class of states, known to torch.export by its name: programs that return it can be saved and loaded."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a package that is loaded again: its new class takes the name
        _pytree._register_namedtuple(state, serialized_type_name=f"{state.__module__}.{state.__qualname__}")
    return state


def last_of(state: Any, axes: int) -> Any:
    """The last of the times of a state; the state itself where its fields have ``axes`` axes, none of times. Raises
    IndexError where there is no time."""
    if any(x.dim() > axes and not x.shape[2] for x in state):
        raise IndexError(
            f"the {type(state).__name__} holds no states, as after a rollout of no steps, so none is the last: such a "
            "rollout ends where it starts"
        )
    return type(state)(*(x[:, :, -1] if x.dim() > axes else x for x in state))


def detached(state: Any) -> Any:
    """The same values, cut off from what made them."""
    return type(state)(*(x.detach() for x in state))


def cloned(state: Any) -> Any:
    """A copy, differentiable as that of a tensor."""
    return type(state)(*(x.clone() for x in state))


def moved(state: Any, *args: Any, **kwargs: Any) -> Any:
    """As of a module: floating tensors in a dtype, all of them on a device."""
    device, dtype, blocking, layout = torch._C._nn._parse_to(*args, **kwargs)

    def one(x: Tensor) -> Tensor:
        wanted = dtype if x.is_floating_point() else None
        return x.to(device, wanted, blocking, memory_format=layout or torch.preserve_format)

    return type(state)(*(one(x) for x in state))


def from_state(method: Callable[Concatenate[Any, P], R]) -> Callable[Concatenate[Any, P], R]:
    """``forward``, which may be handed a State of the layer first, where it starts, and inputs by position."""

    @wraps(method)
    def run(self: Any, /, *given: P.args, **named: P.kwargs) -> R:
        first: Any = given[0] if given else None
        if self.START == "warm_start" and not isinstance(first, tuple) and isinstance(named.get(self.START), tuple):
            first = named.pop(self.START)  # a State by the keyword of its field
            given, named = self._started(method.__name__, first, given, named)
        elif isinstance(first, tuple):
            given, named = self._started(method.__name__, first, given[1:], named)
        if not self.START and len(given) > len(self.FIELDS):
            given, named = self._by_position(method.__name__, given, named)
        if "t0" in named and not getattr(self, "TIMED", False):
            raise TypeError(
                f"{method.__name__}() of {type(self).__name__} takes no t0: t stands nowhere in its system, so that "
                "its steps are the same at all times"
            )
        if not torch.compiler.is_compiling():
            self.__dict__["_ran"] = ""  # the reference, until kernels are called
        return method(self, *given, **named)

    return run
