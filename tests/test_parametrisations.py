"""Parametrisations: ``below=`` keeps its bound for every weight, ``block=`` stores the blocks alone; both read back."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from typer.testing import CliRunner

from metrigen import Param, SpecError
from metrigen.cli import app

SPEC = '''"""Diffusion with a bounded coefficient."""

import sympy as sp

from metrigen import Dissipation, ExplicitEuler, Field, Lattice, Param, System, grad

x = sp.symbols("x", real=True)
line = Lattice(x)
u = Field("u", line)
k = Param("k", per="channel", positive=True, below=0.5, init=0.2)

system = System(
    name="bounded",
    domain=line,
    fields=(u,),
    hamiltonian=k * grad(u).square / 2,
    metric=Dissipation((1, lambda F: F[u])),
    integrator=ExplicitEuler(steps=2, dt=1.0),
)
'''


def emitted(folder: Path, name: str, spec: str) -> ModuleType:
    """The package of a spec, built and imported."""
    (folder / f"{name}.py").write_text(spec)
    done = CliRunner().invoke(app, ["build", str(folder / f"{name}.py"), "--out", str(folder / "out")])
    assert done.exit_code == 0, done.output
    found = importlib.util.spec_from_file_location(f"{name}_package", folder / "out" / name / "__init__.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[f"{name}_package"] = module
    found.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    return emitted(tmp_path_factory.mktemp("bounded"), "bounded", SPEC)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_no_weight_leaves_the_bounds(package: ModuleType, dtype: torch.dtype) -> None:
    layer = package.Bounded(7).to(dtype)
    with torch.no_grad():
        layer.raw_k.copy_(torch.tensor([-1e30, -200.0, -1.0, 0.0, 3.0, 200.0, 1e30]))
    assert (layer.k > 0).all()
    assert (layer.k < 0.5).all()
    # dt k Lambda < 2 at the bound, so the largest wave of the line does not grow, however long
    u = (torch.arange(8) % 2 * 2.0 - 1).expand(1, 7, 8).to(dtype)
    for _ in range(200):
        u = layer(u).u
    assert (u.abs() <= 1 + 1e-5).all()


def test_a_number_keeps_its_digits_in_double_precision(package: ModuleType) -> None:
    layer = package.Bounded(1).double()
    layer.k = 0.1
    assert layer.k.item() == pytest.approx(0.1, rel=1e-14)


def test_what_is_set_is_read_back(package: ModuleType) -> None:
    layer = package.Bounded(3).double()
    assert layer.k.tolist() == pytest.approx([0.2] * 3, rel=1e-6)
    layer.k = torch.tensor([0.01, 0.25, 0.49])
    assert layer.k.tolist() == pytest.approx([0.01, 0.25, 0.49], rel=1e-6)
    layer.k = 0.5
    assert (layer.k < 0.5).all()
    assert layer.k.tolist() == pytest.approx([0.5] * 3, rel=1e-6)


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"below": 1.0}, "positive or nonnegative"),
        ({"below": 0.0, "positive": True}, "not a positive number"),
        ({"below": True, "positive": True}, "not a positive number"),
        ({"below": float("inf"), "positive": True}, "not a positive number"),
        ({"below": 1.0, "nonnegative": True, "init": 1.0}, "not below 1.0"),
        ({"below": 1.0, "nonnegative": True, "shape": ("C", "C")}, "positive or nonnegative"),
    ],
)
def test_what_a_bound_cannot_be(declared: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        Param("k", **declared)  # type: ignore[arg-type]


def test_two_bounds_are_two_parameters() -> None:
    assert Param("k", positive=True, below=1.0) != Param("k", positive=True, below=2.0)


BLOCKS = '''"""Momenta that turn into one another in blocks of three channels."""

from metrigen import Field, Lattice, Param, Strang, System, mix, momentum, t

point = Lattice()
q = Field("q", point)
p = momentum(q)
B = Param("B", shape=("C", "C"), block=3, antisymmetric=True)
S = Param("S", shape=("C", "C"), block=3, symmetric=True)

system = System(
    name="blocks",
    domain=point,
    lagrangian=q.diff(t) ** 2 / 2 - q * mix(S, q) / 2,
    bracket=lambda F, G: F[q] * G[p] - F[p] * G[q] + F[p] * mix(B, G[p]),
    integrator=Strang(steps=1, dt=0.1),
)
'''


def test_a_block_matrix_has_the_weights_of_its_blocks_alone(tmp_path_factory: pytest.TempPathFactory) -> None:
    layer = emitted(tmp_path_factory.mktemp("blocks"), "blocks", BLOCKS).Blocks(7).double()
    assert layer.raw_B.shape == (3, 3, 3)
    full = torch.randn(7, 7, dtype=torch.float64)
    layer.B, layer.S = full - full.T, full + full.T
    same = torch.arange(7)[:, None] // 3 == torch.arange(7) // 3
    assert torch.equal(layer.B, (full - full.T) * same)
    assert torch.equal(layer.S, (full + full.T) * same)
    layer.B = 0.0
    assert not layer.B.any()
