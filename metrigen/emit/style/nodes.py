"""Expressions as trees that know their text on one line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

NAME, TEXT, STRINGS, CHAIN, BRACKET, INFIX, PREFIX, CHOICE, CLAUSES, BARE = range(10)

# What a bracket is: values, the arguments of a call or the index of an array, one expression, or what a function takes.
VALUES, ARGUMENTS, ONE, PARAMETERS = range(4)


class Node(NamedTuple):
    """An expression.

    kind   NAME; TEXT, never broken; STRINGS, several side by side; CHAIN, a value with its attributes, calls and
           indices; BRACKET; INFIX, operands of operators of one rank; PREFIX, a text before a value; CHOICE, a
           conditional; CLAUSES, a comprehension; BARE, a tuple without brackets
    flat   the text on one line
    parts  what it is made of
    words  INFIX and CHOICE: what stands between the parts; BRACKET: its two ends; PREFIX: the text before
    rank   INFIX: the rank of its operators; BRACKET: what it is
    """

    kind: int
    flat: str
    parts: tuple[Node, ...] = ()
    words: tuple[str, ...] = ()
    rank: int = 0


def text(value: str) -> Node:
    return Node(TEXT, value)


def prefixed(before: str, node: Node) -> Node:
    return Node(PREFIX, before + node.flat, (node,), (before,))


def bracket(ends: str, items: Sequence[Node], rank: int) -> Node:
    """Items in brackets; a comma after the last one is written where it makes a tuple of one."""
    inside = ", ".join([item.flat for item in items])
    one = rank == VALUES and ends == "()" and len(items) == 1 and items[0].kind != CLAUSES
    return Node(BRACKET, f"{ends[0]}{inside}{',' if one else ''}{ends[1]}", tuple(items), (ends[0], ends[1]), rank)


def chain(parts: Sequence[Node]) -> Node:
    return Node(CHAIN, "".join([p.flat for p in parts]), tuple(parts))


def joined(kind: int, parts: Sequence[Node], words: Sequence[str], rank: int = 0) -> Node:
    """Parts with a word between any two of them."""
    flat = parts[0].flat + "".join([f"{word}{part.flat}" for word, part in zip(words, parts[1:], strict=True)])
    return Node(kind, flat, tuple(parts), tuple(words), rank)


def is_attribute(node: Node) -> bool:
    return node.kind == TEXT and node.flat[0] == "."


def is_fluent(node: Node) -> bool:
    """Whether two attributes or more follow brackets, as in a().b().c()."""
    return node.kind == CHAIN and sum(1 for _ in _after_brackets(node)) > 1


def links(node: Node) -> tuple[Node, ...]:
    """The parts of a chain of calls, each from an attribute that follows a bracket to the next one."""
    cuts = [0, *_after_brackets(node), len(node.parts)]
    return tuple(chain(node.parts[a:b]) for a, b in pairwise(cuts))


def _after_brackets(node: Node) -> Iterator[int]:
    for i, (before, part) in enumerate(zip(node.parts, node.parts[1:], strict=False), 1):
        if is_attribute(part) and before.kind == BRACKET and (i > 1 or before.rank == ONE):
            yield i
