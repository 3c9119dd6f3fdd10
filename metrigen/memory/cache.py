"""Where packages that were compiled in memory are kept, one folder a key, each written whole or not at all.

    KEY/NAME/module.py ...    the package, as a build writes it
    KEY/entry.json            hashes of its files, what its author is to be told, and the hash of all that

What is read is hashed first: an entry that is not as it was written counts as none.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from metrigen.emit.staging import staging, sweep
from metrigen.emit.swap import swap_in, sync_folder
from metrigen.emit.tree import write_tree
from metrigen.errors import BuildError
from metrigen.folders import cache_folder

_ENTRY = "entry.json"


@dataclass(frozen=True)
class Entry:
    """A package that is kept: its folder, and the warnings of its build."""

    folder: Path
    warnings: tuple[str, ...]


def folders() -> Iterator[Path]:
    """The folders to look for entries in: the cache, and a temporary one of this user where that cannot be written."""
    with contextlib.suppress(RuntimeError):
        yield cache_folder() / "layers"
    mine = _temporary()
    if _is_mine(mine):
        yield mine


def find(name: str, key: str) -> Entry | None:
    """The entry of a system and a key, if there is a whole one."""
    for folder in folders():
        entry = _read(folder / key, name)
        if entry is not None:
            return entry
    return None


def keep(name: str, key: str, files: Mapping[str, str], warnings: Sequence[str]) -> Entry:
    """Write an entry and return it. Raises BuildError where neither folder can be written."""
    hashes = {file: _sha(text.encode()) for file, text in files.items()}
    content = {"name": name, "files": hashes, "warnings": list(warnings)}
    sealed = json.dumps({"content": content, "sha256": _seal(content)}, indent=1, ensure_ascii=False)
    tree = {**{f"{name}/{file}": text for file, text in files.items()}, _ENTRY: sealed}
    failed: list[str] = []
    for place in _writable(failed):
        try:
            place.mkdir(parents=True, exist_ok=True)
            sweep(place)
            with staging(place, key) as scratch:
                write_tree(scratch / "new", tree)
                swap_in(scratch / "new", place / key)
            sync_folder(place)
        except OSError as error:
            failed.append(f"{place}: {error.strerror or error}")
        else:
            return Entry(place / key / name, tuple(warnings))
    raise BuildError(
        "the layer cannot be kept, so that no module can be made of it",
        why="; ".join(failed),
        fix="set METRIGEN_CACHE to a folder that can be written",
        see="cache",
    )


def _writable(failed: list[str]) -> Iterator[Path]:
    """Where to try to write: the cache, then a temporary folder that nobody else can write to."""
    try:
        yield cache_folder() / "layers"
    except RuntimeError as error:
        failed.append(str(error))
    mine = _temporary()
    try:
        mine.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        failed.append(f"{mine}: {error.strerror or error}")
    if _is_mine(mine):
        yield mine
    else:
        failed.append(f"{mine}: it is not a folder of this user alone")


def _temporary() -> Path:
    """A folder that every process of this user finds, workers included."""
    user = os.getuid() if hasattr(os, "getuid") else "layers"
    return Path(tempfile.gettempdir()) / f"metrigen-{user}"


def _is_mine(folder: Path) -> bool:
    """Whether it is a folder that this user alone can write to: code is run from it."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    if not hasattr(os, "getuid"):  # temporary folders are of one user there
        return stat.S_ISDIR(found.st_mode)
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022


def _read(folder: Path, name: str) -> Entry | None:
    try:
        sealed = json.loads((folder / _ENTRY).read_bytes())
        content = sealed["content"]
        whole = sealed["sha256"] == _seal(content) and content["name"] == name
        package = folder / name
        whole = whole and all(_sha((package / file).read_bytes()) == sha for file, sha in content["files"].items())
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Entry(package, tuple(content["warnings"])) if whole else None


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _seal(content: object) -> str:
    return _sha(json.dumps(content, sort_keys=True).encode())
