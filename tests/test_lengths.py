"""The two lengths of a check, what a short run leaves out, and how it compiles what tests make."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest

from metrigen import Field, Lattice, Leapfrog, System, t
from metrigen.backends.torch.backend import Torch
from metrigen.compiler import compile_spec
from tests import kept, lengths
from tests.conftest import ROOT

CELLS = [{"wall": w, "rank": r, "dtype": d} for w, r, d in product("pzn", range(4), (32, 64)) if (w, r) != ("n", 3)]


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lengths, "LONG", False)
    monkeypatch.setattr(kept, "LONG", False)


def test_few_cells_show_every_value(short: None) -> None:
    found = lengths.covering(CELLS, lambda cell: cell)
    assert len(found) == 4  # the ranks
    assert found == [cell for cell in CELLS if cell in found]
    for name in CELLS[0]:
        assert {cell[name] for cell in found} == {cell[name] for cell in CELLS}


def test_a_long_run_takes_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lengths, "LONG", True)
    assert lengths.covering(CELLS, lambda cell: cell) == CELLS
    assert lengths.spread(CELLS, 3) == CELLS
    assert lengths.picked(CELLS, CELLS[2]) == CELLS


MODULE = """
import pytest
pytestmark = pytest.mark.covering

@pytest.mark.parametrize("a", [1, 2, 3])
@pytest.mark.parametrize("b", ["x", "y", "z"])
def test_product(a, b): pass

@pytest.mark.parametrize("a", [1, 2, 3])
def test_one(a): pass
"""


@pytest.mark.parametrize(
    ("long", "cell", "count"),
    [("0", "", 6), ("1", "", 12), ("0", "::test_product[x-2]", 1)],
    ids=["short", "long", "named"],
)
def test_a_marked_module(long: str, cell: str, count: int, tmp_path: Path) -> None:
    (tmp_path / "test_a.py").write_text(MODULE)
    (tmp_path / "conftest.py").write_text(
        "from tests.conftest import pytest_collection_modifyitems, pytest_configure\n"
    )
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        tmp_path,
        f"test_a.py{cell}",
    ]
    done = subprocess.run(
        list(map(str, command)), cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "METRIGEN_LONG": long},
    )  # fmt: skip
    assert f"{count} passed" in done.stdout, done.stdout + done.stderr


def oscillator(name: str) -> System:
    u = Field("u", Lattice())
    return System(name, Lattice(), lagrangian=u.diff(t) ** 2 / 2 - u**2 / 2, integrator=Leapfrog(steps=1, dt=0.1))


def test_a_package_is_compiled_once(short: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "FOLDER", tmp_path)
    made: list[str] = []
    monkeypatch.setattr(
        kept, "compile_spec", lambda spec, **more: made.append(spec.system.name) or compile_spec(spec, **more)
    )
    first, again = (dict(kept.files_of(oscillator("once"))) for _ in range(2))
    assert made == ["once"]
    assert first == again == dict(compile_spec(kept.spec_of(oscillator("once"))).files)
    kept.files_of(oscillator("other"))
    few = kept.files_of(oscillator("once"), backends=(Torch,))
    assert made == ["once", "other", "once"]
    assert "kernels.cpp" in first
    assert "kernels.cpp" not in few
    for path in tmp_path.rglob("*.json"):
        path.write_text(path.read_text()[:100])
    assert kept.files_of(oscillator("once")) == first  # what was cut off is compiled again


def test_what_another_compiler_left_is_dropped(short: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "FOLDER", tmp_path)
    (tmp_path / "of_another").mkdir()
    kept.files_of(oscillator("once"))
    (folder,) = tmp_path.iterdir()
    assert folder.name != "of_another"


@pytest.mark.parametrize(
    ("library", "optimised"),
    [("maze_0a1b.so", True), ("coupled_wave_0a1b.so", True), ("ladder_strang_zero_1_0a.so", True),
     ("implicit_wave_0a1b.so", False), ("mazes_0a1b.so", False)],
)  # fmt: skip
def test_what_is_shipped_is_compiled_as_shipped(library: str, optimised: bool, tmp_path: Path) -> None:
    """The flags that g++ gets for a library of that name."""
    compiler = tmp_path / "g++"
    compiler.write_text('#!/bin/sh\necho "$@"\n')
    compiler.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    linked = ["-fno-use-linker-plugin", *(["-fuse-ld=gold"] if shutil.which("ld.gold") else [])]
    for looked_at in (False, True):  # by a sanitizer: the memory ladder has the flags of the others then
        given = ["-O3", *(["-fsanitize=address"] if looked_at else []), "-o", f"{tmp_path}/{library}", "kernels.cpp"]
        command = [str(ROOT / "tests/g++.sh"), *given]
        words = subprocess.run(command, capture_output=True, text=True, env={"PATH": path}).stdout.split()
        shipped = optimised and not (looked_at and library.startswith("ladder"))
        assert words == [*given, *([] if shipped else ["-O1", "-fexpensive-optimizations"]), *linked]
