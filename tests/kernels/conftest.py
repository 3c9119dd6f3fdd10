"""The same random numbers in every run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from types import FunctionType, ModuleType

import pytest
import torch

from tests.kernels.modes import INTERPRETED


@pytest.fixture(autouse=True, scope="package")
def interpreter() -> Iterator[None]:
    """What Triton's interpreter does to no effect is left out, more than half of its time.

    It goes through all of its language at every call of a device function: here only where what it puts in the place of
    the language is not there yet. It computes every sum, difference and product of whole numbers once more in 64 bits,
    compares, and asks ``device_assert``, which looks at none of that but for a kernel that is debugged. It broadcasts
    blocks of one shape to that shape, and writes the table of numpy's types at every operation: here once a type.
    """
    if not INTERPRETED:
        yield
        return
    from functools import cache

    import triton.language as tl
    from triton.runtime import interpreter as its

    put = its._patch_lang

    @cache
    def languages(fn: FunctionType) -> list[ModuleType]:
        return [value for value in fn.__globals__.values() if value is tl or value is tl.core]

    def patch(fn: FunctionType) -> object:
        there = not any(tl.core.is_builtin(found.load) for found in languages(fn))
        return its._LangPatchScope() if there else put(fn)

    by_name: dict[str, object] = {}
    looked_up = its._get_np_dtype

    def type_of(found: tl.dtype) -> object:
        if found.name not in by_name:
            by_name[found.name] = looked_up(found)
        return by_name[found.name]

    semantic = type(its.interpreter_semantic)
    broadcast = semantic.broadcast_impl_value

    def broadcast_of(self: object, left: tl.tensor, right: tl.tensor) -> tuple[tl.tensor, tl.tensor]:
        one, other = left.type, right.type
        same = one.is_block() and other.is_block() and one.shape == other.shape
        return (left, right) if same else broadcast(self, left, right)

    options = its.interpreter_builder.options
    with pytest.MonkeyPatch.context() as change:
        change.setattr(its, "_patch_lang", patch)
        change.setattr(its, "_get_np_dtype", type_of)
        change.setattr(semantic, "broadcast_impl_value", broadcast_of)
        if not options.debug:
            change.setattr(its.interpreter_builder, "options", replace(options, sanitize_overflow=False))
        yield


@pytest.fixture(autouse=True, scope="package")
def kernels() -> Iterator[None]:
    """The CPU kernels run in these tests."""
    before = os.environ.get("METRIGEN_CPU_KERNELS")
    os.environ["METRIGEN_CPU_KERNELS"] = "1"
    yield
    if before is not None:
        os.environ["METRIGEN_CPU_KERNELS"] = before


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)
