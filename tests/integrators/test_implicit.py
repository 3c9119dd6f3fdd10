"""Implicit steps: order, what they keep, their gradients, their reports and their programs."""

from __future__ import annotations

import importlib
import itertools
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from metrigen import AverageVectorField, DiscreteGradient, ImplicitMidpoint, NeuralFunction, SpecError, System, derive
from metrigen.ir.interpreter import run
from metrigen.physics.derive import derive as derive_system
from metrigen.programs import lower, optimise
from tests.integrators.systems import (
    DT,
    POINT,
    Layers,
    column,
    coupled_wave,
    energy_of,
    gallery,
    hot_wave,
    quartic,
    wells,
)
from tests.lattice.arrays import random_values
from tests.lattice.systems import Field, Param, rough_wave, transport
from tests.lattice.test_adjoint import dot_defect

METHODS = {"midpoint": ImplicitMidpoint, "average": AverageVectorField, "gonzalez": DiscreteGradient}
MECHANICS = ("pendulum", "rigid_body", "heavy_top", "lotka_volterra")
ENTROPIC = ("gas_piston", "relaxing_rigid_body", "thermo_wave")


def systems() -> dict[str, System]:
    found: dict[str, System] = {}
    for name, method in METHODS.items():
        one = method(steps=1, dt=DT)
        found[f"quartic-{name}"] = quartic(one)
        found |= {f"{system}-{name}": gallery(system, one) for system in MECHANICS}
        found |= {f"wave_{b}-{name}": coupled_wave(b, one) for b in ("periodic", "neumann")}
        found[f"wells-{name}"] = wells(one)
        found[f"conservative-{name}"] = coupled_wave("zero", one, damped=False)
        found[f"riccati-{name}"] = riccati(one)
    found |= {f"{s}-{n}": gallery(s, METHODS[n](1, DT)) for s in ENTROPIC for n in ("midpoint", "gonzalez")}
    found["hot_wave-gonzalez"] = hot_wave("neumann", DiscreteGradient(1, DT))
    return found


def riccati(integrator: object) -> System:
    """u' = u^2, which leaves every bound at t = 1/u0: a step beyond has no solution."""
    u = Field("u", POINT)
    return System(
        "riccati", POINT, (u,), hamiltonian=-(u**3) / 3, metric=lambda F, G: F[u] * G[u], integrator=integrator
    )


@pytest.fixture(scope="module")
def layers(tmp_path_factory: pytest.TempPathFactory) -> Layers:
    return Layers(tmp_path_factory.mktemp("implicit"), systems())


STARTS = {
    "quartic": (0.8, 0.3), "pendulum": (1.5, 0.4), "rigid_body": (0.6, 1.1, -0.4), "lotka_volterra": (0.6, 1.3),
    "heavy_top": (0.3, -0.2, 1.5, 0.6, 0.0, 0.8), "gas_piston": (0.9, 0.4, 0.2, -0.1),
    "relaxing_rigid_body": (0.6, 1.1, -0.4),
}  # fmt: skip


