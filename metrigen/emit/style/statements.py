"""Lay out one statement of emitted Python."""

from __future__ import annotations

from metrigen.emit.style.nodes import ARGUMENTS, BARE, BRACKET, PARAMETERS, VALUES, Node, bracket, joined, text
from metrigen.emit.style.parse import Reader, Unreadable
from metrigen.emit.style.rows import STEP, WIDTH, fits, rows, spine_rows
from metrigen.emit.style.tokens import tokens
from metrigen.emit.style.values import in_parentheses, value_rows

_AUGMENTED = frozenset(("+=", "-=", "*=", "/=", "//=", "%=", "**=", "@=", "&=", "|=", "^=", ">>=", "<<="))
_TESTS = frozenset(("if", "elif", "while"))


def statement_rows(statement: str, indent: str) -> list[str] | None:
    """Lines of a statement, ``statement`` its text without its indentation; None if this does not read it.

    A comment may follow the statement, not stand inside it.
    """
    words = tokens(statement)
    if words is None:
        return None
    comment = words.pop() if words and words[-1][0] == "#" else ""
    if not words or any(word[0] == "#" for word in words):
        return None
    reader = Reader(words)
    try:
        lines = _lines(reader, indent)
    except Unreadable:
        return None
    if reader.next:
        return None
    lines[-1] += f"  {comment}" if comment else ""
    return lines


def _lines(reader: Reader, indent: str) -> list[str]:
    word = reader.next
    if word in _TESTS:
        return _ended(reader, f"{indent}{reader.take()} ", indent)
    if word == "for":
        reader.take()
        target = reader.target()
        reader.take("in")
        return _ended(reader, f"{indent}for {target} in ", indent)
    if word in ("return", "del", "assert", "raise"):
        return _keyword(reader, indent)
    if word in ("def", "class"):
        return _definition(reader, indent)
    if word == "from":
        return _import(reader, indent)
    if word == "@":
        reader.take()
        return value_rows(reader.expressions(), f"{indent}@", indent, "")
    return _assignment(reader, indent)


def _ended(reader: Reader, before: str, indent: str) -> list[str]:
    value = reader.expressions()
    reader.take(":")
    return value_rows(value, before, indent, ":")


def _keyword(reader: Reader, indent: str) -> list[str]:
    word = reader.take()
    if not reader.next:
        return [indent + word]
    value = reader.expressions() if word in ("return", "del") else reader.expression()
    after = ""
    if word == "raise" and reader.accept("from"):
        after = f" from {reader.expression().flat}"
    if word == "assert" and reader.accept(","):
        message = reader.expression()
        if len(indent) + len(value.flat) + len(message.flat) + 9 > WIDTH:
            raise Unreadable("a long assertion")
        after = f", {message.flat}"
    return value_rows(value, f"{indent}{word} ", indent, after)


def _definition(reader: Reader, indent: str) -> list[str]:
    word = reader.take()
    start = f"{indent}{word} {reader.take()}"
    given = reader.bracketed(PARAMETERS if word == "def" else ARGUMENTS) if reader.next == "(" else text("")
    after = f" -> {reader.expression().flat}" if reader.accept("->") else ""
    reader.take(":")
    pieces: list[str | Node] = [given if given.parts else given.flat]
    return spine_rows(pieces, start, indent, f"{after}:")


def _import(reader: Reader, indent: str) -> list[str]:
    reader.take("from")
    module = ""
    while reader.next != "import":
        module += reader.take()
    reader.take("import")
    given = reader.bracketed(VALUES) if reader.next == "(" else reader.expressions()
    names = given.parts if given.parts else (given,)
    before = f"{indent}from {module} import "
    flat = text(", ".join(name.flat for name in names))
    if fits(before, flat, ""):
        return [before + flat.flat]
    return spine_rows([bracket("()", names, VALUES)], before, indent, "")


def _assignment(reader: Reader, indent: str) -> list[str]:
    """Targets with a value, or a value alone."""
    before = indent
    value, target = reader.expressions(), None
    if reader.accept(":"):
        before += f"{value.flat}: "
        value = reader.expression()
    while reader.next == "=" or reader.next in _AUGMENTED:
        sign, target = reader.take(), _without_brackets(value)
        before += f"{target.flat} {sign} "
        value = reader.expressions()
    lines = value_rows(value, before, indent, "")
    if len(lines[0]) <= WIDTH or target is None:
        return lines
    if len(before) < WIDTH:
        return in_parentheses(value, before, indent, "")
    if target.kind != BARE:
        return lines
    names = [line for part in target.parts for line in rows(part, indent + STEP, indent + STEP, ",")]
    return [f"{indent}(", *names, *value_rows(value, f"{indent}) = ", indent, "")]


def _without_brackets(target: Node) -> Node:
    """The names of a target that is a tuple of two or more."""
    if target.kind == BRACKET and target.words[0] == "(" and target.rank == VALUES and len(target.parts) > 1:
        return joined(BARE, target.parts, [", "] * (len(target.parts) - 1))
    return target
