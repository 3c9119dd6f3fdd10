"""Elliptic constraints on the lattice: the solve and its reverse, the layers that hold one, and what they keep."""

from __future__ import annotations

import importlib
import warnings
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import sympy as sp
import torch
from torch.func import functional_call

from metrigen import (
    RK4,
    Dissipation,
    ExplicitEuler,
    Field,
    Input,
    Lattice,
    Leapfrog,
    Param,
    System,
    derive,
    energy_density,
    grad,
    mix,
)
from metrigen.discretise.base import Discretisation
from metrigen.discretise.lattice_probe import Stencil, applied, gradient_of
from metrigen.ir.interpreter import run
from metrigen.ir.nodes import Map, Program, Solve
from metrigen.ir.queries import solves_in
from metrigen.passes.pipeline import BUILT, KERNELS
from metrigen.passes.solves import share_solves
from metrigen.programs import Lowered, optimise
from tests.lattice.arrays import directional, dot_defect, random_values
from tests.lattice.emitted import compiled, layer_class, package
from tests.lattice.systems import BOUNDARIES
from tests.lengths import covering, words
from tests.lowered import lower

pytestmark = pytest.mark.covering

x, y = sp.symbols("x y", real=True)
c, K = Param("c", per="channel", positive=True), Param("K", shape=("C", "C"), symmetric=True)
LAPLACE = ("periodic", "neumann")


def turned(f: sp.Expr, g: sp.Expr) -> sp.Expr:
    return f.diff(x) * g.diff(y) - f.diff(y) * g.diff(x)


def variable(boundary: str) -> System:
    """div(kappa grad psi) - c psi + K w = 0 with the energy of that form: one solve, chi = psi."""
    plane = Lattice(x, y, boundary=boundary, spacing=sp.Rational(1, 2))
    w, psi, kappa = Field("w", plane), Field("psi", plane), Input("kappa", plane, positive=True)
    flux = sum((kappa * psi.diff(s)).diff(s) for s in (x, y))
    return System(
        "variable", plane, fields=(w,), hamiltonian=kappa * grad(psi).square / 2 + c * psi**2 / 2,
        constraints={psi: flux - c * psi + mix(K, w)}, readout=energy_density(),
        bracket=lambda F, G: w * turned(F[w], G[w]), integrator=ExplicitEuler(steps=1, dt=0.1),
    )  # fmt: skip


def nested(boundary: str) -> System:
    """An energy that is not the form of its constraint: the multiplier costs a solve, a second constraint names it."""
    plane = Lattice(x, y, boundary=boundary)
    w, psi, chi = (Field(name, plane) for name in ("w", "psi", "chi"))
    lap = lambda f: f.diff(x, 2) + f.diff(y, 2)
    return System(
        "nested", plane, fields=(w,), hamiltonian=psi**3 + w * psi.diff(x),
        constraints={psi: lap(psi) - w, chi: lap(chi) + 3 * psi**2 - w.diff(x)},
        bracket=lambda F, G: w * turned(F[w], G[w]), metric=Dissipation((1, lambda F: turned(F[w], chi))),
        integrator=ExplicitEuler(steps=1, dt=0.1),
    )  # fmt: skip


def fourth(boundary: str) -> System:
    """u - c u_xx + u_xxxx = m, of fourth order."""
    line = Lattice(x, boundary=boundary)
    m, u = Field("m", line), Field("u", line)
    return System(
        "fourth", line, fields=(m,), hamiltonian=(u**2 + c * u.diff(x) ** 2 + u.diff(x, 2) ** 2) / 2,
        constraints={u: u - c * u.diff(x, 2) + u.diff(x, 4) - m},
        bracket=lambda F, G: -F[m] * (m * G[m].diff(x) + (m * G[m]).diff(x)), integrator=RK4(steps=1, dt=0.1),
    )  # fmt: skip


