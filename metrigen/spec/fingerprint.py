"""The hash of a file of Python by its syntax tree: what it says, not how it is laid out.

Comments, empty lines, line breaks, quotes and the way a number is written are in no tree; docstrings are, for one of a
spec is printed. What no version of Python writes where there is nothing (empty lists, None) is left out, so that all
of them give the same hash.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Mapping


def fingerprint(tree: ast.AST, siblings: Mapping[str, str] | None = None) -> str:
    """sha256 of a syntax tree, and of the names and hashes of the files that go with it."""
    digest = hashlib.sha256()
    stack: list[object] = [tree]
    while stack:  # not by calls inside calls: a long sum is as deep as it is long
        item = stack.pop()
        if isinstance(item, ast.Constant):
            item = item.value  # without ``kind``, the u of u"..."
        if isinstance(item, ast.AST):
            said = _said(item)
            stack += [part for name, value in reversed(said) for part in (value, name)]
            word = f"{type(item).__name__} {len(said)}"
        elif isinstance(item, list):
            stack += reversed(item)
            word = f"list {len(item)}"
        else:
            word = f"{type(item).__name__} {item!r}"
        digest.update(f"{word}\0".encode("utf-8", "surrogatepass"))
    for name, sha256 in sorted((siblings or {}).items()):
        digest.update(f"{name} {sha256}\0".encode())
    return digest.hexdigest()


def _said(node: ast.AST) -> list[tuple[str, object]]:
    """The fields of a node that hold something, by name."""
    found = [(name, value) for name in node._fields if (value := getattr(node, name, None)) not in (None, [])]
    if isinstance(node, ast.JoinedStr):  # Python 3.12 ends some with an empty text
        texts = [part for part in node.values if not (isinstance(part, ast.Constant) and part.value == "")]
        found = [("values", texts)]
    return found
