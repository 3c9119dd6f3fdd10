# Part of every package that metrigen 0.1.0 emits. Do not edit.
"""The operator of a matrix memory, and what its layer puts its inputs into."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from .arguments import check_input
from .base import Tensors, working
from .registry import Names, Operators, Run


OF_THE_STATE = "keep", "rotate", "seek", "probe", "weight"  # coefficients of the state before a token


class MemoryOperators(Operators):
    """Coefficients are (B, C, T, n), the state before the first token (B, C, rows, values)."""

    layout = "(B, C, T, n)"
    first = "scan"

    def remember(self, coefficients: Names) -> Run:
        """What is read after every token, the last state, and states on the way that the adjoint starts from."""
        arrays = ("state", *coefficients)
        every = self.reference.EVERY

        def forward(module: ModuleType) -> Run:
            if module is not self.reference:
                return module.scan

            def run(*x: Tensor) -> Tensors:
                read, last = module.scan(*x)
                return read, last, x[0].new_zeros(_saved(x, every))

            return run

        def reverse(module: ModuleType) -> Run:
            if module is not self.reference:
                return module.scan_adjoint
            return lambda read, last, saved, *x: module.scan_adjoint(read, last, *x)

        adjoint = self.adjoint("scan_adjoint", ("read", "last", "saved"), arrays, self._each("scan_adjoint", reverse))

        def backward(ctx: Any, read: Tensor | None, last: Tensor | None, _: Tensor | None) -> Any:
            *given, saved = ctx.saved_tensors
            read = saved.new_zeros(self._read(given)) if read is None else read
            last = torch.zeros_like(given[0]) if last is None else last
            return adjoint(read, last, saved, *given)

        return self.operator(
            "scan",
            arrays,
            3,
            self._each("scan", forward),
            fake=lambda *x: (
                x[0].new_empty(self._read(x)),
                x[0].new_empty(x[0].shape),
                x[0].new_empty(_saved(x, every)),
            ),
            backward=backward,
            saved=lambda tensors, results: (*tensors, results[2]),
        )

    def _read(self, x: Sequence[Tensor]) -> tuple[int, ...]:
        return (*x[1].shape[:3], self.reference.READINGS * x[0].shape[-1])

    def _check(self, kinds: Names, tensors: Tensors) -> None:
        """Shapes, dtypes and devices agree; every implementation calls this before it touches memory."""
        state = next(x for x, kind in zip(tensors, kinds) if kind == "state")
        length = next(x.shape[2] for x, kind in zip(tensors, kinds) if kind == "rows")
        b, c, rows, columns = state.shape
        lead = (b, c, length)
        shapes = {
            "state": (b, c, rows, columns), "rows": (*lead, rows), "half": (*lead, rows // 2),
            "columns": (*lead, columns), "read": (*lead, self.reference.READINGS * columns), "keep": (*lead, rows),
            "saved": _saved((state, tensors[-1]), self.reference.EVERY),
        }  # fmt: skip
        for x, kind in zip(tensors, kinds):
            if tuple(x.shape) != shapes[kind] and not (kind == "keep" and tuple(x.shape) == (*lead, 1)):
                raise ValueError(f"a tensor has shape {tuple(x.shape)} where {shapes[kind]} is needed")
            if x.dtype != state.dtype or x.device != state.device:
                raise ValueError(f"a tensor is {x.dtype} on {x.device}, the state {state.dtype} on {state.device}")


def _saved(x: Sequence[Tensor], every: int) -> tuple[int, ...]:
    b, c, length, _ = x[1].shape
    return (b, c, (length + every - 1) // every, *x[0].shape[2:])


def as_vectors(
    layer: Any, sizes: Mapping[str, int], axes: Mapping[str, tuple[str, ...]], single: bool, /, **inputs: Tensor
) -> tuple[Tensors, torch.dtype]:
    """The inputs as (B, C, T, n), n = 1 for a number a token; of one token T = 1. And the dtype that was given.

    sizes  of the axes by name; axes: those of every input
    """
    found, dtype = [], None
    for name in axes:
        x = inputs[name]
        dtype = check_input(x, name).dtype if dtype is None else torch.promote_types(dtype, check_input(x, name).dtype)
        own = tuple(sizes[a] for a in axes[name])
        lead = ("B", layer.channels) if single else ("B", layer.channels, "T")
        if x.dim() != len(lead) + len(own) or x.shape[1] not in (1, layer.channels) or x.shape[len(lead) :] != own:
            shape = ", ".join(map(str, (*lead, *own)))
            raise ValueError(f"{name} has shape {tuple(x.shape)}; needed: ({shape}), or what broadcasts to B, C and T")
        y = x if own else x[..., None]
        found.append(y[:, :, None] if single else y)
    try:
        torch.broadcast_shapes(*(x.shape[:3] for x in found))
    except RuntimeError as error:
        shapes = {name: tuple(x.shape) for name, x in inputs.items()}
        raise ValueError(f"inputs of shapes {shapes} do not broadcast") from error
    if dtype is None or not dtype.is_floating_point:
        raise ValueError(f"inputs are floating point, not {dtype}")
    work = working(found[0].new_empty((), dtype=dtype))
    return tuple(x.to(work) for x in found), dtype


def as_matrices(state: Any, fields: int, sizes: Sequence[int], like: Tensor) -> Tensor:
    """The matrices of a state, one above the other; zero where none is given. ``like``: a coefficient."""
    wanted = (*like.shape[:2], *sizes)
    if state is None:
        return like.new_zeros((*like.shape[:2], fields * sizes[0], sizes[1]))
    for x in state:
        if tuple(check_input(x, "the state before the first token").shape) != wanted:
            raise ValueError(f"the state before the first token has shape {wanted}, not {tuple(x.shape)}")
    return torch.cat(tuple(x.to(like.dtype) for x in state), 2).contiguous()


def forgetting(made: Tensors, names: Names, reset: Tensor | None) -> Tensors:
    """Coefficients of tokens before which the state is set to zero where ``reset`` is true: nothing is kept, rotated,
    sought or found. Raises ValueError for what does not broadcast to (B, C, T)."""
    if reset is None:
        return made
    ahead = made[0].shape[:3]
    try:
        stays = (check_input(reset, "reset") == 0).expand(ahead)[..., None]
    except RuntimeError as error:
        raise ValueError(f"reset has shape {tuple(reset.shape)}; needed: {tuple(ahead)}") from error
    return tuple(torch.where(stays, x, 0.0) if name in OF_THE_STATE else x for name, x in zip(names, made))
