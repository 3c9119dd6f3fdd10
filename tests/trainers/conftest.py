"""What the tests of the trainers share."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests import processes


@pytest.fixture
def run_module(tmp_path: Path) -> Callable[..., CompletedProcess[str]]:
    """``run_module(name, *arguments)`` is ``python -m name arguments`` in a process of its own, on one thread."""
    return partial(processes.python, "-m", OMP_NUM_THREADS="1", MPLCONFIGDIR=str(tmp_path))


@pytest.fixture
def run_ranks(tmp_path: Path) -> Callable[..., CompletedProcess[str]]:
    """``run_ranks(count, name, *arguments)``: the same in processes that meet."""
    return partial(processes.ranks, OMP_NUM_THREADS="1", MPLCONFIGDIR=str(tmp_path))
