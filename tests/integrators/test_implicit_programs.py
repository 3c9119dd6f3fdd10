"""Implicit steps: their gradients, their reports, their programs and what is refused."""

from __future__ import annotations

import importlib
import warnings
from dataclasses import replace

import numpy as np
import pytest
import sympy as sp
import torch

from metrigen import AverageVectorField, Field, ImplicitMidpoint, NeuralFunction, Param, SpecError, System, derive
from metrigen.ir.interpreter import run
from metrigen.physics.derive import derive as derive_system
from metrigen.programs import optimise
from tests.integrators.methods import METHODS, fields, systems
from tests.integrators.systems import DT, POINT, Layers, column, gallery
from tests.lattice.arrays import dot_defect, random_values
from tests.lattice.systems import rough_wave, transport
from tests.lowered import lower

pytestmark = pytest.mark.covering


@pytest.fixture(scope="module")
def layers(tmp_path_factory: pytest.TempPathFactory) -> Layers:
    return Layers(tmp_path_factory.mktemp("implicit"), systems())


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


@pytest.mark.parametrize("name", [f"{s}-{n}" for s in ("wave_neumann", "pendulum") for n in METHODS]
                         + ["hot_wave-gonzalez", "relaxing_rigid_body-gonzalez"])  # fmt: skip
def test_interpreter_reference_and_adjoint(layers: Layers, name: str) -> None:
    reference = importlib.import_module(f"{layers.module(name).__name__}.reference")
    low = lower(derive_system(layers.systems[name]))
    rank = len(low.dynamics.origin)
    assert dot_defect(low.step.body, low.step.adjoint, rank) < 1e-11
    assert dot_defect(optimise(low.step.body)[0], optimise(low.step.adjoint)[0], rank) < 1e-11
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
        assert dot_defect(low.step.body, low.step.adjoint, len(low.dynamics.origin)) < 1e-11


def test_dot_product_of_every_quotient() -> None:
    """The adjoint of a step differentiates quotients twice, in the state and in the parameters of their arguments."""
    q, p, a = Field("q", POINT), Field("p", POINT), Param("a", positive=True)
    H = (
        sp.log(1 + a * q**2) + sp.exp(p / 3) * sp.cos(q) + sp.asinh(a * q) * sp.tanh(p) + sp.sqrt(1 + p**2 * q**2)
        + (2 + p**2) ** sp.Rational(2, 3) / (1 + q**2) + (1 + q**2) ** a + sp.asin(p / 9) * sp.sinh(q / 2)
        + sp.tan(q / 9) + (q**2 + p**2) ** sp.Rational(5, 2) / 99
    )  # fmt: skip
    system = System(
        "medley", POINT, (q, p), hamiltonian=H, bracket=lambda F, G: F[q] * G[p] - F[p] * G[q],
        integrator=METHODS["gonzalez"](1, DT),
    )  # fmt: skip
    low = lower(derive_system(system))
    assert dot_defect(low.step.body, low.step.adjoint, 0) < 1e-11


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
