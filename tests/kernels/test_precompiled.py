"""Kernels that come compiled with a package: where there is no compiler, where the processor lacks what they need."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from metrigen.backends.cpu import ahead, machine
from metrigen.errors import BuildError
from tests import processes
from tests.conftest import ROOT

pytestmark = [
    pytest.mark.covering,
    pytest.mark.skipif(
        os.environ.get("TRITON_INTERPRET") == "1" or shutil.which("g++") is None or not ahead.targets(),
        reason="operators on the CPU run the Triton kernels here, or nothing can be compiled ahead",
    ),
]
Run = Callable[..., "subprocess.CompletedProcess[str]"]
SPEC = """
import sympy as sp
from metrigen import Field, Lattice, Leapfrog, Param, System, energy_density, grad, t
x = sp.Symbol("x", real=True)
u = Field("u", Lattice(x))
c2 = Param("c2", per="channel", positive=True, init=1.0)
system = System(name="rope", domain=Lattice(x), lagrangian=u.diff(t)**2/2 - c2*grad(u).square/2,
                integrator=Leapfrog(steps=4, dt=0.1), readout=energy_density())
"""
# What a program prints: the backend that ran, and how far from the reference results and gradients are.
PROGRAM = """
import sys, torch
from generated.{name} import {kind}
shape = tuple(map(int, sys.argv[1].split(",")))
torch.manual_seed(0)
layer, reference = {kind}(shape[{axis}]), {kind}(shape[{axis}], backend="torch")
reference.load_state_dict(layer.state_dict())
given = [torch.randn(shape, requires_grad=True) for _ in range({inputs})]
found = []
for one in (layer, reference):
    {call}.square().mean().backward()
    found.append([x.grad.clone() for x in (*given, *one.parameters())])
    for x in given:
        x.grad = None
print(layer.last_backend, float(max(((a - b).abs().max() / (b.abs().max() + 1e-6)) for a, b in zip(*found))))
"""


@pytest.fixture(scope="module")
def built(metrigen: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a package whose kernels were compiled for any processor of this family."""
    folder = tmp_path_factory.mktemp("ahead")
    (folder / "rope.py").write_text(SPEC, encoding="utf-8")
    first = ahead.targets()[0].name
    done = metrigen("build", "rope.py", "--compile", "--target", first, "--shape", "2,3,20", "--quiet", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def folder(built: Path, tmp_path: Path) -> Path:
    """A copy, for tests that damage it."""
    return Path(shutil.copytree(built, tmp_path / "copy"))


def program(name: str, kind: str, call: str, inputs: int, axis: int) -> str:
    return PROGRAM.format(name=name, kind=kind, call=call, inputs=inputs, axis=axis)


READ = "one.forward_readout(*given)[1]"
ROPE = program("rope", "Rope", READ, 1, 1)


def ran(folder: Path, code: str, shape: str, compiler: bool = False, warn: str = "error") -> Any:
    """A program in the folder of packages, without a compiler and with an empty cache unless one is given."""
    environment = {"PATH": os.environ["PATH"] if compiler else str(folder / "no programs"), "CXX": "",
                   "PYTHONPATH": str(folder), "METRIGEN_CACHE": str(folder / "cache")}  # fmt: skip
    return processes.python("-W", warn, "-c", code, shape, cwd=folder, **environment)


def edit(folder: Path, **changed: Any) -> None:
    file = folder / "generated/rope/compiled/manifest.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changed}))


def test_they_run_without_a_compiler(built: Path) -> None:
    done = ran(built, ROPE, "2,3,20")
    backend, error = done.stdout.split()
    assert backend == "cpu", done.stderr
    assert float(error) < 1e-4
    assert not (built / "cache").exists()  # nothing was compiled


def test_a_shape_that_was_not_compiled_is_named(built: Path) -> None:
    done = ran(built, ROPE, "2,3,24", warn="default")
    assert done.stdout.startswith("torch"), done.stderr
    assert "NoCompiler" in done.stderr
    assert "none is whole and for R=float W=24" in done.stderr
    assert "no C++ compiler" in done.stderr
    assert ran(built, ROPE, "2,3,24", compiler=True).stdout.startswith("cpu")


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"needs": ["sse2", "no_such_instruction"], "target": "x86-64-v9"}, "x86-64-v9.*lacks no_such_instruction"),
        ({"machine": "riscv64"}, "compiled for linux riscv64"),
        ({"format": 0}, "of format 0"),
    ],
)
def test_a_processor_that_lacks_the_baseline(folder: Path, changed: dict[str, Any], reason: str) -> None:
    """No library is opened, which could end the process: the reference runs and says why."""
    edit(folder, **changed)
    for library in (folder / "generated/rope/compiled").glob("*.so"):
        library.write_bytes(b"not to be opened")
    done = ran(folder, ROPE, "2,3,20", warn="default")
    assert done.stdout.startswith("torch"), done.stderr
    assert re.search(reason, done.stderr), done.stderr


