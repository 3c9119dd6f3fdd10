"""The trained Sudoku solver: averaged weights, options and the hash of the spec in one small file."""

from __future__ import annotations

import inspect
from pathlib import Path

from trainers.common import ROOT, spec_hash
from trainers.sudoku_model import SudokuNet
from trainers.weights import read_weights

WEIGHTS = ROOT / "trainers" / "checkpoints" / "sudoku.safetensors"


def load_weights(path: Path) -> SudokuNet:
    """The network that ``save_weights`` wrote. Raises ResumeError without a file, for damage and another spec."""
    tensors, meta = read_weights(path, spec_hash("sudoku"))
    widths = set(inspect.signature(SudokuNet).parameters)
    network = SudokuNet(**{name: value for name, value in meta["options"].items() if name in widths})
    network.load_state_dict(tensors)
    return network.eval()
