# Part of every package that metrigen 0.1.0 emits. Do not edit.
"""Operators called without the dispatcher of torch, which takes longer than a small kernel, where nobody looks on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from .base import Tensors, transformed

Run = Callable[..., Any]
_KINDS = Tensor, nn.Parameter


@cache
def _ordinary(device: str) -> frozenset[int]:
    """The dispatch keys of ordinary tensors on a kind of device, recorded by autograd or made under inference mode:
    others carry a sign that is not applied yet, zeros without memory, or the tensor of a transform."""
    with torch.inference_mode():
        unrecorded = torch.empty(0, device=device)
    return frozenset(torch._C._dispatch_keys(x).raw_repr() for x in (torch.empty(0, device=device), unrecorded))


def alone(tensors: Tensors) -> bool:
    """Whether these are ordinary tensors, all on one kind of device, and torch neither compiles, traces, transforms nor
    profiles a call, nor has a mode that looks at it."""
    if (
        torch.compiler.is_compiling()
        or torch._C._len_torch_dispatch_stack()
        or torch._C._len_torch_function_stack()
        or torch._C._get_tracing_state() is not None
        or torch._C._autograd._profiler_enabled()
        or transformed()
    ):
        return False
    keys, keys_of = _ordinary(tensors[0].device.type), torch._C._dispatch_keys
    for x in tensors:
        if type(x) not in _KINDS or keys_of(x).raw_repr() not in keys:
            return False
    return True


def direct(name: str, registered: Run, runs: Mapping[str, Run], count: int, keep: Run, backward: Run) -> Run:
    """An operator of ``count`` tensors and numbers behind them. ``runs``: type of a device -> what computes it there;
    ``keep`` and ``backward`` are those that it is registered with; nodes of autograd bear its name."""

    def forward(ctx: Any, *given: Any) -> Any:
        made = runs[given[0].device.type](*given)
        keep(ctx, given, made)
        return made

    parts = {"forward": staticmethod(forward), "backward": staticmethod(backward)}
    recorded: Any = type(name.replace("::", "_"), (torch.autograd.Function,), parts)

    def call(*given: Any) -> Any:
        tensors = given[:count]
        run = runs.get(tensors[0].device.type)
        if run is None or not alone(tensors):
            return registered(*given)
        if torch.is_grad_enabled() and any([x.requires_grad for x in tensors]):
            return recorded.apply(*given)
        return run(*given)

    return call
