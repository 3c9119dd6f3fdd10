"""Lay a tree out in lines: what fits stays on one, else it breaks at its brackets or its weakest operators."""

from __future__ import annotations

from collections.abc import Sequence

from metrigen.emit.style.nodes import (
    ARGUMENTS,
    BARE,
    BRACKET,
    CHAIN,
    CHOICE,
    CLAUSES,
    INFIX,
    ONE,
    PARAMETERS,
    PREFIX,
    STRINGS,
    VALUES,
    Node,
    is_fluent,
    links,
)

WIDTH = 120
STEP = "    "


def fits(before: str, node: Node, after: str) -> bool:
    return len(before) + len(node.flat) + len(after) <= WIDTH


def rows(node: Node, before: str, indent: str, after: str) -> list[str]:
    """Lines of a node inside a bracket that is broken, after ``before`` and with ``after`` at its end."""
    if fits(before, node, after):
        return [before + node.flat + after]
    if node.kind == PREFIX:
        return rows(node.parts[0], before + node.words[0], indent, after)
    if node.kind in (INFIX, CHOICE, STRINGS, CLAUSES):
        return _one_a_line(node.parts, [w.lstrip() for w in node.words], before, indent, after)
    if is_fluent(node):
        parts = links(node)
        return _one_a_line(parts, [""] * (len(parts) - 1), before, indent, after)
    return spine_rows(spine(node), before, indent, after)


def _one_a_line(parts: Sequence[Node], words: Sequence[str], before: str, indent: str, after: str) -> list[str]:
    """Every part on a line of its own, the word before it at its beginning."""
    lines: list[str] = []
    for i, part in enumerate(parts):
        start = before if i == 0 else indent + words[i - 1]
        end = after if i == len(parts) - 1 else ""
        whole = part.kind == CHAIN and fits(start, part, end)
        lines += [start + part.flat + end] if whole else rows(part, start, indent, end)
    return lines


def spine(node: Node) -> list[str | Node]:
    """The texts and the brackets of a node that stand side by side, outside of any bracket."""
    if node.kind == BRACKET:
        return [node] if node.parts else [node.flat]
    if node.kind == CHAIN:
        return [piece for part in node.parts for piece in spine(part)]
    if node.kind == PREFIX:
        return [node.words[0], *spine(node.parts[0])]
    if node.kind in (INFIX, CHOICE, STRINGS, CLAUSES, BARE):
        pieces = spine(node.parts[0])
        for word, part in zip(node.words, node.parts[1:], strict=True):
            pieces += [word, *spine(part)]
        return pieces
    return [node.flat]


def spine_rows(pieces: Sequence[str | Node], before: str, indent: str, after: str, whole: bool = False) -> list[str]:
    """Lines of texts and brackets side by side: a bracket is broken if it and the text up to the next one do not fit.

    ``whole``: not only this text has to fit but all those between the brackets that follow.
    """
    lines: list[str] = []
    line = before
    for i, piece in enumerate(pieces):
        if isinstance(piece, str):
            line += piece
            continue
        follows = between(pieces[i + 1 :], after)
        later = not whole or all(len(indent) + 1 + len(text) <= WIDTH for text in follows[1:])
        if fits(line, piece, follows[0]) and later:
            line += piece.flat
        else:
            lines += [line + piece.words[0], *_inside(piece, indent + STEP)]
            line = indent + piece.words[1]
    return [*lines, line + after]


def between(pieces: Sequence[str | Node], after: str) -> list[str]:
    """The texts between the brackets among ``pieces``, each with the bracket that opens after it."""
    texts = [""]
    for piece in pieces:
        if isinstance(piece, str):
            texts[-1] += piece
        else:
            texts[-1] += piece.words[0]
            texts.append("")
    texts[-1] += after
    return texts


def _inside(node: Node, indent: str) -> list[str]:
    """The lines between the ends of a broken bracket."""
    items = node.parts
    alone = len(items) == 1 and (items[0].kind == CLAUSES or node.rank == ONE or _is_index(node))
    if alone:
        return rows(items[0], indent, indent, "")
    together = ", ".join([item.flat for item in items])
    if node.rank != VALUES and len(indent) + len(together) <= WIDTH:
        return [indent + together]
    one = node.rank == PARAMETERS or (node.rank == VALUES and node.words[0] == "(")
    comma = "," if len(items) > 1 or one else ""
    return [line for item in items for line in rows(item, indent, indent, comma)]


def _is_index(node: Node) -> bool:
    return node.rank == ARGUMENTS and node.words[0] == "["