def attracted(boundary: str) -> System:
    """A wave with a force of its own making: the constraint is in V(q), which a splitting takes."""
    line = Lattice(x, boundary=boundary)
    q, p, psi = (Field(name, line) for name in ("q", "p", "psi"))
    return System(
        "attracted", line, fields=(q, p), hamiltonian=p**2 / 2 + q**4 / 4 + (grad(psi).square + psi**2) / 2,
        constraints={psi: psi.diff(x, 2) - psi + q}, bracket=lambda F, G: F[q] * G[p] - F[p] * G[q],
        integrator=Leapfrog(steps=2, dt=0.1),
    )  # fmt: skip


SYSTEMS = {
    **{f"variable-{b}": variable(b) for b in BOUNDARIES},
    **{f"nested-{b}": nested(b) for b in BOUNDARIES},
    **{f"fourth-{b}": fourth(b) for b in ("periodic", "zero")},
    "attracted-zero": attracted("zero"),
}


@cache
def lowered(name: str) -> Lowered:
    return lower(derive(SYSTEMS[name]))


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("constraints")
    return cache(lambda name: package(SYSTEMS[name], folder, "con_" + name.replace("-", "_")))


# Programs ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", covering(SYSTEMS, words))
def test_the_gradient_is_that_of_the_discrete_energy(name: str) -> None:
    """dH along a direction by the complex step through the solve, against the varied program."""
    low = lowered(name)
    layer, density = low.dynamics, low.dynamics.derivation.hamiltonian
    functional, gradient = layer.lowering.functional("H", density), layer.gradient(density)
    names = [a.name for a in layer.state]
    rank = len(layer.origin)
    values = random_values(functional.inputs, rank)
    along = {n: v if n in names else 0 * v for n, v in random_values(functional.inputs, rank, seed=1).items()}
    edges = run(low.values["energy"], values)["energy__density"].sum()
    slope = run(gradient, values)
    expected = directional(low.values["energy"], values, along)["energy__density"].sum()
    got = sum((slope[f"{n}__bar"] * along[n]).sum() for n in names)
    assert abs(got - expected) < 1e-11 * max(1, abs(expected), abs(edges))


def test_a_multiplier_that_is_known_costs_no_solve() -> None:
    counts = {n: len(solves_in(lowered(n).dynamics.gradient(SYSTEMS[n].hamiltonian))) for n in SYSTEMS}
    assert counts == {n: 2 if n.startswith("nested") else 1 for n in SYSTEMS}


@pytest.mark.parametrize("name", covering(SYSTEMS, words))
def test_dot_product(name: str) -> None:
    low = lowered(name)
    rank = len(low.dynamics.origin)
    assert dot_defect(low.step.body, low.step.adjoint, rank, low.step.constants) < 1e-11
    assert dot_defect(optimise(low.step.body)[0], optimise(low.step.adjoint)[0], rank, low.step.constants) < 1e-11


@pytest.mark.parametrize("name", ["variable-neumann", "nested-zero", "attracted-zero"])
def test_passes_keep_every_value(name: str) -> None:
    layer = lowered(name).dynamics
    step = layer.derivation.system.integrator.step(layer)
    values = random_values(step.inputs, len(layer.origin))
    expected = run(step, values)
    solves = len(solves_in(step))
    for run_pass in (*BUILT, *KERNELS):
        step = run_pass(step)
        for out, value in run(step, values).items():
            np.testing.assert_allclose(value, expected[out], rtol=1e-10, atol=1e-12)
    assert len(solves_in(step)) <= solves
    assert share_solves(step) == step


def test_one_solve_for_all_who_read_it() -> None:
    """The energy, the metric and the source of chi read one psi; chi, named in the spec, is the multiplier too."""
    assert len(solves_in(lowered("nested-periodic").step.body)) == 2


