"""Spec files by their paths: which a command is given, how they are shown, and what is in them. No SymPy: what is wrong
with a path is told at once.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from metrigen.errors import SpecError
from metrigen.spec.siblings import shared_among


def spec_files(paths: Sequence[Path]) -> tuple[Path, ...]:
    """The spec files named by ``paths``: a folder stands for the Python files in it, but for those with a leading _ and
    those that define no ``system`` and are imported by others of them."""
    found: list[Path] = []
    for path in map(Path.absolute, paths):  # a spec may change the working folder of those after it
        inside = [path]
        if path.is_dir():
            files = sorted(file for file in path.glob("*.py") if not file.name.startswith("_"))
            shared = shared_among(files)
            inside = [file for file in files if file not in shared]
        if not inside:
            raise SpecError(
                "no spec file in the folder", where=shown_path(path), fix="give a folder of .py files", see="spec-file"
            )
        found += [file for file in inside if file not in found]
    return tuple(found)


def shown_path(path: Path) -> str:
    """``path`` relative to the current folder if inside it, else the file name alone: never an absolute path."""
    absolute, here = Path(os.path.abspath(path)), Path.cwd()
    return absolute.relative_to(here).as_posix() if absolute.is_relative_to(here) else absolute.name


def project_root(path: Path) -> Path | None:
    """The folder of the project that ``path`` belongs to: the nearest with a pyproject.toml or a .git; None without."""
    parents = Path(os.path.abspath(path)).parents
    return next((f for f in parents if (f / "pyproject.toml").is_file() or (f / ".git").exists()), None)


def project_path(path: Path) -> str:
    """``path`` relative to the project that it belongs to, else the file name alone: the same from everywhere."""
    absolute, root = Path(os.path.abspath(path)), project_root(path)
    return absolute.name if root is None else absolute.relative_to(root).as_posix()


def read(path: Path, shown: str) -> bytes:
    """What is in a spec file; raises SpecError for what is no Python file, or cannot be read."""
    if not str(shown).isprintable():
        raise SpecError(
            f"the path of the spec holds unprintable characters: {shown!r}", fix="rename the file", see="spec-file"
        )
    try:
        mode = path.stat().st_mode
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            why = "nothing is there"
            raise SpecError("no such spec file", where=shown, why=why, fix="check the path", see="spec-file") from None
        why = error.strerror or str(error)
        fix = "a shorter path, and a folder that may be entered"
        raise SpecError("the spec file cannot be read", where=shown[:200], why=why, fix=fix, see="spec-file") from error
    if stat.S_ISDIR(mode):
        raise SpecError(
            "the spec is a folder, not a file", where=shown, fix=f"metrigen build {shown}/NAME.py", see="spec-file"
        )
    if not stat.S_ISREG(mode):
        why = "it is a pipe, a socket or a device"
        raise SpecError(
            "the spec is no regular file",
            where=shown,
            why=why,
            fix="write it to a file that ends in .py",
            see="spec-file",
        )
    if path.suffix != ".py":
        raise SpecError(
            "a spec is a Python file", where=shown, fix="give a file whose name ends in .py", see="spec-file"
        )
    try:
        return path.read_bytes()
    except OSError as error:
        why, fix = error.strerror or str(error), "let the file be read, or give another"
        raise SpecError("the spec file cannot be read", where=shown, why=why, fix=fix, see="spec-file") from error
