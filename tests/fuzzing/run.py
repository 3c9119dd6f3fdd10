"""Run one seed: its outcome as a value."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from metrigen import MetrigenError
from tests.fuzzing.cells import Cell, cells
from tests.fuzzing.chain import chain_of
from tests.fuzzing.checks import ANYWHERE, CHECKS, backends, statuses, told
from tests.fuzzing.specs import system_of

BUDGET = 120  # seconds of processor time for a spec with all its checks


@dataclass(frozen=True)
class Outcome:
    """What became of one seed: ``faults`` is empty where all is well, ``refused`` the first line of a refusal."""

    seed: int
    cell: Cell
    backends: tuple[str, ...]
    refused: str
    faults: tuple[str, ...]
    seconds: float


class OverBudget(Exception):
    """A spec took more processor time than it may."""


def outcome_of(seed: int, every: int = 10, cell: Cell | None = None) -> Outcome:
    """Fuzz one seed; every ``every``-th one on kernels too: those of Triton where it is interpreted, else compiled
    ones."""
    table = cells()
    cell = table[seed % len(table)] if cell is None else cell
    compiled = "triton" if os.environ.get("TRITON_INTERPRET") == "1" else "cpu"
    kernels = (compiled,) if seed % every == 0 else ()
    start = time.process_time()
    refused, faults = "", []
    try:
        with tempfile.TemporaryDirectory() as folder, _budget(BUDGET), _kernels(bool(kernels)):
            refused, faults = _attempt(cell, seed, kernels, Path(folder))
    except OverBudget:
        faults = [f"over its budget of {BUDGET} s"]
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        faults = [f"{type(error).__name__}: {str(error)[:160]} ({Path(where.filename).name}:{where.lineno})"]
    finally:
        for name in [n for n in sys.modules if n.split(".")[0] == f"fuzz_{seed}"]:
            del sys.modules[name]
    ran = () if refused else ("torch", *kernels)
    return Outcome(seed, cell, ran, refused, tuple(faults), time.process_time() - start)


def _attempt(cell: Cell, seed: int, kernels: tuple[str, ...], folder: Path) -> tuple[str, list[str]]:
    try:
        chain = chain_of(cell, system_of(cell, seed), seed, folder)
    except MetrigenError as error:
        return str(error).splitlines()[0], [] if error.fix or error.why else [f"a refusal without a reason: {error}"]
    names = tuple(n for n in kernels if _has(chain.layer_class, n))
    solved = not statuses(chain).any()
    faults = [*(backends if solved else told)(chain, names)]
    for check in CHECKS if solved else ANYWHERE:
        faults += check(chain)
    return "", faults


def _has(layer: type, backend: str) -> bool:
    """Whether the package has kernels of a backend."""
    package = Path(sys.modules[layer.__module__].__file__ or "").parent
    return (package / {"cpu": "kernels.cpp", "triton": "kernels.py"}[backend]).exists()


@contextmanager
def _kernels(run: bool) -> Iterator[None]:
    """Whether CPU kernels are compiled where a layer is free to choose: of one spec in ``every``."""
    before = os.environ.get("METRIGEN_CPU_KERNELS", "1")
    os.environ["METRIGEN_CPU_KERNELS"] = str(int(run))
    try:
        yield
    finally:
        os.environ["METRIGEN_CPU_KERNELS"] = before


@contextmanager
def _budget(seconds: int) -> Iterator[None]:
    def stop(number: int, frame: object) -> None:
        raise OverBudget

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