@pytest.mark.parametrize("name", ["variable-zero", "variable-neumann", "nested-periodic", "nested-neumann"])
def test_energy_is_kept_by_the_bracket(name: str) -> None:
    stencil = Stencil.of(lowered(name).dynamics)
    assert stencil.bracket is not None
    for state in stencil.states():
        slope = gradient_of(stencil.energy, state)
        power, terms = Discretisation.inner(slope, applied(stencil.bracket, state, slope))
        assert abs(power) < 1e-12 * terms


@pytest.mark.parametrize("boundary", LAPLACE)
def test_the_mean_of_a_singular_equation(boundary: str) -> None:
    """A constant added to the vorticity moves nothing; the solution has zero mean and obeys the mean-free equation."""
    name = f"nested-{boundary}"
    gradient = lowered(name).dynamics.gradient(SYSTEMS[name].hamiltonian)
    first = next(s for s in gradient.body if isinstance(s, Solve))
    assert first.singular
    only = Program("psi", gradient.inputs, (*gradient.body[: gradient.body.index(first) + 1],), (first.out,),
                   gradient.periodic)  # fmt: skip
    values = random_values(gradient.inputs, 2)
    psi = run(only, values)[first.out]
    np.testing.assert_allclose(psi.mean((-1, -2)), 0, atol=1e-13)
    moved = run(only, {**values, "w": values["w"] + 3.0})[first.out]
    np.testing.assert_allclose(moved, psi, atol=1e-11)
    image = Map(stores=(("image", first.operator),))
    back = run(Program("A", only.inputs, (*only.body, image), ("image",), only.periodic), values)["image"]
    w = values["w"]
    np.testing.assert_allclose(-back, w - w.mean((-1, -2), keepdims=True), atol=1e-11)


# The layer --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", covering(SYSTEMS, words))
def test_every_program_against_the_interpreter(modules, name: str) -> None:
    reference = importlib.import_module(f"{modules(name).__name__}.reference")
    low = lowered(name)
    for key, program in low.programs().items():
        values = random_values(program.inputs, len(low.dynamics.origin))
        expected = run(program, values)
        got = getattr(reference, key)(*(torch.tensor(values[a.name]) for a in program.inputs))
        for out, value in zip(program.outputs, got, strict=True):
            scale = max(1.0, float(np.abs(expected[out]).max()))
            np.testing.assert_allclose(value.numpy(), expected[out], rtol=0, atol=1e-10 * scale, err_msg=f"{key} {out}")


def layer_and_state(modules, name: str, shape: tuple[int, ...]):
    low = lowered(name)
    layer = layer_class(modules(name))(2, steps=1).double()
    generator = torch.Generator().manual_seed(4)

    def draw(positive: bool = False) -> torch.Tensor:
        v = 0.5 * torch.randn((1, 2, *shape[: len(low.dynamics.origin)]), dtype=torch.float64, generator=generator)
        return (v.abs() + 0.3 if positive else v).requires_grad_()

    inputs = {a.name: draw(a.positive) for a in low.dynamics.inputs}
    with torch.no_grad():
        for _, p in sorted(layer.named_parameters()):
            p.copy_(0.3 * torch.randn(p.shape, dtype=torch.float64, generator=generator))
    return layer, [draw() for _ in low.dynamics.state], inputs


@pytest.mark.parametrize(
    "name", ["variable-periodic", "variable-zero", "nested-neumann", "fourth-zero", "attracted-zero"]
)
def test_gradients_of_both_orders(modules, name: str) -> None:
    """In the fields, the coefficients of the operator and the right side, against differences."""
    layer, state, inputs = layer_and_state(modules, name, (4, 3))
    weights = {key: p.detach().clone().requires_grad_() for key, p in layer.named_parameters()}
    given = (*state, *inputs.values(), *weights.values())

    def end(*values: torch.Tensor) -> torch.Tensor:
        parts = iter(values)
        fields = tuple(next(parts) for _ in state)
        passed = {key: next(parts) for key in inputs}
        out = functional_call(layer, {key: next(parts) for key in weights}, fields, passed)
        return sum((f * (1 + f)).sum() for f in out)

    assert torch.autograd.gradcheck(end, given, fast_mode=True)
    assert torch.autograd.gradgradcheck(end, given, fast_mode=True, atol=1e-4)


