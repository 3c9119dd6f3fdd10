"""The exponential splitting: the exact linear flow in every regime, its smoothness, order and refusals."""

from __future__ import annotations

import importlib
import itertools

import mpmath
import numpy as np
import pytest
import sympy as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from metrigen import Exponential, Field, Input, Lattice, Param, SpecError, System, derive, grad, mix, momentum, t
from metrigen.ir.interpreter import run
from metrigen.ir.stumpff import stumpff_values
from metrigen.passes.channels import merge_channel_maps
from metrigen.passes.vary import vary
from metrigen.physics.derive import derive as derive_system
from tests.integrators.systems import DT, POINT, Layers, gallery, x
from tests.lattice.arrays import dot_defect, random_values
from tests.lowered import lower

pytestmark = pytest.mark.covering

METHOD = Exponential(1, DT)
q, k, r = Field("q", POINT), Param("k", per="channel"), Param("r", per="channel", nonnegative=True)


def oscillator(quartic: int, integrator: object = METHOD) -> System:
    p = momentum(q)
    return System(
        "oscillator", POINT, lagrangian=q.diff(t) ** 2 - k * q**2 / 2 - quartic * q**4 / 4,
        metric=lambda F, G: r * F[p] * G[p], integrator=integrator,
    )  # fmt: skip


def lattice(boundary: str, damped: bool = True) -> System:
    """A stiff mass and a soft coupling of sites and channels, with a source."""
    line = Lattice(x, boundary=boundary)
    phi, s = Field("phi", line), Input("s", line)
    pi, m2 = momentum(phi), Param("m2", per="channel", positive=True, init=4.0)
    K = Param("K", shape=("C", "C"), symmetric=True)
    g = Param("g", nonnegative=True, init=0.3)
    return System(
        "lattice", line,
        lagrangian=phi.diff(t) ** 2 / 2 - grad(phi).square / 2 - m2 * phi**2 / 2 - phi**4 / 4 - phi * mix(K, phi) / 2
        + s * phi,
        metric=(lambda F, G: g * F[pi] * G[pi]) if damped else None, integrator=METHOD,
    )  # fmt: skip


@pytest.fixture(scope="module")
def layers(tmp_path_factory: pytest.TempPathFactory) -> Layers:
    made = {"linear": oscillator(0), "quartic": oscillator(1), "free": lattice("periodic", damped=False)}
    made |= {b: lattice(b) for b in ("periodic", "neumann")} | {"pendulum": gallery("damped_pendulum", METHOD)}
    return Layers(tmp_path_factory.mktemp("exponential"), made)


# mass 2: q' = p/2, p' = -k q - r p/2; under-, critically and overdamped, unstable, free, and strongly damped
REGIMES = {"k": (1.0, 0.5, 0.1, -0.3, 0.0, 1e-3, 0.0), "r": (0.3, 2.0, 5.0, 0.2, 0.0, 400.0, 1.0)}


def regimes(layers: Layers, dt: float) -> torch.nn.Module:
    layer = layers.layer("linear", 7, steps=1, dt=dt)
    layer.k, layer.r = (torch.tensor(REGIMES[name], dtype=torch.float64) for name in ("k", "r"))
    return layer


@pytest.mark.parametrize("dt", [0.05, 0.7, 6.0])
def test_the_linear_flow_is_exact(layers: Layers, dt: float) -> None:
    layer = regimes(layers, dt)
    start = torch.randn(2, 7, dtype=torch.float64)
    end = layer(start[:1], start[1:])
    with torch.no_grad():
        for c in range(7):
            matrix = mpmath.matrix([[0, 0.5], [-layer.k[c].item(), -layer.r[c].item() / 2]]) * layer.dt.item()
            with mpmath.workdps(40):
                exact = mpmath.expm(matrix) * mpmath.matrix(start[:, c].tolist())
            scale = 1e-14 * max(1.0, dt * layer.r[c].item()) * (float(mpmath.norm(exact)) + start[:, c].norm().item())
            assert abs(end.q[0, c].item() - float(exact[0])) < scale
            assert abs(end.pi[0, c].item() - float(exact[1])) < scale


