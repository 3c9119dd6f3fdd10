# Part of every package that metrigen 0.1.0 emits. Do not edit.
"""Operators that solve: steps of a method with an equation in them, and a linear steady state. They report, for every
sample, the iterations, the residual and whether it was solved.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from .base import Tensors, reported
from .registry import Names, Operators, Run, as_tuple, like_, zeros_for


class SolvingOperators(Operators):
    """The operators of a package that solves."""

    def implicit(self, state: Names, fixed: Names, driven: Names = ()) -> Run:
        """``steps`` steps that solve equations: the state, iterations, residual and status of every sample, and what
        the adjoint needs (empty unless ``keep``)."""
        n, out = len(state), tuple(f"{name}__out" for name in state)
        keeper = next(module for module in self.backends.values() if hasattr(module, "saved_shape"))
        forward = self._each("saved_shape", lambda module: lambda *x: module.evolve(x[:n], x[n:-2], *x[-2:]))

        def back(module: ModuleType) -> Run:
            def run(*x: Any) -> Tensors:
                found, x = self._varying(module, "evolve_adjoint", x)
                last = () if module is self.reference else x[-2:-1]
                return found(x[:n], x[n : 2 * n], x[2 * n : -2], *last, x[-1])

            return run

        reverse = {**self._each("saved_shape", back), "reference": back(self.reference)}
        forward["reference"] = lambda *x: keeper.by_reference(x[:n], x[n:-2], *x[-2:])
        numbers = ("Tensor _saved", "SymInt steps", *self.flags)
        adjoint = self.adjoint("evolve_adjoint", out, (*state, *fixed), reverse, numbers, driven)

        def backward(ctx: Any, *grads: Tensor | None) -> Any:
            *given, saved = ctx.saved_tensors
            asked = self._asked(ctx, (*state, *fixed))
            return adjoint(*zeros_for(grads[:n], given), *given, saved, ctx.numbers[0], *asked)

        return self.operator(
            "evolve",
            (*state, *fixed),
            n + 4,
            forward,
            numbers=("SymInt steps", "bool keep"),
            driven=driven,
            fake=lambda *x: (*like_(*x[:n]), *_reports(x[0]), x[0].new_empty(keeper.saved_shape(x[0], *x[-2:]))),
            backward=backward,
            saved=lambda tensors, results: (*tensors, results[-1]),
        )

    def solve(self, unknown: str, fixed: Names, title: str) -> Run:
        """x, iterations, residual and status of A x = b; differentiated by one more solve with the same operator.
        A solve that gives up is told of under ``title``."""
        flowed = None
        if fixed:
            flowed = self.adjoint(
                "operator_adjoint",
                ("_cotangent", unknown),
                fixed,
                self._each(
                    "operator_adjoint", lambda module: lambda cotangent, *x: module.operator_adjoint(*x, cotangent)
                ),
            )

        def forward(module: ModuleType) -> Run:
            def run(*given: Any) -> Tensors:
                b, start, *arrays = given[:-6]
                solver, rtol, _, atol, max_iter, use_kernels = given[-6:]
                by = module if use_kernels else self.reference
                found = by.solve_linear(b, start, tuple(arrays), solver, rtol, atol, max_iter)
                return reported(found, max_iter, title)

            return run

        def backward(ctx: Any, grad: Tensor | None, *_: Tensor | None) -> Tensors:
            x, *arrays = ctx.saved_tensors
            solver, _, rtol, _, max_iter, use_kernels = ctx.numbers
            b = torch.zeros_like(x) if grad is None else grad
            found = solve(b, torch.zeros_like(b), *arrays, solver, rtol, rtol, 0.0, max_iter, use_kernels)[0]
            return found, None, *(() if flowed is None else as_tuple(flowed(-found, x, *arrays)))

        solve = self.operator(
            "solve_linear",
            ("_b", "_start", *fixed),
            4,
            self._each("solve_linear", forward),
            numbers=("str solver", "float rtol", "float bwd_rtol", "float atol", "SymInt max_iter", "bool use_kernels"),
            fake=lambda b, *_: (*like_(b), *_reports(b)),
            backward=backward,
            saved=lambda tensors, results: (results[0], *tensors[2:]),
        )
        return solve


def _reports(x: Tensor) -> Tensors:
    """Iterations, residual and status of every sample, empty."""
    counts = (x.new_empty(x.shape[:1], dtype=torch.int64) for _ in range(2))
    return next(counts), x.new_empty(x.shape[:1]), next(counts)
