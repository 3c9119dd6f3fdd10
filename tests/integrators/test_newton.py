"""Nonlinear steady states: the minimum of a convex energy, its gradients, its reports and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import sympy as sp
import torch

from metrigen import Dissipation, Field, Input, Lattice, Param, SpecError, SteadyState, System, derive, grad
from metrigen.ir.implicit import Root
from metrigen.ir.interpreter import run
from metrigen.ir.nodes import Program
from metrigen.passes.vary import vary
from metrigen.physics.derive import derive as derive_system
from tests.integrators.systems import Layers, x, y
from tests.lattice.arrays import dot_defect, random_values
from tests.lattice.systems import BOUNDARIES
from tests.lowered import lower

pytestmark = pytest.mark.covering


def quartic(boundary: str, solver: str = "newton") -> System:
    grid = Lattice(x, y, boundary=boundary)
    u, s, kappa = Field("u", grid), Input("s", grid), Input("kappa", grid, positive=True)
    m2, lam = Param("m2", per="channel", positive=True, init=0.5), Param("lam", nonnegative=True, init=2.0)
    return System(
        "quartic", grid, (u,), hamiltonian=kappa * grad(u).square / 2 + m2 * u**2 / 2 + lam * u**4 / 4 - s * u,
        metric=Dissipation((1, lambda F: F[u])), integrator=SteadyState(solver=solver),
    )  # fmt: skip


def saturating() -> System:
    """F' = atan u - s without a gradient term: plain Newton diverges from beyond |u| = 1.39."""
    grid = Lattice()
    u, s = Field("u", grid), Input("s", grid)
    return System(
        "saturating", grid, (u,), hamiltonian=u * sp.atan(u) - sp.log(1 + u**2) / 2 - s * u,
        metric=Dissipation((1, lambda F: F[u])), integrator=SteadyState(solver="newton", atol=1e-12),
    )  # fmt: skip


@pytest.fixture(scope="module")
def layers(tmp_path_factory: pytest.TempPathFactory) -> Layers:
    made = {b: quartic(b) for b in BOUNDARIES} | {"saturating": saturating()}
    return Layers(tmp_path_factory.mktemp("newton"), made)


def problem(*shape: int) -> dict[str, torch.Tensor]:
    return {"kappa": torch.rand(shape, dtype=torch.float64) + 0.2, "s": 3 * torch.randn(shape, dtype=torch.float64)}


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_against_the_oracle(layers: Layers, boundary: str) -> None:
    """The interpreter solves dF = 0 by elimination; the layer by conjugate gradient inside Newton's method."""
    equation = lower(derive_system(layers.systems[boundary])).evolution.equation
    assert equation is not None
    given = tuple(a.name for a in equation.residual.inputs[1:])
    program = Program("minimum", equation.residual.inputs, (Root(("out",), equation, ("u",), given),), ("out",),
                      equation.residual.periodic)  # fmt: skip
    layer = layers.layer(boundary, 2, rtol=1e-12)
    values = {"u": np.zeros((2, 2, 5, 4)), "m2": layer.m2.detach().numpy(), "lam": layer.lam.detach().numpy()}
    fields = problem(2, 2, 5, 4)
    expected = run(program, values | {name: value.numpy() for name, value in fields.items()})["out"]
    state = layer(**fields)
    np.testing.assert_allclose(state.u.detach().numpy(), expected, rtol=0, atol=1e-10)
    assert (state.status == 0).all()


def test_the_equation_is_its_own_adjoint() -> None:
    """F'' is symmetric, and the variation of the solution passes the dot test."""
    equation = lower(derive_system(quartic("neumann"))).evolution.equation
    assert equation is not None
    values = random_values(equation.tangent.inputs, 2)
    turned = dict(zip((a.name for a in equation.transposed.inputs), values.values(), strict=True))
    (image,), (mirrored,) = run(equation.tangent, values).values(), run(equation.transposed, turned).values()
    np.testing.assert_allclose(image, mirrored, rtol=0, atol=1e-12 * np.abs(image).max())
    given = tuple(a.name for a in equation.residual.inputs[1:])
    program = Program("minimum", equation.residual.inputs, (Root(("out",), equation, ("u",), given),), ("out",), False)
    adjoint = vary(program, [a.name for a in program.inputs], rank=2)
    assert dot_defect(_positive(program), _positive(adjoint), 2) < 1e-11


def _positive(program: Program) -> Program:
    """The coefficients of a convex energy are drawn positive."""
    named = ("m2", "lam", "kappa")
    return replace(program, inputs=tuple(replace(a, positive=a.positive or a.name in named) for a in program.inputs))


def test_newton_solves_a_linear_system_like_cg(layers: Layers) -> None:
    fields = problem(2, 2, 5, 4)
    layer = layers.layer("zero", 2, rtol=1e-12)
    layer.lam = 0.0
    state = layer(**fields)
    again = layer(**fields, warm_start=state.u)
    assert (again.iterations == 0).all()
    assert (state.status == 0).all()


