"""Operators registered in C++: an exported program runs where the package is not, to the same bits."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from metrigen.backends.cpu import ahead, registration
from tests import processes
from tests.conftest import ROOT
from tests.lengths import LONG, picked, spread

pytestmark = pytest.mark.skipif(
    os.environ.get("TRITON_INTERPRET") == "1" or shutil.which("g++") is None or not ahead.targets(),
    reason="operators on the CPU run the Triton kernels here, or nothing can be compiled ahead",
)
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
# With the package: a layer exported, saved and compiled, and what it gives of some fields.
EXPORT = """
import torch
from generated.rope import Rope
class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = Rope(3).freeze()
    def forward(self, u, pi):
        state, read = self.layer.forward_readout(u * 2, pi)
        return (*state, read + 1)
torch.manual_seed(0)
model, given = Model(), (torch.randn(2, 3, 20), torch.randn(2, 3, 20))
with torch.no_grad():
    wanted = model(*given)
    program = torch.export.export(model, given, strict=False)
    torch.export.save(program, "saved.pt2")
    quick = {"aot_inductor.compile_wrapper_opt_level": "O0", "aot_inductor.precompile_headers": False}
    torch._inductor.aoti_compile_and_package(program, package_path="compiled.pt2", inductor_configs=quick)
assert model.layer.last_backend == "cpu"
torch.save((given, wanted), "numbers.pt")
"""
# Without it: both programs, by the library alone.
RUN = """
import sys, torch
try:
    import generated.rope
except ImportError:
    pass
else:
    raise AssertionError("the package is here")
given, wanted = torch.load("numbers.pt")
torch.ops.load_library(sys.argv[1])
saved, compiled = torch.export.load("saved.pt2").module(), torch._inductor.aoti_load_package("compiled.pt2")
for run in (saved, compiled):
    print(all(torch.equal(x, y) for x, y in zip(run(*given), wanted, strict=True)))
