"""Memory of the CPU kernels: nothing is read that nobody wrote, nothing is touched beyond the arrays, what cannot be
had is an error, what a thread had is given back, and the bits depend on none of it.

``METRIGEN_LONG=1 pytest tests/kernels/test_memory.py`` climbs the whole ladder, cell by cell; else a few cells of it.
"""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from types import ModuleType

import pytest
import torch

from tests.kept import files_of
from tests.kernels.ladder import cells, results, system
from tests.lattice.emitted import layer_class, package
from tests.lengths import LONG
from tests.sequence.systems import module, part

pytestmark = [
    pytest.mark.covering,
    pytest.mark.skipif(
        os.environ.get("TRITON_INTERPRET") == "1" or shutil.which("g++") is None,
        reason="operators on the CPU run the Triton kernels here, or there is no compiler",
    ),
]
# What a short run climbs by mode: the equation of an implicit step at a wall in both, each other kind in one of them.
FEW = {
    "filled": "midpoint-zero-1-5 strang-neumann-2-3 coupled-periodic-0",
    "sanitized": "midpoint-zero-1-5 steady-zero-2-17 midpoint-periodic-0",
}
ROOT = Path(__file__).resolve().parents[2]


def sanitizers() -> dict[str, str]:
    """Kernels that look at every address and every operation; Python itself is not built so, and needs their libraries
    first."""
    found = [subprocess.run(["g++", f"-print-file-name=lib{n}.so"], capture_output=True, text=True).stdout.strip()
             for n in ("asan", "ubsan")]  # fmt: skip
    return {
        "CXX": f"{'g++' if LONG else ROOT / 'tests/g++.sh'} -fsanitize=address,undefined -fno-sanitize-recover=all"
        " -fno-omit-frame-pointer",
        "LD_PRELOAD": " ".join(found), "ASAN_OPTIONS": "detect_leaks=0:detect_odr_violation=0",
    }  # fmt: skip


MODES: dict[str, Callable[[], dict[str, str]]] = {
    "filled": lambda: {"MALLOC_PERTURB_": "1"},
    "filled with numbers": lambda: {"MALLOC_PERTURB_": "192"},
    "poisoned": lambda: {"METRIGEN_CHECK": "1"},
    "sanitized": lambda: {"METRIGEN_CHECK": "1", **sanitizers()},
}


def climb(folder: Path, mode: str, *chosen: str, **more: str) -> subprocess.CompletedProcess[str]:
    """The ladder in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "tests.kernels.ladder", str(folder), *chosen], cwd=ROOT, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "METRIGEN_CPU_KERNELS": "1", **MODES[mode](), **more},
    )  # fmt: skip


@pytest.mark.parametrize(("mode", "chosen"), product(MODES, cells()) if LONG else FEW.items())
def test_ladder(mode: str, chosen: str, tmp_path: Path) -> None:
    """Integrators, walls, 0 to 3 axes, sizes 1 to 5 and 17: the numbers of the reference, whatever memory held."""
    done = climb(tmp_path, mode, *chosen.split())
    assert done.returncode == 0, done.stdout + done.stderr[-4000:]


FAULTS = {
    # The left halo of a row is trusted to be zero.
    "poisoned": (
        "row[-k] = PERIODIC ? row[((-k) % W + W) % W] : R(0);",
        "if (PERIODIC) row[-k] = row[((-k) % W + W) % W];",
    ),
    # A row of a result goes on by a vector.
    "sanitized": ("W * sizeof(R));\n}\n\n#ifdef ENTRY_evolve", "(W + 8) * sizeof(R));\n}\n\n#ifdef ENTRY_evolve"),
}


@pytest.mark.parametrize("mode", FAULTS)
def test_a_planted_fault_is_found(mode: str, tmp_path: Path) -> None:
    name = "ladder_midpoint_zero_1"  # the ladder takes the package that lies there for its own
    files = dict(files_of(replace(system("midpoint", "zero", 1), name=name)))
    right, wrong = FAULTS[mode]
    assert files["kernels.cpp"].count(right) == 1
    files["kernels.cpp"] = files["kernels.cpp"].replace(right, wrong)
    (tmp_path / name).mkdir()
    for file, text in files.items():
        (tmp_path / name / file).write_text(text)
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import ladder_midpoint_zero_1; from tests.kernels import ladder; "
        "wrong = ladder.failures('midpoint-zero-1-5', None); print(*wrong, sep='\\n'); sys.exit(bool(wrong))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "METRIGEN_CPU_KERNELS": "1", **MODES[mode]()},
    )  # fmt: skip
    assert done.returncode
    # With METRIGEN_CHECK=1 the layer itself tells of NaN before anything is compared.
    told = {"poisoned": "is nan at"}.get(mode, "AddressSanitizer: heap-buffer-overflow")
    assert told in done.stdout + done.stderr


class Built:
    """Packages of the ladder, each written and imported once."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.made = folder, {}  # type: ignore[var-annotated]

    def __call__(self, method: str, wall: str, rank: int) -> ModuleType:
        key = f"ladder_{method}_{wall}_{rank}"
        if key not in self.made:
            self.made[key] = package(system(method, wall, rank), self.folder, key)
        return self.made[key]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return Built(tmp_path_factory.mktemp("memory"))


SAME = {"strang": ("neumann", 2, (17, 3)), "midpoint": ("zero", 1, (5,)), "steady": ("zero", 2, (17, 17))}


