# Part of every package that metrigen 0.1.0 emits. Do not edit.
"""Whether a call is an ordinary one, of ordinary tensors at which nobody else looks."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor, nn

from .base import Tensors, transformed

KINDS = Tensor, nn.Parameter


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
        if type(x) not in KINDS or keys_of(x).raw_repr() not in keys:
            return False
    return True
