"""Implicit steps of systems of ODEs on the CPU, every equation in the lane of its number: as the reference."""

from __future__ import annotations

import importlib
import os
import warnings
from pathlib import Path

import pytest
import sympy as sp
import torch

from metrigen import (
    AverageVectorField,
    DiscreteGradient,
    Dissipation,
    Field,
    ImplicitMidpoint,
    Input,
    Lattice,
    Param,
    System,
    energy_density,
    mix,
)
from tests.integrators.methods import riccati
from tests.kernels.owned import Owned
from tests.kernels.test_point import agree, inputs, pair
from tests.lattice.emitted import compiled, layer_class, package

pytestmark = [
    pytest.mark.covering,
    pytest.mark.skipif(
        os.environ.get("TRITON_INTERPRET") == "1", reason="operators on the CPU run the Triton kernels here"
    ),
]

POINT = Lattice()
METHODS = {"midpoint": ImplicitMidpoint, "average": AverageVectorField, "gradient": DiscreteGradient}
# Newton's method stops at a few roundings of the state on both sides, three steps one after the other.
LIMIT = {torch.float64: 2e-12, torch.float32: 2e-5}
Named = dict[str, torch.Tensor]


def system(method: str) -> System:
    """A top with a bracket of the state and a rotor: four unknowns; a force, numbers of a channel and a site."""
    x, y, z, u = (Field(n, POINT) for n in "xyzu")
    w, k, a = Param("w", per="channel", positive=True, init=0.7), Param("k", init=0.3), Param("a", per="site", init=0.2)
    force = Input("force", POINT)
    energy = x**2 / 2 + w * y**2 / 2 + z**2 + k * sp.cos(u) - force * x + a * z**2 / 2 + u**2 / 2

    def bracket(F, G):  # type: ignore[no-untyped-def]
        turns = sp.Matrix([x, y, z]).dot(
            sp.Matrix([F[v] for v in (x, y, z)]).cross(sp.Matrix([G[v] for v in (x, y, z)]))
        )
        return F[u] * G[z] - F[z] * G[u] - turns

    return System(
        "top", POINT, (x, y, z, u), hamiltonian=energy, bracket=bracket, integrator=METHODS[method](steps=3, dt=0.1),
        readout=energy_density(), almost_poisson=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, type]:
    folder = tmp_path_factory.mktemp("top")
    modules = {name: package(system(name), folder, f"top_{name}") for name in METHODS}
    if not importlib.import_module(f"{modules['midpoint'].__name__}.cpu").available():
        pytest.skip("no C++ compiler")
    return {name: layer_class(module) for name, module in modules.items()}


def results(layer: torch.nn.Module, given: Named) -> Named:
    """Fields and every gradient; the reports apart."""
    state = layer(**given)
    named = {n: x for n, x in state._asdict().items() if n not in ("iterations", "residual", "status")}
    leaves = {**given, **dict(layer.named_parameters())}
    loss = sum(x.sin().sum() for x in named.values())
    flowed = torch.autograd.grad(loss, tuple(leaves.values()), materialize_grads=True)
    named |= {f"d {n}": g for n, g in zip(leaves, flowed, strict=True)}
    return {n: x.detach() for n, x in named.items()} | {n: getattr(state, n) for n in ("iterations", "status")}


