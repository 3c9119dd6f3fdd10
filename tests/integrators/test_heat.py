"""The splitting of a two-generator system: friction that heats, with both laws in every sub-flow."""

from __future__ import annotations

import importlib
import itertools
from pathlib import Path

import numpy as np
import pytest
import sympy as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from metrigen import Dissipation, Field, Param, SpecError, Strang, System, canonical, derive, friction_to_heat
from metrigen.ir.interpreter import run
from metrigen.physics.derive import derive as derive_system
from tests.integrators.systems import DT, POINT, Layers, column, energy_of, gallery, hot_wave
from tests.lattice.arrays import dot_defect, random_values
from tests.lowered import lower

pytestmark = pytest.mark.covering

q, p, e, s, p2 = (Field(name, POINT) for name in ("q", "p", "e", "s", "p2"))
gamma = Param("gamma", nonnegative=True, init=0.7)
METHOD = Strang(1, DT)


def free(account: str) -> System:
    """No potential: the friction is all there is, and the step is its exact flow."""
    heat = e if account == "linear" else s
    energy = p**2 / 2 + 3 * p2**2 / 2 + (2 * e if account == "linear" else sp.exp(2 * s) / 3)
    T = 1 if account == "linear" else 2 * sp.exp(2 * s) / 3
    both = [friction_to_heat(g, u, heat, energy, temperature=T) for g, u in ((gamma, p), (2 * gamma, p2))]
    q2 = Field("q2", POINT)
    return System(
        "free", POINT, (q, q2, p, p2, heat), hamiltonian=energy, entropy=2 * e if account == "linear" else s,
        bracket=canonical((q, p), (q2, p2)), metric=Dissipation(*(f for d in both for f in d.terms)),
        integrator=METHOD,
    )  # fmt: skip


@pytest.fixture(scope="module")
def layers(tmp_path_factory: pytest.TempPathFactory) -> Layers:
    made = {"oscillator": gallery("oscillator_heat", METHOD), "pendulum": gallery("heated_pendulum", METHOD)}
    made |= {"wave": hot_wave("neumann", METHOD), "linear": free("linear"), "exponential": free("exponential")}
    return Layers(tmp_path_factory.mktemp("heat"), made)


@pytest.mark.parametrize("name", ["oscillator", "pendulum"])
def test_measured_order(layers: Layers, name: str) -> None:
    start = column(1.2, 0.3, 0.5)
    ends = [torch.cat(layers.layer(name, steps=n, dt=2 / n)(*start)) for n in (16, 32, 64, 128)]
    gaps = [(a - b).norm() for a, b in itertools.pairwise(ends)]
    rates = [torch.log2(a / b).item() for a, b in itertools.pairwise(gaps)]
    assert abs(rates[-1] - Strang.order) < 0.05, rates


@settings(max_examples=20)
@given(seed=st.integers(0, 2**31), dt=st.floats(0.001, 50.0))
@pytest.mark.parametrize("name", ["linear", "exponential"])
def test_friction_alone_keeps_the_energy_for_any_step(layers: Layers, name: str, seed: int, dt: float) -> None:
    layer = layers.layer(name, steps=3, dt=dt)
    state = tuple(
        torch.randn(4, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) for _ in range(5)
    )
    end = layer(*state)
    start = energy_of(layer, state)
    assert ((layer.energy(end) - start).abs() <= 1e-14 * (1 + start.abs()) * 4).all()
    assert (layer.entropy(end) >= energy_of(layer, state, "entropy")).all()
    torch.testing.assert_close(end.p, state[2] * torch.exp(-3 * layer.gamma * layer.dt), rtol=1e-12, atol=1e-300)
    torch.testing.assert_close(
        end.p2, state[3] * torch.exp(-3 * 2 * 3 * layer.gamma * layer.dt), rtol=1e-12, atol=1e-300
    )


@settings(max_examples=20)
@given(seed=st.integers(0, 2**31), dt=st.floats(0.01, 0.4))
@pytest.mark.parametrize("name", ["pendulum", "wave"])
def test_energy_stays_and_entropy_never_falls(layers: Layers, name: str, seed: int, dt: float) -> None:
    """The energy error is that of the undamped splitting, of second order and bounded."""
    generator = torch.Generator().manual_seed(seed)
    shape = (2, 1, 5) if name == "wave" else (2, 1)
    state = tuple(0.5 * torch.randn(shape, dtype=torch.float64, generator=generator) for _ in range(3))
    layer = layers.layer(name, steps=1, dt=dt)
    start, entropy = energy_of(layer, state), energy_of(layer, state, "entropy")
    for _ in range(15):
        state = tuple(layer(*state))
        new = energy_of(layer, state, "entropy")
        assert (new >= entropy).all()
        entropy = new
    assert ((energy_of(layer, state) - start).abs() <= dt**2 * (1 + start.abs())).all()


@pytest.mark.parametrize("name", ["pendulum", "wave", "exponential"])
def test_programs(layers: Layers, name: str) -> None:
    """Interpreter, reference and adjoint; small gradients."""
    reference = importlib.import_module(f"{layers.module(name).__name__}.reference")
    low = lower(derive_system(layers.systems[name]))
    rank = len(low.dynamics.origin)
    assert dot_defect(low.step.body, low.step.adjoint, rank) < 1e-11
    for key, program in low.programs().items():
        values = random_values(program.inputs, rank)
        expected = run(program, values)
        got = getattr(reference, key)(*(torch.tensor(values[a.name]) for a in program.inputs))
        for out, value in zip(program.outputs, got, strict=True):
            scale = max(1.0, float(np.abs(expected[out]).max()))
            np.testing.assert_allclose(value.numpy(), expected[out], rtol=0, atol=1e-12 * scale)
    layer = layers.layer(name, steps=2)
    shape = (1, 1, 3) if name == "wave" else (2, 1)
    start = tuple(torch.randn(shape, dtype=torch.float64).requires_grad_() for _ in low.dynamics.state)
    assert torch.autograd.gradcheck(lambda *z: tuple(layer(*z)), start)


def test_the_guarantee_is_printed(layers: Layers) -> None:
    file = importlib.import_module(f"{layers.module('pendulum').__name__}.reference").__file__
    head = " ".join(line.lstrip("# ") for line in Path(str(file)).read_text().splitlines()[:40])
    assert "the total energy of the friction exactly; the entropy never falls" in head


def heated(energy: sp.Expr, metric: object, fields=(q, p, e), entropy: sp.Expr = e) -> System:
    return System("s", POINT, fields, hamiltonian=energy, entropy=entropy, bracket=canonical((q, p)), metric=metric,
                  integrator=METHOD)  # fmt: skip


def test_refusals() -> None:
    cases = {
        "holds more than s1": gallery("gas_piston", METHOD),
        "takes up is more than the friction": gallery("thermo_wave", METHOD),
        "neither a momentum nor a heat field": gallery("viscoelastic_oscillator", METHOD),
        "neither linear nor exponential": heated(
            p**2 / 2 + e**3 / 3, Dissipation((gamma * e**2, lambda F: F[p] - p / e**2 * F[e]))
        ),
        "not linear friction on p": heated(p**2 / 2 + e, friction_to_heat(gamma * p**2, p, e, p**2 / 2 + e)),
    }
    for why, system in cases.items():
        with pytest.raises(SpecError, match="Strang does not fit") as caught:
            derive(system)
        assert why in caught.value.why
        assert "DiscreteGradient" in caught.value.fix
