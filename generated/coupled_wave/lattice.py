# Part of every package that metrigen 0.1.0 emits. Do not edit.
# mypy: ignore-errors
"""What every layer on a lattice shares: fields and inputs in one shape and dtype, and samples with their own steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from .base import (
    BaseLayer,
    Tensors,
    as_dtype,
    by_sample,
    check_fields,
    check_input,
    check_state,
    working,
)


class LatticeLayer(BaseLayer):
    """A layer on fields (B, C, *S).

    RANK      axes of the lattice
    ALONE     whether samples with time steps of their own are stepped one after the other by every backend
    """

    RANK: ClassVar[int] = 0
    ALONE: ClassVar[bool] = False

    def _run(
        self, evolved: Callable[..., Tensors], fields: Mapping[str, Tensor | None], inputs: Mapping[str, Tensor]
    ) -> tuple[Tensors, torch.dtype]:
        """What ``evolved`` makes of fields and inputs in the dtype of work, of every sample by itself where each has a
        time step of its own; and the dtype that was given."""
        check_fields(**fields)
        first = next(iter(fields.values()))
        for name, x in fields.items():
            if x is None and name not in self.ZERO:
                raise TypeError(f"{name} is a tensor, not None")
        state, dtype = self._work(*[torch.zeros_like(first) if x is None else x for x in fields.values()])
        given = (*state, *[self._site(x, state[0], name) for name, x in inputs.items()])
        if not self.FREE:
            return evolved(*given), dtype
        dt = self._step_like(state[0])
        if dt.dim():
            return by_sample(evolved, dt, given, self.ALONE or self.backend not in ("auto", "torch")), dtype
        return evolved(dt, *given), dtype

    def _state(self, method: str, state: Any) -> Tensors:
        """The fields of a state that a method is given, in the dtype of work."""
        check_state(method, state, self.STATE)
        return self._work(*(getattr(state, name) for name in self.FIELDS))[0]

    def _layout(self) -> str:
        return f"(B, {self.channels}{', *S' if self.RANK else ''})"

    def _work(self, *fields: Tensor) -> tuple[Tensors, torch.dtype]:
        """The fields in the dtype that is computed in (float32 for half precision), and the dtype that was given."""
        first, shape = fields[0], fields[0].shape
        if len(shape) != self.RANK + 2 or shape[1] != self.channels:
            raise ValueError(f"a field of {self.channels} channels has shape {self._layout()}, not {tuple(shape)}")
        for x in fields:
            if x.shape != shape:
                raise ValueError(f"fields differ in shape: {tuple(x.shape)} and {tuple(shape)}")
        dtype = working(*fields)
        return tuple([as_dtype(x, dtype) for x in fields]), first.dtype

    def _site(self, x: Tensor, like: Tensor, name: str) -> Tensor:
        """A prescribed field in the shape and dtype of the state."""
        try:
            return check_input(x, name).to(like.dtype).expand(like.shape).contiguous()
        except RuntimeError as error:
            shapes = f"{tuple(x.shape)}, which does not broadcast to {tuple(like.shape)}"
            raise ValueError(f"{name} has shape {shapes}") from error

    def _coordinate(self, like: Tensor, axis: int, spacing: float) -> Tensor:
        """The coordinate of every site along one axis, (n + 1/2) h."""
        n = like.shape[2 + axis]
        shape = [n if k == axis + 2 else 1 for k in range(like.dim())]
        x = (torch.arange(n, dtype=like.dtype, device=like.device) + 0.5) * spacing
        return x.reshape(shape).expand(like.shape).contiguous()

    def _frame(self, *inputs: Tensor) -> tuple[Tensor, torch.dtype]:
        """An empty field of the shape that the inputs broadcast to, and the dtype that was given."""
        for x in inputs:
            check_input(x, "an input")
        try:
            shape = torch.broadcast_shapes(*(x.shape for x in inputs), (1, self.channels, *[1] * self.RANK))
        except RuntimeError as error:
            shapes = [tuple(x.shape) for x in inputs]
            raise ValueError(f"inputs of shapes {shapes} do not broadcast to {self.channels} channels") from error
        dtype = inputs[0].dtype
        for x in inputs[1:]:
            dtype = torch.promote_types(dtype, x.dtype)
        if not dtype.is_floating_point or len(shape) != self.RANK + 2 or shape[1] != self.channels:
            needed = f"floating point, {self._layout()}"
            raise ValueError(f"inputs broadcast to {tuple(shape)} of {dtype}; needed: {needed}")
        frame = inputs[0].new_empty(shape, dtype=dtype)
        return frame.to(working(frame)), dtype
