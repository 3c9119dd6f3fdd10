"""Which names of a spec would capture, or be captured by, a name that the emitted Python uses for itself.

Names of a spec are bound in an emitted function (as its arguments and local values), in a class (as properties, as
fields of the state) and as attributes of the layer. A function that binds one must not mean anything else by it: what
the function takes from outside (modules, helpers, builtins), its other arguments, and in the methods of the layer its
other local names. The check reads emitted files whose spec names are known, so that the lists in
``metrigen/spec/reserved.py`` are derived from the text itself.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


MARK = "zq"  # what the names of a marked spec hold, and no other name does
_DECLARED = re.compile(r'\b(Field|Input|Param|NeuralFunction)\((\s*)"(\w+)"')


def marked(source: str) -> str:
    """The text of a spec with a mark in the name of every field, input, parameter and learned function."""
    return _DECLARED.sub(rf'\1(\2"{MARK}\3"', source)


def captured(files: Mapping[str, str]) -> set[str]:
    """Names that no spec may use, by the Python files of the package of a marked spec."""
    found: set[str] = set()
    made = _results(ast.parse(files["reference.py"]), "prologue")  # named by the compiler, apart from those of the spec
    for name, text in files.items():
        if name.endswith(".py"):
            found |= _captured(ast.parse(text), every_local=name == "module.py")
    return {name for name in found - made if MARK not in name and "__" not in name and not name.startswith("_")}


def derived(files: Mapping[str, str]) -> set[str]:
    """Names that the package makes of those of its spec, with SPEC in the place of the name."""
    text = "\n".join(text for name, text in files.items() if name.endswith(".py"))
    names = {name for name in re.findall(r"\b[A-Za-z_]\w*\b", text) if MARK in name and "__" not in name}
    return {re.sub(rf"(pi_)?{MARK}[A-Za-z0-9]+(?=_|$)", "SPEC", name) for name in names}


def _results(tree: ast.Module, function: str) -> set[str]:
    return {
        name.id
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name == function
        for part in ast.walk(node)
        if isinstance(part, ast.Return)
        for name in ast.walk(part)
        if isinstance(name, ast.Name)
    }


def _is_marked(names: set[str]) -> bool:
    return any(MARK in name for name in names)


def _captured(tree: ast.Module, every_local: bool) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, _FUNCTIONS) and _is_marked(_bound(node)):
            found |= _free(node) | _arguments(node)
            if every_local:
                found |= _bound(node)
        elif isinstance(node, ast.ClassDef) and _is_marked(_attributes(node)):
            found |= _attributes(node)
    return found


def _arguments(function: ast.AST) -> set[str]:
    a = function.args  # type: ignore[attr-defined]
    given = [*a.posonlyargs, *a.args, *a.kwonlyargs, *(x for x in (a.vararg, a.kwarg) if x is not None)]
    return {argument.arg for argument in given}


def _inside(function: ast.AST) -> Iterator[ast.AST]:
    """What a function runs: its body, with the functions in it, annotations and defaults aside."""
    body = function.body  # type: ignore[attr-defined]
    for part in body if isinstance(body, list) else [body]:
        for node in ast.walk(part):
            if not isinstance(node, ast.arg):
                yield node


def _stored(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def _looping(function: ast.AST) -> set[str]:
    """Names of comprehensions, which are scopes of their own."""
    return {name for node in _inside(function) if isinstance(node, ast.comprehension) for name in _stored(node.target)}


def _bound(function: ast.AST) -> set[str]:
    inner = {id(n) for f in _inside(function) if isinstance(f, _FUNCTIONS) for n in ast.walk(f)}
    inner |= {id(n) for c in _inside(function) if isinstance(c, ast.comprehension) for n in ast.walk(c.target)}
    names = {
        n.id
        for n in _inside(function)
        if id(n) not in inner and isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
    }
    return names | _arguments(function)


def _free(function: ast.AST) -> set[str]:
    used = {node.id for node in _inside(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    inner = [node for node in _inside(function) if isinstance(node, _FUNCTIONS)]
    return used - _bound(function) - _looping(function) - {name for f in inner for name in _bound(f) | _looping(f)}


def _attributes(node: ast.ClassDef) -> set[str]:
    """Methods, fields, and what is read or set on ``self``."""
    names = {part.name for part in node.body if isinstance(part, ast.FunctionDef)}
    names |= {
        part.target.id for part in node.body if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name)
    }
    names |= {
        part.attr
        for part in ast.walk(node)
        if isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name) and part.value.id == "self"
    }
    return names
