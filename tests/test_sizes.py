"""No function too long to be read at once, and none that is handed more than can be told apart."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

LINES, PARAMETERS = 60, 7
# What users write by keyword: a parameter of a layer, an error with its parts, the options of a command.
BY_KEYWORD = {
    "spec/symbols.py __new__",
    "errors.py __init__",
    "cli/show.py show",
    "cli/build.py build",
    "cli/simulate.py simulate",
}
FILES = sorted((ROOT / "metrigen").rglob("*.py"))


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
