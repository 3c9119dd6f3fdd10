"""Arrows point one way: a package imports only what stands before it in this list."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.conftest import ROOT

LAYERS = (
    "caches", "errors", "budget", "spec", "ir", "passes", "physics", "discretise", "integrators", "backends",
    "programs", "emit", "frame", "compiler", "build", "show", "tune", "console", "cli", "__main__",
)  # fmt: skip
FILES = sorted((ROOT / "metrigen").rglob("*.py"))


def layer_of(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else None


def imported(file: Path) -> set[str]:
    """Modules of metrigen that a file imports when it runs; imports for annotations alone do not count."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            node.body = []
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return {name for name in found if name.split(".")[0] == "metrigen"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_imports_point_down(file: Path) -> None:
    own = file.relative_to(ROOT / "metrigen").parts[0].removesuffix(".py")
    if own == "__init__":
        return
    for module in imported(file):
        other = layer_of(module)
        assert other is None or LAYERS.index(other) <= LAYERS.index(own), f"{own} imports {module}"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_one_idea_a_file(file: Path) -> None:
    assert len(file.read_text(encoding="utf-8").splitlines()) <= 400
