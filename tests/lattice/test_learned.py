"""Learned functions in the emitted layer: the numbers of the explicit spec, exact gradients, errors that teach."""

from __future__ import annotations

import importlib
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import sympy as sp
import torch
from torch import Tensor, nn
from torch.func import functional_call

from metrigen import (
    RK4,
    ExplicitEuler,
    Field,
    Input,
    Lattice,
    Leapfrog,
    NeuralFunction,
    Param,
    Strang,
    SymplecticEuler,
    System,
    derive,
    diffusion,
    energy_density,
    grad,
    mix,
    momentum,
    stress_energy,
    t,
)
from metrigen.ir.interpreter import run
from metrigen.ir.queries import learned_in
from metrigen.passes.vary import bar
from metrigen.programs import Lowered, optimise
from metrigen.spec.neural import learned_functions
from tests.lattice.arrays import directional, random_values
from tests.lattice.emitted import compiled, layer_class, package
from tests.lengths import spread
from tests.lowered import lower
from tests.modules import Closed, Network, quartic

pytestmark = pytest.mark.covering

x, y = sp.symbols("x y", real=True)
DT = Param("dt", positive=True, init=0.1)
C = 2


def wave(boundary: str, integrator: object, learned: bool) -> System:
    """A learned potential beside a coupling, an input and friction; explicit: 0.3 phi^2/2 + 0.5 phi^4/4."""
    grid = Lattice(x, y, boundary=boundary)
    phi, sigma = Field("phi", grid), Input("sigma", grid)
    c2, gamma = Param("c2", per="channel", positive=True), Param("gamma", per="channel", nonnegative=True)
    K = Param("K", shape=("C", "C"), symmetric=True)
    coupling = 0 if isinstance(integrator, RK4) else phi * mix(K, phi) / 2
    V = NeuralFunction("V", phi) if learned else sp.Rational(3, 20) * phi**2 + phi**4 / 8
    damped = isinstance(integrator, (Strang, RK4))
    return System(
        "wave", grid, integrator=integrator, readout=stress_energy(),
        lagrangian=phi.diff(t) ** 2 / 2 - c2 * grad(phi).square / 2 - V - coupling - sigma * phi,
        metric=(lambda F, G: gamma * F[momentum(phi)] * G[momentum(phi)]) if damped else None,
    )  # fmt: skip


def mobility(boundary: str, learned: bool) -> System:
    """Mass transport with a mobility of the field and a prescribed one: explicit M = softplus(1 + u^2 w)."""
    line = Lattice(x, boundary=boundary)
    u, w = Field("u", line), Input("w", line)
    eps = Param("eps", per="channel", positive=True)
    M = NeuralFunction("M", u, w, positive=True) if learned else sp.log(1 + sp.exp(1 + u**2 * w))
    return System(
        "mobility", line, fields=(u,), hamiltonian=eps * u.diff(x) ** 2 / 2 + u**4 / 4 - u**2 / 2,
        metric=diffusion(M, u), integrator=ExplicitEuler(steps=3, dt=Param("dt", positive=True, init=0.02)),
        readout=energy_density(),
    )  # fmt: skip


def gradient_energy(learned: bool) -> System:
    """A learned function of |grad phi|^2, of two axes at once: explicit sqrt(1 + s)."""
    grid = Lattice(x, y, boundary="neumann")
    phi = Field("phi", grid)
    square = grad(phi).square
    W = NeuralFunction("W", square) if learned else sp.sqrt(1 + square)
    return System("membrane", grid, lagrangian=phi.diff(t) ** 2 / 2 - W, integrator=Leapfrog(steps=3, dt=DT))


