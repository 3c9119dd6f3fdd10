"""Lay out emitted code: Python as a formatter would leave it, C++ with long statements broken."""

from __future__ import annotations

import re
import textwrap

from metrigen.emit.style.blanks import with_blanks
from metrigen.emit.style.lines import Statement, statements
from metrigen.emit.style.rows import WIDTH as PYTHON_WIDTH
from metrigen.emit.style.statements import statement_rows

WIDTH = 118
_QUOTES = '"""'
# What a line that is short enough may have and is written otherwise: quotes, commas before an end, parentheses.
_UNTIDY = re.compile(r"'|,\s*(?:[)\]}=]|$)|\(\(|(?:=|return|import|in|if) \(|\de\+")


def layout(text: str) -> str:
    """Python with every statement in as few lines as the width allows, and the empty lines that belong between them.

    Comments and strings of several lines stay as they are, and so does a statement that cannot be read.
    """
    return "\n".join(with_blanks(_laid_out(statement) for statement in statements(text))) + "\n"


def _laid_out(statement: Statement) -> list[str]:
    lines = list(statement.lines)
    if statement.raw:
        return _wrapped(lines)
    if lines[0].lstrip().startswith(_QUOTES) and len(lines[0]) > PYTHON_WIDTH:
        return _wrapped(lines)
    if len(lines) == 1 and len(lines[0]) <= PYTHON_WIDTH and not _UNTIDY.search(lines[0]):
        return lines
    first = lines[0].lstrip()
    found = statement_rows("\n".join([first, *lines[1:]]), lines[0][: len(lines[0]) - len(first)])
    return lines if found is None else found


def _wrapped(lines: list[str]) -> list[str]:
    """A comment or a docstring, lines that are too long broken at blanks: what is over goes on with the next line."""
    first = lines[0].lstrip()
    if not first.startswith(("#", _QUOTES)):
        return lines
    out: list[str] = []
    left = list(lines)
    while left:
        line = left.pop(0)
        indent = line[: len(line) - len(line.lstrip())] + ("# " if first[0] == "#" else "")
        pieces = [line] if len(line) <= PYTHON_WIDTH else textwrap.wrap(
            line, PYTHON_WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
        )  # fmt: skip
        if pieces[1:] and left and not pieces[-1].endswith(_QUOTES) and _goes_on(left[0], indent):
            left[0] = f"{pieces.pop()} {left[0][len(indent) :]}"
        out += pieces
    return out


def _goes_on(line: str, indent: str) -> bool:
    """Whether a line is the next of a paragraph, not of a table or of a list."""
    rest = line.removeprefix(indent)
    return rest != line and rest[:1].isalnum() and "  " not in rest


def layout_cpp(text: str) -> str:
    """C++ with long statements broken between operators and arguments; what is said behind one stands above it."""
    out: list[str] = []
    for line in text.splitlines():
        indent = " " * (len(line) - len(line.lstrip()) + 4)
        if len(line) <= WIDTH or line.lstrip().startswith("//"):
            out.append(line.rstrip())
        else:
            line, _, said = line.partition("  // ")
            out += [f"{indent[4:]}// {said}"] if said else []
            out += textwrap.wrap(
                line.strip(), WIDTH, initial_indent=indent[4:], subsequent_indent=indent, break_long_words=False,
                break_on_hyphens=False,
            )  # fmt: skip
    return "\n".join(out) + "\n"
