"""Lay out what a statement ends with: a value that gets parentheses where breaking it asks for them."""

from __future__ import annotations

from metrigen.emit.style.nodes import (
    BARE,
    BRACKET,
    CHAIN,
    CHOICE,
    INFIX,
    NAME,
    ONE,
    PREFIX,
    STRINGS,
    TEXT,
    Node,
    is_attribute,
    is_fluent,
)
from metrigen.emit.style.rows import STEP, WIDTH, between, fits, rows, spine, spine_rows

NEVER, IF_IT_HELPS, IF_BROKEN = range(3)


def value_rows(node: Node, before: str, indent: str, after: str) -> list[str]:
    """Lines of a value outside of brackets, after ``before`` ("x = ", "return "), ``after`` (":") at the end."""
    if node.kind == BRACKET and node.rank == ONE:
        node = node.parts[0]
    if fits(before, node, after):
        return [before + node.flat + after]
    wanted = parentheses(node)
    if wanted == NEVER:
        return spine_rows(spine(node), before, indent, after)
    inner = indent + STEP
    if wanted == IF_IT_HELPS:
        helps = len(inner) + len(node.flat) <= WIDTH
        return [f"{before}(", inner + node.flat, f"{indent}){after}"] if helps else [before + node.flat + after]
    pieces = spine(node)
    if node.kind != BARE and may_do_without(node) and _fit_broken(pieces, before, indent, after):
        return spine_rows(pieces, before, indent, after, whole=True)
    return in_parentheses(node, before, indent, after)


def in_parentheses(node: Node, before: str, indent: str, after: str) -> list[str]:
    """Lines of a value in parentheses of its own; those of a tuple are its brackets."""
    inner = indent + STEP
    parts, comma = (node.parts, ",") if node.kind == BARE else ((node,), "")
    lines = [line for part in parts for line in rows(part, inner, inner, comma)]
    return [f"{before}(", *lines, f"{indent}){after}"]


def parentheses(node: Node) -> int:
    """Whether a value that does not fit gets parentheses of its own."""
    if node.kind in (INFIX, CHOICE, STRINGS, BARE) or is_fluent(node):
        return IF_BROKEN
    if node.kind == PREFIX:
        return NEVER if node.parts[0].kind == BRACKET else parentheses(node.parts[0])
    if node.kind == CHAIN:
        first, second = node.parts[:2]
        if first.kind == BRACKET and first.rank == ONE and second.kind == BRACKET:
            return parentheses(first.parts[0])
        return NEVER if any(p.kind == BRACKET for p in node.parts) else IF_IT_HELPS
    return IF_IT_HELPS if node.kind in (NAME, TEXT) else NEVER


def _fit_broken(pieces: list[str | Node], before: str, indent: str, after: str) -> bool:
    """Whether everything outside of the brackets fits when all of them are broken."""
    first, *others = between(pieces, after)
    return len(before) + len(first) <= WIDTH and all(len(indent) + 1 + len(text) <= WIDTH for text in others)


def may_do_without(node: Node) -> bool:
    """Whether a value may be broken at its brackets alone: one operator of the weakest kind, brackets at an end."""
    _, count, brackets = _operators(node)
    if not brackets or count > 1:
        return False
    return _in_brackets(_last(node), True) or _in_brackets(_first(node), False)


def _operators(node: Node) -> tuple[int, int, bool]:
    """The weakest operator outside of brackets (the higher the weaker), how often it stands there, any brackets."""
    if node.kind == BRACKET:
        return 0, 0, True
    if node.kind == CHAIN:
        pairs = zip(node.parts, node.parts[1:], strict=False)
        after = sum(1 for a, b in pairs if a.kind == BRACKET and is_attribute(b))
        return 1, after, any(p.kind == BRACKET for p in node.parts)
    found = [_operators(part) for part in node.parts]
    if node.kind in (INFIX, CHOICE, STRINGS):
        own = {INFIX: 20 - node.rank, CHOICE: 30, STRINGS: 17}[node.kind]
        found.append((own, len(node.words), False))
    weakest = max((rank for rank, _, _ in found), default=0)
    count = sum(n for rank, n, _ in found if rank == weakest)
    return weakest, count, any(brackets for _, _, brackets in found)


def _last(node: Node) -> Node:
    while node.kind in (INFIX, CHOICE, PREFIX, STRINGS, BARE):
        node = node.parts[-1]
    return node


def _first(node: Node) -> Node:
    while node.kind in (INFIX, CHOICE, BARE, CHAIN, STRINGS):
        node = node.parts[0]
    return node


def _in_brackets(node: Node, end: bool) -> bool:
    """Whether a node is, or ends with, a bracket that is not empty; the index of an array does not count."""
    last = node.parts[-1] if node.kind == CHAIN and end else node
    if last.kind != BRACKET or not last.parts:
        return False
    return node.kind != CHAIN or last.words[0] != "["