SYSTEMS = {
    "Strang": (partial(wave, "periodic", Strang(steps=3, dt=DT)), {"V": quartic(0.3, 0.5)}),
    "Leapfrog": (partial(wave, "zero", Leapfrog(steps=3, dt=0.1)), {"V": quartic(0.3, 0.5)}),
    "SymplecticEuler": (partial(wave, "neumann", SymplecticEuler(steps=3, dt=DT)), {"V": quartic(0.3, 0.5)}),
    "RK4": (partial(wave, "periodic", RK4(steps=2, dt=DT)), {"V": quartic(0.3, 0.5)}),
    "mobility-periodic": (partial(mobility, "periodic"), {"M": Closed(lambda u, w, a: a + u**2 * w, 1.0)}),
    "mobility-neumann": (partial(mobility, "neumann"), {"M": Closed(lambda u, w, a: a + u**2 * w, 1.0)}),
    "gradient": (gradient_energy, {"W": Closed(lambda s, a: torch.sqrt(a + s), 1.0)}),
}
NAMES = tuple(SYSTEMS)


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> object:
    folder: Path = tmp_path_factory.mktemp("learned")

    @cache
    def get(name: str, learned: bool = True) -> SimpleNamespace:
        module_name = f"{'learned' if learned else 'explicit'}_{name.lower().replace('-', '_')}"
        system = SYSTEMS[name][0](learned=learned)
        module = package(system, folder, module_name)
        return SimpleNamespace(system=system, module=module, layer=layer_class(module))

    return get


@cache
def lowered(name: str) -> Lowered:
    return lower(derive(SYSTEMS[name][0](learned=True)))


def made(found: SimpleNamespace, modules: dict[str, nn.Module] | None = None, **options: object) -> nn.Module:
    """A layer in float64 whose own parameters are the same numbers for every package of one system."""
    layer = found.layer(C, **(modules or {}), **options).double()
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for key, weight in sorted(layer.named_parameters()):
            if key.startswith("raw_") and key != "raw_dt":
                weight.copy_(0.3 * torch.randn(weight.shape, generator=generator, dtype=torch.float64))
    return layer


def state_of(name: str, seed: int = 0) -> tuple[list[Tensor], dict[str, Tensor]]:
    """Fields and inputs (2, C, ...) of a system."""
    layer = lowered(name).dynamics
    shape = (2, C, *(4, 5)[: len(layer.origin)])
    generator = torch.Generator().manual_seed(seed)
    draw = [0.4 * torch.randn(shape, generator=generator, dtype=torch.float64) for _ in (*layer.state, *layer.inputs)]
    n = len(layer.state)
    return draw[:n], {a.name: v for a, v in zip(layer.inputs, draw[n:], strict=True)}


@pytest.mark.parametrize("name", spread(NAMES, 3))
def test_the_numbers_of_the_explicit_spec(packages, name: str) -> None:
    mine = made(packages(name), SYSTEMS[name][1])
    truth = made(packages(name, learned=False), backend="torch")
    fields, inputs = state_of(name)
    results = []
    for layer in (mine, truth):
        leaves = [f.clone().requires_grad_() for f in fields]
        end = layer(*leaves, **inputs)
        values = [*end, layer.readout(end, **inputs), layer.energy(end, **inputs)]
        values.append(layer.balance_residual(type(end)(*leaves), end, 0.3, **inputs))
        values += layer.stress_energy(end, **inputs).values() if hasattr(layer, "stress_energy") else []
        own = [p for key, p in sorted(layer.named_parameters()) if key.startswith("raw_")]
        loss = sum((v * torch.linspace(0, 1, v.numel(), dtype=v.dtype).reshape(v.shape)).sum() for v in values)
        results.append([*values, *torch.autograd.grad(loss, [*leaves, *own])])
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12 * float(b.detach().abs().max().clamp(min=1)))


