"""What a user would take instead, one a file. A peer that is not installed is left out, with a line that says so."""

from __future__ import annotations

import importlib
from typing import cast

from benchmarks.contender import Peer

MODULES = (
    "torch_eager", "torch_compile", "convolution", "jax_jit", "numba_loops", "pystencils_sweeps", "devito_operator",
    "torch_scan", "jax_scan", "numba_scan",
)  # fmt: skip


def find(names: str = "all") -> tuple[tuple[Peer, ...], tuple[str, ...]]:
    """The peers of ``names`` ("all", "none" or names with commas) that can be imported; a line for each other one."""
    wanted = {"all": MODULES, "none": ()}.get(names, tuple(names.split(",")))
    unknown = sorted(set(wanted) - set(MODULES))
    if unknown:
        raise ValueError(f"no peer is called {', '.join(unknown)}; there are {', '.join(MODULES)}")
    found, missing = [], []
    for name in MODULES:
        if name not in wanted:
            missing.append(f"{name}: not asked for")
            continue
        try:
            found.append(cast(Peer, importlib.import_module(f"benchmarks.peers.{name}")))
        except ImportError as error:
            missing.append(f"{name}: not installed ({error})")
    return tuple(found), tuple(missing)
