"""Trained weights as a small file of their own: averaged weights, options and the hash of the spec."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import save_file

from trainers.common import ROOT, ResumeError, check_spec, spec_hash
from trainers.sudoku_model import SudokuNet

WEIGHTS = ROOT / "trainers" / "checkpoints" / "sudoku.safetensors"


def save_weights(path: Path, network: SudokuNet, meta: Mapping[str, Any]) -> None:
    """Write the weights of a network and ``meta``, whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    packed = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    save_file(packed, partial, metadata={name: json.dumps(value) for name, value in meta.items()})
    partial.replace(path)


def load_weights(path: Path) -> SudokuNet:
    """The network that ``save_weights`` wrote. Raises ResumeError without a file and for weights of another spec."""
    if not path.exists():
        raise ResumeError(f"no weights in {path}: train some, or name a file of a run with --weights")
    with safe_open(path, "pt") as file:
        meta = {name: json.loads(value) for name, value in file.metadata().items()}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    check_spec(meta, spec_hash("sudoku"), path)
    widths = set(inspect.signature(SudokuNet).parameters)
    network = SudokuNet(**{name: value for name, value in meta["options"].items() if name in widths})
    network.load_state_dict(tensors)
    return network.eval()
