"""Races that print for themselves, kept in FURTHER.md with their machine: ``python -m benchmarks.further [NAME ...]``.

Every name is a module of this folder, run as a command in a process of its own, one after the other; its section is
written when it has ended, those of the others stay.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.machine import describe
from benchmarks.table import markdown

PAGE = Path(__file__).parent / "FURTHER.md"
RACES: Mapping[str, tuple[str, ...]] = {
    "driven": ("--threads", "1", "--turns", "5"),
    "rollouts": ("--threads", "1", "--keep"),
    "memories": ("--threads", "2", "--turns", "3"),
    "points": (),
    "elliptic": ("--waves",),
    "graph_solve": (),
    "graph_steps": ("--turns", "2"),
}
HEAD = "# Further races\n\nWritten by `python -m benchmarks.further`. What each measures stands in its file.\n"
SECTION = re.compile(r"^## (\w+)\n(.*?)(?=^## |\Z)", re.M | re.S)


def sections(page: str) -> dict[str, str]:
    """Name -> text of the section, of a page as ``page_of`` writes it."""
    return {name: text.strip("\n") for name, text in SECTION.findall(page)}


def page_of(found: Mapping[str, str]) -> str:
    return HEAD + "".join(f"\n## {name}\n\n{found[name]}\n" for name in RACES if name in found)


def section(command: str, printed: str, seconds: float) -> str:
    """The command, its machine and what it printed."""
    peers = tuple(f"{name} {version}" for name, version in _versions())
    machine = markdown(("", "machine"), [list(row) for row in describe(peers, os.cpu_count() or 1)])
    told = f"`{command}`, {seconds:.0f} s on {time.strftime('%Y-%m-%d')}:"
    return f"{told}\n\n```text\n{printed.rstrip()}\n```\n\n{machine}"


def _versions() -> list[tuple[str, str]]:
    found = []
    for name in ("torch", "torchdiffeq", "diffrax", "jax"):
        try:
            found.append((name, version(name)))
        except PackageNotFoundError:
            continue
    return found


def run(name: str) -> str:
    """The section of a race. Raises CalledProcessError where it fails."""
    arguments = ["-m", f"benchmarks.{name}", *RACES[name]]
    began, lines = time.monotonic(), []
    with subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, arguments)
    return section(" ".join(["python", *arguments]), "".join(lines), time.monotonic() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(RACES)}; default all")
    for name in parser.parse_args().names or RACES:
        if name not in RACES:
            parser.error(f"no race {name}: {', '.join(RACES)}")
        kept = sections(PAGE.read_text(encoding="utf-8")) if PAGE.exists() else {}
        PAGE.write_text(page_of({**kept, name: run(name)}), encoding="utf-8")


if __name__ == "__main__":
    main()
