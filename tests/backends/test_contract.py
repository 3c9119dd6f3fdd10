"""The contract of backends: one of numpy, which no part of the compiler knows of, passes the numeric ladder."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest
import torch

from metrigen.backends.backends import BACKENDS
from metrigen.backends.torch.backend import Torch
from metrigen.compiler import compile_spec
from tests.backends import arrays
from tests.backends.arrays import Numpy
from tests.kernels.ladder import cells, shapes, system, worst
from tests.lattice.emitted import arrays_of, layer_class, package, spec_of

OURS = (Numpy, Torch)
EXPLICIT = tuple(
    c for c in cells() if c.split("-")[0] in ("explicit", "rk4", "symplectic", "leapfrog", "strang", "coupled")
)


def test_it_is_short() -> None:
    assert len(inspect.getsource(arrays).splitlines()) <= 150


@pytest.mark.parametrize("cell", EXPLICIT[::3])
def test_it_passes_the_ladder(cell: str, tmp_path: Path) -> None:
    method, wall, rank = cell.split("-")
    module = package(system(method, wall, int(rank)), tmp_path, f"numpy_{cell.replace('-', '_')}", OURS)
    for shape in shapes(int(rank), (1, 3, 5)):
        found = worst(layer_class(module), shape, backends=("numpy", "torch"))
        assert max(found.values(), default=0.0) < 1e-12, (shape, found)


def test_it_is_what_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = package(system("leapfrog", "zero", 2), tmp_path, "numpy_runs", OURS)
    made, called = module.operators.arrays.evolve, []
    assert module.operators.OPERATORS.device_of == {"cpu": "numpy"}
    monkeypatch.setattr(module.operators.arrays, "evolve", lambda *x: called.append(1) or made(*x))
    layer = layer_class(module)(2)
    layer(**{n: torch.rand(1, 2, 3, 3) for n in arrays_of(layer)})
    assert called


def test_what_it_cannot_do_is_said_in_its_own_words(tmp_path: Path) -> None:
    module = package(system("midpoint", "zero", 1), tmp_path, "numpy_midpoint", OURS)
    with pytest.raises(ValueError, match="'numpy' cannot solve the equation of an implicit step"):
        layer_class(module)(2, backend="numpy")
    module = package(system("steady", "zero", 1), tmp_path, "numpy_steady", OURS)
    with pytest.raises(ValueError, match="'numpy' has explicit steps alone"):
        layer_class(module)(2, backend="numpy")
    assert not hasattr(module, "operators")


@pytest.mark.parametrize("backend", BACKENDS, ids=lambda b: b.name)
def test_a_package_holds_the_files_of_a_backend_or_none(backend: type) -> None:
    chosen = (Torch,) if backend is Torch else (backend, Torch)
    for method in ("leapfrog", "midpoint", "steady"):
        spec = spec_of(system(method, "neumann", 2))
        files = compile_spec(spec, backends=chosen).files
        assert "reference.py" in files
        others = {b.module for b in BACKENDS} - {b.module for b in chosen}
        assert not {f"{name}.py" for name in others} & set(files)


def test_backends_are_named_in_their_folders_alone(root: Path) -> None:
    """A literal "cpu" or "triton" outside of the folders of the two and the command line."""
    found = []
    for file in sorted((root / "metrigen").rglob("*.py")):
        place = file.relative_to(root / "metrigen").as_posix()
        if place.startswith(("backends/cpu/", "backends/triton/")) or place == "cli/tune.py":
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and node.value in ("cpu", "triton"):
                found.append(f"{place}:{node.lineno}")
    assert found == []


def test_the_layer_model_has_no_flag_for_a_backend(root: Path) -> None:
    names = {"cpu", "triton", "without_triton", "without_cpu"}
    for folder in ("layers", "package"):
        files = sorted((root / "metrigen" / folder).glob("*.py"))
        assert files, folder
        for file in files:
            tree = ast.parse(file.read_text(encoding="utf-8"))
            used = {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute)}
            used |= {n.arg for n in ast.walk(tree) if isinstance(n, ast.arg)}
            assert not used & names, file
