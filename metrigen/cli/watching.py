"""Waiting for specs to change: by the times and sizes of files, which every file system has."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

POLL = 0.3  # seconds
Stamps = dict[Path, tuple[int, int]]


def stamps(paths: Sequence[Path]) -> Stamps:
    """Time and size of every Python file in the folders of the specs: a spec may import what lies beside it."""
    found: Stamps = {}
    for folder in dict.fromkeys(path if path.is_dir() else path.parent for path in map(Path.absolute, paths)):
        for file in sorted(folder.glob("*.py")):
            try:
                known = file.stat()
            except OSError:  # it was taken away meanwhile
                continue
            found[file] = known.st_mtime_ns, known.st_size
    return found


def wait(paths: Sequence[Path], before: Stamps) -> list[Path]:
    """Sleep until a file is another one, is new or is gone; those that are."""
    while (now := stamps(paths)) == before:
        time.sleep(POLL)
    return sorted(file for file in {*before, *now} if before.get(file) != now.get(file))
