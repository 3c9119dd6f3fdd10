# Part of every package that metrigen 0.1.0 emits. Do not edit.
"""Operators that step: the state after some steps, the states on the way, and their adjoints."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from torch import Tensor

from .base import Tensors
from .registry import Names, Operators, Run, like_, nothings, zeros_for
from .stretches import long_adjoint, rolled, rolled_adjoint


class EvolvingOperators(Operators):
    """The operators of a package that takes steps without an equation in them."""

    def evolve(self, state: Names, fixed: Names, driven: Names = ()) -> Run:
        """``steps`` steps of the integrator, and their adjoint, the varied steps backwards. ``fixed``: what a step
        reads beside the state; ``driven``: those of it that have a value for every step, along a first axis."""
        n, out = len(state), tuple(f"{name}__out" for name in state)
        places = [i for i, name in enumerate(fixed) if name in driven]

        def reverse(module: ModuleType) -> Run:
            def run(*x: Any) -> Tensors:
                back, x = self._varying(module, "evolve_adjoint", x)
                groups = x[:n], x[n : 2 * n], x[2 * n : -1], x[-1]
                if getattr(module, "FEW_SAVED", False):
                    return back(*groups)
                return long_adjoint(module.evolve, back, *groups, places)

            return run

        adjoint = self.adjoint(
            "evolve_adjoint",
            out,
            (*state, *fixed),
            self._each("evolve_adjoint", reverse),
            numbers=("SymInt steps", *self.flags),
            driven=driven,
        )

        def backward(ctx: Any, *grads: Tensor | None) -> Any:
            saved = ctx.saved_tensors
            return adjoint(*zeros_for(grads, saved), *saved, *ctx.numbers, *self._asked(ctx, (*state, *fixed)))

        return self.operator(
            "evolve",
            (*state, *fixed),
            n,
            self._each("evolve", lambda module: lambda *x: module.evolve(x[:n], x[n:-1], x[-1])),
            numbers=("SymInt steps",),
            driven=driven,
            fake=lambda *x: like_(*x[:n]),
            backward=backward,
        )

    def rollout(self, state: Names, fixed: Names, driven: Names = ()) -> Run:
        """The states after steps every, 2 every, ..., (n, B, C, *S) each, and their adjoint."""
        n, places = len(state), [i for i, name in enumerate(fixed) if name in driven]
        grads, saved = (tuple(f"_{what}_{name}" for name in state) for what in ("flowed", "saved"))

        def forward(module: ModuleType) -> Run:
            def run(*x: Any) -> Tensors:
                *tensors, steps, every = x
                if hasattr(module, "rollout"):
                    return module.rollout(tuple(tensors[:n]), tuple(tensors[n:]), steps, every)
                return rolled(module.evolve, tuple(tensors[:n]), tuple(tensors[n:]), steps, every, places)

            return run

        def reverse(module: ModuleType) -> Run:
            own = hasattr(module, "rollout_adjoint")  # of all steps at once, which needs no states between

            def run(*x: Any) -> Tensors:
                back, (*tensors, steps, every) = self._varying(module, f"{'rollout' if own else 'evolve'}_adjoint", x)
                ends, states, start, given = (
                    tuple(tensors[a:b]) for a, b in ((0, n), (n, 2 * n), (2 * n, 3 * n), (3 * n, None))
                )
                if own:
                    return back(ends, start, given, steps, every)
                return rolled_adjoint(back, ends, states, start, given, steps, every, places)

            return run

        adjoint = self.adjoint(
            "rollout_adjoint",
            (*grads, *saved),
            (*state, *fixed),
            self._each("evolve_adjoint", reverse),
            numbers=("SymInt steps", "SymInt every", *self.flags),
            driven=driven,
        )

        def backward(ctx: Any, *given: Tensor | None) -> Any:
            saved = ctx.saved_tensors
            arrays, states = saved[:-n], saved[-n:]
            asked = self._asked(ctx, (*state, *fixed))
            return adjoint(*nothings(given, states), *states, *arrays, *ctx.numbers, *asked)

        def fake(*x: Any) -> Tensors:
            return tuple(y.new_empty((x[-2] // x[-1], *y.shape)) for y in x[:n])

        return self.operator(
            "rollout",
            (*state, *fixed),
            n,
            self._each("evolve", forward),
            numbers=("SymInt steps", "SymInt every"),
            driven=driven,
            fake=fake,
            backward=backward,
            saved=lambda tensors, results: (*tensors, *results),
        )
