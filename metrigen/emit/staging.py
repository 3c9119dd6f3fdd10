"""Folders in which a build prepares what it swaps in, told from those that a killed build left behind by a lock."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # no locks of this kind: age has to tell
    fcntl = None  # type: ignore[assignment]

_LOCK = "lock"
_ENDING = ".tmp"
_MADE = re.compile(r"\..+\.[a-z0-9_]+\.tmp")
_YOUNG = 60.0  # seconds that a build has between making its folder and locking it
_OLD = 3600.0  # seconds after which a folder without a lock is taken for dead


@contextlib.contextmanager
def staging(parent: Path, name: str) -> Iterator[Path]:
    """A private folder in ``parent``, for both the new and the old tree of ``name``: on the same file system, and
    removed as a whole. It is locked as long as this process lives."""
    folder = Path(tempfile.mkdtemp(prefix=f".{name[:40]}.", suffix=_ENDING, dir=parent))
    try:
        with open(folder / _LOCK, "wb") as lock:
            if fcntl is not None:
                with contextlib.suppress(OSError):  # a file system without locks
                    fcntl.flock(lock, fcntl.LOCK_EX)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep(parent: Path) -> None:
    """Remove the staging folders in ``parent`` whose builds are dead."""
    for folder in sorted(parent.glob(f".*{_ENDING}")):
        if _MADE.fullmatch(folder.name) and folder.is_dir() and not folder.is_symlink() and _is_dead(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _is_dead(folder: Path) -> bool:
    """Whether a build made the folder and no process holds its lock."""
    try:
        age = time.time() - folder.stat().st_mtime
        inside = set(os.listdir(folder))
        if not all(name in ("new", _LOCK) or name.startswith("old") for name in inside):
            return False  # not one of ours
        if _LOCK not in inside:
            return age > (_YOUNG if not inside else _OLD)
        if fcntl is None:
            return age > _OLD
        with open(folder / _LOCK, "rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return age > _YOUNG or "new" in inside
    except OSError:
        return False