def test_transforms(modules) -> None:
    """Forward mode in field and coefficient, and vmap, agree with plain autograd."""
    layer, (w,), inputs = layer_and_state(modules, "variable-neumann", (4, 3))
    f = lambda w, kappa: layer(w, kappa=kappa).w
    point = (w.detach(), inputs["kappa"].detach())
    along = tuple(torch.randn_like(v) for v in point)
    value, forward = torch.func.jvp(f, point, along)
    _, pull = torch.func.vjp(f, *point)
    weight = torch.randn_like(value)
    backward = sum((a * b).sum() for a, b in zip(pull(weight), along, strict=True))
    torch.testing.assert_close((forward * weight).sum(), backward, rtol=1e-9, atol=1e-9)
    pair = torch.vmap(f, in_dims=(0, None))(torch.stack([point[0], along[0]]), point[1])
    torch.testing.assert_close(pair[1], f(along[0], point[1]), rtol=1e-10, atol=1e-10)


def test_precisions_and_diagnostics(modules) -> None:
    layer, (w,), inputs = layer_and_state(modules, "variable-periodic", (8, 6))
    with torch.no_grad():
        end = layer(w, **inputs)
        single = layer.float()(w.float(), **{k: v.float() for k, v in inputs.items()})
        assert single.w.dtype == torch.float32
        torch.testing.assert_close(single.w.double(), end.w, rtol=0, atol=1e-4)
        layer = layer.double()
        residual = layer.balance_residual(type(end)(w), end, layer.dt, **inputs)
        assert (residual.abs() < 0.05 * layer.energy(end, **inputs)).all()
        broken = w.detach().clone()
        broken[0, 0, 0, 0] = float("nan")
        reference = importlib.import_module(f"{modules('variable-periodic').__name__}.reference")
        with pytest.warns(reference.NotConverged):
            assert torch.isnan(layer(broken, **inputs).w[0]).any()


def test_a_solve_that_fails_says_so(modules) -> None:
    reference = importlib.import_module(f"{modules('variable-zero').__name__}.reference")
    b = torch.ones(1, 1, 5, dtype=torch.float64)
    with pytest.warns(reference.NotConverged, match="did not converge"):
        reference.solve(reference.Constraint(lambda u: (-u,), None, False), b)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        twice = reference.Constraint(lambda u: (2 * u,), None, False)
        torch.testing.assert_close(reference.solve(twice, b), b / 2)


SOURCES = {
    "random": lambda n: torch.randn(2, 2, *n, generator=torch.Generator().manual_seed(1), dtype=torch.float64),
    "a slope": lambda n: torch.linspace(-1, 2, 4 * n[0] * n[1], dtype=torch.float64).reshape(2, 2, *n),
    "a wave": lambda n: (
        torch.linspace(0, 2 * torch.pi, n[0] + 1, dtype=torch.float64)[:-1, None].sin().expand(2, 2, *n)
    ),
    "beside a large mean": lambda n: SOURCES["random"](n) + 1000,
}


