# Part of every package that metrigen 0.1.0 emits. Do not edit.
"""Operators in torch: what it records, compiles and differentiates as one call, by kernels where a device has them.

An operator is differentiated by the one that is its adjoint, and the adjoint by autograd of its reference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from .base import Tensors, Unready, operator_prefix, pullback, unshared
from .direct import direct

Names = Sequence[str]
Run = Callable[..., Any]
# What an operator is handed beside the arrays of the spec, none of which begins like this.
_OWN = {"_b": "field", "_start": "field", "_cotangent": "field"}
_BY_STEP = "by step "  # ahead of the kind of what has a value for every step, along a first axis
_OF_SAMPLES = "of samples "  # ahead of that of a coefficient of which every sample may have its own, along a first axis
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
        self.units = {kind: tuple(map(int, kind.split()[1:])) for kind in kinds.values() if kind.startswith("units")}
        self.reference, self.registered = reference, dict[str, Run]()
        self.kernels = dict[str, tuple[str, ...]]()  # operator -> the backends that have kernels for it
        self.missing = tuple(name for name, module in backends.items() if module is None)
        self.backends = {name: module for name, module in backends.items() if module is not None}
        # Arrays whose cotangents the adjoints of steps make where they are told that they are ``varied``.
        self.on_request = {name for m in self.backends.values() for name in getattr(m, "ON_REQUEST", ())}
        self.flags = ("bool varied",) if self.on_request else ()
        # Coefficients of which every sample may have its own.
        self.of_samples = {name for m in self.backends.values() for name in getattr(m, "OF_SAMPLES", ())}
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

    def apart(self, x: Tensor) -> bool:
        """Whether kernels of the device of ``x`` take coefficients of which every sample has its own."""
        module = self.backends.get(self.device_of.get(x.device.type, ""))
        if module is None or not hasattr(module, "OF_SAMPLES") or not module.available():
            return False
        return torch.compiler.is_compiling() or not module.fell_back()

    def module(self, backend: str, device: str) -> ModuleType | None:
        """The module whose kernels a layer with this backend calls on a type of device."""
        name = self.device_of.get(device, "")
        return self.backends.get(name) if backend in ("auto", name) else None

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
            read = joined_readout(module)
            return lambda *given: (read(*given),)

        def reverse(module: ModuleType) -> Run:
            return joined_readout_adjoint(module, components)

        adjoint = self.adjoint("readout_adjoint", ("_grad",), arrays, self._each("readout_adjoint", reverse))
        return self.operator(
            "readout",
            arrays,
            1,
            self._each("readout", forward),
            fake=lambda x, *_: (read_from(x, components),),
            backward=lambda ctx, grad: adjoint(grad, *ctx.saved_tensors),
        )

    def adjoint(
        self, name: str, ahead: Names, arrays: Names, runs: Mapping[str, Run], numbers: Names = (), driven: Names = ()
    ) -> Run:
        """An operator of cotangents and arrays with a cotangent of each of the arrays behind ``ahead``."""
        first, count = len(ahead), len(ahead) + len(arrays)
        runs = self._of_samples(runs, [self._kind(a, driven) for a in (*ahead, *arrays)], first)

        def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
            saved, adjoint = ctx.saved_tensors, runs["reference"]
            moving = [i for i, x in enumerate(saved[:count]) if x.dtype != _HASHES]
            given = zeros_for(grads, saved[first:])

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
        if not name.endswith("adjoint"):
            runs = self._of_samples(runs, kinds)

        def checked(run: Run, owned: bool, check: Run = partial(self._check, kinds)) -> Run:
            def call(*given: Any) -> Any:
                check(given[:count])
                made = tuple(run(*given))
                made = made if owned else unshared(made, given[:count])
                return made[0] if results == 1 else made

            return call

        def keep(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
            ctx.set_materialize_grads(results == 1)  # of several, those that nobody used need no memory
            ctx.numbers = tuple([None if isinstance(x, Tensor) else x for x in inputs[count:]])
            ctx.save_for_backward(*saved(inputs[:count], as_tuple(output)))

        taken = ", ".join([*(f"Tensor {a}" for a in arrays), *numbers])
        returned = "Tensor" if results == 1 else f"({', '.join(['Tensor'] * results)})"
        qualified = f"{self.prefix}_{name}"
        general = checked(runs["reference"], False)
        made = torch.library.custom_op(qualified, general, mutates_args=(), schema=f"({taken}) -> {returned}")
        by_device = {
            device: checked(runs[backend], self.backends[backend].OWNED, again(partial(self._check, kinds)))
            for device, backend in self.device_of.items()
            if backend in runs
        }
        for device, kernel in by_device.items():
            made.register_kernel(device)(kernel)

        def back(ctx: Any, *grads: Tensor | None) -> tuple[Any, ...]:
            return (*as_tuple(backward(ctx, *grads)), *(None for _ in numbers))

        made.register_fake(checked(fake, True))
        made.register_autograd(back, setup_context=keep)
        for device in ("cpu", "cuda"):
            torch.library.register_autocast(qualified, device, torch.float32)
        self.registered[name], self.kernels[name] = made, tuple(n for n in runs if n != "reference")
        return direct(qualified, made, by_device, count, keep, back)

    def _each(self, function: str, make: Callable[[ModuleType], Run]) -> dict[str, Run]:
        """``make`` of the reference and of every backend that has a function of that name."""
        found = {name: make(module) for name, module in self.backends.items() if hasattr(module, function)}
        return {"reference": make(self.reference), **found}

    def _of_samples(self, runs: Mapping[str, Run], kinds: Names, first: int | None = None) -> Mapping[str, Run]:
        """The same where samples have coefficients of their own: one sample after the other by what does not take them
        at once. Results lie as fields do, those of an adjoint as the arrays from place ``first`` on."""
        if not any(kind.startswith(_OF_SAMPLES) for kind in kinds):
            return runs

        def made(name: str, run: Run) -> Run:
            at_once = hasattr(self.backends.get(name), "OF_SAMPLES")

            def call(*given: Any) -> Tensors:
                if at_once:
                    with suppress(Unready):
                        return tuple(run(*given))
                arrays, numbers = given[: len(kinds)], given[len(kinds) :]
                ins = [self._of_sample(kind, x) for kind, x in zip(kinds, arrays)]
                if -1 not in ins:
                    return tuple(run(*given))
                samples = next(x.shape[0] for x, kind in zip(arrays, kinds) if kind == "field")
                outs = None if first is None else ins[first:]
                return each_sample(lambda *x: run(*x, *numbers), samples, arrays, ins, outs, self.axes)

            return call

        return {name: made(name, run) for name, run in runs.items()}

    def _of_sample(self, kind: str, x: Tensor) -> int | None:
        """Along which axis of an array the samples lie, as ``each_sample`` is told."""
        if kind in ("field", _BY_STEP + "field", "any"):
            return int(kind == _BY_STEP + "field" or x.dim() > self.axes)
        return -1 if own_of_samples(kind, x) else None

    def _asked(self, ctx: Any, arrays: Names) -> tuple[bool, ...]:
        """What an adjoint is given as ``varied``: whether a gradient flows into what has a cotangent on request."""
        if not self.on_request:
            return ()
        return (any(ctx.needs_input_grad[i] for i, name in enumerate(arrays) if name in self.on_request),)

    def _varying(self, module: ModuleType, name: str, given: tuple[Any, ...]) -> tuple[Run, tuple[Any, ...]]:
        """The adjoint of a module with ``varied`` set, and what else it is given; others make all cotangents always."""
        run = getattr(module, name)
        if not self.on_request:
            return run, given
        return partial(run, varied=given[-1]) if hasattr(module, "ON_REQUEST") else run, given[:-1]

    def _kind(self, array: str, driven: Names) -> str:
        """The kind of an array, of the cotangent ``NAME__out`` of one, or of what an operator is handed beside."""
        if array.startswith("_"):
            return _OWN.get(array, "any")
        kind = self.kinds.get(array) or self.kinds[array.removesuffix("__out")]
        if array in driven:
            return _BY_STEP + kind
        return _OF_SAMPLES + kind if array in self.of_samples else kind

    def shapes(self, whole: torch.Size) -> dict[str, tuple[int, ...]]:
        """The shape of every kind of array, of that of a field."""
        rows = {kind: (whole[1], *sizes) for kind, sizes in self.units.items()}
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
            if shape != shapes.get(kind):
                if kind.startswith(_OF_SAMPLES):
                    kind = kind.removeprefix(_OF_SAMPLES)
                    shape = shape[1:] if len(shape) > len(shapes[kind]) and shape[0] == whole[0] else shape
                elif kind not in shapes:  # with a value for every step
                    kind, shape = kind.removeprefix(_BY_STEP), shape[1:]
                    if kind == "field" and x.dtype == _HASHES and shape == whole[:2]:
                        continue
                if shape != shapes[kind]:
                    raise ValueError(f"a tensor has shape {tuple(x.shape)} where {tuple(shapes[kind])} is needed")
            if x.dtype != dtype or x.device != device:
                raise ValueError(f"a tensor is {x.dtype} on {x.device}, the first field {dtype} on {device}")


def again(check: Callable[[Tensors], None]) -> Callable[[Tensors], None]:
    """The check of tensors with numbers, left out for tensors that are like the last ones."""
    last: tuple[Any, ...] = ()

    def run(tensors: Tensors) -> None:
        nonlocal last
        found = tuple([(x.shape, x.dtype, x.device) for x in tensors])
        if found != last:
            check(tensors)
            last = found

    return run


def own_of_samples(kind: str, x: Tensor) -> bool:
    """Whether ``x`` is a coefficient of which every sample has its own, along a first axis."""
    axes = {"scalar": 0, "channel": 1, "matrix": 2}
    return kind.startswith(_OF_SAMPLES) and x.dim() > axes.get(kind.removeprefix(_OF_SAMPLES), 3)


def each_sample(
    run: Run, samples: int, arrays: Sequence[Tensor], ins: Sequence[int | None], outs: Sequence[int | None] | None,
    axes: int,
) -> Tensors:  # fmt: skip
    """``run`` of one sample after the other, put together again. ``ins`` and ``outs``: along which axis of an array the
    samples lie, -1 where they are a first one that a sample does not have, None where all share it: those are summed.
    Without ``outs`` results are fields of so many ``axes``, or have the frames of fields along one more ahead."""

    def of(x: Tensor, axis: int | None, i: int) -> Tensor:
        return x if axis is None else x[i] if axis < 0 else x.narrow(axis, i, 1)

    found = [run(*(of(x, axis, i) for x, axis in zip(arrays, ins))) for i in range(samples)]
    places = [x.dim() - axes for x in found[0]] if outs is None else outs
    pairs = zip(zip(*found), places)
    return tuple(
        torch.stack(x).sum(0) if axis is None else torch.stack(x) if axis < 0 else torch.cat(x, axis)
        for x, axis in pairs
    )


def as_tuple(x: Any) -> tuple[Any, ...]:
    return x if isinstance(x, tuple) else tuple(x) if isinstance(x, list) else (x,)


def like_(*tensors: Tensor) -> Tensors:
    return tuple(x.new_empty(x.shape) for x in tensors)


def zeros_for(grads: Sequence[Tensor | None], like: Sequence[Tensor]) -> Tensors:
    return tuple(torch.zeros_like(x) if g is None else g for g, x in zip(grads, like))


def nothings(grads: Sequence[Tensor | None], like: Sequence[Tensor]) -> Tensors:
    """The same, where a zero takes no memory."""
    return tuple(x.new_zeros(()).expand_as(x) if g is None else g for g, x in zip(grads, like))


def joined_readout(module: ModuleType) -> Callable[..., Tensor]:
    """The readout of a backend as one tensor, its components one after the other along the channels."""
    if getattr(module, "JOINED", False):
        read: Callable[..., Tensor] = module.readout
        return read
    return lambda *given: torch.cat(module.readout(*given), 1)


def joined_readout_adjoint(module: ModuleType, components: int) -> Run:
    """Its adjoint, of the cotangent of that tensor and of what the readout reads."""
    if getattr(module, "JOINED", False):
        back: Run = module.readout_adjoint
        return back
    return lambda grad, *given: module.readout_adjoint(*given, *grad.chunk(components, 1))


def read_from(x: Tensor, components: int) -> Tensor:
    """An empty readout of a field."""
    return x.new_empty((x.shape[0], components * x.shape[1], *x.shape[2:]))