@pytest.mark.parametrize("name", ["Strang", "SymplecticEuler", "mobility-neumann", "gradient"])
def test_gradients_of_fields_parameters_and_weights(packages, name: str) -> None:
    """First and second order, through a small network, against differences."""
    low = lowered(name)
    (head,) = learned_functions(*(e for s in low.step.body.body for _, e in getattr(s, "stores", ())))
    layer = made(packages(name), {head.name: Network(len(head.orders), width=2, seed=1)}, steps=1)
    fields, inputs = state_of(name)
    weights = {key: p.detach().requires_grad_() for key, p in layer.named_parameters()}
    leaves = [f[:1, :, :3].clone().requires_grad_() for f in fields]
    given = {key: v[:1, :, :3].clone().requires_grad_() for key, v in inputs.items()}

    def loss(*values: Tensor) -> Tensor:
        parts = iter(values)
        state = [next(parts) for _ in leaves]
        passed = {key: next(parts) for key in given}
        end = functional_call(layer, {key: next(parts) for key in weights}, tuple(state), passed)
        return sum((x * (i + 1 + x)).sum() for i, x in enumerate(end))

    values = (*leaves, *given.values(), *weights.values())
    assert torch.autograd.gradcheck(loss, values)
    assert torch.autograd.gradgradcheck(loss, values)
    slopes = [w for key, w in weights.items() if key.endswith("weight")]
    assert all(g.abs().max() > 0 for g in torch.autograd.grad(loss(*values), slopes))


def table(modules: dict[str, nn.Module], positive: dict[str, bool]) -> dict[str, object]:
    """The callables that the interpreter asks for, by the helper of the emitted reference."""

    def call(name: str, reference: ModuleType):
        helper = reference.Learned(name, modules[name], positive[name])

        def value(orders: tuple[int, ...], *arguments: np.ndarray) -> np.ndarray:
            tensors = [torch.tensor(a) for a in np.broadcast_arrays(*arguments)]
            return (helper.d(orders, *tensors) if any(orders) else helper(*tensors)).detach().numpy()

        return value

    return {name: partial(call, name) for name in modules}


@pytest.mark.parametrize("name", NAMES)
def test_every_program_against_the_interpreter(packages, name: str) -> None:
    """The oracle calls the same module, with the derivatives that the programs ask for."""
    reference = importlib.import_module(f"{packages(name).module.__name__}.reference")
    low, modules = lowered(name), SYSTEMS[name][1]
    rank = len(low.dynamics.origin)
    signs = {head.name: bool(head.sign) for p in low.programs().values() for head in learned_in(p)}
    functions = {key: make(reference) for key, make in table(modules, signs).items()}
    for key, program in low.programs().items():
        values = random_values(program.inputs, rank)
        expected = run(program, values, functions)
        given = {h.name: reference.Learned(h.name, modules[h.name], bool(h.sign)) for h in learned_in(program)}
        got = getattr(reference, key)(*(torch.tensor(values[a.name]) for a in program.inputs), **given)
        for out, value in zip(program.outputs, got, strict=True):
            scale = max(1.0, float(np.abs(expected[out]).max()))
            np.testing.assert_allclose(value.detach().numpy(), expected[out], rtol=0, atol=1e-12 * scale, err_msg=out)


@pytest.mark.parametrize("name", NAMES)
def test_the_varied_step_is_the_adjoint(name: str) -> None:
    """<J v, w> = <v, J^T w> with the function that stands for a learned one: vary raises V to V', V' to V''."""
    low = lowered(name)
    rank = len(low.dynamics.origin)
    for program, adjoint in (
        (low.step.body, low.step.adjoint),
        (optimise(low.step.body)[0], optimise(low.step.adjoint)[0]),
    ):
        values, along = random_values(program.inputs, rank), random_values(program.inputs, rank, seed=1)
        along |= {constant: 0 * along[constant] for constant in low.step.constants}
        image = directional(program, values, along)
        cotangents = {bar(n): np.random.default_rng(2).normal(size=image[n].shape) for n in program.outputs}
        flowed = run(adjoint, {**values, **cotangents})
        forward = sum((image[n] * cotangents[bar(n)]).sum() for n in program.outputs)
        terms = [(flowed[bar(a.name)] * along[a.name]).sum() for a in program.inputs]
        assert abs(forward - sum(terms)) < 1e-11 * max(1.0, sum(abs(term) for term in terms))


