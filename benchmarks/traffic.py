"""Bytes that one call moves on a device, counted without one: what kernels load and store in Triton's interpreter.

Of a launch every address counts once, read or written: neighbours, and what a program reads again, come from a cache.
What a kernel reads after it wrote it there counts as well, both ways. Operations of PyTorch beside the kernels count
their operands and results; views and allocations move nothing.

``TRITON_INTERPRET=1`` has to be set before triton is imported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch._library.custom_ops import OPDEFS  # nothing public says what a registered operator calls
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_leaves

# Operations of ATen that launch nothing: they allocate, or say what a tensor is.
_FREE = ("empty", "new_empty", "empty_like", "empty_strided", "new_empty_strided", "detach", "set_", "lift_fresh")
TYPES = {torch.float32: "*fp32", torch.float64: "*fp64", torch.bfloat16: "*bf16", torch.float16: "*fp16",
         torch.int64: "*i64", torch.int32: "*i32", torch.bool: "*i1"}  # fmt: skip


@dataclass(frozen=True)
class Launch:
    """One launch of a kernel.

    sizes     its constants at compile time; a type by its name
    types     of every argument that is not one, in Triton's words: "*fp32", "i32"
    options   of the compiler
    """

    module: str
    kernel: str
    sizes: dict[str, Any]
    types: dict[str, str]
    options: dict[str, Any]
    read: int
    written: int


@dataclass
class Traffic:
    """What a call moved, in order: launches of kernels, and operations of PyTorch with their bytes."""

    launches: list[Launch] = field(default_factory=list)
    operations: list[tuple[str, int]] = field(default_factory=list)

    @property
    def bytes(self) -> int:
        return sum(one.read + one.written for one in self.launches) + sum(moved for _, moved in self.operations)

    @property
    def count(self) -> int:
        return len(self.launches) + len(self.operations)


def traffic(call: Callable[[], Any]) -> Traffic:
    """What ``call`` moves. RuntimeError where Triton does not interpret."""
    found = Traffic()
    with _launches(found), _Operations(found):
        call()
    return found


class _Operations(TorchDispatchMode):
    """Operations of ATen; a registered operator is looked into."""

    def __init__(self, found: Traffic) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found = found

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.namespace != "aten":
            functions = OPDEFS[func._schema.name]._backend_fns
            with self:
                return functions.get("cpu", functions.get(None))(*args, **(kwargs or {}))
        with self:  # what is made of other operations counts as those
            out = func.decompose(*args, **(kwargs or {}))
        if out is not NotImplemented:
            return out
        out = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        if name not in _FREE and not any(r.alias_info and not r.alias_info.is_write for r in func._schema.returns):
            tensors = [x for x in tree_leaves((args, kwargs, out)) if isinstance(x, Tensor)]
            if name in ("zeros", "zeros_like", "ones", "full", "fill_", "zero_", "new_zeros", "full_like", "new_full"):
                tensors = [x for x in tree_leaves(out) if isinstance(x, Tensor)]
            self.found.operations.append((name, sum(x.numel() * x.element_size() for x in tensors)))
        return out


@contextmanager
def _launches(found: Traffic) -> Iterator[None]:
    """Launches that Triton's interpreter makes are told to ``found``."""
    from triton.runtime import interpreter

    run, low = interpreter.GridExecutor.__call__, interpreter._interpreter
    read: list[np.ndarray[Any, Any]] = []
    written: list[np.ndarray[Any, Any]] = []

    class Memory:
        """Loads and stores of the interpreter, by whose addresses the masked ones are told."""

        def __getattr__(self, name: str) -> Any:
            return getattr(low, name)

        def load(self, places: Any, mask: Any, other: Any, dtype: Any) -> Any:
            read.append(_bytes(places, mask, np.dtype(dtype).itemsize))
            return low.load(places, mask, other, dtype)

        def store(self, places: Any, value: Any, mask: Any) -> Any:
            written.append(_bytes(places, mask, value.dtype.itemsize))
            return low.store(places, value, mask)

    def launch(executor: Any, *args: Any, **kwargs: Any) -> None:
        read.clear()
        written.clear()
        with _disable_current_modes():
            run(executor, *args, **kwargs)
        names = executor.arg_names
        given = dict(zip(names, args, strict=False)) | kwargs
        sizes = {n: given[n] if isinstance(given[n], (int, float)) else str(given[n]) for n in executor.constexprs}
        types = {n: TYPES[given[n].dtype] if isinstance(given[n], Tensor) else "i32" for n in names if n not in sizes}
        options = {n: value for n, value in kwargs.items() if n not in names}
        found.launches.append(
            Launch(executor.fn.__module__, executor.fn.__name__, sizes, types, options, _unique(read), _unique(written))
        )

    interpreter.GridExecutor.__call__ = launch
    interpreter._interpreter = Memory()
    try:
        yield
    finally:
        interpreter.GridExecutor.__call__ = run
        interpreter._interpreter = low


def _bytes(places: Any, mask: Any, size: int) -> np.ndarray[Any, Any]:
    """Addresses that are not masked, with the bytes of one in a second column."""
    there = np.asarray(places)[np.asarray(mask)].ravel()
    return np.stack([there, np.full_like(there, size)], 1)


def _unique(parts: list[np.ndarray[Any, Any]]) -> int:
    if not parts:
        return 0
    every = np.concatenate(parts)
    _, first = np.unique(every[:, 0], return_index=True)
    return int(every[first, 1].sum())
