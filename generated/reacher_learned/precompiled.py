# Part of every package that metrigen 0.1.0 emits. Do not edit.
"""Kernels that came compiled with the package: ``metrigen build SPEC --compile`` puts libraries into ``compiled/``.

``compiled/manifest.json`` says which instructions they need, by the name of a baseline, and of what each was compiled.
A library is opened where the processor has all of them and the file has the bytes that were written. Where none is to
be had the kernels are compiled here, or the torch reference runs.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import platform
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

FOLDER = Path(__file__).with_name("compiled")
FORMAT = 1  # of compiled/manifest.json


@lru_cache(maxsize=1)
def _manifest() -> dict[str, Any]:
    """What came with the package; empty where nothing did."""
    try:
        found = json.loads((FOLDER / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _flags() -> set[str]:
    """The instructions of this processor as the system names them; empty where it does not."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return set()
    return set(next((line for line in lines if line.startswith(("flags", "Features"))), ":").partition(":")[2].split())


@lru_cache(maxsize=1)
def why_not() -> str:
    """Why no library that came with the package can run here; empty where one can."""
    known = _manifest()
    if not known:
        return "no kernels came compiled with the package"
    if known.get("format") != FORMAT:
        return f"its compiled kernels are of format {known.get('format')}, and this package reads {FORMAT}"
    target, place = known["target"], (known["system"], known["machine"])
    if place != (sys.platform, platform.machine()):
        return f"its kernels were compiled for {' '.join(place)}, this is {sys.platform} {platform.machine()}"
    flags = _flags()
    if missing := [name for name in known["needs"] if name not in flags]:
        return f"its kernels were compiled for {target}, and this processor lacks {', '.join(missing)}"
    return ""


def lacking(text: str, defines: tuple[str, ...]) -> str:
    """Why there is no library of this source with these defines, to be told to whoever has no compiler either; empty
    where the package came without any."""
    if not _manifest() or why_not():
        return why_not() if _manifest() else ""
    wanted = " ".join(d.removeprefix("-D") for d in defines)
    return f"of its kernels, compiled for {_manifest()['target']}, none is whole and for {wanted}"


def opened(text: str, defines: tuple[str, ...]) -> ctypes.CDLL | None:
    """The library of this source with these defines; None where none came with the package that can run here."""
    if why_not():
        return None
    digest = _manifest()["libraries"].get(key(text, defines), "")
    path = FOLDER / f"{key(text, defines)}.so"
    try:
        if not digest or hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            return None
        _threads()
        return ctypes.CDLL(str(path))
    except OSError:
        return None


def key(text: str, defines: tuple[str, ...]) -> str:
    """By what a library is found: what it was compiled of."""
    return hashlib.sha256("\n".join((text, *defines)).encode()).hexdigest()[:24]


@lru_cache(maxsize=1)
def _threads() -> None:
    """OpenMP for libraries that were linked without: that of torch, whose threads they share, else that of the system.
    Raises OSError."""
    found = sorted((Path(torch.__file__).parent / "lib").glob("libgomp*"))
    ctypes.CDLL(str(found[0]) if found else "libgomp.so.1", mode=ctypes.RTLD_GLOBAL)
