"""Implicit steps: their order, and what they keep."""

from __future__ import annotations

import itertools
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from metrigen.physics.derive import derive
from tests.integrators.methods import MECHANICS, METHODS, STARTS, fields, systems
from tests.integrators.systems import Layers, column, energy_of
from tests.lengths import covering, words

pytestmark = pytest.mark.covering


@pytest.fixture(scope="module")
def layers(tmp_path_factory: pytest.TempPathFactory) -> Layers:
    return Layers(tmp_path_factory.mktemp("implicit"), systems())


ORDERED = [f"{s}-{n}" for s in ("quartic", "rigid_body") for n in METHODS] + [
    f"{s}-{n}" for s in ("gas_piston", "relaxing_rigid_body") for n in ("midpoint", "gonzalez")
]


@pytest.mark.parametrize("name", covering(ORDERED, words))
def test_measured_order(layers: Layers, name: str) -> None:
    """Halving the step divides the distance to the next finer solution by 2^order."""
    start = column(*STARTS[name.split("-")[0]])
    ends = [torch.cat(fields(layers.layer(name, steps=n, dt=1 / n)(*start))) for n in (8, 16, 32)]
    gaps = [(a - b).norm() for a, b in itertools.pairwise(ends)]
    rates = [torch.log2(a / b).item() for a, b in itertools.pairwise(gaps)]
    assert abs(rates[-1] - METHODS[name.split("-")[1]].order) < 0.15, rates


# What is kept ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", covering([f"{s}-{n}" for s in MECHANICS for n in ("average", "gonzalez")], words))
def test_energy_to_rounding(layers: Layers, name: str) -> None:
    """For constant and for state-dependent brackets, at a coarse step."""
    layer = layers.layer(name, steps=1, dt=0.3)
    state = column(*STARTS[name.split("-")[0]])
    start = energy_of(layer, state)
    for _ in range(60):
        state = fields(layer(*state))
        assert (energy_of(layer, state) - start).abs() < 2e-14 * (1 + start.abs()) * 60**0.5


@pytest.mark.parametrize("name", ["rigid_body", "heavy_top"])
def test_midpoint_keeps_quadratic_invariants(layers: Layers, name: str) -> None:
    layer = layers.layer(f"{name}-midpoint", steps=100, dt=0.2)
    start = column(*STARTS[name])
    end = fields(layer(*start))

    def casimirs(z: tuple[torch.Tensor, ...]) -> list[torch.Tensor]:
        if name == "rigid_body":
            return [sum(u**2 for u in z), energy_of(layer, z)]
        return [sum(u**2 for u in z[3:]), sum(a * b for a, b in zip(z[:3], z[3:], strict=True)), z[2]]

    for a, b in zip(casimirs(end), casimirs(start), strict=True):
        assert (a - b).abs() < 1e-13
    assert (end[0] - start[0]).abs() > 0.01


def test_midpoint_is_symplectic_and_reversible(layers: Layers) -> None:
    layer = layers.layer("pendulum-midpoint", steps=5, dt=0.4)
    start = torch.tensor([1.5, 0.4], dtype=torch.float64)

    def step(z: torch.Tensor) -> torch.Tensor:
        return torch.cat(fields(layer(z[0].reshape(1, 1), z[1].reshape(1, 1)))).flatten()

    determinant = torch.autograd.functional.jacobian(step, start).det()
    torch.testing.assert_close(determinant, torch.ones_like(determinant), rtol=0, atol=1e-13)
    q, p = step(start)
    back = step(torch.stack([q, -p]))
    torch.testing.assert_close(back, torch.stack([start[0], -start[1]]), rtol=0, atol=1e-13)


@pytest.mark.parametrize("name", ["average", "gonzalez"])
def test_energy_of_a_coupled_lattice(layers: Layers, name: str) -> None:
    layer = layers.layer(f"conservative-{name}", 3, steps=1, dt=0.3)
    state = tuple(0.7 * torch.randn(2, 3, 6, dtype=torch.float64) for _ in range(2))
    start = energy_of(layer, state)
    for _ in range(10):
        state = fields(layer(*state))
    torch.testing.assert_close(energy_of(layer, state), start, rtol=0, atol=1e-13 * start.abs().max().item())


