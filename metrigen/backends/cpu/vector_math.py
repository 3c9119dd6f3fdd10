"""The elementary functions that C++ evaluates on whole vectors: which of them some code calls."""

from __future__ import annotations

import re
from collections.abc import Sequence

UNARY = ("sqrt", "exp", "log", "sin", "cos", "tan", "tanh", "sinh", "cosh", "asinh", "atan", "asin", "acos")
BINARY = ("pow", "atan2")


def called(texts: Sequence[str]) -> tuple[set[str], list[str], list[str]]:
    """The words of some code that end in an underscore before a bracket, and those of one and of two arguments here."""
    used = set(re.findall(r"\b([a-z0-9]+_)\(", "\n".join(texts)))
    unary, binary = ([f for f in names if f"{f}_" in used] for names in (UNARY, BINARY))
    return used, unary, binary
