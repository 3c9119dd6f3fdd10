"""What a user would take instead, one a file. A peer that is not installed is left out, with a line that says so."""

from __future__ import annotations

import importlib
from typing import cast

from benchmarks.contender import Peer

MODULES = ("torch_eager", "torch_compile", "convolution", "jax_jit", "numba_loops", "pystencils_sweeps", "devito_operator")


def find() -> tuple[tuple[Peer, ...], tuple[str, ...]]:
    """The peers that can be imported, and a line for each one that cannot."""
    found, missing = [], []
    for name in MODULES:
        try:
            found.append(cast(Peer, importlib.import_module(f"benchmarks.peers.{name}")))
        except ImportError as error:
            missing.append(f"{name}: skipped, {error}")
    return tuple(found), tuple(missing)
