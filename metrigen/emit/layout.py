"""Lay out emitted Python: lines that are too long are broken inside a bracket, at its commas or its sums."""

from __future__ import annotations

import re
import textwrap

WIDTH = 118
_OPEN, _CLOSE = "([{", ")]}"


def layout(text: str) -> str:
    """The text with long code lines broken; comments, docstrings and strings stay as they are."""
    out: list[str] = []
    quoted = False
    for line in text.splitlines():
        marks = line.count('"""')
        if quoted or marks or line.lstrip().startswith("#") or len(line) <= WIDTH:
            out.append(line.rstrip())
        else:
            out.extend(_break(line))
        quoted ^= marks % 2 == 1
    return "\n".join(out) + "\n"


def layout_cpp(text: str) -> str:
    """C++ with long statements broken between their operators and arguments."""
    out: list[str] = []
    for line in text.splitlines():
        indent = " " * (len(line) - len(line.lstrip()) + 4)
        if len(line) <= WIDTH or line.lstrip().startswith("//"):
            out.append(line.rstrip())
        else:
            out += textwrap.wrap(
                line.strip(), WIDTH, initial_indent=indent[4:], subsequent_indent=indent, break_long_words=False,
                break_on_hyphens=False,
            )  # fmt: skip
    return "\n".join(out) + "\n"


def _break(line: str) -> list[str]:
    if len(line) <= WIDTH:
        return [line]
    indent = line[: len(line) - len(line.lstrip())]
    assigned = re.match(r"\s*(return |\w+(?:, \w+)* = )", line)
    start, end = _widest(line)
    if assigned and (start < 0 or end - start < len(line) - assigned.end() - 1 - (start - assigned.end())):
        body = line[assigned.end() :]
        if len(_split(body, (" + ", " - "))) > 1:
            return [f"{line[: assigned.end()]}(", *_filled(body, indent + "    ", (" + ", " - ")), f"{indent})"]
    if start < 0:
        return [line]
    inside = line[start + 1 : end]
    marks = (", ",) if len(_split(inside, (", ",))) > 1 else (" + ", " - ", " * ")
    rows = _filled(inside, indent + "    ", marks)
    if len(rows) == 1 and rows[0].strip() == line.strip():
        return [line]
    return [line[: start + 1], *rows, *_break(indent + line[end:])]


def _widest(line: str) -> tuple[int, int]:
    """The outermost bracket pair with the longest content, (-1, -1) if there is none."""
    best, stack = (-1, -1), []
    for i, char in enumerate(_blank_strings(line)):
        if char in _OPEN:
            stack.append(i)
        elif char in _CLOSE and stack:
            start = stack.pop()
            if not stack and i - start > best[1] - best[0] and i - start > 1:
                best = (start, i)
    return best


def _blank_strings(line: str) -> str:
    return re.sub(r'"[^"]*"|\'[^\']*\'', lambda m: "_" * len(m[0]), line)


def _split(text: str, marks: tuple[str, ...]) -> list[str]:
    """Pieces at top level; a comma stays with the piece before it, an operator with the piece after."""
    pieces, depth, last, shown = [], 0, 0, _blank_strings(text)
    for i, char in enumerate(shown):
        depth += (char in _OPEN) - (char in _CLOSE)
        mark = next((m for m in marks if shown.startswith(m, i)), None)
        if depth == 0 and mark and i > last:
            cut = i + len(mark) if mark == ", " else i + 1
            pieces.append(text[last:cut])
            last = cut
    return [*pieces, text[last:]]


def _filled(text: str, indent: str, marks: tuple[str, ...]) -> list[str]:
    rows: list[str] = []
    pieces = [piece.strip() for piece in _split(text, marks)]
    for piece in pieces:
        if rows and len(rows[-1]) + 1 + len(piece) <= WIDTH:
            rows[-1] += f" {piece}"
        else:
            rows.append(indent + piece)
    if len(pieces) == 1:
        return [indent + pieces[0]] if len(indent + pieces[0]) <= WIDTH else _break_piece(indent + pieces[0])
    return [short for row in rows for short in (_break(row) if len(row) > WIDTH else [row])]


def _break_piece(row: str) -> list[str]:
    start, _ = _widest(row)
    return _break(row) if start >= 0 else [row]
