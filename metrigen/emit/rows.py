"""Text in rows of a width: formulas are broken before a sign. Nothing here needs SymPy."""

from __future__ import annotations

import re
import textwrap

WIDTH = 80


def wrapped(line: str, width: int, indent: str, hang: str | None = None) -> list[str]:
    """``line`` in rows of ``width``: broken before a sign outside brackets, else at a space; [] if it is empty."""
    hang = indent if hang is None else hang
    rows: list[str] = []
    for piece in addends(line) if line else []:
        if rows and len(rows[-1]) + 1 + len(piece) <= width:
            rows[-1] += f" {piece}"
            continue
        start = hang if rows else indent
        whole = re.sub(r", (?=[^\[\]]*\])", ",\u00a0", piece)  # u[+1, 0] stays in one row
        broken = textwrap.wrap(
            whole, width, initial_indent=start, subsequent_indent=hang, break_long_words=False, break_on_hyphens=False
        )
        rows += [row.replace("\u00a0", " ") for row in broken]
    return rows


def addends(line: str) -> list[str]:
    """A line cut before each sign that stands outside brackets."""
    depth, start, terms = 0, 0, []
    for i, char in enumerate(line):
        depth += (char in "([{") - (char in ")]}")
        if depth == 0 and re.match(r" [+-] ", line[i : i + 3]) and line[start:i].strip():
            terms.append(line[start:i])
            start = i + 1
    return [*terms, line[start:]]


def heading(name: str, docstring: str, width: int) -> str:
    """The name of a system and the first paragraph of the docstring of its spec."""
    first = " ".join(docstring.split("\n\n")[0].split())
    return "\n".join(wrapped(f"{name}: {first}" if first else name, width, ""))
