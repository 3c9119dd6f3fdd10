"""What the emitted layers conserve, how accurate they are, and what they do at the walls."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import sympy as sp
import torch
from hypothesis import given
from hypothesis import strategies as st

from metrigen import (
    RK4,
    Dissipation,
    ExplicitEuler,
    Field,
    Lattice,
    Leapfrog,
    Param,
    Strang,
    SymplecticEuler,
    System,
    grad,
    momentum,
    stress_energy,
    t,
)
from tests.lattice.emitted import layer_class, package
from tests.lattice.systems import oscillator

pytestmark = pytest.mark.covering

x, y = sp.symbols("x y", real=True)
METHODS = {"euler": ExplicitEuler, "symplectic": SymplecticEuler, "leapfrog": Leapfrog, "strang": Strang, "rk4": RK4}


def wave(boundary: str, method: type, damped: bool = False) -> System:
    grid = Lattice(x, y, boundary=boundary)
    phi = Field("phi", grid)
    pi = momentum(phi)
    gamma = Param("gamma", nonnegative=True, init=0.3)
    return System(
        name="wave", domain=grid, lagrangian=phi.diff(t) ** 2 / 2 - grad(phi).square / 2 - phi**4 / 4,
        metric=(lambda F, G: gamma * F[pi] * G[pi]) if damped else None,
        integrator=method(steps=1, dt=0.1), readout=stress_energy(),
    )  # fmt: skip


@pytest.fixture(scope="module")
def layers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, type]:
    folder: Path = tmp_path_factory.mktemp("behaviour")
    made = {f"osc_{name}": oscillator(method(steps=1, dt=0.1)) for name, method in METHODS.items()}
    made |= {f"wave_{b}": wave(b, Leapfrog) for b in ("periodic", "zero", "neumann")}
    made["damped"] = wave("neumann", Strang, damped=True)
    line = Lattice(x, boundary="neumann", spacing=sp.Rational(1, 4))
    u = Field("u", line)
    made["heat"] = System(
        name="heat", domain=line, fields=(u,), hamiltonian=u**2 / 2,
        metric=lambda F, G: F[u].diff(x) * G[u].diff(x), integrator=ExplicitEuler(steps=5, dt=0.01),
    )  # fmt: skip
    flow = Lattice(x, y)
    v = Field("v", flow)
    made["gradient_flow"] = System(
        name="flow", domain=flow, fields=(v,), hamiltonian=grad(v).square / 2 + (v**2 - 1) ** 2 / 4,
        metric=Dissipation((1, lambda F: F[v])), integrator=ExplicitEuler(steps=1, dt=0.05),
    )  # fmt: skip
    return {name: layer_class(package(system, folder, f"beh_{name}")) for name, system in made.items()}


def evolve(layer: torch.nn.Module, *state: torch.Tensor) -> tuple[torch.Tensor, ...]:
    out = layer(*state)
    return tuple(getattr(out, f) for f in out._fields)


@pytest.mark.parametrize("method", METHODS)
def test_measured_order(layers: dict[str, type], method: str) -> None:
    """Halving the step divides the error at a fixed time by 2^order."""
    q, p = torch.tensor([[0.8]], dtype=torch.float64), torch.tensor([[0.3]], dtype=torch.float64)
    truth = evolve(layers["osc_rk4"](1, steps=1024, dt=1 / 1024), q, p)[0]
    errors = [abs(evolve(layers[f"osc_{method}"](1, steps=n, dt=1 / n), q, p)[0] - truth).item() for n in (16, 32, 64)]
    rates = [torch.log2(torch.tensor(a / b)).item() for a, b in itertools.pairwise(errors)]
    assert abs(rates[-1] - METHODS[method].order) < 0.15, rates


@pytest.mark.parametrize("boundary", ["periodic", "zero", "neumann"])
def test_leapfrog_is_reversible_and_keeps_the_energy(layers: dict[str, type], boundary: str) -> None:
    torch.manual_seed(0)
    phi, pi = torch.randn(2, 2, 6, 5, dtype=torch.float64), torch.randn(2, 2, 6, 5, dtype=torch.float64)
    drift = []
    for dt in (0.04, 0.02):
        layer = layers[f"wave_{boundary}"](2, steps=round(2 / dt), dt=dt)
        end = layer(phi, pi)
        back = layer(end.phi, -end.pi)
        torch.testing.assert_close(back.phi, phi, rtol=0, atol=1e-11)
        start_energy = layer.energy(type(end)(phi, pi))
        drift.append(((layer.energy(end) - start_energy) / start_energy).abs().max().item())
    assert drift[1] < drift[0] / 3
    assert drift[1] < 1e-3


@pytest.mark.parametrize("boundary", ["periodic", "zero", "neumann"])
def test_the_mirror_image_of_a_solution_is_a_solution(layers: dict[str, type], boundary: str) -> None:
    torch.manual_seed(1)
    layer = layers[f"wave_{boundary}"](2, steps=20, dt=0.05)
    phi, pi = torch.randn(1, 2, 7, 4, dtype=torch.float64), torch.randn(1, 2, 7, 4, dtype=torch.float64)
    straight = layer(phi, pi)
    for axis in (2, 3):
        mirrored = layer(phi.flip(axis), pi.flip(axis))
        torch.testing.assert_close(mirrored.phi.flip(axis), straight.phi, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("boundary", ["periodic", "zero", "neumann"])
def test_the_energy_is_the_sum_of_its_density(layers: dict[str, type], boundary: str) -> None:
    layer = layers[f"wave_{boundary}"](2, steps=3)
    state = layer(torch.randn(2, 2, 5, 4, dtype=torch.float64))
    density = layer.readout(state)[:, :2]
    torch.testing.assert_close(density.flatten(1).sum(1), layer.energy(state))


def test_friction_contracts_phase_space_at_the_exact_rate(layers: dict[str, type]) -> None:
    """det d(state)/d(start) = exp(-gamma t) per degree of freedom, for any step size."""
    layer = layers["damped"](1, steps=4, dt=0.3).double()
    start = torch.randn(6, dtype=torch.float64)

    def step(flat: torch.Tensor) -> torch.Tensor:
        out = layer(flat[:3].reshape(1, 1, 3, 1), flat[3:].reshape(1, 1, 3, 1))
        return torch.cat([out.phi.flatten(), out.pi.flatten()])

    determinant = torch.autograd.functional.jacobian(step, start).det()
    torch.testing.assert_close(determinant, torch.exp(-3 * 4 * 0.3 * layer.gamma), rtol=1e-9, atol=0)


@given(seed=st.integers(0, 2**31), dt=st.floats(0.001, 0.15))
def test_damped_energy_never_grows_much(layers: dict[str, type], seed: int, dt: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    phi = torch.randn(1, 1, 4, 4, dtype=torch.float64, generator=generator)
    layer = layers["damped"](1, steps=10, dt=dt).double()
    first = layer(phi)
    start = layer.energy(type(first)(phi, torch.zeros_like(phi)))
    assert (layer.energy(first) <= start * (1 + 0.5 * dt**2 + 1e-12)).all()


def test_diffusion_keeps_the_mass_and_lowers_the_energy(layers: dict[str, type]) -> None:
    layer = layers["heat"](3)
    u = torch.randn(2, 3, 9, dtype=torch.float64)
    out = layer(u)
    torch.testing.assert_close(out.u.sum(-1), u.sum(-1))
    assert (layer.energy(out) < layer.energy(type(out)(u))).all()


@given(seed=st.integers(0, 2**31))
def test_a_gradient_flow_descends(layers: dict[str, type], seed: int) -> None:
    v = torch.randn(1, 2, 5, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    layer = layers["gradient_flow"](2)
    out = layer(v)
    assert (layer.energy(out) <= layer.energy(type(out)(v)) + 1e-12).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (15, 15), (3, 2)])
def test_odd_sizes(layers: dict[str, type], size: tuple[int, int]) -> None:
    for boundary in ("periodic", "zero", "neumann"):
        layer = layers[f"wave_{boundary}"](2, steps=2)
        out = layer(torch.randn(1, 2, *size, dtype=torch.float64))
        assert out.phi.shape == (1, 2, *size)
        assert torch.isfinite(layer.readout(out)).all()