@pytest.mark.parametrize("shape", [(5, 4), (16, 16), (33, 31)], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("source", SOURCES)
def test_a_solve_with_constants_as_kernel(modules, source: str, dtype: torch.dtype, shape: tuple[int, int]) -> None:
    """-lap u = b less its mean, against the eigenvectors of the periodic lattice: no warning, and to the digits that
    the smallest eigenvalue leaves; a right-hand side that is not solved warns."""
    reference = importlib.import_module(f"{modules('variable-periodic').__name__}.reference")

    def minus_laplacian(u: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return (4 * u - u.roll(1, 2) - u.roll(-1, 2) - u.roll(1, 3) - u.roll(-1, 3),)

    b = SOURCES[source](shape).to(dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = reference.solve(reference.Constraint(minus_laplacian, None, True), b).double()
    i, j = (2 - 2 * torch.cos(2 * torch.pi * torch.arange(n, dtype=torch.float64) / n) for n in shape)
    eigenvalues = i[:, None] + j
    eigenvalues[0, 0] = torch.inf
    wanted = torch.fft.ifft2(torch.fft.fft2(b.double()) / eigenvalues).real
    stop = reference.TOLERANCE[dtype][0]
    error = (found - wanted).flatten(2).norm(dim=-1) / wanted.flatten(2).norm(dim=-1)
    assert (error < 20 * stop / float(eigenvalues.min())).all()
    with pytest.warns(reference.NotConverged):
        reference.solve(reference.Constraint(lambda u: (-minus_laplacian(u)[0],), None, True), b)


@pytest.mark.parametrize("singular", [False, True])
@pytest.mark.parametrize("wrong", [torch.nan, torch.inf])
@pytest.mark.parametrize("way", ["variable-periodic", "nested-periodic", "nested-neumann", "nested-zero"])
def test_a_source_that_is_no_number_has_no_solution(modules, way: str, singular: bool, wrong: float) -> None:
    reference = importlib.import_module(f"{modules(way).__name__}.reference")
    b = torch.ones(1, 1, 3, 4)
    b[0, 0, 1, 1] = wrong
    modes = None if way == "variable-periodic" else lambda s, t, *_: (2 + s + t,)
    with pytest.warns(reference.NotConverged):
        found = reference.solve(reference.Constraint(lambda u: (2 * u,), modes, singular), b)
    assert not found.isfinite().any()


def test_the_package_is_the_reference_alone(modules) -> None:
    result, waves = compiled(SYSTEMS["variable-periodic"]), compiled(SYSTEMS["nested-periodic"])
    files = (
        "DERIVATION.md __init__.py accuracy.py again.py arguments.py base.py "
        "checks.py expressions.py frames.py inductor.py lattice.py "
        "module.py param.py plain.py py.typed reference.py state.py stretches.py surface.py symbolic.py trajectories.py"
    ).split()
    assert sorted(result.files) == files
    assert "custom_op" not in result.files["module.py"]
    assert "## Elliptic constraints" in result.files["DERIVATION.md"]
    assert "zero mean" in waves.files["DERIVATION.md"]
    assert "zero mean, in" not in result.files["DERIVATION.md"]
    for backend in ("triton", "cpu"):
        with pytest.raises(ValueError, match="cannot solve the constraint"):
            layer_class(modules("variable-periodic"))(2, backend=backend)


def test_a_constraint_at_a_point_is_an_equation_a_channel(tmp_path: Path) -> None:
    """q_t = -r with 2 r = q c: the layer and the closed form of ExplicitEuler."""
    point = Lattice()
    q, r = Field("q", point), Field("r", point)
    system = System(
        "algebraic", point, fields=(q,), hamiltonian=r * q / 2, constraints={r: c * r - q},
        metric=Dissipation((1, lambda F: F[q])), integrator=ExplicitEuler(steps=3, dt=0.1), readout=energy_density(),
    )  # fmt: skip
    (law,) = (law for law in derive(system).laws if law.name == "constraint")
    assert law.verdict == "proved"
    layer = layer_class(package(system, tmp_path, "algebraic"))(2).double()
    layer.c = torch.tensor([0.5, 2.0])
    start = torch.tensor([[0.7, -1.3]], dtype=torch.float64)
    torch.testing.assert_close(layer(start).q, start * (1 - 0.1 / layer.c) ** 3, rtol=1e-12, atol=0)
    free = Param("free", per="channel")
    (law,) = (law for law in derive(replace(system, constraints={r: free * r - q})).laws if law.name == "constraint")
    assert law.verdict == "conditional"
