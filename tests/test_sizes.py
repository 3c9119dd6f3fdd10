"""No file or function too long to be read at once, none that is handed more than can be told apart, and no value that
everybody asks for everything."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from metrigen.discretise.dynamics import Dynamics
from metrigen.ir.nodes import Program
from metrigen.layers.given import Given
from metrigen.layers.layer import Layer
from metrigen.layers.programs import Programs
from metrigen.layers.shape import Shape
from metrigen.layers.source import Source
from metrigen.physics.derivation import Derivation, Structure
from metrigen.physics.state import State
from metrigen.programs import Lowered
from metrigen.spec.system import System
from tests.conftest import ROOT

LENGTH, LINES, PARAMETERS = 400, 60, 7
THINGS, ASKING = 3, 12  # what a file may ask such a value for, and how many may ask for more
# What users write by keyword: a parameter of a layer, an error with its parts, the options of a command.
BY_KEYWORD = {
    "spec/symbols.py __new__",
    "errors.py __init__",
    "cli/show.py show",
    "cli/build.py build",
    "cli/simulate.py simulate",
}
FILES = sorted((ROOT / "metrigen").rglob("*.py"))
TEMPLATES = sorted((ROOT / "templates").glob("*.j2"))
MODEL = (System, State, Structure, Derivation, Dynamics, Program, Programs, Lowered, Given, Shape, Source, Layer)


def functions(file: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node


def handed(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    names = [a.arg for a in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)]
    return len([n for n in names if n not in ("self", "cls")])


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_functions_are_short(file: Path) -> None:
    place = file.relative_to(ROOT / "metrigen").as_posix()
    for function in functions(file):
        where = f"{place} {function.name}"
        assert (function.end_lineno or 0) - function.lineno < LINES, where
        assert handed(function) <= PARAMETERS or where in BY_KEYWORD, where


def test_files_are_short() -> None:
    lengths = {file.name: len(file.read_text(encoding="utf-8").splitlines()) for file in (*FILES, *TEMPLATES)}
    assert {name: n for name, n in lengths.items() if n > LENGTH} == {}


def asked(text: str) -> dict[str, set[str]]:
    """The attributes by what has them: ``layer.shape`` and ``package.layer.shape`` ask a layer for its shape."""
    found: dict[str, set[str]] = defaultdict(set)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Attribute):
            for name in (getattr(node.value, "id", ""), getattr(node.value, "attr", "")):
                found[name].add(node.attr)
    return found


@pytest.fixture(scope="module")
def asking() -> Mapping[str, Mapping[str, set[str]]]:
    """Value -> file -> what it asks it for."""
    found: dict[str, dict[str, set[str]]] = defaultdict(dict)
    for file in FILES:
        names = asked(file.read_text(encoding="utf-8"))
        for kind in MODEL:
            own = {name for name in vars(kind) if not name.startswith("_")} | set(kind.__dataclass_fields__)
            found[kind.__name__][file.relative_to(ROOT).as_posix()] = own & names[kind.__name__.lower()]
    return found


@pytest.mark.parametrize("kind", MODEL, ids=lambda kind: kind.__name__)
def test_few_files_ask_a_value_for_much(kind: type, asking: Mapping[str, Mapping[str, set[str]]]) -> None:
    files = {file: sorted(names) for file, names in asking[kind.__name__].items() if len(names) > THINGS}
    assert any(asking[kind.__name__].values())
    assert len(files) <= ASKING, files
    assert asked("package.layer.shape.rank + layer.rank")["layer"] == {"shape", "rank"}
