"""Whether this machine can have the CPU kernels: its compiler, OpenMP, and the folder that they are kept in.

What a package looks for by itself (``cpu_library.py.j2``), said here without one.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

from metrigen.folders import cache_folder as cache_folder

_TRIAL = """#include <omp.h>
extern "C" int threads() {
  int n = 0;
#pragma omp parallel reduction(+ : n)
  n += omp_get_num_threads() > 0;
  return n;
}
"""


def compiler() -> tuple[str, ...]:
    """The command of the C++ compiler: the words of CXX, else the first of g++, clang++ and c++ on the path. Raises
    FileNotFoundError, with the reason."""
    wish = os.environ.get("CXX", "").strip()
    if not wish:
        found = next(filter(None, map(shutil.which, ("g++", "clang++", "c++"))), None)
        if found is None:
            raise FileNotFoundError("there is no C++ compiler on the path (g++, clang++ or c++)")
        return (found,)
    try:
        first, *more = (wish,) if shutil.which(wish) else shlex.split(wish)
    except ValueError as error:
        raise FileNotFoundError(f"CXX={wish!r} is no command: {error}") from error
    if (found := shutil.which(first)) is None:
        raise FileNotFoundError(f"CXX={wish!r} names a compiler that is not there ({first})")
    return (found, *more)


def version(command: tuple[str, ...]) -> str:
    """The first line that a compiler says of itself; empty where it says nothing."""
    return (_ran([*command, "--version"])[1].splitlines() or [""])[0]


def flags() -> frozenset[str]:
    """The instructions of this processor as Linux names them; empty elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return frozenset()
    found = next((line for line in lines if line.startswith(("flags", "Features"))), ":")
    return frozenset(found.partition(":")[2].split())


def why_no_openmp(command: tuple[str, ...]) -> str:
    """Why a program with OpenMP does not compile; empty where it does."""
    with tempfile.TemporaryDirectory(prefix="metrigen-") as folder:
        source = Path(folder, "trial.cpp")
        source.write_text(_TRIAL, encoding="utf-8")
        flags = ["-std=c++17", "-fopenmp", "-fPIC", "-shared"]
        code, text = _ran([*command, *flags, str(source), "-o", str(source.with_suffix(".so"))])
    lines = [line for line in text.splitlines() if line.strip()]
    return "" if code == 0 else (lines or [f"exit code {code}"])[0]


def _ran(command: list[str]) -> tuple[int, str]:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        return 1, str(error)
    return done.returncode, done.stdout or done.stderr


def why_not_kept(folder: Path) -> str:
    """Why no library can be kept in a folder, which need not be there yet; empty where one can."""
    there = next((place for place in (folder, *folder.parents) if place.exists()), folder)
    if not there.is_dir():
        return f"{there} is no folder"
    try:
        with tempfile.TemporaryFile(dir=there):
            return ""
    except OSError as error:
        return f"{there} cannot be written: {error.strerror}"


def switched_off() -> bool:
    """Whether METRIGEN_CPU_KERNELS=0 leaves everything to the torch reference."""
    return os.environ.get("METRIGEN_CPU_KERNELS", "1") == "0"
