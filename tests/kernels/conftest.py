"""The same random numbers in every run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from types import FunctionType, ModuleType

import pytest
import torch

from tests.kernels.modes import INTERPRETED


@pytest.fixture(autouse=True, scope="package")
def interpreter() -> Iterator[None]:
    """Triton's interpreter goes through all of its language at every call of a device function, a third of its time:
    here only where what it puts in the place of the language is not there yet."""
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

    with pytest.MonkeyPatch.context() as change:
        change.setattr(its, "_patch_lang", patch)
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
