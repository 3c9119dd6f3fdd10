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


def registered(axes: int) -> Callable[[S], S]:
    """A class of states whose fields have so many axes, with the methods of every state, and known to torch.export by
    its name: programs that return it can be saved and loaded. A named tuple has no base to inherit them from.

    detach()   cut off from what made it: truncated backpropagation goes on from there
    to(...)    on a device, or in a dtype, which counts and status do not take
    clone()    in memory of its own
    last       the state itself; of fields with one axis more, of times, the last of them
    """

    def known(state: S) -> S:
        named: Any = state
        named.detach, named.clone, named.to = _detach, _clone, _to
        if "last" not in vars(state):
            named.last = property(lambda whole: last_of(whole, axes))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a package that is loaded again: its new class takes the name
            _pytree._register_namedtuple(state, serialized_type_name=f"{state.__module__}.{state.__qualname__}")
        return state

    return known


def last_of(state: Any, axes: int) -> Any:
    """The last of the times of a state; the state itself where its fields have ``axes`` axes, none of times. Raises
    IndexError where there is no time."""
    if any(x.dim() > axes and not x.shape[2] for x in state):
        raise IndexError(
            f"the {type(state).__name__} holds no states, as after a rollout of no steps, so none is the last: such a "
            "rollout ends where it starts"
        )
    return type(state)(*(x[:, :, -1] if x.dim() > axes else x for x in state))


def _detach(self: Any) -> Any:
    """The same values, cut off from what made them."""
    return type(self)(*(x.detach() for x in self))


def _clone(self: Any) -> Any:
    """A copy, differentiable as that of a tensor."""
    return type(self)(*(x.clone() for x in self))


def _to(self: Any, *args: Any, **kwargs: Any) -> Any:
    """As of a module: floating tensors in a dtype, all of them on a device."""
    device, dtype, blocking, layout = torch._C._nn._parse_to(*args, **kwargs)

    def moved(x: Tensor) -> Tensor:
        wanted = dtype if x.is_floating_point() else None
        return x.to(device, wanted, blocking, memory_format=layout or torch.preserve_format)

    return type(self)(*(moved(x) for x in self))


def from_state(method: Callable[Concatenate[Any, P], R]) -> Callable[Concatenate[Any, P], R]:
    """``forward``, which may be handed a State of the layer first, where it starts, and inputs by position."""

    @wraps(method)
    def run(self: Any, /, *given: P.args, **named: P.kwargs) -> R:
        if given and isinstance(given[0], tuple):
            given, named = self._started(method.__name__, given[0], given[1:], named)
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