def test_every_sample_stops_by_itself(layers: Layers) -> None:
    fields = problem(2, 2, 8, 8)
    fields["s"][0] *= 1e-3
    layer = layers.layer("neumann", 2, rtol=1e-10)
    state, alone = layer(**fields), layer(**{name: value[:1] for name, value in fields.items()})
    torch.testing.assert_close(alone.u[0], state.u[0], rtol=1e-13, atol=1e-15)
    assert alone.iterations[0] == state.iterations[0] != state.iterations[1]


def test_backtracking_where_newton_overshoots(layers: Layers) -> None:
    s = torch.tensor([[1.5], [-1.2], [0.0]], dtype=torch.float64)
    state = layers.layer("saturating", rtol=1e-12)(s, warm_start=torch.full_like(s, 30.0))
    torch.testing.assert_close(state.u, torch.tan(s), rtol=1e-9, atol=1e-11)
    assert (state.status == 0).all()


def test_transforms_take_sample_after_sample(layers: Layers) -> None:
    layer, fields = layers.layer("zero", 2, rtol=1e-12), problem(2, 2, 5, 4)
    s = torch.stack((fields["s"], fields["s"] + 1))

    def solved(s: torch.Tensor) -> torch.Tensor:
        return layer(**(fields | {"s": s})).u

    both = torch.func.vmap(solved)(s)
    slopes = torch.func.vmap(torch.func.grad(lambda s: solved(s).sin().sum()))(s)
    for k in range(2):
        at = s[k].clone().requires_grad_()
        one = solved(at)
        torch.testing.assert_close(both[k], one, rtol=1e-12, atol=1e-14)
        torch.testing.assert_close(slopes[k], torch.autograd.grad(one.sin().sum(), at)[0], rtol=1e-10, atol=1e-12)
    status = torch.func.vmap(lambda s: layer(**(fields | {"s": s})).status)(s)
    assert status.shape == (2, 2)
    assert not status.any()


def test_a_solve_that_fails_says_so(layers: Layers) -> None:
    layer = layers.layer("neumann", 2, rtol=1e-12, max_iter=3)
    with pytest.warns(RuntimeWarning, match="did not converge") as caught:
        state = layer(**problem(2, 2, 6, 6))
    assert len(caught) == 1
    assert (state.status == 1).all()
    none = layers.layer("saturating", max_iter=100)
    with pytest.warns(RuntimeWarning):
        state = none(torch.tensor([[2.0], [0.5]], dtype=torch.float64))  # atan u = 2 has no solution
    assert state.status.tolist() == [1, 0]


def test_gradients_of_first_and_second_order(layers: Layers) -> None:
    layer = layers.layer("neumann", 2, rtol=1e-13)
    fields = tuple(value.requires_grad_() for value in problem(1, 2, 3, 2).values())
    raw = dict(layer.named_parameters())

    def call(kappa: torch.Tensor, s: torch.Tensor, *values: torch.Tensor) -> torch.Tensor:
        given = dict(zip(raw, values, strict=True))
        return torch.func.functional_call(layer, given, (), {"kappa": kappa, "s": s}).u

    inputs = (*fields, *(value.detach().clone().requires_grad_() for value in raw.values()))
    assert torch.autograd.gradcheck(call, inputs)
    assert torch.autograd.gradgradcheck(call, inputs)


def test_single_precision(layers: Layers) -> None:
    fields = {name: value.float() for name, value in problem(2, 2, 5, 4).items()}
    exact = layers.layer("periodic", 2, rtol=1e-12)(**{n: v.double() for n, v in fields.items()})
    state = layers.layer("periodic", 2, rtol=1e-5).float()(**fields)
    assert state.u.dtype == torch.float32
    assert (state.status == 0).all()
    torch.testing.assert_close(state.u.double(), exact.u, rtol=0, atol=1e-4)


line = Lattice(x)
u = Field("u", line)
GRADIENT = grad(u).square / 2
REFUSED = {
    "u=": GRADIENT + (u**2 - 1) ** 2 / 4,
    "may vanish": GRADIENT + u**4,
    "12*a*u**2": GRADIENT + u**2 + Param("a") * u**4,
    "not known to be convex": (1 + u**2) * grad(u).square + u**2,
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_is_not_convex_is_refused(reason: str) -> None:
    system = System("s", line, (u,), hamiltonian=REFUSED[reason], metric=Dissipation((1, lambda F: F[u])),
                    integrator=SteadyState(solver="newton"))  # fmt: skip
    with pytest.raises(SpecError, match="SteadyState") as caught:
        derive(system)
    assert "not known to be convex" in caught.value.why
    assert reason in caught.value.why + str(caught.value.witness)
    assert "descend at any dt" in caught.value.fix


def test_the_linear_solvers_name_this_one() -> None:
    with pytest.raises(SpecError, match="SteadyState") as caught:
        derive(quartic("zero", "cg"))
    assert "not quadratic" in caught.value.why
    assert 'solver="newton"' in caught.value.fix
