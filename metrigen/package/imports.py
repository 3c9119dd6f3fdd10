"""What a module imports: the names that it uses, of the standard library, torch, and the files beside it."""

from __future__ import annotations

import ast
from collections.abc import Collection, Mapping

_LIBRARY: Mapping[str, tuple[str, ...]] = {
    "collections.abc": ("Callable", "Mapping"),
    "functools": ("partial",),
    "typing": ("Any", "NamedTuple"),
}
_TORCH: Mapping[str, tuple[str, ...]] = {"torch": ("Tensor", "nn")}
_BESIDE: Mapping[str, tuple[str, ...]] = {
    ".": ("operators", "reference"),
    ".arguments": (
        "as_count", "as_tolerance", "check_fields", "check_given", "check_input", "check_state", "of_sample",
    ),
    ".base": (
        "BaseLayer", "NotConverged", "Tensors", "as_dtype", "as_step", "by_reference", "by_sample", "exact",
        "readable", "reported", "step_of", "transformed", "working",
    ),
    ".checks": ("checked", "warn_above_limit"),
    ".frames": ("framed",),
    ".graph": ("Dense", "Sparse"),
    ".graph_operators": ("Bound",),
    ".lattice": ("LatticeLayer",),
    ".memory": ("as_matrices", "as_vectors", "forgetting"),
    ".networks": ("NetworkOffset", "NetworkWeights"),
    ".nodes": ("Graph", "along_edges", "at_nodes", "at_time", "by_step", "empty_field", "in_work"),
    ".noise": ("Noisy",),
    ".param": ("LayerParam", "register_parameters"),
    ".scan": ("as_start", "as_tokens", "within"),
    ".solve": ("Options", "is_direct", "solve", "told_apart"),
    ".state": ("cloned", "detached", "from_state", "last_of", "moved", "registered"),
    ".trajectories": (
        "Span", "Stepping", "by_operators", "by_readings", "by_solves", "by_steps", "counted", "frames_first",
        "moment", "stepwise", "times", "unread",
    ),
}  # fmt: skip


def imports(text: str, absent: Collection[str] = ()) -> str:
    """The lines that import what a text uses of what is there, as a formatter sorts them."""
    used = {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)} - set(absent)

    def lines(files: Mapping[str, tuple[str, ...]]) -> list[str]:
        found = {file: [name for name in names if name in used] for file, names in files.items()}
        return [f"from {file} import {', '.join(names)}" for file, names in found.items() if names]

    library = [*(["import warnings"] if "warnings" in used else []), *lines(_LIBRARY)]
    torch = [*(["import torch"] if "torch" in used else []), *lines(_TORCH)]
    return "\n\n".join("\n".join(block) for block in (library, torch, lines(_BESIDE)))
