"""Who imports whom: the compiler never torch or triton, an emitted package never the compiler."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.lengths import picked

EMITTED = sorted((ROOT / "generated").rglob("*.py"))
ALLOWED = frozenset({".", "torch", "triton", *sys.stdlib_module_names})

# An import of torch or triton anywhere below fails with this finder in front.
GUARD = """
import sys
class Guard:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "triton"):
            raise AssertionError(f"imported {name}")
sys.meta_path.insert(0, Guard())
"""


def guarded(program: str, cwd: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", GUARD + program], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_importing_metrigen_imports_neither_torch_nor_triton(tmp_path: Path) -> None:
    guarded("import metrigen", tmp_path)


def test_a_build_imports_neither_torch_nor_triton(tmp_path: Path) -> None:
    specs = picked(sorted(str(path) for path in (ROOT / "specs").glob("*.py")), str(ROOT / "specs/maze.py"))
    call = f"sys.argv = ['metrigen', 'build', *{specs!r}]; from metrigen.cli import main; main()"
    guarded(call, tmp_path)
    assert (tmp_path / "generated/maze/manifest.json").is_file()


def test_help_does_not_load_the_compiler(tmp_path: Path) -> None:
    program = "import metrigen.cli; assert 'metrigen.compiler' not in sys.modules and 'jinja2' not in sys.modules"
    guarded(program, tmp_path)


def imports(path: Path) -> set[str]:
    """Top-level names of the modules that a file imports; "." for its own package."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add("." if node.level == 1 else str(node.module).split(".")[0] if node.level == 0 else "..")
    return found


def top_level(path: Path) -> set[str]:
    """Names of the modules that a file imports when it is imported itself."""
    names = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names |= {alias.name.split(".")[0] for alias in node.names}
            names |= {str(node.module).split(".")[0]} if isinstance(node, ast.ImportFrom) else set()
    return names


@pytest.mark.parametrize("path", EMITTED, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_an_emitted_file_imports_torch_triton_and_the_standard_library(path: Path) -> None:
    # SymPy where it is asked for, by a method: what imports the file does without it.
    asked = {"sympy"} if path.name == "symbolic.py" else set()
    assert imports(path) <= ALLOWED | asked
    assert not top_level(path) & asked


def test_there_are_emitted_files() -> None:
    assert EMITTED
