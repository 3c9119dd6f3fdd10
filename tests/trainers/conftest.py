"""What the tests of the trainers share."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def run_module(root: Path, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """``run_module(name, *arguments)`` is ``python -m name arguments`` in a process of its own, on one thread."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "MPLCONFIGDIR": str(tmp_path)}
        command = [sys.executable, "-m", *arguments]
        return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=300)

    return run
