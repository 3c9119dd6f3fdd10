# Part of every package that metrigen 0.1.0 emits. Do not edit.
"""What every layer on a lattice shares: fields and inputs in one shape and dtype, and samples with their own steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor

from .again import Before, as_before, plain, remember
from .arguments import check_fields, check_input, check_state, of_sample
from .base import BaseLayer, Tensors, as_dtype, as_step, broadcast, by_sample, step_of, working
from .trajectories import Span, counted, moment


class LatticeLayer(BaseLayer):
    """A layer on fields (B, C, *S).

    RANK      axes of the lattice
    BACKWARD  whether the time step may be negative
    ALONE     whether samples with time steps of their own are stepped one after the other by every backend
    DRIVEN    names of the inputs that have a value for every step
    TIMED     whether something depends on the time by itself
    SAMPLES   names of the inputs that are numbers of samples, (B,) or (B, C)
    ON        name of an input that lives on some of the axes -> for each axis whether it has it
    """

    RANK: ClassVar[int] = 0
    BACKWARD: ClassVar[bool] = False
    ALONE: ClassVar[bool] = False
    DRIVEN: ClassVar[tuple[str, ...]] = ()
    TIMED: ClassVar[bool] = False
    SAMPLES: ClassVar[tuple[str, ...]] = ()
    ON: ClassVar[Mapping[str, tuple[bool, ...]]] = {}

    _before: Before | None = None  # what the call before found

    # Of a layer that takes steps.
    steps: int
    _evolved: Callable[..., Tensors]
    _rolled_readout: Any
    _apart: Callable[..., bool]

    def _called(self, fields: Mapping[str, Tensor | None], inputs: Mapping[str, Tensor], span: Span) -> Any:
        """The state after the steps of a span, or the states on the way."""
        results, dtype = self._run(self._rolled_readout if span.read else self._evolved, fields, inputs, span)
        if span.read:
            read, *ends = (as_dtype(x, dtype) for x in results)
            return self.STATE(*ends), read
        n = len(self.FIELDS)
        return self.STATE(*[as_dtype(x, dtype) for x in results[:n]], *results[n:])

    def _run(
        self,
        evolved: Callable[..., Tensors],
        fields: Mapping[str, Tensor | None],
        inputs: Mapping[str, Tensor],
        span: Span = Span(),
    ) -> tuple[Tensors, torch.dtype]:
        """What ``evolved`` makes of fields and inputs in the dtype of work, of every sample by itself where each has a
        time step of its own; and the dtype that was given."""
        again = plain(inputs, span)
        if again and (found := as_before(self, evolved, fields)) is not None:
            return found, found[0].dtype
        check_fields(**fields)
        for name, x in fields.items():
            if x is None and name not in self.ZERO:
                raise TypeError(f"{name} is a tensor, not None")
        first = next(x for x in fields.values() if x is not None)
        state, dtype = self._work(*[torch.zeros_like(first) if x is None else x for x in fields.values()])
        if self.DRIVEN:
            inputs = {n: self._by_step(x, state[0], n) if n in self.DRIVEN else x for n, x in inputs.items()}
        span = counted(span, self.steps, {n: inputs[n] for n in self.DRIVEN})
        given = [*state, *([moment(span.t0, state[0]).flatten()] if self.TIMED else [])]
        for name, x in inputs.items():
            driven = name in self.DRIVEN
            given.append(self._wide(x, state[0], span.taken, name) if driven else self._site(x, state[0], name))
        run, alone = partial(evolved, span), self.ALONE or self.backend not in ("auto", "torch", "compile")
        own = self.TIMED and given[len(state)].shape[0] > 1  # whether samples begin at times of their own
        if not self.FREE:
            if span.dt is not None:
                raise ValueError("the time step of this layer is learned: a call has no dt of its own")
            if own:
                return by_sample(lambda _, *x: run(*x), given[len(state)], tuple(given), alone), dtype
            if again:
                remember(self, state, span, None)
            return run(*given), dtype
        dt = self._step_like(state[0]) if span.dt is None else step_of(as_step(span.dt, self.BACKWARD), state[0])
        if dt.dim() and not own and self._apart(state[0], span):
            return run(dt, *given), dtype
        if dt.dim() or own:
            return by_sample(run, dt.expand(state[0].shape[0]), tuple(given), alone), dtype
        if again:
            remember(self, state, span, dt)
        return run(dt, *given), dtype

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

    def _site(self, x: Tensor | None, like: Tensor, name: str) -> Tensor:
        """A prescribed field in the shape and dtype of the state."""
        x = check_input(x, name)
        if name in self.SAMPLES:
            x = of_sample(x, 2 + self.RANK, name)
        if name in self.ON and x.dim() == 2 + sum(self.ON[name]):
            x = x[self._index(name)]
        try:
            return x.to(like.dtype).expand(like.shape).contiguous()
        except RuntimeError as error:
            shapes = f"{tuple(x.shape)}, which does not broadcast to {tuple(like.shape)}"
            raise ValueError(f"{name} has shape {shapes}") from error

    def _by_step(self, x: Tensor, like: Tensor, name: str) -> Tensor:
        """An input (B, C, K, *S) with a value for every step, with all axes of the lattice."""
        if name in self.ON and check_input(x, name).dim() == 3 + sum(self.ON[name]):
            places = slice(None), *self._index(name)
            x = x[places]
        if check_input(x, name).dim() != 3 + self.RANK:
            raise ValueError(
                f"{name} has shape {tuple(x.shape)}; needed: (B, {self.channels}, K{', *S' if self.RANK else ''}), "
                f"a value for each of K steps; {name}.unsqueeze(2) holds one over all steps"
            )
        return as_dtype(x, like.dtype)

    def _wide(self, x: Tensor, like: Tensor, steps: int, name: str) -> Tensor:
        """An input by step in the shape of the state, nothing copied."""
        shape = *like.shape[:2], steps, *like.shape[2:]
        try:
            return x.expand(shape)
        except RuntimeError as error:
            shapes = f"{tuple(x.shape)}, which does not broadcast to {shape}"
            raise ValueError(f"{name} has shape {shapes}") from error

    def _index(self, name: str) -> tuple[slice | None, ...]:
        """What gives an input that lives on some of the axes the others, of length one."""
        return (slice(None), slice(None), *(slice(None) if has else None for has in self.ON[name]))

    def _coordinate(self, like: Tensor, axis: int, spacing: float) -> Tensor:
        """The coordinate of every site along one axis, (n + 1/2) h."""
        n = like.shape[2 + axis]
        shape = [n if k == axis + 2 else 1 for k in range(like.dim())]
        x = (torch.arange(n, dtype=like.dtype, device=like.device) + 0.5) * spacing
        return x.reshape(shape).expand(like.shape).contiguous()

    def _frame(self, *inputs: Tensor) -> tuple[Tensor, torch.dtype]:
        """An empty field of the shape that the inputs broadcast to, and the dtype that was given."""
        for name, x in zip(self.INPUTS or ("warm_start",), inputs):
            check_input(x, name)
        try:
            shape = broadcast(*(x.shape for x in inputs), (1, self.channels, *[1] * self.RANK))
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
