# Part of every package that metrigen 0.1.0 emits. Do not edit.
"""The operators that read states right after the steps that lead to them: less memory is moved."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from .base import Tensors
from .evolving import EvolvingOperators
from .registry import Names, Run, joined_readout, joined_readout_adjoint, like_, nothings, read_from
from .stretches import rolled_readout, rolled_readout_adjoint


class ReadingOperators(EvolvingOperators):
    """The operators of a package that takes steps, with those that also read."""

    def evolve_readout(self, state: Names, fixed: Names, others: Names, components: int) -> Run:
        """The readout after ``steps`` steps, then the state: less memory is moved than by one after the other.
        ``others``: what the readout reads beside the state."""
        arrays = (*state, *fixed, *(name for name in others if name not in fixed))
        n, m, out = len(state), len(state) + len(fixed), tuple(f"{name}__out" for name in state)
        places = [arrays.index(name) for name in others]

        def groups(*given: Any) -> tuple[Any, ...]:
            return given[:n], given[n:m], tuple(given[i] for i in places), given[-1]

        def forward(module: ModuleType) -> Run:
            if not hasattr(module, "evolve_readout"):  # one after the other
                return lambda *x: self.reference.evolve_readout(*groups(*x), module.evolve, joined_readout(module))
            return lambda *x: module.evolve_readout(*groups(*x))

        def reverse(module: ModuleType) -> Run:
            def run(grad: Tensor, *x: Any) -> Tensors:
                if not hasattr(module, "evolve_readout_adjoint"):
                    back, x = self._varying(module, "evolve_adjoint", x)
                    calls = module.evolve, back, joined_readout_adjoint(module, components)
                    return self.reference.evolve_readout_adjoint(grad, x[:n], *groups(*x[n:]), *calls)
                back, x = self._varying(module, "evolve_readout_adjoint", x)
                return back(grad, x[:n], *groups(*x[n:]))

            return run

        adjoint = self.adjoint(
            "evolve_readout_adjoint",
            ("_grad", *out),
            arrays,
            self._each("evolve_adjoint", reverse),
            numbers=("SymInt steps", *self.flags),
        )

        def backward(ctx: Any, read: Tensor | None, *ends: Tensor | None) -> Any:
            saved = ctx.saved_tensors
            grad = torch.zeros_like(read_from(saved[0], components)) if read is None else read
            return adjoint(grad, *nothings(ends, saved), *saved, *ctx.numbers, *self._asked(ctx, arrays))

        return self.operator(
            "evolve_readout",
            arrays,
            1 + n,
            self._each("evolve", forward),
            numbers=("SymInt steps",),
            fake=lambda *x: (read_from(x[0], components), *like_(*x[:n])),
            backward=backward,
        )

    def rollout_readout(self, state: Names, fixed: Names, others: Names, components: int, driven: Names = ()) -> Run:
        """The readouts (n, B, R*C, *S) after steps every, 2 every, ..., then the last state: states on the way are in
        no memory. ``others``: what the readout reads beside the state, but for what is ``driven``."""
        arrays = (*state, *fixed, *(name for name in others if name not in fixed))
        n, m, out = len(state), len(state) + len(fixed), tuple(f"{name}__out" for name in state)
        places = [arrays.index(name) for name in others]
        by_step = [i for i, name in enumerate(fixed) if name in driven]

        def groups(*given: Any) -> tuple[Tensors, Tensors, Tensors]:
            return given[:n], given[n:m], tuple(given[i] for i in places)

        def forward(module: ModuleType) -> Run:
            def one(state: Tensors, fixed: Tensors, others: Tensors, steps: int) -> Tensors:
                read = self.reference.evolve_readout
                return tuple(read(state, fixed, others, steps, module.evolve, joined_readout(module)))

            def run(*x: Any) -> Tensors:
                if hasattr(module, "rollout_readout"):
                    found: Tensors = module.rollout_readout(*groups(*x), *x[-2:])
                    return found
                if not x[-2]:
                    return (torch.empty_like(self._readings(x[0], components, 0)), *x[:n])
                return rolled_readout(one, *groups(*x), x[-2], x[-1], by_step)

            return run

        def reverse(module: ModuleType) -> Run:
            own = hasattr(module, "rollout_readout_adjoint")

            def run(grad: Tensor, *x: Any) -> Tensors:
                back, x = self._varying(module, f"{'rollout_readout' if own else 'evolve'}_adjoint", x)
                if own:
                    found: Tensors = back(grad, x[:n], *groups(*x[n:]), *x[-2:])
                    return found

                def one(*given: Any) -> Tensors:
                    made: Tensors = self.reference.evolve_readout_adjoint(
                        *given, module.evolve, back, joined_readout_adjoint(module, components)
                    )
                    return made

                return rolled_readout_adjoint(module.evolve, one, tuple(grad), x[:n], *groups(*x[n:]), x[-1], by_step)

            return run

        adjoint = self.adjoint(
            "rollout_readout_adjoint",
            ("_read", *out),
            arrays,
            self._each("evolve_adjoint", reverse),
            numbers=("SymInt steps", "SymInt every", *self.flags),
            driven=driven,
        )

        def backward(ctx: Any, read: Tensor | None, *ends: Tensor | None) -> Any:
            saved = ctx.saved_tensors
            steps, every = ctx.numbers
            grad = torch.zeros_like(self._readings(saved[0], components, steps // every)) if read is None else read
            return adjoint(grad, *nothings(ends, saved), *saved, *ctx.numbers, *self._asked(ctx, arrays))

        return self.operator(
            "rollout_readout",
            arrays,
            1 + n,
            self._each("evolve", forward),
            numbers=("SymInt steps", "SymInt every"),
            driven=driven,
            fake=lambda *x: (self._readings(x[0], components, x[-2] // x[-1]), *like_(*x[:n])),
            backward=backward,
        )

    @staticmethod
    def _readings(x: Tensor, components: int, count: int) -> Tensor:
        """Empty readouts of so many states."""
        return x.new_empty((count, *read_from(x, components).shape))
