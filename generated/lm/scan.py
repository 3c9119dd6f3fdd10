# Part of every package that metrigen 0.1.0 emits. Do not edit.
"""Operators of a scan over the tokens of a sequence, and what its layer puts its inputs into."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from .arguments import check_input
from .base import Tensors, broadcast, working
from .registry import Names, Operators, Run


class ScanOperators(Operators):
    """As on a lattice; fields and tokens are (B, T, C), the state before the first token (B, C), and of a matrix there
    are its blocks, of which ``kinds`` says the number of channels."""

    layout = "(B, T, C)"

    def shapes(self, whole: torch.Size) -> dict[str, tuple[int, ...]]:
        b, _, c = whole
        sizes = {int(kind): kind for kind in self.kinds.values() if kind.isdigit()}
        blocks = {kind: (-(-c // n), n, n) for n, kind in sizes.items()}
        return {"field": whole, "start": (b, c), "channel": (c,), **blocks}

    def scan(self, state: Names, tokens: Names, fixed: Names) -> Run:
        """The state after every token, and the adjoint, the scan of the transposed steps."""
        n, m = len(state), len(tokens)
        start, out = tuple(f"{name}__start" for name in state), tuple(f"{name}__out" for name in state)
        arrays = (*start, *tokens, *fixed)

        def groups(*given: Tensor) -> tuple[Tensors, ...]:
            return given[:n], given[n : n + m], given[n + m :]

        def reverse(module: ModuleType) -> Run:
            return lambda *x: module.scan_adjoint(x[:n], x[n : 2 * n], *groups(*x[2 * n :]))

        adjoint = self.adjoint("scan_adjoint", (*out, *state), arrays, self._each("scan_adjoint", reverse))

        def backward(ctx: Any, *grads: Tensor | None) -> Any:
            saved = ctx.saved_tensors
            return adjoint(*(torch.zeros_like(x) if g is None else g for g, x in zip(grads, saved)), *saved)

        return self.operator(
            "scan",
            arrays,
            n,
            self._each("scan", lambda module: lambda *x: module.scan(*groups(*x))),
            fake=lambda *x: tuple(x[n].new_empty(x[n].shape) for _ in state),
            backward=backward,
            saved=lambda tensors, results: (*results, *tensors),
        )

    def readout_scan(self, state: Names, read: Names, components: int) -> Run:
        """The readout at every token, its components one after the other along the channels, and its adjoint."""
        n, start = len(state), tuple(f"{name}__start" for name in state)
        arrays = (*start, *state, *read)

        def groups(*given: Tensor) -> tuple[Tensors, ...]:
            return given[:n], given[n : 2 * n], given[2 * n :]

        def forward(module: ModuleType) -> Run:
            return lambda *x: (torch.cat(module.readout_scan(*groups(*x)), 2),)

        def reverse(module: ModuleType) -> Run:
            return lambda grad, *x: module.readout_scan_adjoint(grad.chunk(components, 2), *groups(*x))

        adjoint = self.adjoint("readout_adjoint", ("_grad",), arrays, self._each("readout_scan_adjoint", reverse))
        return self.operator(
            "readout",
            arrays,
            1,
            self._each("readout_scan", forward),
            fake=lambda *x: (x[n].new_empty((*x[n].shape[:2], components * x[n].shape[2])),),
            backward=lambda ctx, grad: adjoint(grad, *ctx.saved_tensors),
        )


def as_tokens(
    channels: int, axes: int, state: tuple[int, ...] = (), /, **inputs: Tensor
) -> tuple[Tensors, torch.dtype]:
    """The inputs in one shape, (B, C, T) as (B, T, C) in memory or (B, C), and the dtype that was given; ``state``: the
    shape of states that go with them. Raises TypeError and ValueError."""
    shapes = [tuple(check_input(x, name).shape) for name, x in inputs.items()]
    try:
        shape = broadcast(*shapes, state, (1, channels, *([1] * (axes - 2))))
    except RuntimeError as error:
        beside = f" and states of {state}" if state else ""
        raise ValueError(f"inputs of shapes {shapes} do not broadcast to {channels} channels{beside}") from error
    dtype = next(iter(inputs.values())).dtype
    for x in inputs.values():
        dtype = torch.promote_types(dtype, x.dtype)
    if not dtype.is_floating_point or len(shape) != axes or shape[1] != channels:
        needed = f"(B, {channels}{', T' if axes == 3 else ''})"
        raise ValueError(f"inputs broadcast to {tuple(shape)} of {dtype}; needed: floating point, {needed}")
    work = working(next(iter(inputs.values())).new_empty((), dtype=dtype))
    found = (x.to(work).expand(shape) for x in inputs.values())
    return tuple(x.mT.contiguous() if axes == 3 else x for x in found), dtype


def as_start(state: Any, fields: Names, like: Tensor) -> Tensors:
    """The state (B, C) before the first token; zero where none is given."""
    shape = (like.shape[0], like.shape[-1])
    if state is None:
        return tuple(like.new_zeros(shape) for _ in fields)
    for x in state:
        check_input(x, "the state before the first token")
        if tuple(x.shape) != shape:
            given = tuple(x.shape)
            raise ValueError(f"the state before the first token has shape {shape}, not {given}; see State.last")
    return tuple(x.to(like.dtype).contiguous() for x in state)


def within(blocks: Tensor, channels: int) -> Tensor:
    """Blocks (n, b, b) with zero behind the last channel."""
    n, b, _ = blocks.shape
    inside = (torch.arange(n * b, device=blocks.device) < channels).view(n, b)
    return blocks * (inside[:, :, None] & inside[:, None])
