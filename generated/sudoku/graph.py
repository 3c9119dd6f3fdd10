# Part of every package that metrigen 0.1.0 emits. Do not edit.
"""The edges of a graph, and the maps between its node arrays (B, C, N) and its edge arrays.

    difference     (B u)_e = u_head - u_tail        nodes -> edges
    codifference   B^T j, the transpose             edges -> nodes
    average        (u_head + u_tail) / 2            nodes -> edges
    share          half of every edge to each end   edges -> nodes, the transpose of average

``Sparse``: a list of edges, edge arrays (B, C, E). ``Dense``: every pair of nodes, edge arrays (B, C, N, N) that hold
every edge twice, at (i, j) with head i and tail j, and at (j, i); sums over edges count each of the two half.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor

from .base import readable

Run = Callable[..., Any]

TRANSPOSES = {
    "difference": "codifference",
    "codifference": "difference",
    "average": "share",
    "share": "average",
}


class Sparse:
    """The edges of ``edge_index`` (2, E), each from its tail edge_index[0] to its head edge_index[1].

    The order of the edges is the order of every sum over the edges of a node: results are the same in every run, and
    nothing is added by atomics.
    """

    def __init__(self, edge_index: Tensor, nodes: int) -> None:
        _check(edge_index, nodes)
        self.ends = edge_index
        self.tail, self.head = edge_index
        self.nodes, self.count = nodes, edge_index.shape[1]
        self._order: Tensor | None = None

    def of_tensors(self, *functions: Run) -> tuple[Any, ...]:
        """Functions of a graph and arrays as functions of tensors alone, and the tensors that they are handed first."""
        return (*(_of_ends(f) for f in functions), (self.ends,))

    def shape(self, like: Tensor) -> tuple[int, ...]:
        """Shape of the edge arrays that go with a node array."""
        return (*like.shape[:2], self.count)

    def edges(self, like: Tensor) -> Tensor:
        """An edge array of that shape, its values not set."""
        return like.new_empty(()).expand(self.shape(like))

    def channels(self, coefficient: Tensor) -> Tensor:
        """One number a channel, in the shape that meets edge arrays."""
        return coefficient[:, None]

    def difference(self, u: Tensor) -> Tensor:
        return _along(self, "difference", u)

    def codifference(self, j: Tensor) -> Tensor:
        return _along(self, "codifference", j)

    def average(self, u: Tensor) -> Tensor:
        return _along(self, "average", u)

    def share(self, j: Tensor) -> Tensor:
        return _along(self, "share", j)

    def total(self, j: Tensor) -> Tensor:
        """The sum over all edges, (B, C)."""
        return j.sum(-1)

    def flows(self, weight: Tensor | float, u: Tensor) -> Tensor:
        """B^T (weight B u)."""
        return self.codifference(weight * self.difference(u))

    def products(self, weight: Tensor | float, u: Tensor, v: Tensor) -> Tensor:
        """Half of weight (B u)(B v) to each end of every edge."""
        return self.share(weight * self.difference(u) * self.difference(v))

    def slopes(self, u: Tensor, v: Tensor, shape: torch.Size) -> Tensor:
        """(B u)(B v) on the edges, summed over what ``shape`` does not tell apart: the derivative of a sum over edges
        of w (B u)(B v) by w."""
        return (self.difference(u) * self.difference(v)).sum_to_size(shape)

    def run(self, name: str, x: Tensor) -> Tensor:
        """One of the maps, outside of autograd."""
        if name in ("difference", "average"):
            head, tail = x.index_select(-1, self.head), x.index_select(-1, self.tail)
            return head - tail if name == "difference" else 0.5 * (head + tail)
        return self._gather(x, -x if name == "codifference" else x) * (1.0 if name == "codifference" else 0.5)

    def _gather(self, at_head: Tensor, at_tail: Tensor) -> Tensor:
        """The sum over the edges of every node, in a fixed order."""
        values = torch.cat((at_head, at_tail), -1)
        ends = torch.cat((self.head, self.tail))
        if values.device.type == "cpu":  # one after the other
            return values.new_zeros(*values.shape[:-1], self.nodes).index_add_(-1, ends, values)
        return self.sorted_sums(values, ends)

    def sorted_sums(self, values: Tensor, ends: Tensor) -> Tensor:
        """The sum of the values at every node, each node by itself over its own: no two add into one place."""
        if self._order is None:
            self._order = torch.argsort(ends, stable=True)
            starts = torch.arange(self.nodes + 1, device=ends.device)
            self._lengths = torch.searchsorted(ends[self._order], starts).diff()
        rows = values.flatten(0, -2).index_select(-1, self._order).T.contiguous()
        summed = torch.segment_reduce(rows, "sum", lengths=self._lengths, axis=0, unsafe=True)
        return summed.T.reshape(*values.shape[:-1], self.nodes)


def _along(graph: Sparse, name: str, x: Tensor) -> Tensor:
    """A map as a differentiable function; a compiler takes none that has rules for transforms."""
    return (_Along if torch.compiler.is_dynamo_compiling() else _Transformable).apply(graph, name, x)


class _Along(torch.autograd.Function):
    """A map along the edges of a sparse graph; its reverse is its transpose."""

    @staticmethod
    def forward(graph: Sparse, name: str, x: Tensor) -> Tensor:
        return graph.run(name, x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.graph, ctx.name, _ = inputs

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[None, None, Tensor]:
        return None, None, _along(ctx.graph, TRANSPOSES[ctx.name], grad)


class _Transformable(_Along):
    """With rules for torch.func and forward-mode derivatives."""

    @staticmethod
    def jvp(ctx: Any, _graph: Any, _name: Any, along: Tensor) -> Tensor:
        return _along(ctx.graph, ctx.name, along)

    @staticmethod
    def vmap(_: Any, in_dims: tuple[Any, ...], graph: Sparse, name: str, x: Tensor) -> tuple[Tensor, int]:
        return _along(graph, name, x.movedim(in_dims[2], 0)), 0  # a map along the last axis alone


class Dense:
    """Every pair of distinct nodes is an edge; a weight of zero takes it out.

    Of a weight that differs between (i, j) and (j, i) the edge takes the mean of what both give; the diagonal of an
    edge array is not read.
    """

    def __init__(self, nodes: int) -> None:
        self.nodes = nodes

    def of_tensors(self, *functions: Run) -> tuple[Any, ...]:
        """Functions of a graph and arrays as functions of tensors alone, and the tensors that they are handed first."""
        return (*(_of_nodes(f) for f in functions), ())

    def shape(self, like: Tensor) -> tuple[int, ...]:
        """Shape of the edge arrays that go with a node array."""
        return (*like.shape[:2], self.nodes, self.nodes)

    def edges(self, like: Tensor) -> Tensor:
        """An edge array of that shape, its values not set."""
        return like.new_empty(()).expand(self.shape(like))

    def channels(self, coefficient: Tensor) -> Tensor:
        """One number a channel, in the shape that meets edge arrays."""
        return coefficient[:, None, None]

    def difference(self, u: Tensor) -> Tensor:
        return u.unsqueeze(-1) - u.unsqueeze(-2)

    def codifference(self, j: Tensor) -> Tensor:
        return 0.5 * (j.sum(-1) - j.sum(-2))

    def average(self, u: Tensor) -> Tensor:
        return 0.5 * (u.unsqueeze(-1) + u.unsqueeze(-2))

    def share(self, j: Tensor) -> Tensor:
        return 0.25 * (j.sum(-1) + j.sum(-2)) - 0.5 * j.diagonal(dim1=-2, dim2=-1)

    def total(self, j: Tensor) -> Tensor:
        """The sum over all edges, (B, C)."""
        return 0.5 * (j.sum((-1, -2)) - j.diagonal(dim1=-2, dim2=-1).sum(-1))

    def flows(self, weight: Tensor | float, u: Tensor) -> Tensor:
        """B^T (weight B u), by the matrix of the weights: no array of pairs but the weights."""
        w = self.matrix(weight, u)
        return self.laplacian(w, w.sum(-1), u)

    def laplacian(self, matrix: Tensor, degree: Tensor, u: Tensor) -> Tensor:
        """sum_j w_ij (u_i - u_j), with the matrix of the weights and its sums over rows."""
        u = u - u.mean(-1, keepdim=True)  # it cancels in every difference; without it there is less to cancel
        return degree * u - _rows(matrix, u)

    def products(self, weight: Tensor | float, u: Tensor, v: Tensor) -> Tensor:
        """Half of weight (B u)(B v) to each end of every edge, by the matrix of the weights."""
        same = u is v
        u = u - u.mean(-1, keepdim=True)
        v = u if same else v - v.mean(-1, keepdim=True)
        w = self.matrix(weight, u)
        crossed = 2 * u * _rows(w, u) if same else u * _rows(w, v) + v * _rows(w, u)
        return 0.5 * (_rows(w, u * v) + w.sum(-1) * u * v - crossed)

    def matrix(self, weight: Tensor | float, like: Tensor) -> Tensor:
        """The weights (Bw, Cw, N, N) without diagonal, of each edge the mean of its two places."""
        w = weight if isinstance(weight, Tensor) else torch.full((), weight, dtype=like.dtype, device=like.device)
        w = w.reshape((1,) * (4 - w.dim()) + w.shape)
        w = w.expand(*w.shape[:2], self.nodes, self.nodes)
        w = 0.5 * (w + w.mT)
        return w - torch.diag_embed(w.diagonal(dim1=-2, dim2=-1))

    def slopes(self, u: Tensor, v: Tensor, shape: torch.Size) -> Tensor:
        """(B u)(B v)/2 at every pair, summed over what ``shape`` does not tell apart: the derivative of a sum over
        edges of w (B u)(B v) by w, of which each edge holds two."""
        if shape[0] == 1:
            u, v = (x - x.mean(-1, keepdim=True) for x in (u, v))
            outer = torch.einsum("bcn,bcm->cnm", u, v)
            both = torch.einsum("bcn,bcn->cn", u, v)
            found = 0.5 * (both.unsqueeze(-1) + both.unsqueeze(-2) - outer - outer.mT)
            return found.unsqueeze(0).sum_to_size(shape)
        return (0.5 * self.difference(u) * self.difference(v)).sum_to_size(shape)


def graph_of(ends: Tensor, nodes: int, dense: bool) -> Dense | Sparse:
    """The graph of an operator: all pairs of nodes, or the edges between ``ends`` (2, E)."""
    return Dense(nodes) if dense else Sparse(ends, nodes)


@cache
def _of_ends(function: Run) -> Run:
    return lambda ends, *arrays: function(Sparse(ends, arrays[0].shape[2]), *arrays)


@cache
def _of_nodes(function: Run) -> Run:
    return lambda *arrays: function(Dense(arrays[0].shape[2]), *arrays)


def _rows(w: Tensor, u: Tensor) -> Tensor:
    """sum_j w_ij u_j: for weights that all samples share one matrix product a channel."""
    if w.shape[0] == 1:
        return torch.matmul(w, u.permute(1, 2, 0).unsqueeze(0)).squeeze(0).permute(2, 0, 1)
    return (w @ u.unsqueeze(-1)).squeeze(-1)


def _check(edge_index: Tensor, nodes: int) -> None:
    if edge_index.dim() != 2 or edge_index.shape[0] != 2:
        shape = tuple(edge_index.shape)
        raise ValueError(f"edge_index has shape {shape}; needed: (2, E), the tail and head of every edge")
    if edge_index.dtype not in (torch.int64, torch.int32):
        raise ValueError(f"edge_index holds {edge_index.dtype}; needed: integers")
    if not edge_index.shape[1]:
        return
    least, most = edge_index.aminmax()
    if not readable(least):
        return
    low, high = int(least), int(most)
    if low < 0 or high >= nodes:
        wrong = low if low < 0 else high
        raise ValueError(f"edge_index names node {wrong} of a graph of {nodes} nodes, 0 to {nodes - 1}")
    loops = edge_index[0] == edge_index[1]
    if bool(loops.any()):
        at = int(loops.nonzero()[0])
        raise ValueError(f"edge {at} joins node {int(edge_index[0, at])} with itself; a self loop has no difference")
