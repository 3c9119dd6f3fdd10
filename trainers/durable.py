"""Files that a crash leaves whole: written beside, synced, renamed; tensors in a file that carries its own hash."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

HASH = "sha256"
# As the header of a safetensors file has it; a quote inside of a value has a backslash before it and is no match.
SEALED = re.compile(rb'"sha256":"([0-9a-f]{64})"')
BLANK = b"0" * 64


class DamagedFile(ValueError):
    """A file that is not what was written: says what is wrong with it."""


def sync(path: Path) -> None:
    """Have what was written to a file, or the names in a folder, on the disk before going on."""
    if path.is_dir() and os.name == "nt":  # Windows opens no folder
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_beside(path: Path, pieces: Iterable[bytes | memoryview]) -> Path:
    """Write what is to become ``path`` under a name of its own, and have it on the disk; returns that name."""
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        for piece in pieces:
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    sync(path.parent)
    return partial


def write_durably(path: Path, data: bytes) -> None:
    """Write a file: after a crash at any point it is the one before or this one, whole."""
    write_beside(path, [data]).replace(path)
    sync(path.parent)


def sealed(tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> list[bytes | memoryview]:
    """A safetensors file, in pieces, whose metadata are ``meta`` as JSON and the sha256 of the file.

    The hash is that of all bytes, header included, with 64 zeros in the place of the hash itself.
    """
    packed = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    data = save(packed, {**{name: json.dumps(value) for name, value in meta.items()}, HASH: BLANK.decode()})
    start = _place(data)
    digest = hashlib.sha256(data).hexdigest().encode()
    whole = memoryview(data)
    return [whole[:start], digest, whole[start + 64 :]]


def read_sealed(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and meta of a file of ``sealed``. Raises DamagedFile where a single bit is another."""
    data = checked(path)
    try:
        tensors = {name: value.clone() for name, value in load(data).items()}
    except SafetensorError as error:
        raise DamagedFile(str(error)) from error
    texts = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
    return tensors, {name: json.loads(value) for name, value in texts.items() if name != HASH}


def checked(path: Path) -> bytes:
    """The bytes of a file of ``sealed``. Raises DamagedFile."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DamagedFile(error.strerror or str(error)) from error
    start = _place(data)
    whole = memoryview(data)
    digest = hashlib.sha256(whole[:start])
    digest.update(BLANK)
    digest.update(whole[start + 64 :])
    if digest.hexdigest().encode() != data[start : start + 64]:
        raise DamagedFile("its bytes are not those that were written (sha256)")
    return data


def _place(data: bytes) -> int:
    """Where the 64 characters of the hash begin."""
    end = 8 + int.from_bytes(data[:8], "little")
    found = SEALED.search(data, 8, end) if end <= len(data) else None
    if found is None:
        raise DamagedFile("its header is cut off or has no sha256")
    return found.start(1)
