"""Read the expressions of Python that are emitted into trees."""

from __future__ import annotations

import re

from metrigen.emit.style.nodes import (
    ARGUMENTS,
    BARE,
    BRACKET,
    CHAIN,
    CHOICE,
    CLAUSES,
    INFIX,
    NAME,
    ONE,
    PARAMETERS,
    PREFIX,
    STRINGS,
    TEXT,
    VALUES,
    Node,
    bracket,
    chain,
    joined,
    prefixed,
    text,
)

# Operators by rank, weakest first. "and" and "or" break at the same places.
OR, AND, COMPARE, POWER = 1, 2, 4, 12
RANKS = {"or": OR, "and": AND, "|": 5, "^": 6, "&": 7, "<<": 8, ">>": 8, "**": POWER} | {
    **dict.fromkeys(("<", ">", "==", ">=", "<=", "!=", "in", "is", "not"), COMPARE),
    **dict.fromkeys(("+", "-"), 9),
    **dict.fromkeys(("*", "/", "//", "%", "@"), 10),
}
_ENDS = {"(": ")", "[": "]", "{": "}"}
_SIMPLE = re.compile(r"-?[\w.]+")
_END = ""
# What a colon inside a bracket means: nothing is read as one, a slice, or what belongs to the name before it.
SLICE, PAIR = "slice", "pair"


class Unreadable(Exception):
    """What stands here is no expression that this reads."""