def test_the_reverse_loop_of_the_reference(packages) -> None:
    reference = importlib.import_module(f"{packages('Strang').module.__name__}.reference")
    low, V = lowered("Strang"), reference.Learned("V", Network(seed=2).double())
    values = random_values(low.step.body.inputs, 2)
    tensors = [torch.tensor(0.3 * values[a.name], requires_grad=True) for a in low.step.body.inputs]
    state, fixed = tuple(tensors[:2]), tuple(tensors[2:])
    step, reverse = partial(reference.step, V=V), partial(reference.step_adjoint, V=V)
    out = reference.evolve(state, fixed, 3, step)
    weights = tuple(torch.randn_like(o) for o in out)
    expected = torch.autograd.grad(sum((w * o).sum() for w, o in zip(weights, out, strict=True)), tensors)
    for a, b in zip(reference.evolve_adjoint(weights, state, fixed, 3, step, reverse), expected, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-10 * float(b.abs().max().clamp(min=1)))


# The surface of the package ---------------------------------------------------------------------------------------


def test_the_files() -> None:
    result = compiled(SYSTEMS["Strang"][0](learned=True))
    files = (
        "DERIVATION.md __init__.py accuracy.py again.py arguments.py base.py "
        "checks.py expressions.py frames.py inductor.py lattice.py "
        "module.py param.py plain.py py.typed reference.py state.py stretches.py surface.py symbolic.py trajectories.py"
    ).split()
    assert sorted(result.files) == files
    for name in ("module.py", "reference.py", "__init__.py"):
        text = result.files[name]
        assert "import triton" not in text
        assert "custom_op" not in text
        assert "import kernels" not in text
    derivation = result.files["DERIVATION.md"]
    assert "## Learned functions" in derivation
    assert "V'\\left(\\phi\\right)" in derivation
    assert "| learned_function | conditional |" in derivation
    assert result.files == compiled(SYSTEMS["Strang"][0](learned=True)).files


def test_the_module_is_part_of_the_layer(packages) -> None:
    network = Network()
    layer = packages("Strang").layer(C, V=network)
    assert layer.V is network
    assert {f"V.{key}" for key in network.state_dict()} < set(layer.state_dict())
    assert layer.double().V.layers[0].weight.dtype == torch.float64


def test_every_stencil_law_of_the_explicit_spec_holds_for_any_function() -> None:
    for name in ("Leapfrog", "mobility-periodic", "mobility-neumann"):
        mine, truth = ({w.name: w.verdict for w in compiled(SYSTEMS[name][0](learned=k)).laws} for k in (True, False))
        assert {k: v for k, v in mine.items() if k.startswith("lattice_")} == {
            k: v for k, v in truth.items() if k.startswith("lattice_")
        }, name


class Average(nn.Module):
    """Not elementwise: one value per sample."""

    def forward(self, phi: Tensor) -> Tensor:
        return phi.flatten(1).mean(1)


def test_errors(packages) -> None:
    layer = packages("Strang").layer
    with pytest.raises(TypeError, match="V"):
        layer(C)
    with pytest.raises(TypeError, match="V is a module from tensors to tensors, not 3"):
        layer(C, V=3)
    for backend in ("triton", "cpu"):
        with pytest.raises(ValueError, match=f"backend='{backend}' cannot call the module V; use"):
            layer(C, V=Network(), backend=backend)
    with pytest.raises(ValueError, match="not emitted for this package"):
        layer(C, V=Network(), backend="tpu")
    fields, inputs = state_of("Strang")
    with pytest.raises(ValueError, match=r"the module V maps shape .* it must act elementwise"):
        made(packages("Strang"), {"V": Average()})(*fields, **inputs)


