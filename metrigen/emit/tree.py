"""Packages on disk: written whole or not at all, and compared file by file."""

from __future__ import annotations

import contextlib
import difflib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from metrigen.emit.manifest import NAME as MANIFEST
from metrigen.emit.manifest import listed_files
from metrigen.emit.staging import staging, sweep
from metrigen.emit.swap import swap_in, sync_folder
from metrigen.errors import BuildError
from metrigen.manifests import FORMAT, compiled, format_of, parsed

_CACHE = "__pycache__"


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
    """Raise BuildError if ``destination`` holds anything that a build did not write, or a package of a later format."""
    if destination.is_symlink() or (destination.exists() and not destination.is_dir()):
        raise BuildError(
            "the place of the package is taken",
            component=str(destination),
            why="it is a link or a file",
            fix="move it away, or give another folder with --out",
            see="place-taken",
        )
    present = _present(destination)
    kept = _of_the_user(destination)
    if not present and not kept:
        return
    manifest = present.get(MANIFEST)
    text = manifest.read_text(encoding="utf-8", errors="replace") if manifest else ""
    listed = listed_files(text) if manifest else None
    if listed is not None and (found := format_of(parsed(text))) > FORMAT:
        raise BuildError(
            "the package that is there was written by a later metrigen",
            component=str(destination),
            why=f"it is of format {found}, and this metrigen knows formats up to {FORMAT}",
            fix="build with that metrigen, or give another folder with --out",
            see="place-taken",
        )
    foreign = sorted({*present, *kept} if listed is None else {*present, *kept} - listed)
    if foreign:
        raise BuildError(
            "the place of the package holds files that metrigen did not write",
            component=f"{destination}: {', '.join(foreign[:3])}{', ...' if len(foreign) > 3 else ''}",
            why="a build replaces the whole folder, and these would be lost",
            fix="move them away, or give another folder with --out",
            see="place-taken",
        )


def write_package(destination: Path, files: Mapping[str, str]) -> bool:
    """``write_packages`` of one package."""
    return write_packages({destination: files})[0]


def write_packages(packages: Mapping[Path, Mapping[str, str]]) -> tuple[bool, ...]:
    """Make every destination hold exactly its files, all of them or none; False for those that already did.

    All packages are staged beside their destinations and made durable before the first one is swapped in, each by a
    rename, so that a crash at any moment leaves of each package the old one or the new one. Where a swap fails, those
    before it are taken back. Raises BuildError, with nothing changed, if a destination holds something else than a
    package of ours or cannot be written.
    """
    for destination in packages:
        with _reporting(destination):
            check_destination(destination)
    changed = {place: files for place, files in packages.items() if not _holds(place, files)}
    with contextlib.ExitStack() as cleaning:
        staged: dict[Path, Path] = {}
        for place, files in changed.items():
            with _reporting(place):
                place.parent.mkdir(parents=True, exist_ok=True)
                sweep(place.parent)
                folder = cleaning.enter_context(staging(place.parent, place.name))
                write_tree(folder / "new", files)
                staged[place] = folder / "new"
        _swap_all(staged)
        for folder in dict.fromkeys(place.parent for place in staged):
            sync_folder(folder)
    return tuple(place in changed for place in packages)


def _swap_all(staged: Mapping[Path, Path]) -> None:
    """Swap every staged folder in; if one cannot be, take back those that were and raise BuildError."""
    done: list[Path] = []
    for place, new in staged.items():
        try:
            swap_in(new, place)
        except BaseException as error:
            left = [other for other in reversed(done) if not _taken_back(staged[other], other)]
            if isinstance(error, OSError):
                raise _cannot_write(place, error, left) from error
            raise
        done.append(place)


def _taken_back(new: Path, place: Path) -> bool:
    """Put what was at ``place`` before the swap back there; whether it is."""
    try:
        old = next((path for path in (new, *sorted(new.parent.glob("old*"))) if path.exists()), None)
        if old is None:  # there was nothing
            os.rename(place, new)
        else:
            swap_in(old, place)
        return True
    except OSError:
        return False


@contextlib.contextmanager
def _reporting(place: Path) -> Iterator[None]:
    """An error of the disk as a BuildError: nothing has been swapped in yet."""
    try:
        yield
    except OSError as error:
        raise _cannot_write(place, error, []) from error


def _cannot_write(place: Path, error: OSError, left: list[Path]) -> BuildError:
    changed = f"{', '.join(map(str, left))} could not be taken back and hold the new package" if left else (
        "nothing was changed"
    )  # fmt: skip
    return BuildError(
        "the package cannot be written",
        component=str(place),
        why=error.strerror or str(error),
        fix=f"{changed}; make room or give a folder you may write to with --out",
        see="place-taken",
    )


def _present(directory: Path) -> dict[str, Path]:
    """Relative name -> path of everything in ``directory`` that is not a folder or one of Python's caches, or
    was compiled ahead."""
    found: dict[str, Path] = {}
    for folder, subfolders, names in os.walk(directory):
        subfolders[:] = sorted(name for name in subfolders if name != _CACHE)
        for name in [*names, *(s for s in subfolders if os.path.islink(os.path.join(folder, s)))]:
            path = Path(folder, name)
            found[path.relative_to(directory).as_posix()] = path
    for name in compiled(directory):
        found.pop(name, None)
    return found


def _of_the_user(directory: Path) -> list[str]:
    """Empty folders, and what is in one of Python's caches and was not put there by Python."""
    found: list[str] = []
    for folder, subfolders, names in os.walk(directory):
        where = Path(folder).relative_to(directory)
        if _CACHE in where.parts:
            found += [(where / name).as_posix() for name in [*names, *subfolders] if not _is_bytecode(name)]
        elif not names and not subfolders and Path(folder) != directory:
            found.append(where.as_posix())
    return found


def _is_bytecode(name: str) -> bool:
    """``x.cpython-311.pyc``, or the same under the number that Python writes it as."""
    return ".pyc" in name.partition(".")[2] or name.endswith(".pyc")


def _holds(destination: Path, files: Mapping[str, str]) -> bool:
    try:
        return destination.is_dir() and not compare_trees(files, destination)
    except OSError:  # another build is replacing it, or a file cannot be read: write it again
        return False


def write_tree(root: Path, files: Mapping[str, str]) -> None:
    """Make the folder ``root`` with these files, durable."""
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


def _diff(name: str, data: bytes, expected: str) -> str:
    present = data.decode("utf-8", errors="replace")
    lines = difflib.unified_diff(
        present.splitlines(), expected.splitlines(), f"{name} (on disk)", f"{name} (as built)", lineterm=""
    )
    return "\n".join(lines) or "(line ends differ)"
