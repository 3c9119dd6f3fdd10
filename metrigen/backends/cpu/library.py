"""The registration in C++ built together with the kernels of its package: one library for processes without Python."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from metrigen.backends.cpu import machine, registration
from metrigen.backends.cpu.ahead import Defines, Target, ran, toolchain
from metrigen.errors import BuildError
from metrigen.manifests import FORMAT

OLDEST = (2, 10)  # the torch whose stable ABI the registration is written for
_ASKED = {"sse4_2": "sse4.2", "popcnt": "popcnt", "avx2": "avx2", "fma": "fma", "bmi2": "bmi2", "avx512f": "avx512f",
          "avx512bw": "avx512bw", "avx512vl": "avx512vl"}  # fmt: skip
_HIDDEN = "{ local: *; };\n"  # what a library registers is all that it gives away


@dataclass(frozen=True)
class Torch:
    """An installation of torch: where its headers and its libraries are, and its version."""

    headers: Path
    libraries: Path
    version: str


def torch() -> Torch:
    """The torch that is installed here, which is not imported. Raises BuildError where it is missing, or older."""
    spec = importlib.util.find_spec("torch")
    place = Path(spec.origin).parent if spec and spec.origin else None
    text = (place / "version.py").read_text(encoding="utf-8") if place else ""
    version = next(iter(re.findall(r"__version__ = '(\d+\.\d+[^']*)'", text)), "")
    if place is None or tuple(map(int, version.split(".")[:2] if version else (0, 0))) < OLDEST:
        raise BuildError(
            "a registration in C++ wants the headers of torch",
            why=f"here is torch {version}" if version else "torch is not installed",
            fix=f"install torch {'.'.join(map(str, OLDEST))} or later, or build without --cpp",
            see="registered-in-cpp",
        )
    return Torch(place / "include", place / "lib", version)


def _able(goal: Target) -> tuple[str, ...]:
    """What the registration asks of a processor before it calls a kernel: the instructions that a compiler knows by
    name on x86, by which one baseline differs from the next."""
    names = [name for need, name in _ASKED.items() if need in goal.needs]
    asked = "&&".join(f'__builtin_cpu_supports("{name}")' for name in names)
    return (f"-DMETRIGEN_ABLE=({asked})", f'-DMETRIGEN_TARGET="{goal.name}"') if asked else ()


def build(
    files: Mapping[str, str], title: str, wanted: Sequence[Defines], goal: Target, folder: Path
) -> tuple[str, ...]:
    """Write the registration of a package and compile it with the kernels that are ``wanted`` into ``folder``; names of
    the files. Raises BuildError."""
    tools, there, texts = toolchain(files, goal), torch(), registration.sources(files, title)
    forward = [d for d in dict.fromkeys(wanted) if not registration.unit(d)[0].endswith("adjoint")]
    units = [(*registration.unit(d), i) for i, d in enumerate(forward)]
    texts["units.h"] = "".join(f"UNIT({e}, {i}, {size}, {width}, {group})\n" for e, size, width, group, i in units)
    library = f"{registration.table(files).tag}.so"
    with tempfile.TemporaryDirectory(prefix="metrigen-") as temporary:
        place = Path(temporary, "cpp")
        place.mkdir()
        for name, text in files.items():
            if name.endswith((".cpp", ".h")):
                (place.parent / name).write_text(text, encoding="utf-8")
        for name, text in texts.items():
            (place / name).write_text(text, encoding="utf-8")
        (place / "hidden").write_text(_HIDDEN, encoding="utf-8")

        def kernel(i: int) -> str:
            entry, made = units[i][0], place / f"{i}.o"
            named = (f"-DMETRIGEN_UNIT=unit_{i}", f"-D{entry}={entry}_{i}")
            ran((*tools.command, *tools.flags, *forward[i], *named, "-c", "-o", str(made), str(place / "unit.cpp")))
            return str(made)

        def table(_: int) -> str:
            made, source = place / "registration.o", place / "registration.cpp"
            flags = ("-std=c++17", "-O2", "-fPIC", "-w", *_able(goal), "-isystem", str(there.headers))
            ran((*tools.command, *flags, "-c", "-o", str(made), str(source)))
            return str(made)

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            objects = list(
                pool.map(lambda job: job[0](job[1]), [(table, 0), *((kernel, i) for i in range(len(units)))])
            )
        hidden = f"-Wl,--version-script={place / 'hidden'}"
        needed = (f"-L{there.libraries}", "-ltorch_cpu")
        ran((*tools.command, "-shared", *tools.linked, hidden, "-o", str(place / library), *objects, *needed))
        for name in (*texts, library):
            shutil.copyfile(place / name, folder / name)
    digests = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in sorted((*texts, library))}
    content = {"generator": "metrigen", "format": FORMAT, "system": sys.platform, "machine": platform.machine(),
               "target": goal.name, "needs": goal.needs, "compiler": machine.version(tools.command),
               "torch": there.version, "files": digests}  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return ("manifest.json", *digests)