def fields(state: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    return tuple(state[:-3])


ORDERED = [f"{s}-{n}" for s in ("quartic", "rigid_body") for n in METHODS] + [
    f"{s}-{n}" for s in ("gas_piston", "relaxing_rigid_body") for n in ("midpoint", "gonzalez")
]


@pytest.mark.parametrize("name", ORDERED)
def test_measured_order(layers: Layers, name: str) -> None:
    """Halving the step divides the distance to the next finer solution by 2^order."""
    start = column(*STARTS[name.split("-")[0]])
    ends = [torch.cat(fields(layers.layer(name, steps=n, dt=1 / n)(*start))) for n in (8, 16, 32)]
    gaps = [(a - b).norm() for a, b in itertools.pairwise(ends)]
    rates = [torch.log2(a / b).item() for a, b in itertools.pairwise(gaps)]
    assert abs(rates[-1] - METHODS[name.split("-")[1]].order) < 0.15, rates


# What is kept ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [f"{s}-{n}" for s in MECHANICS for n in ("average", "gonzalez")])
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
    """For any step size, however coarse, wherever the equation of the step was solved."""
    layer = layers.layer(f"wells-{name}", steps=1, dt=dt)
    u = torch.randn(2, 1, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        end = layer(u)
    before, after = energy_of(layer, (u,)), layer.energy(end)
    assert ((after <= before * (1 + 1e-13) + 1e-13) | (end.status != 0)).all()
    assert dt > 5 or (end.status == 0).all()


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


# Gradients ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("system", ["quartic", "wave_neumann"])
def test_gradients_of_first_and_second_order(layers: Layers, system: str, name: str) -> None:
    layer = layers.layer(f"{system}-{name}", 2, steps=1 if "wave" in system else 2, dt=0.2)
    shape = (2, 2) if system == "quartic" else (1, 2, 2)
    start = tuple((0.5 * torch.randn(shape, dtype=torch.float64)).requires_grad_() for _ in range(2))
    raw = dict(layer.named_parameters())

    def call(a: torch.Tensor, b: torch.Tensor, *values: torch.Tensor) -> tuple[torch.Tensor, ...]:
        given = dict(zip(raw, values, strict=True))
        return fields(torch.func.functional_call(layer, given, (a, b)))

    inputs = (*start, *(value.detach().clone().requires_grad_() for value in raw.values()))
    assert torch.autograd.gradcheck(call, inputs)
    if name != "average" or system == "quartic":  # one coupled lattice for each kind of equation
        assert torch.autograd.gradgradcheck(call, inputs, atol=1e-4, fast_mode=True)


def test_transforms(layers: Layers) -> None:
    """jvp, vmap and per-sample gradients of torch.func."""
    layer = layers.layer("quartic-midpoint", steps=2, dt=0.2)
    q, p = torch.randn(3, 1, 1, dtype=torch.float64), torch.randn(3, 1, 1, dtype=torch.float64)

    def step(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return layer(a, b).q.sum()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mapped = torch.func.vmap(torch.func.grad(step))(q, p)
        looped = torch.stack([torch.func.grad(step)(a, b) for a, b in zip(q, p, strict=True)])
        _, along = torch.func.jvp(step, (q[0], p[0]), (torch.ones_like(q[0]), torch.zeros_like(p[0])))
    torch.testing.assert_close(mapped, looped)
    torch.testing.assert_close(along, looped[0].sum())


# Reports --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", METHODS)
def test_a_step_without_a_solution_is_reported_by_sample(layers: Layers, name: str) -> None:
    layer = layers.layer(f"riccati-{name}", steps=2, dt=0.5)
    u = torch.tensor([[0.2], [10.0], [-3.0]], dtype=torch.float64)
    with pytest.warns(RuntimeWarning, match="did not converge") as caught:
        end = layer(u)
    assert len(caught) == 1
    assert end.status.tolist() == [0, 1, 0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        alone = layer(u[::2])
    torch.testing.assert_close(alone.u, end.u[::2], rtol=1e-14, atol=0)
    assert (alone.residual < 1e-15).all()
    assert (alone.iterations > 0).all()


def test_nothing_moves_at_rest(layers: Layers) -> None:
    for name in METHODS:
        end = layers.layer(f"pendulum-{name}", steps=3, dt=0.2)(*column(0, 0))
        assert end.q == 0
        assert end.iterations == 0
        assert end.status == 0


# Programs -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [f"{s}-{n}" for s in ("wave_periodic", "wave_neumann", "pendulum") for n in METHODS]
                         + ["hot_wave-gonzalez", "relaxing_rigid_body-gonzalez"])  # fmt: skip
def test_interpreter_reference_and_adjoint(layers: Layers, name: str) -> None:
    reference = importlib.import_module(f"{layers.module(name).__name__}.reference")
    low = lower(derive_system(layers.systems[name]))
    rank = len(low.dynamics.origin)
    assert dot_defect(low.body, low.body_adjoint, rank) < 1e-11
    assert dot_defect(optimise(low.body)[0], optimise(low.body_adjoint)[0], rank) < 1e-11
    for key, program in low.programs().items():
        values = random_values(program.inputs, rank)
        values |= {a.name: 0.3 * values[a.name] for a in low.dynamics.state if a.name in values}
        expected = run(program, values)
        got = getattr(reference, key)(*(torch.tensor(values[a.name]) for a in program.inputs))
        for out, value in zip(program.outputs, got, strict=True):
            scale = max(1.0, float(np.abs(expected[out]).max()))
            np.testing.assert_allclose(value.numpy(), expected[out], rtol=0, atol=1e-11 * scale, err_msg=f"{key} {out}")


def test_dot_product_with_variable_coefficients() -> None:
    """Nonlinear, non-symmetric stencils with coefficients from place to place, and channels coupled in three ways."""
    systems = [rough_wave("neumann", ImplicitMidpoint(1, DT))]
    systems += [replace(transport("zero"), integrator=method(1, DT)) for method in METHODS.values()]
    for system in systems:
        low = lower(derive_system(system))
        assert dot_defect(low.body, low.body_adjoint, len(low.dynamics.origin)) < 1e-11


# Refusals -------------------------------------------------------------------------------------------------------------


def test_refusals() -> None:
    with pytest.raises(SpecError, match="AverageVectorField") as caught:
        derive(gallery("gas_piston", AverageVectorField(1, 0.1)))
    assert "M dH = 0" in caught.value.why
    assert "DiscreteGradient" in caught.value.fix
    q, p = Field("q", POINT), Field("p", POINT)
    learned = System(
        "learned", POINT, (q, p), hamiltonian=p**2 / 2 + NeuralFunction("V", q),
        bracket=lambda F, G: F[q] * G[p] - F[p] * G[q], integrator=ImplicitMidpoint(1, 0.1),
    )  # fmt: skip
    with pytest.raises(SpecError, match="ImplicitMidpoint") as caught:
        derive(learned)
    assert "weights of the module V" in caught.value.why
    kink = System(
        "kink", POINT, (q, p), hamiltonian=p**2 / 2 + Param("k", positive=True) * abs(q),
        bracket=lambda F, G: F[q] * G[p] - F[p] * G[q], integrator=AverageVectorField(1, 0.1),
    )  # fmt: skip
    with pytest.raises(SpecError, match="AverageVectorField") as caught:
        derive(kink)
    assert "kink of Abs" in caught.value.why
