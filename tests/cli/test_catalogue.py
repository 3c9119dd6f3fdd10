"""``metrigen list`` and ``metrigen new``: what they say of a spec is what the spec says when it runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from metrigen.catalogue import gallery
from metrigen.catalogue.outline import UNKNOWN, outline
from metrigen.spec.load import load_spec
from metrigen.spec.neural import NeuralFunction
from metrigen.spec.symbols import Param
from tests.cli.conftest import Invoke
from tests.conftest import ROOT
from tests.lengths import spread

SPECS = [*sorted((ROOT / "specs").glob("*.py")), *sorted((ROOT / "specs/gallery").glob("*.py"))]


@pytest.mark.parametrize("path", spread(SPECS, 6), ids=lambda path: path.stem)
def test_the_outline_is_what_the_spec_says_when_it_runs(path: Path) -> None:
    found = outline(path.read_text(encoding="utf-8"))
    spec = load_spec(path)
    assert found is not None
    system = spec.system
    assert found.name == system.name
    assert found.integrator == type(system.integrator).__name__
    kind, rank = type(system.domain).__name__.lower(), len(system.domain.axes)
    expected = f"lattice {rank}-D, {system.lattice.boundary}" if kind == "lattice" else kind
    assert found.domain == ("point" if expected.startswith("lattice 0") else expected)
    declared = {n: item for n, item in spec.declared.items() if isinstance(item, Param) and item.per != "sample"}
    assert set(found.learned) >= declared.keys() or UNKNOWN in found.learned
    others = set(found.learned) - declared.keys() - {UNKNOWN}
    assert all(f"{NeuralFunction.__name__}(" in spec.source or f'"{name}"' in spec.source for name in others)
    assert found.physics
    assert "\n" not in found.physics


def test_parameters_of_a_loop_and_of_a_call() -> None:
    text = '"""A line."""\na, b = (Param(n, positive=True) for n in ("a", "b"))\nc = Param("c", per="sample")\n'
    text += 'd = [Param(f"d{k}") for k in range(3)]\n'
    text += 'system = System(name="x", domain=Lattice(), integrator=RK4(1, 1))\n'
    found = outline(text)
    assert found is not None
    assert found.learned == ("a", "b", UNKNOWN)
    assert (found.physics, found.domain, found.integrator) == ("A line.", "point", "RK4")
    assert outline("x = 1") is None
    assert outline("def (") is None


def test_a_new_spec_builds_and_is_never_overwritten(home: Path, invoke: Invoke) -> None:
    code, out, _ = invoke("new", "rope")
    assert code == 0
    assert out == "wrote rope.py\nnext: metrigen check rope.py, then metrigen build rope.py\n"
    before = (home / "rope.py").read_bytes()
    assert invoke("check", "rope.py", "--strict", "--quiet") == (0, "", "")
    code, out, err = invoke("new", "rope", "--like", "heat")
    assert (code, out) == (1, "")
    assert "rope.py is there already" in err
    assert (home / "rope.py").read_bytes() == before


def test_a_copy_of_the_gallery_has_another_name_and_nothing_else(home: Path, invoke: Invoke) -> None:
    code, out, _ = invoke("new", "rope", "--like", "heat", "--json")
    assert code == 0
    assert json.loads(out)["file"] == "rope.py"
    text = (home / "rope.py").read_text(encoding="utf-8")
    assert text == gallery.text("heat").replace('name="heat"', 'name="rope"')
    assert load_spec(home / "rope.py").system.name == "rope"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["rope", "--like", "kdb"], "kdv"),
        (["class"], "reserved in Python"),
        (["missing/rope"], "cannot be written"),
    ],
)
def test_new_refuses(home: Path, invoke: Invoke, arguments: list[str], told: str) -> None:
    code, out, err = invoke("new", *arguments)
    assert (code, out) == (1, "")
    assert told in err
    assert not list(home.iterdir())


def test_list_says_what_is_built_and_why_it_is_stale(home: Path, invoke: Invoke) -> None:
    assert invoke("new", "rope", "--like", "pendulum")[0] == 0

    def state() -> tuple[str, list[str]]:
        (row,) = json.loads(invoke("list", "--json", "--no-gallery")[1])["specs"]
        return row["state"], row["stale"]

    assert state() == ("not built", [])
    assert invoke("build", "rope.py", "--quiet") == (0, "", "")
    assert state() == ("up to date", [])
    folder, spec = home / "generated/rope", home / "rope.py"
    (folder / "notes.txt").touch()
    assert state() == ("stale", ["not of the package: notes.txt"])
    assert invoke("build", "rope.py", "--check", "--quiet")[0] == 2
    assert "notes.txt" in invoke("build", "rope.py", "--quiet")[2]
    (folder / "notes.txt").unlink()
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__/module.cpython-311.pyc").touch()
    assert state() == ("up to date", [])
    spec.write_text(spec.read_text().replace("dt=0.1", "dt=0.2"))
    assert state() == ("stale", ["the spec has changed"])
    manifest = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text(manifest.replace('"metrigen": "', '"metrigen": "0.0.'))
    (folder / "module.py").write_text("")
    (folder / "base.py").unlink()
    reasons = state()[1]
    assert [reason.split(" ")[0] for reason in reasons] == ["the", "built", "edited:", "missing:"]
    printed = invoke("list", "--no-gallery")[1]
    assert "learns w2" in printed
    assert "stale: the spec has changed" in printed
    assert max(map(len, printed.splitlines())) <= 80


def test_list_prints_a_row_as_soon_as_its_spec_is_read(home: Path, invoke: Invoke) -> None:
    assert invoke("new", "rope", "--like", "pendulum")[0] == 0
    code, out, err = invoke("list", "rope.py", "missing.py")
    assert code == 1
    assert out.splitlines()[1].startswith("rope     Mathematical pendulum")
    assert "missing.py" in err


def test_list_leaves_out_what_specs_share(home: Path, invoke: Invoke) -> None:
    """A file that others import and that binds no system of its own is no spec."""
    (home / "common.py").write_text("import sympy as sp\nx = sp.Symbol('x', real=True)\n")
    assert invoke("new", "rope", "--like", "pendulum")[0] == 0
    (home / "rope.py").write_text("from common import x\n" + (home / "rope.py").read_text())
    rows = json.loads(invoke("list", "--json", "--no-gallery")[1])["specs"]
    assert [row["file"] for row in rows] == ["rope.py"]


def test_list_has_the_gallery_and_fits_80_columns(invoke: Invoke) -> None:
    code, out, _ = invoke("list")
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80
    for name in gallery.names():
        assert f"\n{name} " in out
    assert set(gallery.names()) == {path.stem for path in (ROOT / "specs/gallery").glob("*.py")}


def test_show_tells_its_heading_before_sympy_is_imported() -> None:
    program = (
        "import sys; sys.modules['sympy'] = None\n"
        "from metrigen.cli import main\n"
        "sys.argv = ['metrigen', 'show', 'specs/maze.py']\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert done.stdout.startswith("maze: ")


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["list"], ["new", "rope"], ["build", "--help"]])
def test_what_is_quick_imports_no_sympy(arguments: list[str], tmp_path: Path) -> None:
    program = (
        "import sys; from metrigen.cli import main\n"
        f"sys.argv = ['metrigen', *{arguments!r}]\n"
        "try: main()\n"
        "finally: assert not {'sympy', 'numpy', 'torch'} & set(sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
