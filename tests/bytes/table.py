"""sha256 of every file that is emitted, over the shipped specs, the gallery and systems of other tests.

``python -m tests.bytes.table [NAME ...]`` rewrites the entries of those that are named, else the whole table. It is
written by a build and read by people: a change of it is a change of what users are given, and is meant.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from metrigen.build import compile_file
from metrigen.compiler import Compiled
from metrigen.emit.package import package_files
from tests.bytes.systems import SYSTEMS
from tests.conftest import ROOT
from tests.lattice.emitted import compiled

TABLE = Path(__file__).with_name("table.txt")
SPECS = tuple(path.relative_to(ROOT).as_posix() for folder in ("specs", "specs/gallery")
              for path in sorted((ROOT / folder).glob("*.py")))  # fmt: skip
NAMES = (*SPECS, *(f"tests/{name}" for name in SYSTEMS))

Digests = dict[str, str]  # file of a package -> sha256 of its text


def digests(name: str) -> Digests:
    """What a spec or a system gives today; the working folder is the repository, as headers name specs from it."""
    return {file: hashlib.sha256(text.encode()).hexdigest() for file, text in package_files(_compiled(name)).items()}


def _compiled(name: str) -> Compiled:
    if name in SPECS:
        return compile_file(Path(name), on_stage=lambda stage: None)
    return compiled(SYSTEMS[name.removeprefix("tests/")]())


def read() -> dict[str, Digests]:
    """The table: spec or system -> digests."""
    found: dict[str, Digests] = {}
    for line in TABLE.read_text().splitlines() if TABLE.exists() else ():
        digest, name, file = line.split("  ")
        found.setdefault(name, {})[file] = digest
    return found


def write(table: Mapping[str, Digests]) -> None:
    lines = [
        f"{table[name][file]}  {name}  {file}\n" for name in NAMES if name in table for file in sorted(table[name])
    ]
    TABLE.write_text("".join(lines))


def main(named: list[str]) -> None:
    os.chdir(ROOT)
    unknown = [name for name in named if name not in NAMES]
    if unknown:
        sys.exit(f"no spec or system {', '.join(unknown)}; known are {', '.join(NAMES)}")
    table = read()
    for name in named or NAMES:
        new = digests(name)
        changed = [
            file for file in sorted({*new, *table.get(name, {})}) if new.get(file) != table.get(name, {}).get(file)
        ]
        print(name, "changed: " + ", ".join(changed) if changed else "unchanged", flush=True)
        table[name] = new
    write(table)


if __name__ == "__main__":
    main(sys.argv[1:])
