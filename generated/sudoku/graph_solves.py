# Part of every package that metrigen 0.1.0 emits. Do not edit.
"""The operator of a steady state on a graph: (B^T w B + m) u = b, and the equation of its gradient."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from .base import Tensors, pullback
from .graph import graph_of
from .graph_operators import GraphOperators
from .registry import Run
from .solve import plain_adjoint, plain_solve


class SteadyOperators(GraphOperators):
    """As of layers that take steps, with a solve in their place."""

    def equilibrium(self) -> Run:
        """u, iterations, residual and status of every sample, and the factors that the adjoint takes again; of arrays
        m, which broadcasts to (B, C, N), w, which broadcasts to the edge arrays, b and where to start."""

        def saved_shape(m: Tensor, w: Tensor, b: Tensor, direct: bool) -> tuple[int, ...]:
            module = self.backends.get(self.device_of.get(b.device.type, ""))
            found: tuple[int, ...] = module.saved_shape(m, w, b, direct) if module is not None else (0,)
            return found

        def plain(
            ends: Tensor, m: Tensor, w: Tensor, b: Tensor, start: Tensor, direct: bool, rtol: float, _: float,
            atol: float, max_iter: int, dense: bool,
        ) -> Tensors:  # fmt: skip
            found = plain_solve(graph_of(ends, b.shape[2], dense), m, w, b, start, direct, rtol, atol, max_iter)
            return (*found, b.new_empty(saved_shape(m, w, b, direct)))

        def forward(module: ModuleType) -> Run:
            def run(*x: Any) -> Tensors:
                *arrays, direct, rtol, _, atol, max_iter, dense = x
                made: Tensors = module.solve_linear(*arrays, direct, rtol, atol, max_iter, dense)
                return made

            return run

        def fake(_: Tensor, m: Tensor, w: Tensor, b: Tensor, *more: Any) -> Tensors:
            iterations, status = (b.new_empty(b.shape[:1], dtype=torch.int64) for _ in range(2))
            saved = b.new_empty(saved_shape(m, w, b, more[1]))
            return b.new_empty(b.shape), iterations, b.new_empty(b.shape[:1]), status, saved

        adjoint = self._solve_adjoint()

        def backward(ctx: Any, grad: Tensor | None, *_: Any) -> Any:
            ends, m, w, u, saved = ctx.saved_tensors
            direct, _rtol, rtol, _atol, max_iter, dense = ctx.numbers
            if grad is None:
                return (None,) * 5
            lam, m_bar, w_bar = adjoint(
                ends, grad, u, m, w, saved, direct, rtol, max_iter, bool(ctx.needs_input_grad[2]), dense
            )
            return None, m_bar, w_bar, lam, None

        flags = ("bool direct", "float rtol", "float bwd_rtol", "float atol", "SymInt max_iter", "bool dense")
        return self.operator(
            "solve_linear",
            ("_ends", "_m", "_w", "_b", "_start"),
            5,
            {"reference": plain, **self._kernels("solve_linear", forward)},
            numbers=flags,
            fake=fake,
            backward=backward,
            saved=lambda tensors, results: (*tensors[:3], results[0], results[4]),
        )

    def _solve_adjoint(self) -> Run:
        """Cotangents of b, m and w, from that of u; ``edges``: whether that of w is asked for."""

        def plain(ends: Tensor, g: Tensor, u: Tensor, m: Tensor, w: Tensor, _: Tensor, *x: Any) -> Tensors:
            direct, rtol, max_iter, _edges, dense = x
            return plain_adjoint(graph_of(ends, u.shape[2], dense), g, u, m, w, direct, rtol, max_iter)

        def backward(ctx: Any, *grads: Tensor | None) -> Any:
            ends, g, u, m, w, saved = ctx.saved_tensors
            given = (g, u, m, w)
            flowed = tuple(torch.zeros_like(x) if y is None else y for x, y in zip((g, m, w), grads))
            found = pullback(lambda *x: plain(ends, *x, saved, *ctx.numbers), given, flowed)
            return None, *found, None

        flags = ("bool direct", "float rtol", "SymInt max_iter", "bool edges", "bool dense")
        return self.operator(
            "solve_adjoint",
            ("_ends", "_cotangent", "_u", "_m", "_w", "_saved"),
            3,
            {"reference": plain, **self._kernels("solve_adjoint", lambda module: module.solve_adjoint)},
            numbers=flags,
            fake=lambda _, g, u, m, w, *more: (g.new_empty(g.shape), m.new_empty(m.shape), w.new_empty(w.shape)),
            backward=backward,
        )