assert "metrigen" not in sys.modules
"""
# Of one package both registrations, that in C++ first: every operator of both, at steps that are taken and at none.
BOTH = """
import importlib, math, re, sys, torch
library, name, dtype = sys.argv[1], sys.argv[2], getattr(torch, sys.argv[4])
shape = tuple(map(int, sys.argv[3].split(",")))
torch.ops.load_library(library)
operators = importlib.import_module(f"generated.{name}.operators")
cpu, known = importlib.import_module(f"generated.{name}.cpu"), operators.OPERATORS
tag = re.search(r"([^/]+)\\.so$", library)[1]
assert known.prefix == f"metrigen::{tag}_2"
torch.manual_seed(0)
driven = sys.argv[5].split(",")
def array(name, by_step, own):
    kind, channels = known.kinds[name], shape[1]
    sizes = {"field": shape, "channel": (channels,), "matrix": (channels, channels), "scalar": ()}
    wanted = sizes.get(kind) or (() if kind == "scalar" else (channels, *map(int, kind.split()[1:])))
    ahead = (6,) if by_step else (shape[0],) if own and kind in ("scalar", "channel") else ()
    x = torch.rand((*ahead, *wanted), dtype=dtype) * 0.3 + 0.1
    if kind == "matrix":
        block = cpu.BLOCK if cpu.BLOCK and channels % cpu.BLOCK == 0 else channels
        x = x * torch.block_diag(*[torch.ones(block, block, dtype=dtype)] * (channels // block))
    return x.mT.contiguous().mT if kind == "field" else x
found = {False: 0, True: 0}
for operator in (n for n in known.registered if not n.endswith("adjoint")):
    python, cpp = (getattr(torch.ops.metrigen, f"{p}_{operator}").default for p in (known.prefix[10:], tag))
    assert str(python._schema).partition("(")[2] == str(cpp._schema).partition("(")[2]
    names = [a.name for a in python._schema.arguments]
    numbers = len(names) - (names.index("steps") if "steps" in names else len(names))
    for own in (False, True) if known.of_samples and len(shape) > 2 and numbers else (False,):
        taken = names[: len(names) - numbers]
        given = [array(n, n in driven and numbers, own and n in known.of_samples) for n in taken]
        for count in [(6, 2), (6, 6), (0, 1)] if numbers == 2 else [(6,), (0,)] if numbers else [()]:
            results = [run(*given, *count) for run in (python, cpp)]
            pairs = zip(*(x if isinstance(x, (tuple, list)) else (x,) for x in results), strict=True)
            found[all(x.shape == y.shape and y.is_contiguous() and torch.equal(x, y) for x, y in pairs)] += 1
    for wrong in ([given[0][..., None], *given[1:]], [given[0], *(x.bfloat16() for x in given[1:])]):
        words = []
        for run in (python, cpp):
            try:
                run(*wrong, *count)
            except Exception as error:
                words.append(str(error).splitlines()[0])
        assert len(words) == 2 and words[0] == words[1], words
print(found[True], found[False])
"""


def build(metrigen: Run, folder: Path, spec: str, *options: str) -> Path:
    """The library of a package that is built in ``folder`` with its registration."""
    done = metrigen("build", spec, "--cpp", *options, "--quiet", cwd=folder)
    assert done.returncode == 0, done.stderr
    (found,) = folder.glob("generated/*/cpp/*.so")
    return found


@pytest.fixture(scope="module")
def built(metrigen: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a package and its library."""
    folder = tmp_path_factory.mktemp("cpp")
    (folder / "rope.py").write_text(SPEC, encoding="utf-8")
    build(metrigen, folder, "rope.py", "--shape", "2,3,20")
    return folder


def library(folder: Path) -> Path:
    return next(folder.glob("generated/rope/cpp/*.so"))


def with_package(folder: Path, code: str, *words: object) -> processes.Done:
    return processes.python("-W", "ignore", "-c", code, *words, cwd=folder, PYTHONPATH=str(folder))


def test_a_program_runs_where_the_package_is_not(built: Path) -> None:
    done = with_package(built, EXPORT)
    assert done.returncode == 0, done.stderr
    bare = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    words = [sys.executable, "-I", "-c", RUN, str(library(built))]
    ran = subprocess.run(words, cwd=built, env=bare, capture_output=True, text=True, timeout=300, check=False)
    assert ran.stdout.split() == ["True", "True"], ran.stderr


def same(folder: Path, made: Path, name: str, shape: str, dtype: str) -> None:
    """The operators of a library and those of its package give the same."""
    text = (folder / f"generated/{name}/operators.py").read_text(encoding="utf-8")
    driven = registration.table({"operators.py": text}).group("evolve", 2)
    done = with_package(folder, BOTH, made, name, shape, dtype, ",".join(driven))
    assert re.fullmatch(r"[1-9]\d* 0", done.stdout.strip()), done.stdout + done.stderr


def test_every_operator_is_that_of_the_registration_in_python(built: Path) -> None:
    same(built, library(built), "rope", "2,3,20", "float32")


@pytest.mark.skipif(not LONG, reason="one package in a short run")
@pytest.mark.parametrize(
    ("name", "shape", "dtype"),
    [
        ("cifar", "2,16,12,12", "float32"),
        ("coupled_wave", "2,3,9,9", "float64"),
        ("cifar_dissipative", "3,2,8,8", "float32"),
        ("gln", "70,3", "float64"),
        ("gallery/damped_pendulum", "5,3", "float64"),
        ("gallery/driven_oscillator", "33,2", "float32"),
        ("gallery/kepler", "4,1", "float64"),
    ],
)
def test_shipped_packages(name: str, shape: str, dtype: str, metrigen: Run, tmp_path: Path) -> None:
    made = build(metrigen, tmp_path, str(ROOT / f"specs/{name}.py"), "--shape", shape, "--dtype", dtype)
    same(tmp_path, made, Path(name).name, shape, dtype)


def test_what_was_not_built_in_is_named(built: Path) -> None:
    code = (
        "import sys, torch; torch.ops.load_library(sys.argv[1]); "
        "run = getattr(torch.ops.metrigen, sys.argv[1].split('/')[-1][:-3] + '_readout'); "
        "run(torch.rand(2, 3, 24), torch.rand(2, 3, 24), torch.rand(3))"
    )
    done = processes.python("-c", code, library(built), cwd=built)
    assert "Rope: of readout the library has no kernel for float32, a last axis of 24" in done.stderr
    assert "It has float32, a last axis of 20" in done.stderr


def test_what_was_registered_in_python_stays(built: Path) -> None:
    """One registration of a name: a library that is loaded later says that it adds nothing, and ends no process."""
    code = (
        "import sys, torch, generated.rope as rope; torch.ops.load_library(sys.argv[1]); "
        "print(rope.Rope(3)(torch.rand(2, 3, 24)).u.shape)"  # no shape of the library
    )
    done = with_package(built, code, library(built))
    assert done.stdout.strip() == "torch.Size([2, 3, 24])", done.stderr
    assert "Rope: its operators were registered before this library was loaded" in done.stderr


def test_it_belongs_to_the_package(built: Path, metrigen: Run, tmp_path: Path) -> None:
    """The package is what it is without; a build that changes nothing leaves the library there."""
    folder = Path(shutil.copytree(built, tmp_path / "copy", ignore=shutil.ignore_patterns("*.pt2", "*.pt")))
    assert metrigen("build", "rope.py", "--check", cwd=folder).returncode == 0
    assert metrigen("build", "rope.py", cwd=folder).returncode == 0
    assert library(folder).is_file()
    (folder / "rope.py").write_text(SPEC.replace("steps=4", "steps=5"), encoding="utf-8")
    assert metrigen("build", "rope.py", cwd=folder).returncode == 0
    assert not (folder / "generated/rope/cpp").exists()


def test_refusals_write_nothing(metrigen: Run, tmp_path: Path) -> None:
    wrong = {
        "sudoku": "sudoku\n.*made for what its edges are",
        "lm": "lm\n.*token by token",
        "maze": "maze\n.*solve an equation",
        "criticality": "criticality\n.*noise is drawn in Python",
    }
    for name, reason in picked(wrong.items(), *list(wrong.items())[:2]):
        done = metrigen("build", str(ROOT / f"specs/{name}.py"), "--cpp", cwd=tmp_path)
        assert done.returncode == 1, done.stdout
        assert re.search(f"(?s){reason}", done.stderr), done.stderr
    assert metrigen("build", "rope.py", "--cpp", "--check", cwd=tmp_path).returncode == 2
    assert not list(tmp_path.glob("generated/*"))


@pytest.mark.parametrize("name", spread(sorted(p.name for p in (ROOT / "generated").iterdir() if p.is_dir()), 3))
def test_schemas_are_those_that_python_registers(name: str) -> None:
    files = {p.name: p.read_text(encoding="utf-8") for p in (ROOT / "generated" / name).iterdir() if p.is_file()}
    if registration.why_not(files):
        pytest.skip("not registered in C++")
    known = importlib.import_module(f"generated.{name}.operators").OPERATORS
    table = registration.table(files)
    import torch

    prefix = known.prefix.removeprefix("metrigen::")
    for operator in table.calls:
        made = str(getattr(torch.ops.metrigen, f"{prefix}_{operator}").default._schema)
        assert made == "metrigen::" + table.schema(operator).replace(table.tag, prefix)
