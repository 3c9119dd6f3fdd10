"""Trained weights as a small file of their own: averaged weights, options and the hash of the spec."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainers.common import ROOT, ResumeError, check_spec, spec_hash
from trainers.durable import DamagedFile, read_sealed, sealed, write_durably
from trainers.sudoku_model import SudokuNet

WEIGHTS = ROOT / "trainers" / "checkpoints" / "sudoku.safetensors"


def save_weights(path: Path, network: SudokuNet, meta: Mapping[str, Any]) -> None:
    """Write the weights of a network and ``meta`` with their hash, whole or not at all."""
    write_durably(path, b"".join(sealed(network.state_dict(), meta)))


def load_weights(path: Path) -> SudokuNet:
    """The network that ``save_weights`` wrote. Raises ResumeError without a file, for damage and another spec."""
    if not path.exists():
        raise ResumeError(f"no weights in {path}: train some, or name a file of a run with --weights")
    try:
        tensors, meta = read_sealed(path)
    except DamagedFile as error:
        raise ResumeError(f"{path}: {error}") from error
    check_spec(meta, spec_hash("sudoku"), path)
    widths = set(inspect.signature(SudokuNet).parameters)
    network = SudokuNet(**{name: value for name, value in meta["options"].items() if name in widths})
    network.load_state_dict(tensors)
    return network.eval()
