# Part of every package that metrigen 0.1.0 emits. Do not edit.
"""Operators in torch: what it records, compiles and differentiates as one call, by kernels where a device has them.

An operator is differentiated by the one that is its adjoint, and the adjoint by autograd of its reference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from .base import Tensors, operator_prefix, pullback, reported, unshared
from .stretches import long_adjoint, rolled, rolled_adjoint

Names = Sequence[str]
Run = Callable[..., Any]
# What an operator is handed beside the arrays of the spec, none of which begins like this.
_OWN = {"_b": "field", "_start": "field", "_cotangent": "field"}
_BY_STEP = "by step "  # ahead of the kind of what has a value for every step, along a first axis
_HASHES = torch.int64  # of a field by step: hashes (K, B, C), from which every step makes its numbers


class Operators:
    """The operators of a package, registered under its name.

    kinds      name of an array -> "field", "channel" (C), "matrix" (C, C), "units H P" (C, H, P) or "scalar" ()
    axes       axes of a field: batch, channels and those of the lattice
    reference  the module with one function an operator, in torch
    backends   name of a backend -> its module, None where what it needs is not installed; a device goes to the first
               that has it among its DEVICES, an operator that a module has no function for to the reference
    """

    layout = "(B, C, *S)"
    first = "readout"  # the operator that every package of this kind has

    def __init__(
        self,
        package: str,
        kinds: Mapping[str, str],
        axes: int,
        reference: ModuleType,
        backends: Mapping[str, ModuleType | None],
    ) -> None:
        self.prefix, self.kinds, self.axes = operator_prefix(package, self.first), kinds, axes
        self.reference, self.registered = reference, dict[str, Run]()
        self.kernels = dict[str, tuple[str, ...]]()  # operator -> the backends that have kernels for it
        self.missing = tuple(name for name, module in backends.items() if module is None)
        self.backends = {name: module for name, module in backends.items() if module is not None}
        # Arrays whose cotangents the adjoints of steps make where they are told that they are ``varied``.
        self.on_request = {name for m in self.backends.values() for name in getattr(m, "ON_REQUEST", ())}
        self.flags = ("bool varied",) if self.on_request else ()
        self.device_of = dict[str, str]()  # type of a device -> the backend that it goes to
        for name, module in self.backends.items():
            for device in module.DEVICES:
                self.device_of.setdefault(device, name)

    def check(self, backend: str) -> None:
        """Raise ValueError where this machine does not have a backend that is insisted on."""
        if backend in self.missing:
            raise ValueError(f'backend="{backend}" needs the package {backend}; use "auto" or "torch"')
        if backend not in self.backends:
            return
        module = self.backends[backend]
        if backend not in self.device_of.values():
            taken = " and ".join(f'"{self.device_of[device]}" takes tensors on {device}' for device in module.DEVICES)
            raise ValueError(f'backend="{backend}" cannot run where {taken}, as Triton does with TRITON_INTERPRET=1')
        module.insist()

    def available(self, backend: str, x: Tensor) -> None:
        """Raise ValueError where a backend is insisted on that has no kernels for the device of ``x``."""
        if backend not in self.backends:
            return
        if self.device_of.get(x.device.type) != backend:
            raise ValueError(f'backend="{backend}" has no kernels for tensors on {x.device}; use backend="auto"')
        self.backends[backend].insist()

    def ran(self, device: str) -> str:
        """The backend whose kernels move or solve tensors of a device: where they cannot, the reference, "torch"."""
        name = self.device_of.get(device, "")
        main = next((o for o in ("evolve", "scan", "solve_linear") if o in self.kernels), "")
        if name not in self.kernels.get(main, ()) and not hasattr(self.backends.get(name), "newton"):
            return "torch"
        module = self.backends[name]
        fell_back = hasattr(module, "fell_back") and module.fell_back()
        return name if module.available() and not fell_back else "torch"

    def solver(self, x: Tensor) -> ModuleType | None:
        """The module whose Newton's method solves a nonlinear steady state on the device of ``x``."""
        found = self.backends.get(self.device_of.get(x.device.type, ""))
        return found if hasattr(found, "newton") else None

    def takes(self, x: Tensor) -> bool:
        """Whether a backend has kernels for the device of ``x``, and can run them."""
        name = self.device_of.get(x.device.type)
        return x.is_meta or (name is not None and self.backends[name].available())

    def readout(self, arrays: Names, components: int) -> Run:
        """The readout, its components one after the other along the channels, and its adjoint."""

        def forward(module: ModuleType) -> Run:
            if getattr(module, "JOINED", False):
                return lambda *given: (module.readout(*given),)
            return lambda *given: (torch.cat(module.readout(*given), 1),)

        def reverse(module: ModuleType) -> Run:
            if getattr(module, "JOINED", False):
                return module.readout_adjoint
            return lambda grad, *given: module.readout_adjoint(*given, *grad.chunk(components, 1))

        adjoint = self.adjoint("readout_adjoint", ("_grad",), arrays, self._each("readout_adjoint", reverse))
        return self.operator(
            "readout",
            arrays,
            1,
            self._each("readout", forward),
            fake=lambda x, *_: (read_from(x, components),),
            backward=lambda ctx, grad: adjoint(grad, *ctx.saved_tensors),
        )

    def evolve(self, state: Names, fixed: Names, driven: Names = ()) -> Run:
        """``steps`` steps of the integrator, and their adjoint, the varied steps backwards. ``fixed``: what a step
        reads beside the state; ``driven``: those of it that have a value for every step, along a first axis."""
        n, out = len(state), tuple(f"{name}__out" for name in state)
        places = [i for i, name in enumerate(fixed) if name in driven]

        def reverse(module: ModuleType) -> Run:
            def run(*x: Any) -> Tensors:
                back, x = self._told(module, "evolve_adjoint", x)
                groups = x[:n], x[n : 2 * n], x[2 * n : -1], x[-1]
                if getattr(module, "FEW_KEPT", False):
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
            return adjoint(*_zeros(grads, saved), *saved, *ctx.numbers, *self._asked(ctx, (*state, *fixed)))

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
        grads, kept = (tuple(f"_{what}_{name}" for name in state) for what in ("flowed", "kept"))

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
                back, (*tensors, steps, every) = self._told(module, f"{'rollout' if own else 'evolve'}_adjoint", x)
                ends, states, start, given = (
                    tuple(tensors[a:b]) for a, b in ((0, n), (n, 2 * n), (2 * n, 3 * n), (3 * n, None))
                )
                if own:
                    return back(ends, start, given, steps, every)
                return rolled_adjoint(back, ends, states, start, given, steps, every, places)

            return run

        adjoint = self.adjoint(
            "rollout_adjoint",
            (*grads, *kept),
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

    def implicit(self, state: Names, fixed: Names, driven: Names = ()) -> Run:
        """``steps`` steps that solve equations: the state, iterations, residual and status of every sample, and what
        the adjoint needs (empty unless ``keep``)."""
        n, out = len(state), tuple(f"{name}__out" for name in state)
        keeper = next(module for module in self.backends.values() if hasattr(module, "kept_shape"))
        forward = self._each("kept_shape", lambda module: lambda *x: module.evolve(x[:n], x[n:-2], *x[-2:]))

        def back(module: ModuleType) -> Run:
            def run(*x: Any) -> Tensors:
                found, x = self._told(module, "evolve_adjoint", x)
                kept = () if module is self.reference else x[-2:-1]
                return found(x[:n], x[n : 2 * n], x[2 * n : -2], *kept, x[-1])

            return run

        reverse = {**self._each("kept_shape", back), "reference": back(self.reference)}
        forward["reference"] = lambda *x: keeper.by_reference(x[:n], x[n:-2], *x[-2:])
        numbers = ("Tensor _kept", "SymInt steps", *self.flags)
        adjoint = self.adjoint("evolve_adjoint", out, (*state, *fixed), reverse, numbers, driven)

        def backward(ctx: Any, *grads: Tensor | None) -> Any:
            *saved, kept = ctx.saved_tensors
            asked = self._asked(ctx, (*state, *fixed))
            return adjoint(*_zeros(grads[:n], saved), *saved, kept, ctx.numbers[0], *asked)

        return self.operator(
            "evolve",
            (*state, *fixed),
            n + 4,
            forward,
            numbers=("SymInt steps", "bool keep"),
            driven=driven,
            fake=lambda *x: (*like_(*x[:n]), *_reports(x[0]), x[0].new_empty(keeper.kept_shape(x[0], *x[-2:]))),
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
            return found, None, *(() if flowed is None else _tuple(flowed(-found, x, *arrays)))

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

    def adjoint(
        self, name: str, ahead: Names, arrays: Names, runs: Mapping[str, Run], numbers: Names = (), driven: Names = ()
    ) -> Run:
        """An operator of cotangents and arrays with a cotangent of each of the arrays behind ``ahead``."""
        first, count = len(ahead), len(ahead) + len(arrays)

        def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
            saved, adjoint = ctx.saved_tensors, runs["reference"]
            moving = [i for i, x in enumerate(saved[:count]) if x.dtype != _HASHES]
            given = _zeros(grads, saved[first:])

            def run(*x: Tensor) -> Tensors:
                arrays = [*saved[:count]]
                for i, y in zip(moving, x):
                    arrays[i] = y
                return tuple(y for y in adjoint(*arrays, *ctx.numbers) if y.dtype != _HASHES)

            found = pullback(run, tuple(saved[i] for i in moving), tuple(g for g in given if g.dtype != _HASHES))
            places = dict(zip(moving, found))
            return tuple(places.get(i) for i in range(count))

        return self.operator(
            name,
            (*ahead, *arrays),
            len(arrays),
            runs,
            numbers=numbers,
            driven=driven,
            fake=lambda *x: like_(*x[first:count]),
            backward=backward,
        )

    def operator(
        self,
        name: str,
        arrays: Names,
        results: int,
        runs: Mapping[str, Run],
        *,
        numbers: Names = (),
        driven: Names = (),
        fake: Run,
        backward: Run,
        saved: Run = lambda tensors, results: tensors,
    ) -> Run:
        """Register one operator.

        runs       "reference", and backends by name: functions of tensors and numbers
        numbers    what is handed over behind the arrays, as torch writes it in a schema; it has no cotangent
        driven     arrays that have a value for every step, along a first axis
        fake       empty results, of the same arguments
        backward   cotangents of the arrays, of those of the results
        saved      what ``backward`` finds in ``ctx.saved_tensors``, of the arrays and the results
        """
        count, kinds = len(arrays), [self._kind(a, driven) for a in arrays]

        def checked(run: Run, owned: bool) -> Run:
            def call(*given: Any) -> Any:
                self._check(kinds, given[:count])
                made = tuple(run(*given))
                made = made if owned else unshared(made, given[:count])
                return made[0] if results == 1 else made

            return call

        def keep(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
            ctx.numbers = tuple(None if isinstance(x, Tensor) else x for x in inputs[count:])
            ctx.save_for_backward(*saved(inputs[:count], _tuple(output)))

        taken = ", ".join([*(f"Tensor {a}" for a in arrays), *numbers])
        returned = "Tensor" if results == 1 else f"({', '.join(['Tensor'] * results)})"
        qualified = f"{self.prefix}_{name}"
        made = torch.library.custom_op(
            qualified, checked(runs["reference"], False), mutates_args=(), schema=f"({taken}) -> {returned}"
        )
        for device, backend in self.device_of.items():
            if backend in runs:
                made.register_kernel(device)(checked(runs[backend], self.backends[backend].OWNED))
        made.register_fake(checked(fake, True))
        made.register_autograd(
            lambda ctx, *grads: (*_tuple(backward(ctx, *grads)), *(None for _ in numbers)), setup_context=keep
        )
        for device in ("cpu", "cuda"):
            torch.library.register_autocast(qualified, device, torch.float32)
        self.registered[name], self.kernels[name] = made, tuple(n for n in runs if n != "reference")
        return made

    def _each(self, function: str, make: Callable[[ModuleType], Run]) -> dict[str, Run]:
        """``make`` of the reference and of every backend that has a function of that name."""
        found = {name: make(module) for name, module in self.backends.items() if hasattr(module, function)}
        return {"reference": make(self.reference), **found}

    def _asked(self, ctx: Any, arrays: Names) -> tuple[bool, ...]:
        """What an adjoint is told: whether a gradient is to flow into what has a cotangent on request."""
        if not self.on_request:
            return ()
        return (any(ctx.needs_input_grad[i] for i, name in enumerate(arrays) if name in self.on_request),)

    def _told(self, module: ModuleType, name: str, given: tuple[Any, ...]) -> tuple[Run, tuple[Any, ...]]:
        """The adjoint of a module as it is told, and what else it is given; others make all cotangents always."""
        run = getattr(module, name)
        if not self.on_request:
            return run, given
        return partial(run, varied=given[-1]) if hasattr(module, "ON_REQUEST") else run, given[:-1]

    def _kind(self, array: str, driven: Names) -> str:
        """The kind of an array, of the cotangent ``NAME__out`` of one, or of what an operator is handed beside."""
        if array.startswith("_"):
            return _OWN.get(array, "any")
        kind = self.kinds.get(array) or self.kinds[array.removesuffix("__out")]
        return _BY_STEP + kind if array in driven else kind

    def shapes(self, whole: torch.Size) -> dict[str, tuple[int, ...]]:
        """The shape of every kind of array, of that of a field."""
        units = [kind for kind in self.kinds.values() if kind.startswith("units")]
        rows = {kind: (whole[1], *map(int, kind.split()[1:])) for kind in units}
        return {"field": whole, "channel": whole[1:2], "matrix": (whole[1], whole[1]), "scalar": (), **rows}

    def _check(self, kinds: Names, tensors: Tensors) -> None:
        """Shapes, dtypes and devices agree; every implementation calls this before it touches memory."""
        first = next(x for x, kind in zip(tensors, kinds) if kind == "field")
        whole, dtype, device = first.shape, first.dtype, first.device
        if len(whole) != self.axes:
            raise ValueError(f"fields have {self.axes} axes {self.layout}, not shape {tuple(whole)}")
        shapes = self.shapes(whole)
        for x, kind in zip(tensors, kinds):
            if kind == "any":
                continue
            shape = x.shape
            if kind not in shapes:  # with a value for every step
                kind, shape = kind.removeprefix(_BY_STEP), shape[1:]
                if kind == "field" and x.dtype == _HASHES and shape == whole[:2]:
                    continue
            if shape != shapes[kind]:
                raise ValueError(f"a tensor has shape {tuple(x.shape)} where {tuple(shapes[kind])} is needed")
            if x.dtype != dtype or x.device != device:
                raise ValueError(f"a tensor is {x.dtype} on {x.device}, the first field {dtype} on {device}")


def _tuple(x: Any) -> tuple[Any, ...]:
    return x if isinstance(x, tuple) else tuple(x) if isinstance(x, list) else (x,)


def like_(*tensors: Tensor) -> Tensors:
    return tuple(x.new_empty(x.shape) for x in tensors)


def _zeros(grads: Sequence[Tensor | None], like: Sequence[Tensor]) -> Tensors:
    return tuple(torch.zeros_like(x) if g is None else g for g, x in zip(grads, like))


def nothings(grads: Sequence[Tensor | None], like: Sequence[Tensor]) -> Tensors:
    """The same, where a zero takes no memory."""
    return tuple(x.new_zeros(()).expand_as(x) if g is None else g for g, x in zip(grads, like))


def _reports(x: Tensor) -> Tensors:
    """Iterations, residual and status of every sample, empty."""
    counts = (x.new_empty(x.shape[:1], dtype=torch.int64) for _ in range(2))
    return next(counts), x.new_empty(x.shape[:1]), next(counts)


def read_from(x: Tensor, components: int) -> Tensor:
    """An empty readout of a field."""
    return x.new_empty((x.shape[0], components * x.shape[1], *x.shape[2:]))
