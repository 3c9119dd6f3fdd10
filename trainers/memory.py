"""Memory that tensors leave behind, kept for the next ones."""

from __future__ import annotations

import contextlib
import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of malloc.h


def keep_freed_memory() -> None:
    """Ask the C library to keep the blocks that are freed, for the whole process.

    By default it gives those above 32 MiB back at once, and every step of a training on the CPU pays for new pages,
    cleared by the system, again. Nothing happens where the library knows no ``mallopt``.
    """
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        for parameter in (_TRIM_THRESHOLD, _MMAP_THRESHOLD):
            library.mallopt(parameter, 2**30)
