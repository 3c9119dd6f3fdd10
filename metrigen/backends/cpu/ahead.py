"""CPU kernels compiled ahead, for a named baseline of instructions: a package that has them needs no compiler.

What a library is compiled of (``cpu.py.j2``) is one precision, one length of the last axis, one number of coupled
channels and one entry: those of the shapes that are asked for. They are found again by ``precompiled.py.j2``.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metrigen.backends.cpu import machine
from metrigen.errors import BuildError
from metrigen.manifests import FORMAT

# What the levels of the psABI of x86-64 add, each to those before it, in the words of /proc/cpuinfo.
_LEVELS = {
    "x86-64": "",
    "x86-64-v2": "cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3",
    "x86-64-v3": "abm avx avx2 bmi1 bmi2 f16c fma movbe xsave",
    "x86-64-v4": "avx512f avx512bw avx512cd avx512dq avx512vl",
}
_BASELINES = {"x86_64": _LEVELS, "aarch64": {"armv8-a": "fp asimd"}}
REALS = {"float32": ("float", 4), "float64": ("double", 8)}

Defines = tuple[str, ...]


@dataclass(frozen=True)
class Target:
    """A baseline of instructions: its name for the compiler, and what a processor must have."""

    name: str
    needs: tuple[str, ...]


def targets() -> tuple[Target, ...]:
    """The baselines that can be compiled for on this machine, each with all of those before it; none off Linux."""
    levels = _BASELINES.get(platform.machine(), {}) if sys.platform == "linux" else {}
    needs: list[str] = []
    found = []
    for name, more in levels.items():
        needs += more.split()
        found.append(Target(name, tuple(needs)))
    return tuple(found)


def target(name: str | None) -> Target:
    """The baseline of this name; without one the highest that this processor has. Raises BuildError."""
    known = {found.name: found for found in targets()}
    if not known:
        raise BuildError(
            "kernels are compiled ahead on Linux alone, for x86-64 and arm64",
            why=f"this is {sys.platform} {platform.machine()}",
            fix="build without --compile: the package compiles its kernels where it runs",
            see="compiled-ahead",
        )
    if name is None:
        flags = machine.flags()
        return [found for found in known.values() if flags.issuperset(found.needs)][-1]
    if name not in known:
        raise BuildError(
            f"{name!r} is no baseline of instructions",
            why=f"known here are {', '.join(known)}",
            fix="--target one of them",
            see="compiled-ahead",
        )
    return known[name]


def has_kernels(files: Mapping[str, str]) -> bool:
    """Whether a package has CPU kernels that a shape tells of; those of a graph are made for what its edges are."""
    return "kernels.cpp" in files and "graph_operators.py" not in files


def libraries(files: Mapping[str, str], shape: Sequence[int], dtype: str) -> tuple[Defines, ...]:
    """What a layer of shape (B, C, *S) asks for, as ``cpu.py`` does. Raises BuildError for another number of axes."""
    known = constants(files["cpu.py"])
    real, size = REALS[dtype]
    entries = re.findall(r"^#ifdef ENTRY_(\w+)$", files["kernels.cpp"], re.M)
    if not entries:  # tokens: one library a precision
        return ((f"-DR={real}",),)
    batch, channels, *sites = shape
    rank = known["RANK"]
    if len(sites) < rank:
        raise BuildError(
            f"a field of this layer has the shape (B, C{', n' * rank})",
            why=f"{','.join(map(str, shape))} has {len(sites)} axes beside batch and channels",
            fix="--shape B,C,*sites",
            see="compiled-ahead",
        )
    block = known.get("BLOCK", 1)
    group = block if block and channels % block == 0 else channels
    found: list[Defines] = []
    for entry in entries:
        for width in _widths(known, entry, size, batch, sites[rank - 1] if rank else 1):
            defines = (f"-DR={real}", f"-DW={width}", f"-DG={group}", f"-DENTRY_{entry}")
            found.append(defines)
            if "ON_REQUEST" in known and entry.startswith("evolve") and entry.endswith("adjoint"):
                found.append((*defines, "-DASKED"))
    return tuple(found)


def _widths(known: Mapping[str, Any], entry: str, size: int, batch: int, last: int) -> Iterator[int]:
    """The lengths of a row that an entry is called with: at a point numbers, or samples, of a tile."""
    if "VECTOR_BYTES" not in known:
        whole = known.get("ROW_BYTES", 0) // size
        if entry != "evolve_overlapped":
            yield last
        elif last >= whole:
            yield whole
        return
    widths = {known[name] // size for name in ("VECTOR_BYTES", "ROW_BYTES")}
    if "SUMMED_BYTES" in known:  # samples: no more than twice as many as there are
        widths = {min(width, max(1, 1 << (2 * batch - 1).bit_length() - 1)) for width in widths}
    yield from sorted(widths)


def constants(text: str) -> dict[str, Any]:
    """The constants of a file of Python that are literals, and shifts of such."""
    found: dict[str, Any] = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            found[node.target.id] = _literal(node.value)
        if isinstance(node, ast.Assign):
            names, values = node.targets[0], node.value
            pairs = zip(names.elts, values.elts, strict=True) if isinstance(names, ast.Tuple) and isinstance(
                values, ast.Tuple) else ((names, values),)  # fmt: skip
            for name, value in pairs:
                if isinstance(name, ast.Name):
                    found[name.id] = _literal(value)
    return found


def _literal(node: ast.expr) -> Any:
    """Its value; None where it is none."""
    try:
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.LShift):
            return ast.literal_eval(node.left) << ast.literal_eval(node.right)
        return ast.literal_eval(node)
    except ValueError:
        return None


@dataclass(frozen=True)
class Toolchain:
    """How kernels are compiled for a baseline: the command of the compiler, its flags, what is linked to a library."""

    command: tuple[str, ...]
    flags: tuple[str, ...]
    linked: tuple[str, ...]


def toolchain(files: Mapping[str, str], goal: Target) -> Toolchain:
    """What the kernels of a package are compiled by, with the flags of its ``cpu.py``. Raises BuildError."""
    try:
        command = machine.compiler()
    except FileNotFoundError as error:
        raise BuildError(
            "kernels cannot be compiled here",
            why=str(error),
            fix="install g++, or name one by CXX",
            see="compiled-ahead",
        ) from None
    flags = [f"-march={goal.name}" if f.startswith("-march=") else f for f in constants(files["cpu.py"])["FLAGS"]]
    # Left out where the linker would name a library of OpenMP that a machine without a compiler may not have.
    linked = ("-fopenmp",) if "clang" in machine.version(command) else ()
    return Toolchain(command, tuple(f for f in flags if f != "-shared"), linked)


def compile_ahead(files: Mapping[str, str], wanted: Sequence[Defines], goal: Target, folder: Path) -> tuple[str, ...]:
    """Compile what is wanted of a package into ``folder``, with a manifest; names of the files. Raises BuildError."""
    tools = toolchain(files, goal)
    source = folder / "kernels.cpp"
    source.write_text(files["kernels.cpp"], encoding="utf-8")

    def one(defines: Defines) -> tuple[str, str]:
        key = hashlib.sha256("\n".join((files["kernels.cpp"], *defines)).encode()).hexdigest()[:24]
        made, whole = folder / f"{key}.o", folder / f"{key}.so"
        ran((*tools.command, *tools.flags, *defines, "-c", "-o", str(made), str(source)))
        ran((*tools.command, "-shared", *tools.linked, "-o", str(whole), str(made)))
        made.unlink()
        return key, hashlib.sha256(whole.read_bytes()).hexdigest()

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        digests = dict(sorted(pool.map(one, dict.fromkeys(wanted))))
    source.unlink()
    content = {"generator": "metrigen", "format": FORMAT, "system": sys.platform, "machine": platform.machine(),
               "target": goal.name, "needs": goal.needs, "compiler": machine.version(tools.command),
               "libraries": digests}  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return ("manifest.json", *(f"{key}.so" for key in digests))


def ran(command: Sequence[str]) -> None:
    """Run the compiler. Raises BuildError with its words where it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildError(
            "the compiler failed on the kernels",
            why=(done.stderr.strip() or f"exit code {done.returncode}")[:600],
            fix="a newer compiler, named by CXX, or another --target",
            see="compiled-ahead",
        )
