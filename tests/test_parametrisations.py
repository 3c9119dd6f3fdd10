"""Parametrisations: ``below=`` keeps its bound for every weight, ``block=`` stores the blocks alone; both read back."""

from __future__ import annotations

import importlib.util
import re
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
    with pytest.raises(ValueError, match=r"^k must be positive and below 0.5, not 0.5$"):
        layer.k = 0.5
    assert layer.k.tolist() == pytest.approx([0.01, 0.25, 0.49], rel=1e-6)


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
    same = torch.arange(7)[:, None] // 3 == torch.arange(7) // 3
    layer.B, layer.S = (full - full.T) * same, (full + full.T) * same
    assert torch.equal(layer.B, (full - full.T) * same)
    assert torch.equal(layer.S, (full + full.T) * same)
    with pytest.raises(ValueError, match="S couples blocks of 3 channels: entries outside of the blocks must be 0"):
        layer.S = full + full.T
    with pytest.raises(ValueError, match="B must be antisymmetric: it differs from its negative transpose"):
        layer.B = (full + full.T) * same
    with pytest.raises(ValueError, match="S must be symmetric"):
        layer.S = full * same
    layer.B = 0.0
    assert not layer.B.any()
    layer.S = 0.25
    assert torch.equal(layer.S, 0.25 * same)


RANGES = '''"""An oscillator with a parameter of every range; friction and pull may be off."""

from metrigen import Field, Lattice, Param, Strang, System, friction, momentum, t

point = Lattice()
q = Field("q", point)
mass = Param("mass", per="channel", positive=True, init=1e-3)
k = Param("k", per="channel", nonnegative=True, init=0)
gamma = Param("gamma", per="channel", nonnegative=True, init=0)
beta = Param("beta", per="channel", nonnegative=True, below=2.0, init=0)
tilt = Param("tilt")

system = System(
    name="ranges",
    domain=point,
    lagrangian=mass * q.diff(t) ** 2 / 2 - k * q**2 / 2 - beta * q**4 / 4 - q**2 / 2 - tilt * q,
    metric=friction(gamma, momentum(q)),
    integrator=Strang(steps=200, dt=Param("dt", positive=True, init=0.01)),
)
'''


@pytest.fixture(scope="module")
def ranges(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    return emitted(tmp_path_factory.mktemp("ranges"), "ranges", RANGES)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("start", ["init=", "setter"])
def test_zero_is_zero_in_every_dtype(ranges: ModuleType, dtype: torch.dtype, start: str) -> None:
    layer = ranges.Ranges(2)
    if start == "setter":
        layer.k, layer.gamma, layer.beta = 0.5, torch.tensor([0.0, 0.3]), 0.25
        layer.k, layer.gamma, layer.beta = 0.0, 0.0, torch.zeros(2)
    layer = layer.to(dtype)
    for name in ("k", "gamma", "beta"):
        assert torch.equal(getattr(layer, name), torch.zeros(2, dtype=dtype)), name
        assert getattr(layer, f"raw_{name}").isfinite().all()


def test_a_step_without_friction_keeps_energy_to_rounding(ranges: ModuleType) -> None:
    """Friction that is set to 0 takes nothing: not 1e-12 of it, which 4000 steps would show."""
    layer = ranges.Ranges(1).double()
    layer.mass, layer.gamma, layer.dt = 1.0, 0.0, 1e-3
    q, p = torch.tensor([[0.7]], dtype=torch.float64), torch.tensor([[0.2]], dtype=torch.float64)
    start = (q * q + p * p) / 2 - 1e-6 * p * p / 8  # what the step keeps exactly of an oscillator of frequency 1
    for _ in range(20):
        q, p = layer(q, p)
    end = (q * q + p * p) / 2 - 1e-6 * p * p / 8
    assert (end / start - 1).abs().item() < 1e-13


def test_zero_stays_zero_and_what_is_above_it_learns(ranges: ModuleType) -> None:
    layer = ranges.Ranges(2).double()
    layer.gamma = torch.tensor([0.0, 0.2])
    optimiser = torch.optim.AdamW(layer.parameters(), lr=0.1, weight_decay=0.1)
    for _ in range(3):
        optimiser.zero_grad()
        layer(torch.ones(1, 2).double()).q.square().sum().backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in layer.parameters())
        optimiser.step()
    assert layer.gamma[0] == 0
    assert layer.gamma[1] != 0.2


