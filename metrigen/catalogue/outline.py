"""What a spec is about, from its syntax tree alone: docstring, domain, method, what is learned."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_LEARNED = ("Param", "NeuralFunction")
UNKNOWN = "..."  # a name that is worked out when the spec runs


@dataclass(frozen=True)
class Outline:
    """name     that of the system, and of its package
    physics     the first line of the docstring
    domain      "lattice 2-D, periodic", "point", "graph", "sequence"
    integrator  the class of the method; empty where there is none
    learned     names of parameters and functions that are learned, sorted
    """

    name: str
    physics: str
    domain: str
    integrator: str
    learned: tuple[str, ...]

    @property
    def features(self) -> str:
        """Domain, method and what is learned, in one line."""
        learned = f"learns {', '.join(self.learned)}" if self.learned else "learns nothing"
        return "; ".join(part for part in (self.domain, self.integrator or "no integrator", learned) if part)


def outline(text: str) -> Outline | None:
    """The outline of a spec; None for a text that is no Python or binds no ``system``."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return None
    bound = _bound(tree)
    call = bound.get("system")
    if not isinstance(call, ast.Call):
        return None
    given = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
    given.update(zip(("name", "domain"), call.args, strict=False))
    return Outline(
        name=_constant(given.get("name")) or UNKNOWN,
        physics=_first_line(ast.get_docstring(tree) or ""),
        domain=_domain(_value(given.get("domain"), bound)),
        integrator=_callee(_value(given.get("integrator"), bound)),
        learned=tuple(sorted(set(_learned(tree)), key=lambda name: (name == UNKNOWN, name))),
    )


def docstring(text: str) -> str:
    """What the text of a spec says of itself. Raises SyntaxError where it is no Python."""
    return ast.get_docstring(ast.parse(text)) or ""


def _bound(tree: ast.Module) -> Mapping[str, ast.expr]:
    """Name -> the value that is assigned to it at the top of the file."""
    found: dict[str, ast.expr] = {}
    for statement in tree.body:
        if isinstance(statement, ast.Assign):
            found.update((target.id, statement.value) for target in statement.targets if isinstance(target, ast.Name))
        elif isinstance(statement, ast.AnnAssign) and statement.value and isinstance(statement.target, ast.Name):
            found[statement.target.id] = statement.value
    return found


def _value(node: ast.expr | None, bound: Mapping[str, ast.expr]) -> ast.expr | None:
    return bound.get(node.id, node) if isinstance(node, ast.Name) else node


def _constant(node: ast.expr | None) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _callee(node: ast.expr | None) -> str:
    if not isinstance(node, ast.Call):
        return ""
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _first_line(docstring: str) -> str:
    paragraph = " ".join(docstring.split("\n\n")[0].split())
    return re.split(r"(?<=[.!?])\s+(?=[A-Z])", paragraph)[0]


def _domain(node: ast.expr | None) -> str:
    kind = _callee(node)
    if kind != "Lattice":
        return kind.lower()
    assert isinstance(node, ast.Call)
    if not node.args:
        return "point"
    wall = next((_constant(k.value) for k in node.keywords if k.arg == "boundary"), "periodic")
    rank = "" if any(isinstance(axis, ast.Starred) for axis in node.args) else f" {len(node.args)}-D"
    return f"lattice{rank}, {wall or UNKNOWN}"


def _learned(tree: ast.Module) -> Iterator[str]:
    """The names of all parameters and learned functions, but for what is handed in, sample by sample."""
    for node in ast.walk(tree):
        calls = [node] if isinstance(node, ast.Call) else []
        loops: list[ast.comprehension] = []
        if isinstance(node, (ast.GeneratorExp, ast.ListComp)):
            calls, loops = [c for c in ast.walk(node.elt) if isinstance(c, ast.Call)], node.generators
        for call in calls:
            handed = any(k.arg == "per" and _constant(k.value) == "sample" for k in call.keywords)
            if _callee(call) in _LEARNED and not handed:
                yield from _names(call, loops)


def _names(call: ast.Call, loops: list[ast.comprehension]) -> Iterator[str]:
    first = call.args[0] if call.args else next((k.value for k in call.keywords if k.arg == "name"), None)
    if _constant(first):
        yield _constant(first)
    elif loops:  # Param(name, ...) for name in ("a", "b")
        drawn = [loop.iter for loop in loops if isinstance(first, ast.Name) and _targets(loop) == first.id]
        names = [_constant(item) for it in drawn if isinstance(it, (ast.Tuple, ast.List)) for item in it.elts]
        yield from names if names and all(names) else [UNKNOWN]


def _targets(loop: ast.comprehension) -> str:
    return loop.target.id if isinstance(loop.target, ast.Name) else ""