def test_flat_modules_have_no_slope(packages) -> None:
    """A module whose output does not depend on its input, or depends on it linearly, has derivatives that vanish."""
    fields, inputs = state_of("Strang")
    ends = []
    for function in (lambda phi: torch.ones_like(phi), lambda phi: 0 * phi + 2, lambda phi: torch.zeros(phi.shape)):
        layer = made(packages("Strang"), {"V": function})
        leaves = [f.clone().requires_grad_() for f in fields]
        end = layer(*leaves, **inputs)
        sum(x.sum() for x in end).backward()
        ends.append(torch.cat([*end, *(leaf.grad for leaf in leaves)]).detach())
    assert all(torch.equal(end, ends[0]) for end in ends)


def test_without_gradients_and_in_single_precision(packages) -> None:
    fields, inputs = state_of("Strang")
    layer = made(packages("Strang"), {"V": Network(seed=4)})
    expected = layer(*fields, **inputs)
    with torch.no_grad():
        quiet = layer(*fields, **inputs)
    with torch.inference_mode():
        still = layer(*fields, **inputs)
    assert not quiet.phi.requires_grad
    torch.testing.assert_close(quiet.phi, expected.phi.detach(), rtol=0, atol=0)
    torch.testing.assert_close(still.phi, expected.phi.detach(), rtol=0, atol=0)
    single = layer.float()(*(f.float() for f in fields), **{k: v.float() for k, v in inputs.items()})
    assert single.phi.dtype == torch.float32
    torch.testing.assert_close(single.phi.double(), expected.phi, rtol=0, atol=2e-5)


def test_transforms_and_compilation(packages) -> None:
    """Forward mode, vmap and torch.compile agree with plain autograd."""
    fields, inputs = state_of("Strang")
    layer = made(packages("Strang"), {"V": Network(seed=5)}, steps=1)

    def phi_after(phi: Tensor) -> Tensor:
        return layer(phi, fields[1], **inputs).phi

    along = torch.randn_like(fields[0])
    _, forward = torch.func.jvp(phi_after, (fields[0],), (along,))
    _, pull = torch.func.vjp(phi_after, fields[0])
    weight = torch.randn_like(forward)
    torch.testing.assert_close((forward * weight).sum(), (pull(weight)[0] * along).sum(), rtol=1e-11, atol=1e-11)
    pair = torch.stack([fields[0], along])
    torch.testing.assert_close(torch.vmap(phi_after)(pair)[1], phi_after(along), rtol=1e-12, atol=1e-12)
    leaf = fields[0].clone().requires_grad_()
    fast = torch.compile(phi_after, backend="aot_eager")(leaf)
    (grad,) = torch.autograd.grad((fast * weight).sum(), leaf)
    torch.testing.assert_close(fast, phi_after(fields[0]), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(grad, pull(weight)[0], rtol=1e-11, atol=1e-11)


def test_the_mobility_is_positive_whatever_the_module_says(packages) -> None:
    """Mass is kept and the free energy falls with a module that is negative everywhere."""
    found = packages("mobility-neumann")
    layer = made(found, {"M": Closed(lambda u, w, a: a + 0 * u, -2.0)}, steps=40, dt=0.01)
    (u,), inputs = state_of("mobility-neumann")
    start = found.module.__dict__[found.layer.__name__ + "State"](u)
    end = layer(u, **inputs)
    torch.testing.assert_close(end.u.sum(-1), u.sum(-1), rtol=0, atol=1e-13)
    assert (layer.energy(end, **inputs) < layer.energy(start, **inputs)).all()


def test_a_function_with_the_name_of_an_intermediate() -> None:
    """A learned function may be called as the compiler calls its own values."""
    grid = Lattice(x)
    phi = Field("phi", grid)
    gamma = Param("gamma", nonnegative=True)
    base = System(
        "named", grid, integrator=Strang(steps=1, dt=0.1),
        lagrangian=phi.diff(t) ** 2 / 2 - NeuralFunction("decay", phi),
        metric=lambda F, G: gamma * F[momentum(phi)] * G[momentum(phi)],
    )  # fmt: skip
    text = compiled(base).files["reference.py"]
    assert "*, decay: Learned" in text
    assert "decay_1" in text
    assert compiled(replace(base, name="named")).files["reference.py"] == text