@settings(max_examples=15)
@given(seed=st.integers(0, 2**31), dt=st.floats(0.01, 20.0))
@pytest.mark.parametrize("name", ["average", "gonzalez"])
def test_a_gradient_flow_never_rises(layers: Layers, name: str, seed: int, dt: float) -> None:
    """For any step size, however coarse, wherever the equation of the step was solved; up to dt = 2 it always is."""
    layer = layers.layer(f"wells-{name}", steps=1, dt=dt)
    u = torch.randn(2, 1, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        end = layer(u)
    before, after = energy_of(layer, (u,)), layer.energy(end)
    assert ((after <= before * (1 + 1e-13) + 1e-13) | (end.status != 0)).all()
    assert dt > 2 or (end.status == 0).all()


@settings(max_examples=8)
@given(seed=st.integers(0, 2**31), dt=st.floats(0.01, 0.3))
@pytest.mark.parametrize("name", ["gas_piston", "relaxing_rigid_body", "hot_wave"])
def test_energy_is_constant_and_entropy_grows(layers: Layers, name: str, seed: int, dt: float) -> None:
    layer = layers.layer(f"{name}-gonzalez", steps=1, dt=dt)
    generator = torch.Generator().manual_seed(seed)
    shape = (2, 1, 5) if name == "hot_wave" else (2, 1)
    count = 3 if name == "hot_wave" else len(STARTS[name])
    state = tuple(0.4 * torch.randn(shape, dtype=torch.float64, generator=generator) for _ in range(count))
    if name == "gas_piston":
        state = (1 + 0.2 * state[0].clamp(-1, 1), *state[1:])
    energy, entropy = energy_of(layer, state), energy_of(layer, state, "entropy")
    start = energy
    for _ in range(8):
        state = fields(layer(*state))
        new = energy_of(layer, state, "entropy")
        assert (new >= entropy - 1e-13 * (1 + entropy.abs())).all()
        entropy = new
    torch.testing.assert_close(energy_of(layer, state), start, rtol=0, atol=2e-13 * (1 + start.abs().max()).item())


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(
    ("name", "fraction"), [("harmonic-gonzalez", 0.0), ("hot_harmonic-gonzalez", 0.0), ("harmonic-average", 1e-7)]
)
def test_energy_of_a_harmonic_mean_of_the_state(layers: Layers, name: str, fraction: float, dtype: torch.dtype) -> None:
    """A rational energy: to rounding by quotients, and by a quadrature to what a step of 0.3 leaves of it."""
    layer = layers.layer(name, steps=1, dt=0.3).to(dtype)
    for amplitude in (1e-4, 1.0):
        state = tuple(amplitude * torch.randn(4, 1, 12, dtype=torch.float64) for _ in range(2 + name.startswith("hot")))
        state = tuple(u.to(dtype) for u in state)
        end = layer(*state)
        assert (end.status == 0).all()
        before, after = (energy_of(layer.double(), tuple(u.double() for u in z)) for z in (state, fields(end)))
        layer.to(dtype)
        gap = (after - before).abs() / before
        assert (gap < fraction + 10 * torch.finfo(dtype).eps).all(), gap


def test_what_is_kept_is_said_of_the_package(layers: Layers) -> None:
    """By the density of the lattice: the harmonic mean of a polynomial is none."""

    def kept(name: str) -> str:
        system = layers.systems[name]
        return system.integrator.kept(derive(system))

    for name in ("quartic-average", "pendulum-average", "wave_periodic-average"):
        assert "quadrature" not in kept(name)
        assert "energy to rounding" in kept(name)
    assert "quadrature with 8 nodes" in kept("harmonic-average")
    assert "quadrature" not in kept("harmonic-gonzalez")


@pytest.mark.parametrize("name", METHODS)
def test_damped_energy_falls(layers: Layers, name: str) -> None:
    layer = layers.layer(f"wave_periodic-{name}", 2, steps=1, dt=0.5)
    state = tuple(0.5 * torch.randn(1, 2, 5, dtype=torch.float64) for _ in range(2))
    values = [energy_of(layer, state)]
    for _ in range(10):
        state = fields(layer(*state))
        values.append(energy_of(layer, state))
    if name != "midpoint":
        assert (torch.stack(values).diff(dim=0) < 0).all()
    assert values[-1] < values[0]


def test_single_precision(layers: Layers) -> None:
    """The same in float32 to a few roundings a step."""
    for name in METHODS:
        layer = layers.layer(f"rigid_body-{name}", steps=50, dt=0.1).float()
        start = tuple(x.float() for x in column(*STARTS["rigid_body"]))
        end = layer(*start)
        assert end.status == 0
        assert (energy_of(layer, fields(end)) - energy_of(layer, start)).abs() < 50 * 1e-6
