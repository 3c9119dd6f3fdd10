# Part of every package that metrigen 0.1.0 emits. Do not edit.
"""A call like the one before it: what that one checked, and worked out, of shapes and settings is not done again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from .base import HALF, Tensors, has_numbers
from .plain import KINDS, alone


class Before:
    """What a call found: of fields (B, C, *S) that are ``like`` its own, under the same settings, the next one finds
    the same.

    span, step  the steps of the layer, and its time step as a tensor
    kept        of a frozen layer the buffers, by name, that ``run`` reads
    run         of a frozen layer: the last state from the first one by one call of a kernel; None where there is none
    wanted      whether kernels may run

    A copy of a layer, or one that was saved, has found nothing yet.
    """

    __slots__ = ("backend", "device", "dtype", "kept", "run", "shape", "span", "step", "wanted")

    def __init__(
        self, like: Tensor | None = None, backend: str = "", span: Any = None, step: Tensor | None = None
    ) -> None:
        self.shape = None if like is None else like.shape
        self.dtype = None if like is None else like.dtype
        self.device = None if like is None else like.device
        self.backend, self.span, self.step = backend, span, step
        self.kept: tuple[tuple[str, Tensor], ...] = ()
        self.run: Callable[[Tensors], Tensors] | None = None
        self.wanted: Callable[[], bool] = bool

    def __reduce__(self) -> Any:
        return type(self), ()

    def bind(self, layer: Any, fixed: Tensors, like: Tensor) -> None:
        """Find the kernel of a frozen layer; ``fixed``: what a step reads beside the state."""
        module = layer.OPERATORS.module(layer.backend, like.device.type) if layer.OPERATORS is not None else None
        if module is None or not hasattr(module, "prepared") or not alone((like, *fixed)):
            return
        self.run, self.wanted = module.prepared(like, fixed, self.span.steps), module.wanted
        self.kept = tuple((name, layer._buffers[name]) for name in layer._frozen)


def plain(inputs: Mapping[str, Any], span: Any) -> bool:
    """Whether a call says nothing but where it starts."""
    return not inputs and span.steps is None and span.dt is None and not span.every


def as_before(layer: Any, evolved: Callable[..., Tensors], fields: Mapping[str, Any]) -> Tensors | None:
    """The results of a call on plain tensors that are like those of the call before; None where it is not like that."""
    if torch.compiler.is_compiling():
        return None
    known, state = layer._before, tuple(fields.values())
    if known is None:
        return None
    shape, dtype, device = known.shape, known.dtype, known.device
    if shape is None or device is None:
        return None
    for x in state:
        if type(x) not in KINDS or x.shape != shape or x.dtype != dtype or x.device != device:
            return None
    if layer.steps != known.span.steps or layer._backend != known.backend:
        return None
    if known.run is not None and evolved == layer._evolved and _undisturbed(layer, known, state):
        layer.__dict__["_ran"] = device.type
        return known.run(state)
    return evolved(known.span, known.step, *state) if layer.FREE else evolved(known.span, *state)


def _undisturbed(layer: Any, known: Before, state: Tensors) -> bool:
    """Whether kernels may be called at once: no gradient flows, nobody looks on, and what is kept is what it was."""
    if torch.is_grad_enabled() and any([x.requires_grad for x in state]):
        return False
    buffers = layer._buffers
    for name, x in known.kept:
        if buffers.get(name) is not x:
            return False
    return all([x.is_contiguous() for x in state]) and alone(state) and known.wanted()


def remember(layer: Any, state: Tensors, span: Any, step: Tensor | None) -> None:
    """Keep for the next call what this one, which said nothing but where it starts, has found."""
    first = state[0]
    if layer.TIMED or first.dtype in HALF or isinstance(layer.__dict__.get("_dt"), Tensor) or not has_numbers(first):
        return
    if torch.is_inference_mode_enabled() or not alone(state if step is None else (*state, step)):
        return  # a tensor that was made now could be of no use later
    known = Before(first, layer.backend, span, step)
    if layer._frozen:
        with torch.no_grad():
            known.bind(layer, layer._fixed(first) if step is None else layer._fixed(step, first), first)
    layer.__dict__["_before"] = known
