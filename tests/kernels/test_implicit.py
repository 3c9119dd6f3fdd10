"""Implicit steps on the CPU: the numbers of the torch reference, a stop for every plane, gradients of the solutions."""

from __future__ import annotations

import importlib
import inspect
import warnings
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import sympy as sp
import torch

from metrigen import (
    RK4,
    AverageVectorField,
    DiscreteGradient,
    Field,
    ImplicitMidpoint,
    Lattice,
    Leapfrog,
    Param,
    Strang,
    System,
    grad,
    mix,
    t,
)
from tests.integrators.methods import riccati
from tests.integrators.systems import DT, coupled_wave, hot_wave
from tests.kernels.modes import once
from tests.kernels.systems import driven, wave
from tests.lattice.emitted import arrays_of, layer_class, package
from tests.lattice.systems import transport
from tests.lengths import spread

pytestmark = [pytest.mark.covering, once]

Tensors = tuple[torch.Tensor, ...]
# A gradient takes a linear solve a step, which both sides stop at 1e-13 (1e-6) of its right side; J^-1 is below 2 and
# there are at most three steps: 3 * 2 * 2 * 1e-13.
TOLERANCE = {torch.float64: 2e-12, torch.float32: 2e-5}


def solid() -> System:
    """Three dimensions, walls, a potential that is no polynomial."""
    x, y, z = sp.symbols("x y z", real=True)
    block = Lattice(x, y, z, boundary="zero")
    u = Field("u", block)
    return System(
        "solid", block, lagrangian=u.diff(t) ** 2 / 2 - grad(u).square / 2 + sp.cos(u),
        integrator=AverageVectorField(2, 0.1),
    )  # fmt: skip


def blocks() -> System:
    """Channels coupled in pairs, with a field that bears a name of the C++ itself."""
    x = sp.Symbol("x", real=True)
    line = Lattice(x)
    R = Field("R", line)
    K = Param("K", shape=("C", "C"), symmetric=True, block=2)
    energy = R.diff(t) ** 2 / 2 - grad(R).square / 2 - R * mix(K, R) / 2 - R**4 / 4
    return System("blocks", line, lagrangian=energy, integrator=ImplicitMidpoint(2, DT))


SYSTEMS = {
    "wave": (replace(wave("periodic"), integrator=ImplicitMidpoint(3, DT)), ((33, 17), (1, 17), (15, 15), (1, 1))),
    "driven": (replace(driven("neumann"), integrator=AverageVectorField(2, DT)), ((6, 5),)),
    "transport": (replace(transport("zero"), integrator=DiscreteGradient(2, DT)), ((19,),)),
    "solid": (solid(), ((3, 2, 5),)),
    "hot_wave": (hot_wave("neumann", Strang(2, DT, bracket=Leapfrog, metric=DiscreteGradient)), ((11,),)),
    "coupled": (coupled_wave("neumann", DiscreteGradient(2, DT)), ((7,),)),
    "blocks": (blocks(), ((7,),)),
    "riccati": (riccati(DiscreteGradient(2, DT)), ((),)),
}


class Built:
    """Packages, each written and imported once."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.made = folder, {}  # type: ignore[var-annotated]

    def module(self, name: str) -> ModuleType:
        if name not in self.made:
            self.made[name] = package(SYSTEMS[name][0], self.folder, f"implicit_{name}")
        return self.made[name]

    def layer(self, name: str, backend: str, dtype: torch.dtype = torch.float64, **options: object) -> torch.nn.Module:
        """A layer of four channels with every parameter away from its start, the same for both backends."""
        torch.manual_seed(1)
        kind = layer_class(self.module(name))
        if "sites" in inspect.signature(kind).parameters:
            options = {"sites": SYSTEMS[name][1][0], **options}
        layer = kind(4, backend=backend, **options).to(dtype)
        for parameter in layer.parameters():
            parameter.data += 0.2 * torch.randn_like(parameter)
        return layer


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    found = Built(tmp_path_factory.mktemp("implicit"))
    if not importlib.import_module(f"{found.module('riccati').__name__}.cpu").available():
        pytest.skip("no C++ compiler")
    return found


def arguments(
    layer: torch.nn.Module, size: tuple[int, ...], dtype: torch.dtype, batch: int = 2
) -> dict[str, torch.Tensor]:
    """Random fields and inputs by name, a conductivity away from zero."""
    torch.manual_seed(2)
    names = arrays_of(layer)
    found = {name: 0.5 * torch.randn(batch, 4, *size, dtype=dtype) for name in names}
    return {n: (x.abs() + 0.7 if n == "kappa" else x).requires_grad_() for n, x in found.items()}


def results(layer: torch.nn.Module, given: dict[str, torch.Tensor]) -> tuple[Tensors, Tensors]:
    """(fields and readout, gradients in everything), and what the state reports."""
    state = layer(**given)
    inputs = {n: given[n] for n in inspect.signature(layer.readout).parameters if n in given}
    read = layer.readout(state, **inputs)
    loss = read.sin().sum() + sum(x.square().sum() for x in state[:-3])
    flowed = torch.autograd.grad(loss, (*given.values(), *layer.parameters()))
    return (*state[:-3], read, *flowed), tuple(state[-3:])


def agree(got: Tensors, expected: Tensors, dtype: torch.dtype) -> None:
    for a, b in zip(got, expected, strict=True):
        assert a.dtype == b.dtype == dtype
        scale = max(1.0, float(b.detach().abs().max()))
        torch.testing.assert_close(a, b, rtol=0, atol=TOLERANCE[dtype] * scale)


@pytest.mark.parametrize("name", spread(SYSTEMS, 2))
def test_same_numbers_as_the_reference(built: Built, name: str) -> None:
    """Fields, readout and every gradient; the equations are solved, in about as many iterations."""
    for size in SYSTEMS[name][1]:
        dtypes = tuple(TOLERANCE) if size == (33, 17) else (torch.float64,)
        for dtype in dtypes:
            found = []
            for backend in ("cpu", "torch"):
                layer = built.layer(name, backend, dtype)
                with warnings.catch_warnings():
                    warnings.simplefilter("error")
                    found.append(results(layer, arguments(layer, size, dtype)))
            (got, reports), (expected, told) = found
            agree(got, expected, dtype)
            for a, b in zip(reports, told, strict=True):
                assert (a.shape, a.dtype) == (b.shape, b.dtype)
            assert not reports[2].any()
            assert (reports[1] < 4 * layer_limit(built, name, dtype)).all()
            assert (reports[0] > 0).all()
            assert (reports[0] <= 2 * told[0] + 2).all()


def layer_limit(built: Built, name: str, dtype: torch.dtype) -> float:
    """The residual at which Newton's method stops, of the state."""
    return built.module(name).reference.ROUNDING[dtype][0]


