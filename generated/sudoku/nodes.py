# Part of every package that metrigen 0.1.0 emits. Do not edit.
"""What every layer on a graph shares: fields and inputs in one shape and dtype."""

from __future__ import annotations

import torch
from torch import Tensor

from .arguments import check_input
from .base import broadcast, working
from .graph import Dense, Sparse
from .trajectories import moment

Graph = Dense | Sparse


def in_work(*fields: Tensor, channels: int) -> tuple[tuple[Tensor, ...], torch.dtype]:
    """The fields in the dtype that is computed in (float32 for half precision), and the dtype that was given."""
    first = fields[0]
    if first.dim() != 3 or first.shape[1] != channels:
        raise ValueError(f"a field of {channels} channels has shape (B, {channels}, N), not {tuple(first.shape)}")
    for x in fields:
        if x.shape != first.shape:
            raise ValueError(f"fields differ in shape: {tuple(x.shape)} and {tuple(first.shape)}")
    dtype = working(*fields)
    return tuple(x.to(dtype) for x in fields), first.dtype


def _fitted(x: Tensor | None, shape: tuple[int, ...], like: Tensor, name: str) -> Tensor:
    """A prescribed array in the dtype of the state, with all axes of ``shape``, those of size one not expanded."""
    x = check_input(x, name)
    try:
        fits = broadcast(x.shape, shape) == tuple(shape)
    except RuntimeError:
        fits = False
    if not fits:
        raise ValueError(f"{name} has shape {tuple(x.shape)}; needed: {tuple(shape)}, or what broadcasts to it")
    return x.to(like.dtype).reshape((1,) * (len(shape) - x.dim()) + x.shape)


def at_nodes(x: Tensor | None, like: Tensor, name: str) -> Tensor:
    return _fitted(x, tuple(like.shape), like, name)


def along_edges(x: Tensor | None, like: Tensor, graph: Graph, name: str) -> Tensor:
    return _fitted(x, graph.shape(like), like, name)


def at_time(t: float | Tensor, like: Tensor, graph: Graph) -> Tensor:
    """A time, or with listed edges one a sample: weights of all pairs have an axis more."""
    found = moment(t, like)
    if found.dim() and isinstance(graph, Dense):
        raise ValueError(
            "times of samples of their own go with a list of edges; for all pairs of nodes read one time at once"
        )
    return found


def by_step(x: Tensor, shape: tuple[int, ...], like: Tensor, name: str, steps: int) -> Tensor:
    """An array (B, C, K, N), or along the edges, with a value for each of so many steps."""
    found = _fitted(x, (*shape[:2], steps, *shape[2:]), like, name)
    return found.expand(*found.shape[:2], steps, *found.shape[3:])


def empty_field(
    nodes: dict[str, Tensor], edges: dict[str, Tensor], dense: bool, channels: int
) -> tuple[Tensor, torch.dtype]:
    """A field of the shape that inputs broadcast to, its values not set, and the dtype that was given."""
    given = {**nodes, **edges}
    dtype = torch.get_default_dtype() if not given else check_input(*next((x, name) for name, x in given.items())).dtype
    for name, x in given.items():
        check_input(x, name)
        dtype = torch.promote_types(dtype, x.dtype)
    if not dtype.is_floating_point:
        raise ValueError(f"inputs are floating point, not {dtype}")
    shapes: list[tuple[int, ...]] = [x.shape for x in nodes.values()]
    for name, x in edges.items():
        if dense and (x.dim() < 2 or x.shape[-1] != x.shape[-2]):
            raise ValueError(
                f"{name} has shape {tuple(x.shape)}; without edge_index needed: (N, N), (C, N, N) or (B, C, N, N)"
            )
        batch = x.shape[:-2] if dense else x.shape[:-1]
        shapes.append((*batch, x.shape[-1] if dense else 1))
    try:
        shape = broadcast(*shapes, (1, channels, 1))
    except RuntimeError as error:
        text = ", ".join(f"{name} {tuple(x.shape)}" for name, x in given.items())
        raise ValueError(f"inputs do not broadcast to {channels} channels and one number of nodes: {text}") from error
    if len(shape) != 3 or shape[1] != channels:
        text = ", ".join(f"{name} {tuple(x.shape)}" for name, x in given.items())
        raise ValueError(f"inputs broadcast to {tuple(shape)}; needed: (B, {channels}, N): {text}")
    frame = next(iter(given.values())).new_empty((), dtype=dtype)
    return frame.to(working(frame)).expand(shape), dtype
