"""Emitted Python is what a formatter leaves alone and a linter is content with; the whole gallery: METRIGEN_LONG=1."""

from __future__ import annotations

import re
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
    """The packages of the gallery, their Python alone."""
    root = tmp_path_factory.mktemp("gallery")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        for name in GALLERY:
            path = Path("specs/gallery") / f"{name}.py"
            files = package_files(compile_file(path, on_spec=lambda shown: None, on_stage=lambda stage: None))
            (root / name).mkdir()
            for file, text in files.items():
                if file.endswith(".py"):
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
