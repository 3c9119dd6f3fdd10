"""What this machine has, and what of metrigen will run here."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import metrigen
from metrigen.backends.cpu import machine as cpu
from metrigen.backends.triton import machine as triton

NEEDED = ("sympy", "jinja2", "networkx", "numpy", "typer", "rich")
OPTIONAL = {"torch": "to run packages", triton.PACKAGE: "their kernels on a GPU", "matplotlib": "pictures",
            "pillow": "moving pictures"}  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """``part`` of the machine and what was found of it; ``good``: whether it is as it should be."""

    part: str
    good: bool
    text: str


def examine() -> Iterator[Finding]:
    """What there is, each as it is found: the compiler is tried, and PyTorch imported, after what is quick."""
    yield Finding("Python", sys.version_info[:2] >= (3, 10), f"{platform.python_version()}, {sys.executable}")
    yield Finding("platform", True, f"{platform.platform()}, {os.cpu_count()} CPUs")
    yield Finding("metrigen", True, f"{metrigen.__version__}, {Path(metrigen.__file__).parent}")
    yield from _packages()
    yield _cache()
    yield from _compiler()
    yield _gpu()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _packages() -> Iterator[Finding]:
    for name in NEEDED:
        text = _version(name)
        yield Finding(name, bool(text), text or "not installed, and metrigen needs it")
    for name, use in OPTIONAL.items():
        text = _version(name)
        yield Finding(name, bool(text), text or f"not installed; {use}: pip install {name}")


def _compiler() -> Iterator[Finding]:
    try:
        command = cpu.compiler()
    except FileNotFoundError as error:
        yield Finding("compiler", False, str(error))
        return
    words = cpu.version(command)
    yield Finding("compiler", bool(words), f"{' '.join(command)}: {words or 'it does not say its version'}")
    reason = cpu.why_no_openmp(command)
    yield Finding("OpenMP", not reason, reason or "a trial compiles")


def _cache() -> Finding:
    try:
        folder = cpu.cache_folder()
    except RuntimeError as error:
        return Finding("cache", False, f"{error}; set METRIGEN_CACHE")
    reason = cpu.why_not_kept(folder)
    if reason:
        return Finding("cache", False, f"{reason}; set METRIGEN_CACHE")
    files = [file for file in folder.rglob("*") if file.is_file()] if folder.is_dir() else []
    size = sum(file.stat().st_size for file in files)
    return Finding("cache", True, f"{folder}, {len(files)} files, {size / 2**20:.1f} MiB")


def _gpu() -> Finding:
    devices = triton.devices()
    return Finding("GPU", bool(devices), "; ".join(devices) or "torch finds none")


def verdicts(found: Sequence[Finding]) -> tuple[Finding, ...]:
    """What will run with what was ``found``, with the reason where it will not."""
    there = {finding.part: finding for finding in found}
    missing = [name for name in NEEDED if not there[name].good]
    torch = triton.why_no_torch()
    kernels = torch or next((there[p].text for p in ("compiler", "OpenMP") if p in there and not there[p].good), "")
    kernels = kernels or ("METRIGEN_CPU_KERNELS=0 switches them off" if cpu.switched_off() else "")
    reasons = {
        "metrigen build": f"{', '.join(missing)} missing" if missing else "",
        "packages in torch": torch,
        "CPU kernels": kernels,
        "Triton kernels": torch or triton.why_not(),
    }
    return tuple(Finding(name, not reason, reason or "yes") for name, reason in reasons.items())
