"""The statements of a text: the lines that belong together because a bracket is open or a string goes on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from metrigen.emit.style.tokens import STRING

_QUOTED = re.compile(f"{STRING}|#.*")
_TRIPLE = '"""'


class Statement(NamedTuple):
    """Lines of one statement, no blanks at their ends; ``raw``: a comment, an empty line, a string of several lines."""

    lines: tuple[str, ...]
    raw: bool


def statements(text: str) -> Iterator[Statement]:
    """The statements of a text in order, comments and empty lines among them."""
    lines = [line.rstrip() for line in text.splitlines()]
    at = 0
    while at < len(lines):
        end = _end(lines, at)
        found = tuple(lines[at:end])
        first = found[0].lstrip()
        raw = first == "" or first[0] == "#" or any(line.count(_TRIPLE) % 2 for line in found)
        yield Statement(found, raw)
        at = end


def _end(lines: list[str], at: int) -> int:
    """The line after the statement that begins at line ``at``."""
    depth = 0
    while at < len(lines):
        line = lines[at]
        at += 1
        if line.count(_TRIPLE) % 2:
            while at < len(lines) and not lines[at].count(_TRIPLE) % 2:
                at += 1
            at += 1
        depth += _opened(line)
        if depth <= 0:
            return at
    return at


def _opened(line: str) -> int:
    """Brackets that a line opens beyond those it closes."""
    if '"' in line or "'" in line or "#" in line:
        line = _QUOTED.sub("", line)
    count = line.count
    return count("(") + count("[") + count("{") - count(")") - count("]") - count("}")