WRONG = (
    ("gamma", -1.0, "gamma must be nonnegative, not -1.0"),
    ("gamma", torch.tensor([0.1, -0.5]), "gamma must be nonnegative, not -0.5"),
    ("mass", 0.0, "mass must be positive, not 0.0"),
    ("mass", -0.1, "mass must be positive, not -0.1"),
    ("dt", 0.0, "dt must be positive, not 0.0"),
    ("beta", 2.0, "beta must be nonnegative and below 2.0, not 2.0"),
    ("beta", -0.5, "beta must be nonnegative and below 2.0, not -0.5"),
    ("tilt", float("nan"), "tilt must be finite, not nan"),
    ("tilt", float("inf"), "tilt must be finite, not inf"),
    ("gamma", float("inf"), "gamma must be nonnegative, not inf"),
    ("tilt", 1j, "tilt must be a real number or a tensor of them"),
    ("tilt", "one", "tilt must be a real number or a tensor of them"),
    ("tilt", None, "tilt must be a real number or a tensor of them"),
    ("k", torch.ones(3), r"k has shape (3,); needed: (2,)"),
    ("tilt", torch.ones(2), r"tilt has shape (2,); needed: ()"),
    ("k", torch.ones(2, dtype=torch.complex64), "k must be a real number or a tensor of them"),
)


@pytest.mark.parametrize(("name", "value", "message"), WRONG, ids=lambda x: str(x)[:30])
def test_a_value_out_of_range_is_refused_and_changes_nothing(
    ranges: ModuleType, name: str, value: object, message: str
) -> None:
    layer = ranges.Ranges(2)
    before = {key: x.clone() for key, x in layer.state_dict().items()}
    with pytest.raises(ValueError, match=re.escape(message)):
        setattr(layer, name, value)
    assert all(torch.equal(x, before[key]) for key, x in layer.state_dict().items())


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"positive": True, "init": -0.5}, "init=-0.5 is not positive"),
        ({"positive": True, "init": 0}, "init=0 is not positive"),
        ({"nonnegative": True, "init": -1e-9}, "init=-1e-09 is not nonnegative"),
        ({"positive": True, "below": 2.0, "init": -1}, "init=-1 is not positive"),
        ({"init": float("nan")}, "init=nan"),
        ({"init": float("inf")}, "init=inf"),
        ({"init": 1j}, "init=1j"),
        ({"init": "1"}, "init='1'"),
        ({"init": [1.0]}, "init=[1.0]"),
        ({"shape": ("C", "C"), "antisymmetric": True, "init": 0.5}, "init=0.5"),
    ],
)
def test_a_start_out_of_range_is_refused(declared: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError, match=re.escape(message)) as caught:
        Param("k", **declared)  # type: ignore[arg-type]
    assert caught.value.fix


FRICTION = '''"""A wave whose friction is DECLARED."""

import sympy as sp

from metrigen import Field, Input, Lattice, Param, Strang, System, energy_density, friction, grad, momentum, t

x = sp.Symbol("x", real=True)
line = Lattice(x)
u = Field("u", line)
a = DECLARED

system = System(
    name="NAME",
    domain=line,
    lagrangian=u.diff(t) ** 2 / 2 - grad(u).square / 2,
    metric=friction(a, momentum(u)),
    integrator=Strang(steps=3, dt=0.05),
    readout=energy_density(),
)
'''


def test_friction_may_be_learned_at_every_site(tmp_path: Path) -> None:
    """As an input with the same values, and off where it is 0."""
    own, handed = 'Param("a", per="site", nonnegative=True)', 'Input("a", line, nonnegative=True)'
    learned = emitted(tmp_path, "sited", FRICTION.replace("DECLARED", own).replace("NAME", "sited"))
    given = emitted(tmp_path, "given", FRICTION.replace("DECLARED", handed).replace("NAME", "given"))
    values = torch.linspace(0, 2, 8).double().expand(2, 8)
    layer, other = learned.Sited(2, sites=(8,)).double(), given.Given(2).double()
    layer.a = values
    u, p = torch.randn(3, 2, 8).double(), torch.randn(3, 2, 8).double()
    found, expected = layer(u, p), other(u, p, a=values)
    for x, y in zip(found, expected, strict=True):
        torch.testing.assert_close(x, y, rtol=1e-13, atol=1e-13)
    found.pi.square().sum().backward()
    assert layer.raw_a.grad is not None
    assert (layer.raw_a.grad[:, 1:] != 0).all()


@pytest.mark.parametrize("declared", ["0.05", 'Param("dt", positive=True, init=0.05)'])
def test_a_step_above_the_limit_is_told_once(tmp_path: Path, declared: str, recwarn: pytest.WarningsRecorder) -> None:
    spec = FRICTION.replace("DECLARED", 'Param("a", nonnegative=True)').replace("dt=0.05", f"dt={declared}")
    name = "fixed" if declared == "0.05" else "moving"
    make = getattr(emitted(tmp_path, name, spec.replace("NAME", name)), name.capitalize())
    recwarn.clear()
    for dt in (None, 0.9, 0.99):
        make(2, dt=dt)
    assert not recwarn.list
    layer = make(2, dt=1.5)
    (warning,) = recwarn.list
    told = "dt = 1.5 is above the step limit 1 of the von Neumann analysis at the declared start of the parameters"
    assert str(warning.message) == f"{name.capitalize()}: {told}"
    assert warning.filename == __file__
    for _ in range(2):
        layer(torch.zeros(1, 2, 8))
    assert len(recwarn.list) == 1