def test_bits_do_not_change(built: Built) -> None:
    """The same bits at every run, for every number of threads and for strides."""
    layer = built.layer("wave", "cpu")
    given = arguments(layer, (33, 17), torch.float64)
    before, found = torch.get_num_threads(), []
    for threads in (1, 2, 2):
        torch.set_num_threads(threads)
        found.append(results(layer, given))
    torch.set_num_threads(before)
    turned = {n: x.detach().transpose(2, 3).contiguous().transpose(2, 3).requires_grad_() for n, x in given.items()}
    found.append(results(layer, turned))
    for values, reports in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0][0] + found[0][1], values + reports, strict=True))


def test_no_steps_and_no_samples(built: Built) -> None:
    for backend in ("cpu", "torch"):
        still = built.layer("wave", backend, steps=0)
        given = arguments(still, (33, 17), torch.float64)
        state = still(**given)
        assert torch.equal(state.phi, given["phi"])
        assert state.iterations.tolist() == state.status.tolist() == [0, 0]
        (flowed,) = torch.autograd.grad(state.phi.square().sum(), given["phi"])
        assert torch.equal(flowed, 2 * given["phi"].detach())
        layer = built.layer("wave", backend)
        none = layer(**arguments(layer, (33, 17), torch.float64, batch=0))
        assert none.phi.shape == (0, 4, 33, 17)
        assert none.status.shape == (0,)