def test_gradients_are_finite_and_right_in_every_regime(layers: Layers) -> None:
    """At critical damping and for a free particle the formulas with square roots have none."""
    layer = layers.layer("linear", 7, steps=1)
    start = tuple(torch.randn(1, 7, dtype=torch.float64) for _ in range(2))
    reference = importlib.import_module(f"{layers.module('linear').__name__}.reference")
    values = tuple(torch.tensor(REGIMES[name], dtype=torch.float64).requires_grad_() for name in ("k", "r"))
    dt = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)

    def call(k_: torch.Tensor, r_: torch.Tensor, h: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return reference.step(*start, *reference.prologue(h, k_, r_))

    assert layer.channels == 7
    assert torch.autograd.gradcheck(call, (*values, dt))
    assert torch.autograd.gradgradcheck(call, (*values, dt), atol=1e-4)


def test_strong_damping_does_not_overflow(layers: Layers) -> None:
    layer = layers.layer("linear", 3, steps=1, dt=10.0).float()
    layer.k, layer.r = torch.tensor([1.0, 0.0, -1.0]), torch.tensor([1e4, 1e6, 1e3])
    end = layer(torch.ones(1, 3), torch.ones(1, 3))
    (end.q.sum() + end.pi.sum()).backward()
    assert all(torch.isfinite(v).all() for v in (end.q, end.pi, *(p.grad for p in layer.parameters())))


@pytest.mark.parametrize("name", ["quartic", "pendulum", "periodic"])
def test_measured_order(layers: Layers, name: str) -> None:
    shape = (1, 2, 5) if name == "periodic" else (1, 2)
    start = tuple(torch.randn(shape, dtype=torch.float64) for _ in range(2))
    given = {"s": torch.randn(shape, dtype=torch.float64)} if name == "periodic" else {}
    values = []
    for n in (16, 32, 64, 128):
        layer = layers.layer(name, 2, steps=n, dt=1 / n)
        if name == "quartic":
            layer.k = torch.tensor([1.0, -0.5])
        values.append(torch.cat(layer(*start, **given)))
    gaps = [(a - b).norm() for a, b in itertools.pairwise(values)]
    rates = [torch.log2(a / b).item() for a, b in itertools.pairwise(gaps)]
    assert abs(rates[-1] - Exponential.order) < 0.05, rates


@settings(max_examples=15)
@given(seed=st.integers(0, 2**31), dt=st.floats(0.01, 0.3))
def test_undamped_energy_stays(layers: Layers, seed: int, dt: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    start = tuple(0.3 * torch.randn(1, 1, 6, dtype=torch.float64, generator=generator) for _ in range(2))
    s = torch.zeros_like(start[0])
    layer = layers.layer("free", 1, steps=40, dt=dt)
    end = layer(*start, s=s)
    energy = layer.energy(type(end)(*start), s=s)
    assert (layer.energy(end, s=s) - energy).abs() <= 0.5 * dt**2 * (1 + energy)
    back = layer(end.phi, -end.pi, s=s)
    torch.testing.assert_close(back.phi, start[0], rtol=0, atol=1e-11)


def test_phase_space_shrinks_exactly(layers: Layers) -> None:
    layer = layers.layer("quartic", 1, steps=3, dt=0.6)
    layer.r = 0.4

    def step(z: torch.Tensor) -> torch.Tensor:
        end = layer(z[:1, None], z[1:, None])
        return torch.cat([end.q, end.pi]).flatten()

    found = torch.autograd.functional.jacobian(step, torch.tensor([0.7, -0.2], dtype=torch.float64)).det()
    torch.testing.assert_close(found, torch.exp(-3 * layer.dt * layer.r[0] / 2), rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", ["linear", "quartic", "periodic", "neumann"])
def test_programs(layers: Layers, name: str) -> None:
    """The whole step with its coefficients against its reverse; interpreter and reference."""
    reference = importlib.import_module(f"{layers.module(name).__name__}.reference")
    low = lower(derive_system(layers.systems[name]))
    rank = len(low.dynamics.origin)
    adjoint = merge_channel_maps(vary(low.step.whole, [a.name for a in low.step.whole.inputs], rank=rank))
    assert dot_defect(low.step.whole, adjoint, rank) < 1e-11
    for key, program in (low.programs() | {"prologue": low.prologue}).items():
        values = random_values(program.inputs, rank)
        expected = run(program, values)
        got = getattr(reference, key)(*(torch.tensor(values[a.name]) for a in program.inputs))
        for out, value in zip(program.outputs, got, strict=True):
            scale = max(1.0, float(np.abs(expected[out]).max()))
            np.testing.assert_allclose(value.detach().numpy(), expected[out], rtol=0, atol=1e-12 * scale)


def test_stumpff_functions() -> None:
    """Values and recurrences against 40 digits, on both sides of every change of formula."""
    for n in range(5):
        for at in (-900.0, -2.0, -1.0001, -0.9999, 0.0, 0.5, 0.9999, 1.0001, 7.0, 300.0):
            with mpmath.workdps(60):
                exact = mpmath.nsum(
                    lambda j, n=n, at=at: (-mpmath.mpf(at)) ** j / mpmath.factorial(2 * j + n), [0, 200]
                )
                exact = exact * mpmath.exp(-31)
            got = float(stumpff_values(n, at, 31.0))
            assert abs(got - float(exact)) <= 1e-13 * abs(float(exact)) + 1e-15 * np.exp(-31)


def test_refusals() -> None:
    p = momentum(q)
    B = Param("B", shape=("C", "C"), antisymmetric=True)
    line = Lattice(x)
    phi, gamma = Field("phi", line), Input("gamma", line, positive=True)
    wave = phi.diff(t) ** 2 / 2 - grad(phi).square / 2
    cases = {
        "heats a field": gallery("oscillator_heat", METHOD),
        "not canonical": gallery("rigid_body", METHOD),
        "also holds mix(B": System(
            "s", POINT, lagrangian=q.diff(t) ** 2 / 2, integrator=METHOD,
            bracket=lambda F, G: F[q] * G[p] - F[p] * G[q] + F[p] * mix(B, G[p]),
        ),
        "not separable": gallery("elastic_pendulum", METHOD),
        "changes from site to site": System(
            "s", line, lagrangian=wave, metric=lambda F, G: gamma * F[momentum(phi)] * G[momentum(phi)],
            integrator=METHOD,
        ),
        "constant times the momentum": System("s", POINT, lagrangian=-sp.sqrt(1 - q.diff(t) ** 2), integrator=METHOD),
    }  # fmt: skip
    for why, system in cases.items():
        with pytest.raises(SpecError, match="Exponential does not fit") as caught:
            derive(system)
        assert why in caught.value.why
        assert "Strang" in caught.value.fix or "RK4" in caught.value.fix


def test_what_changes_from_site_to_site_is_left_to_the_kick() -> None:
    """A mass that is an input, or depends on the place, is no part of the exact flow, and no obstacle."""
    line = Lattice(x)
    phi, mass = Field("phi", line), Input("mass", line, positive=True)
    density = phi.diff(t) ** 2 / 2 - grad(phi).square / 2 - mass * phi**2 / 2 - x * phi**2 - phi**2
    low = lower(derive_system(System("s", line, lagrangian=density, integrator=METHOD)))
    assert dot_defect(low.step.body, low.step.adjoint, 1) < 1e-11
    assert {a.name for a in low.step.body.inputs} >= {"mass", "x"}
