"""What many tests share: the repository, the command line as a function, and a snapshot of a folder."""

from __future__ import annotations

import gc
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest

from metrigen import caches  # noqa: F401  # before a test imports SymPy
from tests import processes
from tests.lengths import LONG, covering

ROOT = Path(__file__).resolve().parents[1]

# The same examples in every run: a red test stays red, a slow machine turns nothing red.
hypothesis.settings.register_profile("metrigen", deadline=None, derandomize=True, max_examples=50 if LONG else 20)
hypothesis.settings.load_profile("metrigen")

# Only the tests of the kernels compile any; what they compile is kept beside what pytest keeps.
os.environ.setdefault("METRIGEN_CACHE", str(ROOT / ".pytest_cache" / "metrigen"))
os.environ.setdefault("METRIGEN_CPU_KERNELS", "0")
if not LONG and shutil.which("g++"):
    os.environ.setdefault("CXX", str(ROOT / "tests" / "g++.sh"))  # one word: torch.compile takes it too
os.environ.setdefault("METRIGEN_VERIFY", "1")  # the program between any two passes

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "covering: a short run takes as few cells as show every value of every parameter"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what ``covering`` does, of each test by itself; a cell that is asked for by its name runs."""
    if LONG or any("[" in name for name in config.args):
        return
    cells: dict[str, list[pytest.Item]] = {}
    for item in items:
        if hasattr(item, "callspec") and item.get_closest_marker("covering"):
            cells.setdefault(item.nodeid.partition("[")[0], []).append(item)
    kept = {item for found in cells.values() for item in covering(found, _values)}
    left_out = {item for found in cells.values() for item in found} - kept
    config.hook.pytest_deselected(items=[item for item in items if item in left_out])
    items[:] = [item for item in items if item not in left_out]


def pytest_collection_finish() -> None:
    """What is imported by now stays, and expressions, which tests are full of, have no cycles: the collector need not
    go through them again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def _values(item: pytest.Item) -> dict[str, str]:
    """What the parameters of a cell are, by name."""
    return {name: repr(value) for name, value in item.callspec.params.items()}  # type: ignore[attr-defined]


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def metrigen() -> Run:
    """``metrigen(*arguments, cwd=..., **environment)`` runs the command line in a process of its own: from nothing if
    it has another environment."""

    def run(*arguments: object, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
        own = dict.fromkeys(("FORCE_COLOR", "NO_COLOR", "COLUMNS")) | {"PYTHONPATH": str(ROOT)} | environment
        fork = processes.FORKS and not environment
        return processes.python("-m", "metrigen", *arguments, cwd=cwd, fork=fork, **own)

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
