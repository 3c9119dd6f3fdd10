"""Put a finished folder in the place of another one in a single step, on one file system."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import sys
from pathlib import Path

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_TAKEN = frozenset({errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR})
_ATTEMPTS = 100


def swap_in(new: Path, destination: Path) -> None:
    """Make ``new`` appear at ``destination``; what was there ends at ``new`` or beside it.

    Where the system can exchange two names (Linux), a reader sees the old folder or the new one at every moment, a
    crash included. Elsewhere the old folder is renamed away first and renamed back if the second rename fails.
    Another process may do the same at the same time: the last one wins, each result is whole.
    """
    for attempt in range(_ATTEMPTS):
        try:
            os.rename(new, destination)
            return
        except OSError as error:
            if error.errno not in _TAKEN:
                raise
        if _exchange(new, destination):
            return
        if _replace(new, destination, aside=new.with_name(f"old{attempt}")):
            return
    raise OSError(errno.EBUSY, "other processes keep writing it", str(destination))


def sync_folder(folder: Path) -> None:
    """Make the entries of ``folder`` durable, where the system lets a folder be opened."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two names atomically; False where that is not to be had, or one of them is gone."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        rename = ctypes.CDLL(None).renameat2
    except (AttributeError, OSError):
        return False
    arguments = (_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), ctypes.c_uint(_RENAME_EXCHANGE))
    return bool(rename(*arguments) == 0)


def _replace(new: Path, destination: Path, aside: Path) -> bool:
    """The same with two renames; False if another process was faster."""
    try:
        os.rename(destination, aside)
    except FileNotFoundError:
        return False
    try:
        os.rename(new, destination)
    except OSError as error:
        if error.errno in _TAKEN:
            return False
        os.rename(aside, destination)
        raise
    return True