@pytest.mark.parametrize("method", SAME)
def test_bits_depend_on_no_thread(built: Built, method: str) -> None:
    """One and two threads of a call, and calls from several threads of Python at once."""
    wall, rank, shape = SAME[method]
    layer = layer_class(built(method, wall, rank))(3, backend="cpu").double()
    given = []
    for k in range(4):
        torch.manual_seed(k)
        names = ("kappa", "s") if method == "steady" else ("q", "p", "kappa")
        fields = {n: 0.4 * torch.randn(3, 3, *shape, dtype=torch.float64) for n in names}
        given.append({n: (x.abs() + 0.5 if n == "kappa" else x).requires_grad_() for n, x in fields.items()})
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    alone = [results(layer, x, True) for x in given]
    together: dict[int, dict[str, torch.Tensor]] = {}

    def call(k: int) -> None:
        for _ in range(3):
            together[k] = results(layer, given[k], True)

    threads = [threading.Thread(target=call, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    torch.set_num_threads(2)
    twice = [results(layer, x, True) for x in given]
    torch.set_num_threads(before)
    for k, expected in enumerate(alone):
        for found in (together[k], twice[k]):
            assert all(torch.equal(found[n], x) for n, x in expected.items())


def entries(cpu: ModuleType) -> list[str]:
    return re.findall(r"#ifdef ENTRY_(\w+)", cpu.SOURCE.read_text())


OPTIONS = {
    "evolve_overlapped": lambda x: (3, None, 2**44, 64, 3), "evolve": lambda x: (3, None),
    "rollout": lambda x: (3, None, 1), "rollout_adjoint": lambda x: (3, x, 1, x),
    "evolve_adjoint": lambda x: (3, x), "evolve_readout": lambda x: (3, None),
    "evolve_readout_adjoint": lambda x: (3, x, x),
    "solve": lambda x: (None, x, 0, 1e-6, 0.0, 10), "operator_adjoint": lambda x: (None, x), "readout": lambda x: (),
    "readout_adjoint": lambda x: (None, x),
}  # fmt: skip
RULE = (1e-14, 1e-9, 0.1, 1e-13, 20, 10, 40, 20)


@pytest.mark.parametrize("method", ["strang", "steady", "midpoint"])
def test_a_workspace_that_cannot_be_had(built: Built, method: str) -> None:
    """Every entry says so before it touches an array."""
    wall, rank, _ = SAME[method]
    cpu = importlib.import_module(f"{built(method, wall, rank).__name__}.cpu")
    x = torch.zeros(64, dtype=torch.float64)
    like = torch.zeros((), dtype=torch.float64).expand(1, 3, *((2**44, 3) if rank == 2 else (5,)))
    found = entries(cpu) if rank == 2 else ["evolve", "evolve_adjoint"]
    for name in found:
        options = list(OPTIONS[name](x))
        arrays = (x,) * 40
        if method == "midpoint":  # a row has no length that does not exist; a Krylov space may have
            options = [2, x, 0 if name == "evolve" else x, *RULE[:6], 2**44, 20]
        with pytest.raises(MemoryError, match=rf"{name} needs a workspace of [\d,.]+ MiB for each of \d+ threads"):
            cpu._Tiling(name, like).run(arrays, *options)


def test_a_workspace_that_a_limit_forbids(built: Built) -> None:
    """The backward pass keeps what is carried over its steps and meets a limit of memory first; the process goes on."""
    module = built("strang", "neumann", 2)
    code = f"""
import resource, sys
sys.path.insert(0, {str(built.folder)!r})
import torch
from {module.__name__} import {layer_class(module).__name__} as Layer
def loss(steps):
    x = torch.ones(1, 3, 340_000, 3, dtype=torch.float64, requires_grad=True)
    Layer(3, backend="cpu", steps=steps).double()(x, 0 * x, kappa=torch.ones_like(x)).q.sum().backward()
    return x.grad.sum().item()
before = loss(3)
pages = int(open("/proc/self/statm").read().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 2**30,) * 2)
try:
    loss(120)
except MemoryError as error:
    assert "120 steps" in str(error) and "set_num_threads" in str(error), error
    assert loss(3) == before
    print("told")
"""
    environment = {**os.environ, "METRIGEN_CPU_KERNELS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stdout) == (0, "told\n"), done.stderr


def test_a_sequence_that_cannot_have_its_workspace(tmp_path: Path) -> None:
    cpu = part(module("isotropic", tmp_path), "cpu")
    like, x = torch.zeros(()).expand(1, 1, 2**44), torch.zeros(64)
    with pytest.raises(MemoryError, match="scan_adjoint needs a workspace"):
        cpu._run("scan_adjoint", like, (x,) * 40, x)


def test_threads_that_end_give_their_memory_back(built: Built) -> None:
    """Of the thread that calls and of those that its team had: 40 threads have no more than a few."""
    module = built("strang", "neumann", 2)
    code = f"""
import sys, threading
sys.path.insert(0, {str(built.folder)!r})
import torch
from {module.__name__} import {layer_class(module).__name__} as Layer
torch.set_num_threads(2)
layer = Layer(3, backend="cpu").double()
x = torch.ones(1, 3, 17000, 3, dtype=torch.float64)
def call():
    layer(x, 0 * x, kappa=x)
def resident(threads):
    for _ in range(threads):
        thread = threading.Thread(target=call)
        thread.start()
        thread.join()
    return int(open("/proc/self/statm").read().split()[1]) * 4096 / 2**20
first = resident(4)
print(resident(40) - first)
"""
    environment = {**os.environ, "METRIGEN_CPU_KERNELS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 40, done.stdout  # MiB; a workspace has 12 for each of two threads
