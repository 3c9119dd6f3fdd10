"""Who imports whom inside the compiler: an exact table. An import that it does not list fails, and so does a row of it
that nothing uses any more."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.conftest import ROOT

# A part of metrigen/, and the parts that its files import when they run. To amend it: add the name, or take it away.
EDGES: Mapping[str, str] = {
    "caches": "",
    "errors": "",
    "budget": "errors",
    "spec": "errors budget",
    "ir": "errors spec",
    "passes": "errors budget spec ir",
    "physics": "errors budget spec",
    "discretise": "errors spec ir passes physics",
    "integrators": "errors spec ir passes physics discretise",
    "__init__": "vocabulary",
    "plotting": "errors",
    "vocabulary": "caches errors spec physics integrators plotting",
    "programs": "errors budget spec ir passes physics discretise integrators",
    "emit": "errors folders spec physics discretise manifests __init__",
    "folders": "",
    "manifests": "",
    "layers": "spec ir passes physics discretise integrators programs emit",
    "backends": "errors folders manifests spec ir passes physics discretise integrators programs emit layers",
    "package": "errors budget manifests spec ir passes physics discretise integrators programs emit layers backends",
    "compiler": "caches errors budget spec ir physics programs layers backends package",
    "build": "caches errors spec layers emit backends package compiler",
    "memory": "errors folders spec emit compiler build",
    "show": "emit package build",
    "drift_notation": "",
    "drift_parameters": "",
    "drift": "emit drift_notation drift_parameters manifests",
    "console": "errors __init__",
    "catalogue": "errors __init__ spec manifests",
    "revision": "errors",
    "compare": "budget spec physics layers emit compiler build",
    "simulate": "errors spec ir emit layers package compiler",
    "references": "spec",
    "doctor": "__init__ backends",
    "cli": "caches errors __init__ spec emit backends catalogue build show drift compare revision simulate references "
    "doctor console",
    "__main__": "cli",
}
# Against the arrows: what a slip in a spec is compared with is the vocabulary, looked up where one is found.
# The one word of it that runs the compiler imports that when it is called.
BACK = {("spec", "__init__"), ("vocabulary", "memory")}
FILES = sorted((ROOT / "metrigen").rglob("*.py"))


def part_of(file: Path) -> str:
    """The folder of metrigen/, or the file right in it, that a file belongs to."""
    return file.relative_to(ROOT / "metrigen").parts[0].removesuffix(".py")


def running(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node but those below ``if TYPE_CHECKING``: imports for annotations alone do not count."""
    yield tree
    checked_alone = isinstance(tree, ast.If) and "TYPE_CHECKING" in ast.dump(tree.test)
    for child in tree.orelse if isinstance(tree, ast.If) and checked_alone else ast.iter_child_nodes(tree):
        yield from running(child)


def imported(text: str) -> set[str]:
    """The parts of metrigen that a text imports when it runs; ``__init__`` for the vocabulary itself."""
    found: set[str] = set()
    for node in running(ast.parse(text)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module == "metrigen":
            parts = {part_of(file) for file in FILES}
            found.update(f"metrigen.{a.name if a.name in parts else '__init__'}" for a in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    names = (name.split(".") for name in found)
    return {(*name, "__init__")[1] for name in names if name[0] == "metrigen"}


def edges() -> dict[tuple[str, str], str]:
    """(importing part, imported part) -> a file that has the import."""
    found: dict[tuple[str, str], str] = {}
    for file in FILES:
        for other in sorted(imported(file.read_text(encoding="utf-8")) - {part_of(file)}):
            found.setdefault((part_of(file), other), file.relative_to(ROOT).as_posix())
    return found


LISTED = {(part, other) for part, others in EDGES.items() for other in others.split()} | BACK


def test_every_import_is_in_the_table() -> None:
    new = [f"{a} imports {b} in {file}" for (a, b), file in edges().items() if (a, b) not in LISTED]
    assert not new, new


def test_every_row_of_the_table_is_used() -> None:
    unused = sorted(f"{a} does not import {b}" for a, b in LISTED - edges().keys())
    assert not unused, unused
    assert EDGES.keys() == {part_of(file) for file in FILES}


def test_arrows_point_one_way() -> None:
    order = [*TopologicalSorter({part: others.split() for part, others in EDGES.items()}).static_order()]
    assert set(order) == EDGES.keys()


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("import metrigen", {"__init__"}),
        ("from metrigen import __version__, Field", {"__init__"}),
        ("from metrigen import build as b", {"build"}),
        ("def f():\n    from metrigen.package.cost import cost_of", {"package"}),
        ("if TYPE_CHECKING:\n    import metrigen.cli\nelse:\n    import metrigen.show", {"show"}),
        ("import numpy, ast", set()),
    ],
)
def test_what_counts_as_an_import(text: str, parts: set[str]) -> None:
    assert imported(text) == parts


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_one_idea_a_file(file: Path) -> None:
    assert len(file.read_text(encoding="utf-8").splitlines()) <= 400