class Reader:
    """The tokens of a statement and the place where it is read."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens = [*tokens, _END]
        self.at = 0

    @property
    def next(self) -> str:
        return self.tokens[self.at]

    def take(self, wanted: str | None = None) -> str:
        token = self.tokens[self.at]
        if token == _END or (wanted is not None and token != wanted):
            raise Unreadable(f"{token!r} for {wanted!r}")
        self.at += 1
        return token

    def accept(self, wanted: str) -> bool:
        if self.tokens[self.at] != wanted:
            return False
        self.at += 1
        return True

    def expressions(self) -> Node:
        """One expression, or several with commas between them and no brackets around."""
        first = self._element()
        if self.next != ",":
            return first
        items = [first]
        while self.accept(","):
            if self.next in (_END, "=", ":", "in"):
                break
            items.append(self._element())
        return bracket("()", items, VALUES) if len(items) == 1 else joined(BARE, items, [", "] * (len(items) - 1))

    def _element(self) -> Node:
        return prefixed("*", self.infix(OR)) if self.accept("*") else self.expression()

    def expression(self) -> Node:
        """A conditional, a lambda or anything that binds stronger."""
        if self.next == "lambda":
            return self._lambda()
        value = self.infix(OR)
        if self.next != "if":
            return value
        self.take()
        condition = self.infix(OR)
        self.take("else")
        return joined(CHOICE, (value, condition, self.expression()), (" if ", " else "))

    def infix(self, least: int) -> Node:
        """Operands of operators of rank ``least`` and above; those of one rank side by side."""
        left = self._operand()
        while (rank := RANKS.get(self.next, 0)) >= least:
            operator = self._operator()
            right = self.infix(rank if rank == POWER else rank + 1)
            left = _infix(left, operator, right, rank)
        return left

    def _operator(self) -> str:
        word = self.take()
        if word == "not":
            return f"not {self.take('in')}"
        return "is not" if word == "is" and self.accept("not") else word

    def _operand(self) -> Node:
        token = self.next
        if token == "not":
            self.take()
            return prefixed("not ", self.infix(COMPARE))
        if token in ("-", "+", "~"):
            self.take()
            return prefixed(token, self.infix(POWER))
        return self._chain()

    def _chain(self) -> Node:
        parts = [self._atom()]
        while True:
            token = self.next
            if token == ".":
                self.take()
                parts.append(text(f".{self.take()}"))
            elif token == "(" or token == "[":
                parts.append(self.bracketed(ARGUMENTS))
            elif len(parts) == 1:
                return parts[0]
            else:
                return chain(parts)

    def _atom(self) -> Node:
        token = self.next
        if token in _ENDS:
            return self.bracketed(VALUES)
        self.take()
        if token[-1] in "\"'":
            strings = [text(token)]
            while self.next and self.next[-1] in "\"'":
                strings.append(text(self.take()))
            return strings[0] if len(strings) == 1 else joined(STRINGS, strings, [" "] * (len(strings) - 1))
        if token.isidentifier() and token not in RANKS and token not in ("if", "else", "for"):
            return Node(NAME, token)
        if token[0].isdigit() or token == "..." or (token[0] == "." and len(token) > 1):
            return text(token)
        raise Unreadable(token)

    def bracketed(self, rank: int) -> Node:
        """A bracket with what is in it."""
        start = self.take()
        end = _ENDS[start]
        colon = SLICE if start == "[" and rank == ARGUMENTS else PAIR if start == "{" or rank == PARAMETERS else ""
        items: list[Node] = []
        comma = False
        while self.next != end:
            items.append(self.item(colon))
            comma = self.accept(",")
            if not comma and self.next != end:
                raise Unreadable(self.next)
        self.take(end)
        if start == "(" and rank == VALUES and len(items) == 1 and not comma and items[0].kind != CLAUSES:
            rank = ONE
            if items[0].kind == BRACKET and items[0].rank == ONE:
                return items[0]
        return bracket(start + end, items, rank)

    def item(self, colon: str) -> Node:
        """One element of a bracket: a value, starred, a keyword, a pair, a slice, a parameter or a comprehension."""
        if self.next in ("*", "**", "/"):
            star = self.take()
            return text(star) if self.next in (",", ")") else prefixed(star, self.item(colon))
        if colon == SLICE and self.next == ":":
            return self._slice([])
        value = self.expression()
        if self.next == ":" and colon == SLICE:
            return self._slice([value])
        if self.next == ":" and colon:
            self.take()
            value = prefixed(f"{value.flat}: ", self.expression())
            if self.accept("="):
                value = prefixed(f"{value.flat} = ", self.expression())
        elif self.next in ("=", ":=") and value.kind == NAME:
            sign = self.take()
            value = prefixed(f"{value.flat}{sign}" if sign == "=" else f"{value.flat} := ", self.expression())
        return self._clauses(value) if self.next == "for" else value

    def _slice(self, bounds: list[Node]) -> Node:
        """Start, end and step; no blanks beside a colon unless a bound is more than a name or a number."""
        words: list[str] = [bounds[0].flat] if bounds else [""]
        plain = all(_is_simple(b) for b in bounds)
        while self.accept(":"):
            bound = None if self.next in ("]", ",", ":") else self.expression()
            plain = plain and (bound is None or _is_simple(bound))
            words.append(bound.flat if bound else "")
        return text((":" if plain else " : ").join(words).strip())

    def _clauses(self, value: Node) -> Node:
        parts = [value]
        while self.next in ("for", "if"):
            if self.take() == "if":
                parts.append(prefixed("if ", self.infix(OR)))
            else:
                target = self.target()
                self.take("in")
                parts.append(prefixed(f"for {target} in ", self.infix(OR)))
        return joined(CLAUSES, parts, [" "] * (len(parts) - 1))

    def target(self) -> str:
        """What a loop assigns to."""
        names = []
        while True:
            star = "*" if self.accept("*") else ""
            names.append(star + self._chain().flat)
            if not self.accept(","):
                return ", ".join(names)

    def _lambda(self) -> Node:
        self.take("lambda")
        names = []
        while self.next != ":":
            names.append(self.item("").flat)
            self.accept(",")
        self.take(":")
        return prefixed(f"lambda {', '.join(names)}: " if names else "lambda: ", self.expression())


def _infix(left: Node, operator: str, right: Node, rank: int) -> Node:
    """The operands of both sides in a row where their operators have this rank."""
    rank = AND if rank == OR else rank
    parts, words = (left.parts, left.words) if left.kind == INFIX and left.rank == rank else ((left,), ())
    after, between = (right.parts, right.words) if right.kind == INFIX and right.rank == rank else ((right,), ())
    close = rank == POWER and _is_simple(parts[-1]) and _is_simple(after[0])
    word = operator if close else f" {operator} "
    return joined(INFIX, (*parts, *after), (*words, word, *between), rank)


def _is_simple(node: Node) -> bool:
    """Whether a power of it or a slice from it is written without blanks: a name, a number, an attribute."""
    return node.kind in (NAME, TEXT, CHAIN, PREFIX) and _SIMPLE.fullmatch(node.flat) is not None
