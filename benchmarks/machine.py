"""The machine and the versions that a table of times belongs to."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

SYSFS = Path("/sys/devices/system/cpu/cpu0/cache")


def describe(versions: tuple[str, ...], threads: int) -> tuple[tuple[str, str], ...]:
    """Rows of a two-column table."""
    return (
        ("CPU", f"{cpu_model()}, {os.cpu_count()} cores visible, {threads} threads used"),
        ("caches", ", ".join(caches()) or "unknown"),
        ("memory", memory()),
        ("system", f"{platform.system()} {platform.release()} {platform.machine()}"),
        ("compiler", compiler()),
        ("Python", sys.version.split()[0]),
        ("versions", ", ".join(versions)),
    )


def cpu_model() -> str:
    """Name, family and vector instructions as the kernel tells them."""
    found = _cpuinfo()
    flags = found.get("flags", "").split()
    wide = next((name for name in ("avx512f", "avx2", "avx", "asimd") if name in flags), "no vector flags known")
    name = found.get("model name", platform.processor() or "unknown")
    family = f" family {found['cpu family']} model {found['model']}" if "cpu family" in found else ""
    return f"{name}{family} ({wide})"


def _cpuinfo() -> dict[str, str]:
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return {}
    first = path.read_text().split("\n\n")[0]
    return {k.strip(): v.strip() for k, _, v in (line.partition(":") for line in first.splitlines())}


def caches() -> tuple[str, ...]:
    """Level and size, one a cache that the first core sees, instruction cache aside."""
    found = []
    for folder in sorted(SYSFS.glob("index*")):
        if (folder / "type").read_text().strip() != "Instruction":
            found.append(f"L{(folder / 'level').read_text().strip()} {(folder / 'size').read_text().strip()}")
    return tuple(found)


def last_cache() -> int:
    """Bytes of the largest cache that the first core sees, 0 where unknown."""
    sizes = [(folder / "size").read_text().strip() for folder in SYSFS.glob("index*")]
    return max((int(size[:-1]) * {"K": 1024, "M": 1024**2}[size[-1]] for size in sizes), default=0)


def memory() -> str:
    names = getattr(os, "sysconf_names", {})
    if "SC_PHYS_PAGES" not in names:
        return "unknown"
    return f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.1f} GiB"


def compiler() -> str:
    """First line of the version of the C++ compiler."""
    path = shutil.which("c++") or shutil.which("g++")
    if path is None:
        return "none"
    told = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
    return told.splitlines()[0] if told else path


def gpu() -> str | None:
    """Name of the CUDA device, None without one."""
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else None
