"""Emitted Python is what a formatter leaves alone and a linter is content with, and a name is plain and means one thing
in a function, in C++ as well; the whole gallery: METRIGEN_LONG=1."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from metrigen.build import compile_file
from metrigen.emit.package import package_files
from tests.conftest import ROOT
from tests.emit.formatter import faults
from tests.lengths import LONG

SOME = ("gas_piston", "graph_kuramoto", "heavy_top", "kdv", "langevin_chain", "learned_mobility",
        "orthogonal_recurrence", "tracer")  # fmt: skip
GALLERY = tuple(path.stem for path in sorted((ROOT / "specs/gallery").glob("*.py"))) if LONG else SOME
# A target with a comma behind it, a product with one, a sum with a negative number, runs of empty lines.
ODD = re.compile(r"^ *\w+, = |\b1\.0 \* | \* 1\.0\b|\+ -\d|\(\w+(?:, \w+)+,\)|\n\n\n\n", re.MULTILINE)


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages of the gallery, their programs alone."""
    root = tmp_path_factory.mktemp("gallery")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        for name in GALLERY:
            path = Path("specs/gallery") / f"{name}.py"
            files = package_files(compile_file(path, on_stage=lambda stage: None))
            (root / name).mkdir()
            for file, text in files.items():
                if file.endswith((".py", ".cpp")):
                    (root / name / file).write_text(text)
    return root


def odd(folder: Path) -> Iterator[str]:
    for file in sorted(folder.rglob("*.py")):
        for found in ODD.finditer(file.read_text()):
            yield f"{file.relative_to(folder)}: {found[0]!r}"


def test_the_shipped_packages_are_formatted_and_linted() -> None:
    assert faults(ROOT / "generated") == ""
    assert list(odd(ROOT / "generated")) == []


def test_the_packages_of_the_gallery_are_formatted_and_linted(gallery: Path) -> None:
    assert faults(gallery) == ""
    assert list(odd(gallery)) == []


def test_a_fault_is_seen(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("import os\nx, = f('a')\n\n\n\n\ny = 1.0 * x\n")
    found = faults(tmp_path)
    assert "F401" in found
    assert '+(x,) = f("a")' in found
    assert len(list(odd(tmp_path))) == 3


# Names ----------------------------------------------------------------------------------------------------------------

_ASIDE = re.compile(r"//[^\n]*|\"(?:[^\"\\\n]|\\.)*\"")  # comments and strings of C++
_MADE = re.compile(r"(?!__)\b\w+__\w*\b(?!__)")  # as the compiler writes a name that no spec can have
_ROUTINE = re.compile(r"^\w.*?\b(\w+)\((?:.*\n)*?^\}", re.MULTILINE)
_UNNAMED = re.compile(r"(?:const auto|V) (\w*?_?[uv]_?f?\d+) =")  # a common subexpression: v_3, dV_u0, dV_uf1


def made(file: Path) -> set[str]:
    text = file.read_text()
    if file.suffix == ".cpp":
        return {name for name in _MADE.findall(_ASIDE.sub(" ", text)) if not name.startswith("__builtin")}
    nodes = [*ast.walk(ast.parse(text))]
    names = [n.id for n in nodes if isinstance(n, ast.Name)] + [n.arg for n in nodes if isinstance(n, ast.arg)]
    names += [n.name for n in nodes if isinstance(n, (ast.FunctionDef, ast.ClassDef))]
    return {name for name in names if _MADE.fullmatch(name) and not name.startswith("__")}


def assigned(function: ast.FunctionDef) -> Counter[str]:
    """How often a function gives a name a value that is not made of the one before."""
    found: Counter[str] = Counter()
    for node in (n for n in ast.walk(function) if isinstance(n, ast.Assign)):
        names = [n for n in ast.walk(node) if isinstance(n, ast.Name)]
        read = {n.id for n in names if isinstance(n.ctx, ast.Load)}
        found.update(n.id for n in names if isinstance(n.ctx, ast.Store) and n.id not in read)
    return found


def of_programs(file: Path) -> Iterator[ast.FunctionDef]:
    """The functions of a reference that are one statement after the other."""
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.FunctionDef) and all(
            isinstance(s, (ast.Assign, ast.Return, ast.Expr)) for s in node.body
        ):
            yield node


def twice(folder: Path) -> Iterator[str]:
    for file in sorted(folder.rglob("reference.py")):
        for function in of_programs(file):
            names = [name for name, n in assigned(function).items() if n > 1]
            yield from (f"{file.relative_to(folder)} {function.name}: {name}" for name in names)
    for file in sorted(folder.rglob("kernels.cpp")):
        for routine in _ROUTINE.finditer(file.read_text()):
            names = [name for name, n in Counter(_UNNAMED.findall(routine[0])).items() if n > 1]
            yield from (f"{file.relative_to(folder)} {routine[1]}: {name}" for name in names)


@pytest.mark.parametrize("place", ["generated", "gallery"])
def test_a_name_is_plain_and_means_one_thing_in_a_function(place: str, gallery: Path) -> None:
    folder = gallery if place == "gallery" else ROOT / "generated"
    files = [file for suffix in ("py", "cpp") for file in sorted(folder.rglob(f"*.{suffix}"))]
    assert {f"{file.relative_to(folder)}: {name}" for file in files for name in made(file)} == set()
    assert list(twice(folder)) == []


def test_a_name_of_two_things_is_seen(tmp_path: Path) -> None:
    (tmp_path / "reference.py").write_text('def f(x):\n    v_0 = x\n    k__ = v_0\n    v_0 = k__\n    return "a__"\n')
    one = "for (;;) { const auto v_0 = x__; }"
    (tmp_path / "kernels.cpp").write_text(f"static void f(\n) {{\n    {one} // y__\n    {one}\n}}\nvoid g() {{\n}}\n")
    assert list(twice(tmp_path)) == ["reference.py f: v_0", "kernels.cpp f: v_0"]
    assert [made(tmp_path / name) for name in ("reference.py", "kernels.cpp")] == [{"k__"}, {"x__"}]
