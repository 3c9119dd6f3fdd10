"""What a user waits for besides the layer itself: the build, the import, the kernels; and what memory a layer needs."""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.races import Race
from benchmarks.timing import clock

ROOT = Path(__file__).resolve().parents[1]
BUILD_TARGET, KERNELS_TARGET, FIRST_TARGET = 5.0, 3.0, 0.5


@dataclass(frozen=True)
class Cost:
    """Seconds for one spec; ``kernels`` is a text where there is none to compile."""

    package: str
    build: float
    imported: float
    kernels: float | str


def _python(*arguments: object, **environment: str) -> str:
    """Standard output of a fresh interpreter in the repository."""
    shown = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    if shown.returncode:
        raise RuntimeError(f"python {' '.join(map(str, arguments))}\n{shown.stderr[-2000:]}")
    return shown.stdout


def _child(*arguments: object, **environment: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_python("-m", "benchmarks.child", *arguments, **environment).splitlines()[-1])
    return found


@dataclass(frozen=True)
class First:
    """Seconds from the start of a command to the first byte that it prints: alone in a first process, and the median
    of the later ones, which find files and byte code in memory."""

    command: str
    cold: float
    warm: float


COMMANDS = ("--help", "list", "show specs/maze.py", "check specs/maze.py", "cite specs/maze.py", "doctor")


def first_outputs(repeats: int) -> tuple[First, ...]:
    """Commands, each in fresh processes; byte code is compiled anew for the cold one, and what the disk has kept in
    memory is left there."""
    found = []
    for command in COMMANDS:
        with tempfile.TemporaryDirectory() as empty:
            cold, *warm = (_first_byte(command.split(), empty) for _ in range(repeats + 1))
        found.append(First(f"metrigen {command}", cold, statistics.median(warm)))
    return tuple(found)


def _first_byte(arguments: Sequence[str], byte_code: str) -> float:
    """Seconds to the first byte on standard output. The rest is read to its end, so that nothing runs on behind."""
    begun = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-m", "metrigen", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPYCACHEPREFIX": byte_code},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdout is not None
        told = process.stdout.read(1)
        seconds = time.perf_counter() - begun
        process.stdout.read()
    if not told or process.returncode:
        raise RuntimeError(f"metrigen {' '.join(arguments)} ended with {process.returncode}")
    return seconds


def costs(specs: Sequence[Path], repeats: int) -> tuple[Cost, ...]:
    """Cold build, import and kernels of every spec, each in fresh processes with empty caches; medians."""
    return tuple(_cost(spec, repeats) for spec in specs)


def _cost(spec: Path, repeats: int) -> Cost:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "packages")
        command = ("-m", "metrigen", "build", spec, "--out", folder)
        built = statistics.median(clock(lambda: _python(*command))[0] for _ in range(repeats))
        package = next(folder.iterdir()).name
        code = f"import time, torch; t = time.perf_counter(); import {package}; print(time.perf_counter() - t)"
        path = {"PYTHONPATH": os.pathsep.join((str(folder), os.environ.get("PYTHONPATH", "")))}
        imported = statistics.median(float(_python("-c", code, **path)) for _ in range(repeats))
        told = _child("kernels", folder, package, "cpu", XDG_CACHE_HOME=str(Path(name, "cache")))
    return Cost(package, built, imported, told.get("seconds", told.get("error", "")))


@dataclass(frozen=True)
class Memory:
    """Peak of one contender in bytes; None where it could not be measured."""

    contender: str
    peak: int | None
    why: str = ""


def memory(race: Race, names: Sequence[str], folder: Path, quick: bool, threads: int) -> tuple[Memory, ...]:
    """Peak memory of the contenders of a race, each in a process of its own, inputs and code aside."""
    # Large arrays go straight back to the system, so that the second call is as large as the first.
    plain = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    found = []
    for name in names:
        try:
            told = _child("memory", folder, race.name, name, "quick" if quick else "full", threads, **plain)
            found.append(Memory(name, told.get("bytes"), told.get("error", "")))
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            found.append(Memory(name, None, re.sub(r"\s+", " ", str(error))[-200:]))
    return tuple(found)
