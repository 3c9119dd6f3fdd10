"""Empty lines between the statements of a module."""

from __future__ import annotations

from collections.abc import Iterable

_DEFINITIONS = ("def ", "class ", "@")


def with_blanks(blocks: Iterable[list[str]]) -> list[str]:
    """Lines of statements in order with the empty lines that belong between them.

    Two before and after a function or class of the module, one around one that is inside; else those that are there,
    at most two, or one inside a block. None after a decorator, before the first line of a function, at an end.
    """
    out: list[str] = []
    asked = 0  # empty lines that stand before the block
    defined: dict[int, bool] = {}  # by depth, whether the statement before was a function or a class
    before = ""
    for lines in _with_comments(blocks):
        if not lines[0]:
            asked += 1
            continue
        first = next((line for line in lines if not line.lstrip().startswith("#")), lines[0])
        depth, defines = _depth(lines[0]), first.lstrip().startswith(_DEFINITIONS)
        out += [""] * (_blanks(before, depth, defines, defined.get(depth), asked) if out else 0)
        out += lines
        defined = {d: of for d, of in defined.items() if d < depth} | {depth: defines}
        before, asked = first, 0
    return out


def _with_comments(blocks: Iterable[list[str]]) -> Iterable[list[str]]:
    """The blocks, comments in one with the statement that follows them."""
    comments: list[str] = []
    for lines in blocks:
        if lines[0].lstrip().startswith("#"):
            comments += lines
        elif lines[0] and comments and _depth(lines[0]) == _depth(comments[0]):
            yield comments + lines
            comments = []
        else:
            if comments:
                yield comments
                comments = []
            yield lines
    if comments:
        yield comments


def _blanks(before: str, depth: int, defines: bool, after_one: bool | None, asked: int) -> int:
    """Empty lines before a statement at a depth: whether it ``defines`` a function or class, whether it stands
    ``after_one`` in its block (None: it is the first), what began the statement before and what is ``asked``."""
    most = 1 if depth else 2
    if before.lstrip().startswith("@"):
        return 0
    if after_one is None:
        opens = before.lstrip().startswith("def ")
        return 0 if opens and not defines else min(asked, most)
    return most if defines or after_one else min(asked, most)


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip())
