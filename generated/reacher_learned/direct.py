# Part of every package that metrigen 0.1.0 emits. Do not edit.
"""Operators called without the dispatcher of torch, which takes longer than a small kernel, where nobody looks on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from .plain import alone

Run = Callable[..., Any]


def direct(name: str, registered: Run, runs: Mapping[str, Run], count: int, keep: Run, backward: Run) -> Run:
    """An operator of ``count`` tensors and numbers behind them. ``runs``: type of a device -> what computes it there;
    ``keep`` and ``backward`` are those that it is registered with; nodes of autograd bear its name."""

    def forward(ctx: Any, *given: Any) -> Any:
        made = runs[given[0].device.type](*given)
        keep(ctx, given, made)
        return made

    parts = {"forward": staticmethod(forward), "backward": staticmethod(backward)}
    recorded: Any = type(name.replace("::", "_"), (torch.autograd.Function,), parts)
    record = super(torch.autograd.Function, recorded).apply  # past what looks for transforms: there are none

    def call(*given: Any) -> Any:
        tensors = given[:count]
        run = runs.get(tensors[0].device.type)
        if run is None or not alone(tensors):
            return registered(*given)
        if torch.is_grad_enabled() and any([x.requires_grad for x in tensors]):
            return record(*given)
        return run(*given)

    return call