def test_a_damaged_library_is_not_opened(folder: Path) -> None:
    for library in (folder / "generated/rope/compiled").glob("*.so"):
        library.write_bytes(library.read_bytes()[:-1] + b"\1")
    assert ran(folder, ROPE, "2,3,20", warn="default").stdout.startswith("torch")
    assert ran(folder, ROPE, "2,3,20", compiler=True).stdout.startswith("cpu")


def test_they_belong_to_the_package(folder: Path, metrigen: Run) -> None:
    """A build that changes nothing leaves them, one that changes the package takes them away; nothing is stale."""
    libraries = folder / "generated/rope/compiled"
    assert metrigen("build", "rope.py", "--check", cwd=folder).returncode == 0
    assert "up to date" in metrigen("list", "--no-gallery", cwd=folder).stdout
    assert metrigen("build", "rope.py", cwd=folder).returncode == 0
    assert libraries.is_dir()
    (libraries / "mine.txt").write_text("")
    refused = metrigen("build", "rope.py", cwd=folder)
    assert refused.returncode == 1
    assert "compiled/mine.txt" in refused.stderr
    (libraries / "mine.txt").unlink()
    (folder / "rope.py").write_text(SPEC.replace("steps=4", "steps=5"), encoding="utf-8")
    assert metrigen("build", "rope.py", cwd=folder).returncode == 0
    assert not libraries.exists()


def test_refusals_write_nothing(metrigen: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rope.py").write_text(SPEC, encoding="utf-8")
    shutil.copy(ROOT / "specs/sudoku.py", tmp_path / "sudoku.py")
    wrong = {
        ("rope.py", "--target", "i486"): "'i486' is no baseline.*known here",
        ("rope.py", "--shape", "2,3"): "0 axes beside batch and channels",
        ("sudoku.py",): "nothing to compile.*sudoku",
    }
    for (spec, *options), reason in wrong.items():
        done = metrigen("build", spec, "--compile", *options, cwd=tmp_path)
        assert done.returncode == 1, done.stdout
        assert re.search(f"(?s){reason}", done.stderr), done.stderr
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert metrigen("build", "rope.py", "--compile", cwd=tmp_path).returncode == 1
    assert metrigen("build", "rope.py", "--target", "x86-64", cwd=tmp_path).returncode == 2
    assert not (tmp_path / "generated").exists() or not list((tmp_path / "generated").iterdir())


@pytest.mark.parametrize(
    ("like", "call", "inputs", "axis", "shape"),
    [("pendulum", READ, 2, 1, "40,3"), ("exact_linoss", "one(u=given[0])[0]", 1, 1, "4,20,16")],
)
def test_points_and_tokens(
    like: str, call: str, inputs: int, axis: int, shape: str, metrigen: Run, tmp_path: Path
) -> None:
    """The libraries are those that such a package asks for."""
    assert metrigen("new", "swing", "--like", like, cwd=tmp_path).returncode == 0
    done = metrigen("build", "swing.py", "--compile", "--shape", shape, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = ran(tmp_path, program("swing", "Swing", call, inputs, axis), shape)
    assert found.stdout.startswith("cpu"), found.stderr
    assert not (tmp_path / "cache").exists()


def test_the_baseline_by_default_is_one_that_this_processor_has(monkeypatch: pytest.MonkeyPatch) -> None:
    known = ahead.targets()
    assert machine.flags().issuperset(ahead.target(None).needs)
    monkeypatch.setattr(ahead.machine, "flags", lambda: frozenset(known[0].needs))
    assert ahead.target(None) == known[0]
    monkeypatch.setattr(ahead.sys, "platform", "win32")
    with pytest.raises(BuildError, match="Linux alone"):
        ahead.target(None)
