"""What a module takes from ``base.py``, which is the same in every package."""

from __future__ import annotations

import re

NAMES = (
    "BaseLayer", "NotConverged", "Tensors", "as_count", "as_dtype", "as_step", "by_reference", "by_sample",
    "check_fields", "check_given", "check_input", "check_state", "exact", "of_sample", "readable", "reported",
    "step_of", "transformed", "working",
)  # fmt: skip


def with_imports(text: str) -> str:
    """The text of a module, its import of ``base`` filled in with the names that it uses."""
    used = [name for name in NAMES if re.search(rf"\b{name}\b", text)]
    return text.replace("from .base import @", f"from .base import ({', '.join(used)})", 1)
