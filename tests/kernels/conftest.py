"""The same random numbers in every run."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import torch


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
