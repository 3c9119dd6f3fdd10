"""Bytes to learn from, split into train, validation and test, and the batches of a step.

Three sources, each deterministic:

    a text file         the first 90 % of its bytes train, the next 5 % validate, the last 5 % test
    a Hugging Face name its own splits where it has all three, else the same shares of its train split
    neither             the source of the Python standard library that runs the program, split by file

A model reads B streams window after window. A stream goes on where its last window ended for a few windows, then at
another place: text in its own order alone would teach the model where it is rather than what it reads.
"""

from __future__ import annotations

import hashlib
import importlib
import platform
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

SPLITS = ("train", "validation", "test")
SHARES = (0.9, 0.05)  # of train and validation; test has what is left
DATASET_BYTES = 20_000_000  # of a Hugging Face split no more is read
LEFT_OUT = {"test", "tests", "idle_test", "encodings", "pydoc_data"}  # tests, and tables that nobody wrote


class DataError(ValueError):
    """Text that cannot be had, or is too short: says what was looked for and what to give."""


@dataclass(frozen=True)
class Corpus:
    """Text as bytes.

    name   what it is, for a table
    train, validation, test   (N,) uint8
    """

    name: str
    train: Tensor
    validation: Tensor
    test: Tensor

    @property
    def hash(self) -> str:
        """sha256 of all three splits."""
        digest = hashlib.sha256()
        for split in SPLITS:
            digest.update(getattr(self, split).numpy().tobytes())
        return digest.hexdigest()

    def require(self, context: int) -> None:
        """Raises DataError where a split has no room for one window of ``context`` bytes and the byte after it."""
        for split in SPLITS:
            size = len(getattr(self, split))
            if size <= context:
                raise DataError(
                    f"{self.name}: the {split} split has {size} bytes, a window needs {context + 1}; "
                    "give a longer text or a smaller --context"
                )


def as_tensor(text: bytes) -> Tensor:
    """(N,) uint8."""
    return torch.from_numpy(np.frombuffer(text, dtype=np.uint8).copy())


def split_text(name: str, text: bytes) -> Corpus:
    """Cut one text into contiguous shares, 90 %, 5 % and 5 %."""
    first = int(len(text) * SHARES[0])
    second = int(len(text) * (SHARES[0] + SHARES[1]))
    return Corpus(name, *(as_tensor(part) for part in (text[:first], text[first:second], text[second:])))


def file_corpus(path: Path) -> Corpus:
    """A file, whatever is in it. Raises DataError where it cannot be read."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}; --data takes a text file") from error
    return split_text(path.name, text)


def split_of(name: str) -> str:
    """The split of a file, by the sha256 of its name: about 18 in 20 train, one validates, one tests."""
    draw = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") % 20
    return {0: "validation", 1: "test"}.get(draw, "train")


def library_files(root: Path) -> list[Path]:
    """The sources of the standard library without its tests and tables, in the order of their names."""
    found = []
    for path in root.rglob("*.py"):
        parts = path.relative_to(root).with_suffix("").parts
        if parts[0] in sys.stdlib_module_names and LEFT_OUT.isdisjoint(parts):
            found.append(path)
    return sorted(found, key=lambda path: path.relative_to(root).as_posix())


def library_corpus() -> Corpus:
    """The standard library of this Python: other versions give other bytes, the name of the corpus says which."""
    root = Path(sysconfig.get_paths()["stdlib"])
    parts: dict[str, list[bytes]] = {split: [] for split in SPLITS}
    for path in library_files(root):
        parts[split_of(path.relative_to(root).as_posix())].append(path.read_bytes())
    name = f"Python {platform.python_version()} standard library"
    return Corpus(name, *(as_tensor(b"".join(parts[split])) for split in SPLITS))


def text_of(rows: Iterable[Mapping[str, Any]], name: str) -> bytes:
    """The first column of strings ("text" where there is one), rows parted by an empty line."""
    texts: list[bytes] = []
    size = 0
    for row in rows:
        columns = sorted((key for key, value in row.items() if isinstance(value, str)), key=lambda key: key != "text")
        if not columns:
            raise DataError(f"dataset {name}: no column of strings among {', '.join(row)}")
        texts.append(row[columns[0]].encode())
        size += len(texts[-1]) + 2
        if size >= DATASET_BYTES:
            break
    return b"\n\n".join(texts)[:DATASET_BYTES]


def dataset_corpus(name: str) -> Corpus:
    """A Hugging Face data set, "owner/name" or "owner/name:configuration", read as a stream.

    Raises DataError where the package ``datasets`` is missing or does not know the name.
    """
    try:
        datasets = importlib.import_module("datasets")
    except ImportError as error:
        raise DataError("--dataset needs the package datasets: pip install datasets") from error
    path, _, configuration = name.partition(":")
    try:
        splits = datasets.load_dataset(path, configuration or None, streaming=True)
    except Exception as error:  # what it raises for an unknown name differs between its versions
        raise DataError(f"no dataset {name}: {error}") from error
    if all(split in splits for split in SPLITS):
        return Corpus(name, *(as_tensor(text_of(splits[split], name)) for split in SPLITS))
    if "train" not in splits:
        raise DataError(f"dataset {name}: no split train among {', '.join(splits)}")
    return split_text(name, text_of(splits["train"], name))


def load_corpus(data: str | None = None, dataset: str | None = None) -> Corpus:
    """The text that the options name. Raises DataError."""
    if data is not None and dataset is not None:
        raise DataError("--data and --dataset name two texts; give one of them")
    if data is not None:
        return file_corpus(Path(data))
    return library_corpus() if dataset is None else dataset_corpus(dataset)


def windows(
    text: Tensor, *, seed: int, step: int, batch: int, context: int, stretch: int, rank: int = 0, world: int = 1
) -> Tensor:
    """What the streams of one process read in one step, (batch, context + 1) int64; the last byte is only predicted.

    A stream reads ``stretch`` windows in a row and goes on elsewhere. Places are drawn without repetition until all of
    the text is read (a rest shorter than a stretch is left out, another one in each round), each round in another
    order. A function of its arguments alone: a resumed run reads on exactly where it stopped.
    """
    length = stretch * context
    places = max(1, len(text) // length)
    first = step // stretch * batch * world + rank * batch
    starts = []
    for k in range(first, first + batch):
        rng = np.random.default_rng([seed, k // places])
        starts.append(int(rng.integers(len(text))) + int(rng.permutation(places)[k % places]) * length)
    at = torch.tensor(starts)[:, None] + step % stretch * context + torch.arange(context + 1)
    return text[at % len(text)].long()
