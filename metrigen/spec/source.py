"""Where a spec says what: line numbers of the keywords of ``System(...)`` and of the names it declares.

Read from the syntax tree alone, before anything runs, so that an error raised much later by the derivation can still
point at the line that is to blame.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields

from metrigen.spec.system import System

LONGEST = 120


@dataclass(frozen=True)
class SourceMap:
    """Line numbers (from 1) of a spec's source.

    keywords  keyword of ``System`` -> line of its value
    variables assigned name -> line of its first assignment
    symbols   the same and declared names, as "gamma" of ``Param("gamma")``
    bindings  lines of the top-level statements that bind ``system``
    call      first and last line of the ``System(...)`` call, or None
    """

    keywords: dict[str, int]
    variables: dict[str, int]
    symbols: dict[str, int]
    bindings: tuple[int, ...]
    call: tuple[int, int] | None


def source_map(tree: ast.Module) -> SourceMap:
    """The line numbers of a parsed spec."""
    call = _system_call(tree)
    variables, declared = _name_lines(tree)
    return SourceMap(
        keywords={} if call is None else _keyword_lines(call),
        variables=variables,
        symbols=variables | declared,
        bindings=tuple(statement.lineno for statement in tree.body if "system" in _targets(statement)),
        call=None if call is None else (call.lineno, call.end_lineno or call.lineno),
    )


def quote(path: str, source: str, line: int) -> str:
    """``path:line   source text``, the form in which every message points at a line."""
    lines = source.splitlines()
    text = lines[line - 1].strip().rstrip(",") if 0 < line <= len(lines) else ""
    text = text if len(text) <= LONGEST else text[: LONGEST - 4] + " ..."
    return f"{path}:{line}   {text}".rstrip()


def _targets(statement: ast.stmt) -> list[str]:
    """Names that an assignment binds, tuples unpacked."""
    if isinstance(statement, ast.Assign):
        heads = statement.targets
    elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
        heads = [statement.target]
    else:
        return []
    return [node.id for head in heads for node in ast.walk(head) if isinstance(node, ast.Name)]


def _system_call(tree: ast.Module) -> ast.Call | None:
    """The ``System(...)`` call: the one bound to ``system`` if there is, else the first one."""
    calls = [node for node in _in_order(tree) if isinstance(node, ast.Call) and _callee(node) == "System"]
    bound = [
        statement.value
        for statement in tree.body
        if isinstance(statement, (ast.Assign, ast.AnnAssign)) and "system" in _targets(statement)
    ]
    return next((call for call in calls if call in bound), calls[0] if calls else None)


def _callee(call: ast.Call) -> str | None:
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else None


def _keyword_lines(call: ast.Call) -> dict[str, int]:
    positional = zip((field.name for field in fields(System)), call.args, strict=False)
    lines = {name: value.lineno for name, value in positional}
    # A keyword node carries its own line, which is not that of its value when the value starts on the next line.
    return lines | {keyword.arg: keyword.lineno for keyword in call.keywords if keyword.arg is not None}


def _name_lines(tree: ast.Module) -> tuple[dict[str, int], dict[str, int]]:
    """First line of every assigned variable, and of every name handed to a constructor as a string."""
    declared: dict[str, int] = {}
    assigned: dict[str, int] = {}
    for node in _in_order(tree):
        if isinstance(node, ast.Call):
            heads = [*node.args[:1], *(keyword.value for keyword in node.keywords if keyword.arg == "name")]
            for head in heads:
                if isinstance(head, ast.Constant) and isinstance(head.value, str):
                    for name in [head.value, *re.split(r"[\s,]+", head.value)]:
                        declared.setdefault(name, head.lineno)
        elif isinstance(node, ast.stmt):
            for name in _targets(node):
                assigned.setdefault(name, node.lineno)
    return assigned, declared


def _in_order(tree: ast.Module) -> Iterator[ast.AST]:
    """All nodes by position in the file (``ast.walk`` goes breadth first)."""
    nodes = [node for node in ast.walk(tree) if hasattr(node, "lineno")]
    return iter(sorted(nodes, key=lambda node: (node.lineno, node.col_offset)))  # type: ignore[attr-defined]
