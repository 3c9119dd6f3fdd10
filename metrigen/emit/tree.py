"""A package on disk: written whole or not at all, and compared file by file."""

from __future__ import annotations

import contextlib
import difflib
import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from metrigen.emit.manifest import NAME as MANIFEST
from metrigen.emit.manifest import listed_files
from metrigen.emit.swap import swap_in, sync_folder
from metrigen.errors import BuildError

_CACHE = "__pycache__"
_STALE_SECONDS = 3600.0


@dataclass(frozen=True)
class Difference:
    """One file that is not what it should be; ``diff`` is a unified diff of a changed text."""

    name: str
    kind: Literal["missing", "extra", "changed"]
    diff: str = ""

    def __str__(self) -> str:
        return f"{self.kind}: {self.name}" + (f"\n{self.diff}" if self.diff else "")


def compare_trees(expected: Mapping[str, str], directory: Path) -> list[Difference]:
    """What differs between the files that should be in ``directory`` and those that are (Python's caches aside)."""
    present = _present(directory)
    differences = []
    for name in sorted({*expected, *present}):
        if name not in present:
            differences.append(Difference(name, "missing"))
        elif name not in expected:
            differences.append(Difference(name, "extra"))
        elif (data := present[name].read_bytes()) != expected[name].encode():
            differences.append(Difference(name, "changed", _diff(name, data, expected[name])))
    return differences


def check_destination(destination: Path) -> None:
    """Raise BuildError if ``destination`` holds anything that a build did not write."""
    if destination.is_symlink() or (destination.exists() and not destination.is_dir()):
        raise BuildError(
            "the place of the package is taken",
            component=str(destination),
            why="it is a link or a file",
            fix="move it away, or give another folder with --out",
        )
    present = _present(destination)
    if not present:
        return
    manifest = present.get(MANIFEST)
    listed = listed_files(manifest.read_text(encoding="utf-8", errors="replace")) if manifest else None
    foreign = sorted(present) if listed is None else sorted(set(present) - listed)
    if foreign:
        raise BuildError(
            "the place of the package holds files that metrigen did not write",
            component=f"{destination}: {', '.join(foreign[:3])}{', ...' if len(foreign) > 3 else ''}",
            why="a build replaces the whole folder, and these would be lost",
            fix="move them away, or give another folder with --out",
        )


def write_package(destination: Path, files: Mapping[str, str]) -> bool:
    """Make ``destination`` hold exactly ``files``, whole or not at all; False if it already did (nothing is touched).

    The files are staged beside the destination, made durable, and swapped in by a rename, so that a crash at any
    moment leaves the old package or the new one. Raises BuildError, with nothing changed, if the destination holds
    something else than a package of ours or cannot be written.
    """
    check_destination(destination)
    if _holds(destination, files):
        return False
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        _sweep(destination)
        # One private folder for both the new and the old tree: on the same file system, and removed as a whole.
        stage = Path(tempfile.mkdtemp(prefix=f".{destination.name}.", suffix=".tmp", dir=destination.parent))
        try:
            _write_tree(stage / "new", files)
            swap_in(stage / "new", destination)
            sync_folder(destination.parent)
        finally:
            shutil.rmtree(stage, ignore_errors=True)
    except OSError as error:
        raise BuildError(
            "the package cannot be written",
            component=str(destination),
            why=error.strerror or str(error),
            fix="nothing was changed; make room or give a folder you may write to with --out",
        ) from error
    return True


def _present(directory: Path) -> dict[str, Path]:
    """Relative name -> path of everything in ``directory`` that is not a folder or one of Python's caches."""
    found: dict[str, Path] = {}
    for folder, subfolders, names in os.walk(directory):
        subfolders[:] = sorted(name for name in subfolders if name != _CACHE)
        for name in [*names, *(s for s in subfolders if os.path.islink(os.path.join(folder, s)))]:
            path = Path(folder, name)
            found[path.relative_to(directory).as_posix()] = path
    return found


def _holds(destination: Path, files: Mapping[str, str]) -> bool:
    try:
        return destination.is_dir() and not compare_trees(files, destination)
    except OSError:  # another build is replacing it, or a file cannot be read: write it again
        return False


def _write_tree(root: Path, files: Mapping[str, str]) -> None:
    root.mkdir()
    for name, text in files.items():
        parts = PurePosixPath(name)
        if parts.is_absolute() or ".." in parts.parts:
            raise ValueError(f"{name!r} is not a name inside the package")
        path = root / parts
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "wb") as stream:
            stream.write(text.encode())
            stream.flush()
            os.fsync(stream.fileno())
    for folder, _, _ in os.walk(root):
        sync_folder(Path(folder))


def _sweep(destination: Path) -> None:
    """Remove staging folders that a killed build left behind long ago; a recent one may belong to a running build."""
    for folder in destination.parent.glob(f".{destination.name}.*.tmp"):
        with contextlib.suppress(OSError):
            if folder.stat().st_mtime < time.time() - _STALE_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)


def _diff(name: str, data: bytes, expected: str) -> str:
    present = data.decode("utf-8", errors="replace")
    lines = difflib.unified_diff(
        present.splitlines(), expected.splitlines(), f"{name} (on disk)", f"{name} (as built)", lineterm=""
    )
    return "\n".join(lines) or "(line ends differ)"
