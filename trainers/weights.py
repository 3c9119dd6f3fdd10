"""Trained weights as a small file of their own: tensors, what they were trained with, the hash of the spec."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from trainers.common import ResumeError, check_spec
from trainers.durable import DamagedFile, read_sealed, sealed, write_durably


def save_weights(path: Path, network: nn.Module, meta: Mapping[str, Any]) -> None:
    """Write the weights of a network and ``meta`` with their hash, whole or not at all."""
    write_durably(path, b"".join(sealed(network.state_dict(), meta)))


def read_weights(path: Path, spec: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Weights and ``meta`` of ``save_weights``. Raises ResumeError without a file, for damage and another spec."""
    if not path.exists():
        raise ResumeError(f"no weights in {path}: train some, or name a file of a run with --weights")
    try:
        tensors, meta = read_sealed(path)
    except DamagedFile as error:
        raise ResumeError(f"{path}: {error}") from error
    check_spec(meta, spec, path)
    return tensors, meta