def test_every_plane_stops_by_itself(built: Built) -> None:
    """A step without a solution is told of its sample, once, and changes nothing for the others."""
    layer = built.layer("riccati", "cpu", dt=0.5)
    u = torch.tensor([0.2, 10.0, -3.0], dtype=torch.float64)[:, None].expand(3, 4)
    with pytest.warns(RuntimeWarning, match="did not converge") as caught:
        end = layer(u)
    assert len(caught) == 1
    assert end.status.tolist() == [0, 1, 0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        alone = layer(u[::2])
    assert torch.equal(alone.u, end.u[::2])
    assert torch.equal(alone.iterations, end.iterations[::2])


def test_derivatives_of_second_order(built: Built) -> None:
    layer = built.layer("riccati", "cpu")
    raw = dict(layer.named_parameters())

    def call(u: torch.Tensor, *values: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(layer, dict(zip(raw, values, strict=True)), (u,)).u

    given = (0.5 * torch.randn(2, 4, dtype=torch.float64), *(x.detach().clone() for x in raw.values()))
    given = tuple(x.requires_grad_() for x in given)
    assert torch.autograd.gradcheck(call, given)
    assert torch.autograd.gradgradcheck(call, given, atol=1e-4, fast_mode=True)


def test_the_way_back_without_what_was_kept(built: Built) -> None:
    """What the steps keep spares their equations; without it these are solved again, to the same bits."""
    cpu = importlib.import_module(f"{built.module('riccati').__name__}.cpu")
    state, bars = (torch.randn(2, 4, dtype=torch.float64) for _ in range(2))
    fixed = tuple(torch.tensor(0.1, dtype=torch.float64) for _ in cpu.FIXED)
    *_, kept = cpu.evolve((state,), fixed, 2, True)
    assert kept.shape == cpu.saved_shape(state, 2, True) == (2, 1, 2, 4)
    *_, nothing = cpu.evolve((state,), fixed, 2, False)
    assert nothing.numel() == 0
    found = [cpu.evolve_adjoint((bars,), (state,), fixed, x, 2) for x in (kept, nothing)]
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_operators(built: Built) -> None:
    """The operators are what torch expects of one, and a compiled layer is one graph."""
    layer = built.layer("riccati", "auto")
    u = torch.randn(2, 4, dtype=torch.float64, requires_grad=True)
    run = torch.compile(layer, backend="aot_eager", fullgraph=True)
    expected, got = layer(u), run(u)
    assert torch.equal(got.u, expected.u)
    assert torch.equal(*(torch.autograd.grad(x.u.sum(), u)[0] for x in (got, expected)))
    module = importlib.import_module(f"{built.module('riccati').__name__}.module")
    fixed = [torch.tensor(0.1, dtype=torch.float64, requires_grad=True) for _ in module.operators.cpu.FIXED]
    torch.library.opcheck(module.operators.OPERATORS.registered["evolve"], (u, *fixed, 2, True))
    with pytest.raises(ValueError, match="'triton' cannot solve the equation of an implicit step"):
        built.layer("riccati", "triton")


def test_what_stays_with_the_reference(tmp_path: Path) -> None:
    """An equation of single channels in a step that couples them elsewhere has no unit of its own."""
    x = sp.Symbol("x", real=True)
    line = Lattice(x)
    q, p = Field("q", line), Field("p", line)
    B = Param("B", shape=("C", "C"), antisymmetric=True)
    mixed = System(
        "mixed", line, (q, p), hamiltonian=p**2 / 2 + q**4 / 4 + grad(q).square / 2,
        bracket=lambda F, G: F[q] * G[p] - F[p] * G[q] + F[p] * mix(B, G[p]), metric=lambda F, G: F[p] * G[p] * p**2,
        integrator=Strang(2, 0.1, bracket=RK4, metric=DiscreteGradient),
    )  # fmt: skip
    module = package(mixed, tmp_path, "mixed")
    assert not (tmp_path / "mixed" / "cpu.py").exists()
    with pytest.raises(ValueError, match="'cpu' cannot solve the equation of an implicit step"):
        layer_class(module)(2, backend="cpu")
    end = layer_class(module)(2).double()(*torch.randn(2, 1, 2, 5, dtype=torch.float64))
    assert end.status.tolist() == [0]


@pytest.mark.filterwarnings("ignore:the solve of a gradient of an implicit step")  # of denormal numbers it says so
@pytest.mark.parametrize("name", ["wave", "coupled", "transport", "riccati"])
@pytest.mark.parametrize("backend", ["torch", "cpu"])
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_a_gradient_is_linear_in_its_cotangent(built: Built, name: str, backend: str, dtype: torch.dtype) -> None:
    """Down to the smallest numbers, where the products of a step keep few digits, and up to the largest."""
    layer, info = built.layer(name, backend, dtype), torch.finfo(dtype)
    given = arguments(layer, SYSTEMS[name][1][0], dtype)
    state = layer(**given)
    fields, leaves = state[: len(state) - 3], list(given.values())
    flow = [torch.linspace(-1, 2, x.numel(), dtype=dtype).reshape_as(x) for x in fields]

    def flowed(unit: float) -> Tensors:
        found = torch.autograd.grad(fields, leaves, [unit * x for x in flow], retain_graph=True)
        return tuple(x / unit for x in found)

    wanted = flowed(1.0)
    for unit in (info.tiny * 2**4, info.tiny / 2**6, info.max / 2**10):
        lost = 128 * info.tiny * info.eps / unit
        for found, right in zip(flowed(unit), wanted, strict=True):
            torch.testing.assert_close(found, right, rtol=TOLERANCE[dtype], atol=lost + TOLERANCE[dtype])


@pytest.mark.parametrize("name", ["wave", "riccati"])  # by GMRES, by elimination
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_the_solve_of_a_gradient_knows_no_unit(built: Built, name: str, dtype: torch.dtype) -> None:
    """A right-hand side of any size: the same products with the Jacobian, and the same digits."""
    reference, info = importlib.import_module(f"{built.module(name).__name__}.reference"), torch.finfo(dtype)
    b = torch.linspace(-1, 2, 4 * 99, dtype=dtype).reshape(4, 99)[:, : 3 if name == "riccati" else 99]
    products = []

    def apply(v: torch.Tensor) -> torch.Tensor:  # skew beside 1, as J is
        products.append(v)
        return v + 0.4 * (v.roll(1, -1) - v.roll(-1, -1))

    counts, found = [], []
    for unit in (1.0, info.tiny * 2**4, info.tiny / 2**6, 2**-3 / info.tiny):
        products.clear()
        found.append(reference._solved(apply, unit * b, reference.LINEAR[dtype]) / unit)
        counts.append(len(products))
        torch.testing.assert_close(found[-1], found[0], rtol=1e-14, atol=4 * info.tiny * info.eps / unit)
    assert counts == counts[:1] * len(counts)
