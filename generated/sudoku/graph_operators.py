# Part of every package that metrigen 0.1.0 emits. Do not edit.
"""Operators along the edges of a graph: what is registered in torch, and how a layer calls it.

Every operator is handed the ends (2, E) of its edges first, and last whether all pairs of nodes are edges instead.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .base import Tensors
from .graph import Sparse, graph_of
from .registry import Names, Operators, Run, own_of_samples
from .stretches import long_adjoint, rolled, rolled_adjoint


class GraphOperators(Operators):
    """As on a lattice; node arrays broadcast to (B, C, N), edge arrays to (B, C, E) or (B, C, N, N)."""

    layout = "(B, C, N)"

    def _check(self, kinds: Names, tensors: Tensors) -> None:
        """Dtypes and devices agree; shapes were fitted by the layer, and are not beyond those of the first field."""
        fields = [x for x, kind in zip(tensors, kinds) if kind == "field"]
        whole, dtype, device = fields[0].shape, fields[0].dtype, fields[0].device
        if len(whole) != 3:
            raise ValueError(f"fields have 3 axes {self.layout}, not shape {tuple(whole)}")
        for x, kind in zip(tensors, kinds):
            if kind == "any":
                continue
            own = x.shape[1:] if kind.startswith("by step ") or own_of_samples(kind, x) else x.shape
            kind = kind.removeprefix("by step ").removeprefix("of samples ")
            limits = {"channel": whole[1:2], "matrix": (whole[1], whole[1]), "scalar": (), "field": whole}
            limit = limits.get(kind, (*whole[:2], *own[2:]))
            if len(own) != len(limit) or any(n not in (1, most) for n, most in zip(own, limit)):
                raise ValueError(f"a tensor has shape {tuple(x.shape)} where {tuple(limit)} is needed")
            if x.dtype != dtype or x.device != device:
                raise ValueError(f"a tensor is {x.dtype} on {x.device}, the first field {dtype} on {device}")

    def _of_sample(self, kind: str, x: Tensor) -> int | None:
        by_step, of_what = kind.startswith("by step "), kind.removeprefix("by step ")
        if of_what in ("field", "edge"):
            return int(by_step) if x.shape[by_step] > 1 else None
        return None if kind == "any" and x.dim() < self.axes else super()._of_sample(kind, x)  # the ends of edges

    def readout(self, arrays: Names, components: int) -> Run:
        """The readout, its components one after the other along the channels, and its adjoint."""

        def forward(module: ModuleType) -> Run:
            return lambda *x: (module.readout(*x),)

        def plain(ends: Tensor, *x: Any) -> Tensors:
            return (torch.cat(self.reference.readout(graph_of(ends, x[0].shape[2], x[-1]), *x[:-1]), 1),)

        def pulled(ends: Tensor, grad: Tensor, *x: Any) -> Tensors:
            *given, dense, _ = x
            return tuple(self.reference.read_adjoint(graph_of(ends, given[0].shape[2], dense), grad, *given))

        runs = {"reference": plain, **self._kernels("readout", forward)}
        back = {"reference": pulled, **self._kernels("readout_adjoint", lambda module: module.readout_adjoint)}
        flags = ("bool dense", "bool edges")
        adjoint = self.adjoint("readout_adjoint", ("_ends", "_grad"), arrays, back, numbers=flags)

        def backward(ctx: Any, grad: Tensor) -> Any:
            ends, *saved = ctx.saved_tensors
            return None, *_all(adjoint(ends, grad, *saved, *ctx.numbers, self._edges_asked(ctx, arrays)))

        def fake(ends: Tensor, x: Tensor, *_: Any) -> Tensors:
            return (x.new_empty((x.shape[0], components * x.shape[1], x.shape[2])),)

        named = ("_ends", *arrays)
        return self.operator("readout", named, 1, runs, numbers=("bool dense",), fake=fake, backward=backward)

    def _edges_asked(self, ctx: Any, arrays: Names) -> bool:
        """Whether a gradient is to flow into an edge array."""
        return any(ctx.needs_input_grad[i + 1] for i, name in enumerate(arrays) if self.kinds[name] == "edge")

    def _kernels(self, function: str, make: Callable[[ModuleType], Run]) -> dict[str, Run]:
        return {name: make(module) for name, module in self.backends.items() if hasattr(module, function)}

    def evolve(self, state: Names, fixed: Names, driven: Names = ()) -> Run:
        """``steps`` steps of the integrator, and their adjoint."""
        n, arrays = len(state), (*state, *fixed)
        places = [i for i, name in enumerate(fixed) if name in driven]

        def forward(module: ModuleType) -> Run:
            return lambda ends, *x: module.evolve(ends, x[:n], x[n:-2], *x[-2:])

        def plain(ends: Tensor, *x: Any) -> Tensors:
            return tuple(self.reference.evolve(graph_of(ends, x[0].shape[2], x[-1]), x[:n], x[n:-2], x[-2]))

        def pulled(ends: Tensor, *x: Any) -> Tensors:
            *given, steps, dense, _ = x
            graph = graph_of(ends, given[0].shape[2], dense)
            groups = tuple(given[:n]), tuple(given[n : 2 * n]), tuple(given[2 * n :])
            evolve, adjoint = (partial(run, graph) for run in (self.reference.evolve, self.reference.evolve_adjoint))
            return tuple(long_adjoint(evolve, adjoint, *groups, steps, places))

        def reverse(module: ModuleType) -> Run:
            def run(ends: Tensor, *x: Any) -> Tensors:
                *given, steps, dense, edges = x
                evolve = lambda s, f, count: module.evolve(ends, s, f, count, dense)  # noqa: E731
                adjoint = lambda g, s, f, count: module.evolve_adjoint(ends, g, s, f, count, dense, edges)  # noqa: E731
                groups = tuple(given[:n]), tuple(given[n : 2 * n]), tuple(given[2 * n :])
                return long_adjoint(evolve, adjoint, *groups, steps, places)

            return run

        runs = {"reference": plain, **self._kernels("evolve", forward)}
        back = {"reference": pulled, **self._kernels("evolve_adjoint", reverse)}
        ahead = ("_ends", *(f"{name}__out" for name in state))
        flags = ("SymInt steps", "bool dense", "bool edges")
        adjoint = self.adjoint("evolve_adjoint", ahead, arrays, back, numbers=flags, driven=driven)

        def backward(ctx: Any, *grads: Tensor | None) -> Any:
            ends, *saved = ctx.saved_tensors
            flowed = [torch.zeros_like(x) if g is None else g for g, x in zip(grads, saved)]
            return None, *_all(adjoint(ends, *flowed, *saved, *ctx.numbers, self._edges_asked(ctx, arrays)))

        return self.operator(
            "evolve",
            ("_ends", *arrays),
            n,
            runs,
            numbers=("SymInt steps", "bool dense"),
            driven=driven,
            fake=lambda ends, *x: tuple(y.new_empty(y.shape) for y in x[:n]),
            backward=backward,
        )

    def rollout(self, state: Names, fixed: Names, driven: Names = ()) -> Run:
        """The states after steps every, 2 every, ..., (n, B, C, N) each, and their adjoint."""
        n, arrays = len(state), (*state, *fixed)
        places = [i for i, name in enumerate(fixed) if name in driven]
        cuts = ((0, n), (n, 2 * n), (2 * n, 3 * n), (3 * n, None))
        grads, passed = (tuple(f"_{what}_{name}" for name in state) for what in ("flowed", "saved"))

        def forward(module: ModuleType) -> Run:
            return lambda ends, *x: module.rollout(ends, x[:n], x[n:-3], *x[-3:])

        def plain(ends: Tensor, *x: Any) -> Tensors:
            *given, steps, every, dense = x
            evolve = partial(self.reference.evolve, graph_of(ends, x[0].shape[2], dense))
            return rolled(evolve, tuple(given[:n]), tuple(given[n:]), steps, every, places)

        def pulled(ends: Tensor, *x: Any) -> Tensors:
            *given, steps, every, dense, _ = x
            adjoint = partial(self.reference.evolve_adjoint, graph_of(ends, given[2 * n].shape[2], dense))
            flowed, saved, before, coefficients = (tuple(given[a:b]) for a, b in cuts)
            return rolled_adjoint(adjoint, flowed, saved, before, coefficients, steps, every, places)

        def reverse(module: ModuleType) -> Run:
            def run(ends: Tensor, *x: Any) -> Tensors:
                *given, steps, every, dense, edges = x
                adjoint = lambda g, s, f, count: module.evolve_adjoint(ends, g, s, f, count, dense, edges)  # noqa: E731
                flowed, saved, before, coefficients = (tuple(given[a:b]) for a, b in cuts)
                return rolled_adjoint(adjoint, flowed, saved, before, coefficients, steps, every, places)

            return run

        runs = {"reference": plain, **self._kernels("rollout", forward)}
        back = {"reference": pulled, **self._kernels("evolve_adjoint", reverse)}
        flags = ("SymInt steps", "SymInt every", "bool dense", "bool edges")
        given = ("_ends", *grads, *passed)
        adjoint = self.adjoint("rollout_adjoint", given, arrays, back, numbers=flags, driven=driven)

        def backward(ctx: Any, *given: Tensor | None) -> Any:
            ends, *saved = ctx.saved_tensors
            before, states = saved[:-n], saved[-n:]
            flowed = [torch.zeros_like(x) if g is None else g for g, x in zip(given, states)]
            asked = self._edges_asked(ctx, arrays)
            return None, *_all(adjoint(ends, *flowed, *states, *before, *ctx.numbers, asked))

        return self.operator(
            "rollout",
            ("_ends", *arrays),
            n,
            runs,
            numbers=("SymInt steps", "SymInt every", "bool dense"),
            driven=driven,
            fake=lambda ends, *x: tuple(y.new_empty((x[-3] // x[-2], *y.shape)) for y in x[:n]),
            backward=backward,
            saved=lambda tensors, results: (*tensors, *results),
        )


def _all(x: Any) -> tuple[Any, ...]:
    return tuple(x) if isinstance(x, (tuple, list)) else (x,)


class Bound(NamedTuple):
    """The operators of a package on one graph, called as those of a lattice."""

    operators: Any
    graph: Any

    def _run(self, name: str, *given: Any) -> Any:
        graph = self.graph
        listed = isinstance(graph, Sparse)
        ends = graph.ends if listed else torch.empty((2, 0), dtype=torch.int64, device=given[0].device)
        return getattr(self.operators, name)(ends, *given, not listed)

    def evolve(self, *given: Any) -> Any:
        return self._run("evolve", *given)

    def rollout(self, *given: Any) -> Any:
        return self._run("rollout", *given)

    def readout(self, *given: Any) -> Any:
        return self._run("readout", *given)

    def solve(self, *given: Any) -> Any:
        return self._run("solve", *given)