@pytest.mark.parametrize("dtype", LIMIT)
@pytest.mark.parametrize("method", METHODS)
def test_numbers_of_the_reference(kinds: dict[str, type], method: str, dtype: torch.dtype) -> None:
    """Values and gradients, by equations that are solved in about as many iterations."""
    layers = pair(kinds[method], 3, dtype)
    given = inputs(layers[0], 23, 3, dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got, expected = (results(layer, given) for layer in layers)
    taken, told = got.pop("iterations"), expected.pop("iterations")
    assert taken.dtype == told.dtype
    assert ((taken > 0) & (taken <= told + 3)).all()
    agree(got, expected, LIMIT[dtype])


def test_a_pivot_is_not_where_it_stands(tmp_path: Path) -> None:
    """A growth whose Jacobian 1 - h/2 (2 -1; -1 -1) has a zero in its first place at h = 1."""
    u, v = Field("u", POINT), Field("v", POINT)
    growth = System(
        "growth", POINT, (u, v), hamiltonian=-(u**2) + u * v + v**2 / 2, integrator=ImplicitMidpoint(steps=1, dt=1.0),
        metric=Dissipation((1, lambda F: F[u]), (1, lambda F: F[v])),
    )  # fmt: skip
    layer = layer_class(package(growth, tmp_path, "growth"))(1, backend="cpu").double()
    before = torch.tensor([[0.3], [-0.2]], dtype=torch.float64)
    end = layer(before[:1], before[1:])
    rates = torch.tensor([[2.0, -1.0], [-1.0, -1.0]], dtype=torch.float64)
    one = torch.eye(2, dtype=torch.float64)
    right = torch.linalg.solve(one - rates / 2, (one + rates / 2) @ before)
    assert end.status.tolist() == [0]
    torch.testing.assert_close(torch.cat(end[:2]), right, rtol=0, atol=1e-14)


def test_where_there_is_no_solution(tmp_path: Path) -> None:
    """A number that stands still keeps what it had found, after as many iterations as by the reference."""
    module = package(riccati(ImplicitMidpoint(2, 0.3)), tmp_path, "standing")
    u = torch.tensor([0.2, 10.0, -3.0, 4.0, 5.0, 30.0], dtype=torch.float64)[:, None]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        got, expected = (layer_class(module)(1, backend=backend).double()(u) for backend in ("cpu", "torch"))
    assert got.status.tolist() == expected.status.tolist() == [0, 1, 0, 1, 1, 1]
    assert torch.equal(got.iterations, expected.iterations)
    torch.testing.assert_close(got.u, expected.u, rtol=1e-9, atol=0)


def test_bits_do_not_change(kinds: dict[str, type]) -> None:
    """For every number of threads, wherever inputs lie, alone and in a batch, beside numbers that have no solution."""
    layer = pair(kinds["midpoint"], 3, torch.float64)[0]
    given = inputs(layer, 43, 3, torch.float64)
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 2):
            torch.set_num_threads(threads)
            found.append(results(layer, given))
    finally:
        torch.set_num_threads(before)
    found.append(results(layer, {n: x.detach().t().contiguous().t().requires_grad_() for n, x in given.items()}))
    for other in found[1:]:
        assert all(torch.equal(x, other[n]) for n, x in found[0].items())
    plain = {n: x.detach() for n, x in given.items()}
    whole = layer(**plain)
    for k in (0, 42):
        alone = layer(**{n: x[k : k + 1] for n, x in plain.items()})
        assert all(torch.equal(x[k : k + 1], y) for x, y in zip(whole, alone, strict=True))
    others, kept = torch.arange(0, 43, 2), torch.arange(1, 43, 2)
    for size, status in ((float("nan"), 1), (1e-200, 0), (0.0, 0)):  # the squares of small ones are lost
        with warnings.catch_warnings():
            warnings.simplefilter("ignore" if status else "error")
            beside = layer(**{n: x.index_fill(0, others, size) for n, x in plain.items()})
        assert all(torch.equal(x[kept], y[kept]) for x, y in zip(whole, beside, strict=True))
        assert beside.status[others].tolist() == [status] * 22


def test_nothing_is_read_that_nobody_wrote(kinds: dict[str, type], monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = importlib.import_module(f"{kinds['gradient'].__module__.rpartition('.')[0]}.cpu")
    monkeypatch.setenv("METRIGEN_CHECK", "1")
    cpu.checking.cache_clear()
    try:
        layers = pair(kinds["gradient"], 3, torch.float64)
        given = inputs(layers[0], 13, 3, torch.float64)
        got, expected = (results(layer, given) for layer in layers)
        del expected["iterations"]
        agree(got, expected, LIMIT[torch.float64])
    finally:
        cpu.checking.cache_clear()


def test_what_is_solved_in_a_lane() -> None:
    """A few unknowns of one number; equations of all channels have a tile of their own."""
    q, p, K = Field("q", POINT), Field("p", POINT), Param("K", shape=("C", "C"), symmetric=True)
    for energy, lanes in ((q**4 / 4, True), (q * mix(K, q) / 2, False)):
        one = System(
            "lane", POINT, (q, p), hamiltonian=p**2 / 2 + energy, bracket=lambda F, G: F[q] * G[p] - F[p] * G[q],
            integrator=ImplicitMidpoint(steps=1, dt=0.1),
        )  # fmt: skip
        assert ("tiles of W numbers" in compiled(one).files["kernels.cpp"]) == lanes


def test_results_are_memory_of_their_own(kinds: dict[str, type]) -> None:
    """Of both operators; after no steps as well."""
    layer = pair(kinds["midpoint"], 3, torch.float64)[0]
    for layer.steps in (0, 2):
        with Owned() as found:
            results(layer, inputs(layer, 5, 3, torch.float64))
        assert found.seen == {"evolve", "evolve_adjoint"}
