"""One file, written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from metrigen.errors import BuildError


def write_text(path: Path, text: str) -> None:
    """``write_bytes`` of a text in UTF-8."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes) -> None:
    """Make ``path`` hold ``data``: staged beside it, made durable, renamed into place.

    Raises BuildError, with nothing changed, if the folder is missing or cannot be written or ``path`` is a folder.
    """
    staged: str | None = None
    try:
        if path.is_dir():
            raise IsADirectoryError(0, "it is a folder", str(path))
        handle, staged = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        with open(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(staged, 0o644)  # a page is for other readers too; a staged file is private
        os.replace(staged, path)
    except OSError as error:
        if staged is not None:
            with contextlib.suppress(OSError):
                os.unlink(staged)
        raise BuildError(
            "the file cannot be written",
            component=str(path),
            why=error.strerror or str(error),
            fix="nothing was changed; give another file in a folder that exists and that you may write to",
            see="place-taken",
        ) from error
