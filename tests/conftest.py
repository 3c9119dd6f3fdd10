"""What many tests share: the repository, the command line as a function, and a snapshot of a folder."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest

ROOT = Path(__file__).resolve().parents[1]

# The same examples in every run: a red test stays red, a slow machine turns nothing red.
hypothesis.settings.register_profile("metrigen", deadline=None, derandomize=True, max_examples=50)
hypothesis.settings.load_profile("metrigen")

# Only the tests of the kernels compile any; what they compile is kept beside what pytest keeps.
os.environ.setdefault("METRIGEN_CACHE", str(ROOT / ".pytest_cache" / "metrigen"))
os.environ.setdefault("METRIGEN_CPU_KERNELS", "0")
os.environ.setdefault("METRIGEN_VERIFY", "1")  # the program between any two passes

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def metrigen() -> Run:
    """``metrigen(*arguments, cwd=..., **environment)`` runs the command line in a process of its own."""

    def run(*arguments: object, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
        quiet = {k: v for k, v in os.environ.items() if k not in ("FORCE_COLOR", "NO_COLOR", "COLUMNS")}
        return subprocess.run(
            [sys.executable, "-m", "metrigen", *map(str, arguments)],
            cwd=cwd,
            env={**quiet, "PYTHONPATH": str(ROOT), **environment},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def snapshot() -> Callable[[Path], dict[str, tuple[str, int]]]:
    """``snapshot(folder)``: relative name -> (sha256, time of the last change) of every file below it."""

    def take(folder: Path) -> dict[str, tuple[str, int]]:
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return {
            path.relative_to(folder).as_posix(): (
                hashlib.sha256(path.read_bytes()).hexdigest(),
                path.stat().st_mtime_ns,
            )
            for path in files
        }

    return take
