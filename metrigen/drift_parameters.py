"""What a package and its spec declare differently of what is learned: initial values, signs, bounds, shapes.

All that an older package has of them is the text of its ``module.py``, a line a parameter: ``c2 = LayerParam("channel",
1.0, sign="positive")``.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping

_ABSENT = "absent"


def parameters(before: str, now: str) -> tuple[str, ...]:
    """ "parameter NAME: init 0.1 -> 0.5", a line for every parameter that two texts of ``module.py`` declare
    differently, in the order of the spec's."""
    old, new = declared(before), declared(now)
    found = []
    for name in dict.fromkeys((*new, *old)):
        if name not in old or name not in new:
            found.append(f"parameter {name}: {'lost' if name in old else 'gained'}")
        elif old[name] != new[name]:
            words = dict.fromkeys((*old[name], *new[name]))
            pairs = ((word, old[name].get(word, _ABSENT), new[name].get(word, _ABSENT)) for word in words)
            changes = ", ".join(f"{word} {before} -> {now}" for word, before, now in pairs if before != now)
            found.append(f"parameter {name}: {changes}")
    return tuple(found)


def declared(text: str) -> dict[str, Mapping[str, str]]:
    """Name -> "per", "init" and what else is declared, of every parameter of a ``module.py``; empty for what is no
    Python."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return {}
    return {
        statement.targets[0].id: _words(statement.value)
        for group in tree.body
        if isinstance(group, ast.ClassDef)
        for statement in group.body
        if isinstance(statement, ast.Assign)
        and isinstance(statement.targets[0], ast.Name)
        and isinstance(statement.value, ast.Call)
        and ast.unparse(statement.value.func) == "LayerParam"
    }


def _words(call: ast.Call) -> Mapping[str, str]:
    given = dict(zip(("per", "init"), call.args, strict=False))
    given |= {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
    return {word: ast.unparse(value).strip("'") for word, value in given.items()}
