"""What a module takes from the files that are the same in every package."""

from __future__ import annotations

import re

NAMES = (
    "BaseLayer", "NotConverged", "Tensors", "as_count", "as_dtype", "as_step", "by_reference", "by_sample",
    "check_fields", "check_given", "check_input", "check_state", "exact", "of_sample", "readable", "reported",
    "step_of", "transformed", "working",
)  # fmt: skip


STEPPING = (
    "Span",
    "Stepping",
    "by_operators",
    "by_readings",
    "by_solves",
    "by_steps",
    "counted",
    "framed",
    "frames_first",
    "moment",
    "stepwise",
    "times",
    "unread",
)


def with_imports(text: str) -> str:
    """The text of a module, its imports of ``base`` and ``trajectories`` filled in with the names that it uses."""
    for file, names in (("base", NAMES), ("trajectories", STEPPING)):
        used = [name for name in names if re.search(rf"\b{name}\b", text)]
        text = text.replace(f"from .{file} import @", f"from .{file} import ({', '.join(used)})", 1)
    return text
