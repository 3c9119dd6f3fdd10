"""Systems of ODEs at a point on the CPU, numbers of all samples and channels along the vectors: as the reference."""

from __future__ import annotations

import importlib
import os
from itertools import product

import pytest
import sympy as sp
import torch

from metrigen import (
    RK4,
    Dissipation,
    ExplicitEuler,
    Field,
    Input,
    Lattice,
    Leapfrog,
    Param,
    Strang,
    SymplecticEuler,
    System,
    mix,
    stress_energy,
    total,
)
from tests.kernels.owned import Owned
from tests.lattice.emitted import arrays_of, compiled, layer_class, package

pytestmark = [
    pytest.mark.covering,
    pytest.mark.skipif(
        os.environ.get("TRITON_INTERPRET") == "1", reason="operators on the CPU run the Triton kernels here"
    ),
]

Named = dict[str, torch.Tensor]
POINT = Lattice()
DT = Param("dt", positive=True, init=0.05)
METHODS = (ExplicitEuler, SymplecticEuler, Leapfrog, Strang, RK4)
# Samples and channels: below a vector, a few tiles that no sample fits, more tiles than jobs, channels beyond a tile.
SIZES = (*product((1, 5, 33), (1, 3, 4, 17, 64)), (600, 4), (700, 3), (3, 200))
LIMIT = {torch.float64: 1e-12, torch.float32: 1e-5}
ONE_VECTOR = 16  # float64 numbers up to which a tile is one vector


def system(method: type) -> System:
    """Two pairs of fields, numbers of a channel and of a site, numbers for all, a force at every number, a function
    that is no polynomial and, where the method takes it, friction."""
    q, p, r, s = (Field(n, POINT) for n in "qprs")
    w, k = Param("w", per="channel", positive=True, init=0.7), Param("k", positive=True, init=0.3)
    a = Param("a", per="site", init=0.1)
    force, gamma = Input("force", POINT), Param("gamma", per="channel", nonnegative=True, init=0.2)
    energy = p**2 / 2 + w * q**4 / 4 + s**2 / 2 + w * k * sp.cos(r) + k * (q - r) ** 2 / 2 - force * q + a * r**2 / 2
    bracket = None if method is ExplicitEuler else lambda F, G: F[q] * G[p] - F[p] * G[q] + F[r] * G[s] - F[s] * G[r]
    flow = Dissipation(*((1, lambda F, f=f: F[f]) for f in (q, p, r, s)))
    friction = (lambda F, G: gamma * F[p] * G[p]) if method in (Strang, RK4) else None
    metric = flow if method is ExplicitEuler else friction
    return System(
        f"point_{method.__name__.lower()}", POINT, (q, p, r, s), hamiltonian=energy, bracket=bracket, metric=metric,
        integrator=method(steps=3, dt=DT), readout=stress_energy(),
    )  # fmt: skip


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> dict[type, type]:
    folder = tmp_path_factory.mktemp("point")
    modules = {m: package(system(m), folder, f"point_{m.__name__.lower()}") for m in METHODS}
    if not importlib.import_module(f"{modules[Leapfrog].__name__}.cpu").available():
        pytest.skip("no C++ compiler")
    return {m: layer_class(module) for m, module in modules.items()}


def pair(kind: type, channels: int, dtype: torch.dtype) -> list[torch.nn.Module]:
    """The layer by its kernels and by the reference, with parameters that differ by channel."""
    layers = [kind(channels, sites=(), backend=backend).to(dtype) for backend in ("cpu", "torch")]
    for one, same in zip(*(layer.parameters() for layer in layers), strict=True):
        one.data += 0.3 * torch.rand_like(one)
        same.data.copy_(one.data)
    return layers


def inputs(layer: torch.nn.Module, samples: int, channels: int, dtype: torch.dtype) -> Named:
    names = arrays_of(layer)
    return {n: (0.5 * torch.randn(samples, channels, dtype=dtype)).requires_grad_() for n in names}


def results(layer: torch.nn.Module, given: Named, reads: bool) -> Named:
    """Fields, readouts apart from the steps and with them, and every gradient."""
    state = layer(**given)
    named = dict(state._asdict())
    loss = sum(x.sin().sum() for x in named.values())
    if reads:
        force = {"force": given["force"]}
        named["readout"] = layer.readout(state, **force)
        again, named["fused"] = layer.forward_readout(**given)
        loss = loss + named["readout"].sin().sum() + named["fused"].cos().sum() + again[0].square().sum()
        _, alone = layer.forward_readout(**given)  # nothing flows into its state
        loss = loss + alone.square().sum()
    leaves = {**given, **dict(layer.named_parameters())}
    flowed = torch.autograd.grad(loss, tuple(leaves.values()), materialize_grads=True)
    return {n: x.detach() for n, x in named.items()} | {f"d {n}": g for n, g in zip(leaves, flowed, strict=True)}


def agree(got: Named, expected: Named, limit: float) -> None:
    for name, right in expected.items():
        scale = max(1.0, float(right.abs().max()))
        assert got[name].shape == right.shape, name
        assert float((got[name] - right).abs().max()) <= limit * scale, name


@pytest.mark.parametrize("method", METHODS)
def test_numbers_of_the_reference(kinds: dict[type, type], method: type) -> None:
    """Values and all gradients, for shapes below a vector, of a few tiles, and with a rest in the last."""
    reads = method in (Strang, RK4)
    for samples, channels in SIZES:
        if samples * channels <= ONE_VECTOR and method is not Strang:
            continue
        layers = pair(kinds[method], channels, torch.float64)
        given = inputs(layers[0], samples, channels, torch.float64)
        agree(*(results(layer, given, reads) for layer in layers), LIMIT[torch.float64])


def test_single_precision(kinds: dict[type, type]) -> None:
    for samples, channels in ((33, 17), (129, 3), (1, 4)):
        layers = pair(kinds[Leapfrog], channels, torch.float32)
        given = inputs(layers[0], samples, channels, torch.float32)
        agree(*(results(layer, given, False) for layer in layers), LIMIT[torch.float32])


@pytest.mark.parametrize("steps", [0, 1, 40])
def test_numbers_of_steps(kinds: dict[type, type], steps: int) -> None:
    """None, no step between the first and the last, and many; in the adjoint in units of one vector as well."""
    cpu = importlib.import_module(f"{kinds[RK4].__module__.rpartition('.')[0]}.cpu")
    layers = pair(kinds[RK4], 4, torch.float64)
    for layer in layers:
        layer.steps = steps
    given = inputs(layers[0], 33, 4, torch.float64)
    expected = results(layers[1], given, True)
    with pytest.MonkeyPatch.context() as patch:
        for kept in (cpu.SAVED_BYTES, 0):
            patch.setattr(cpu, "SAVED_BYTES", kept)
            agree(results(layers[0], given, True), expected, LIMIT[torch.float64])


def test_nothing_is_read_that_nobody_wrote(kinds: dict[type, type], monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = importlib.import_module(f"{kinds[Strang].__module__.rpartition('.')[0]}.cpu")
    monkeypatch.setenv("METRIGEN_CHECK", "1")
    cpu.checking.cache_clear()
    try:
        for samples, channels in ((5, 3), (33, 17)):
            layers = pair(kinds[Strang], channels, torch.float64)
            given = inputs(layers[0], samples, channels, torch.float64)
            agree(*(results(layer, given, True) for layer in layers), LIMIT[torch.float64])
    finally:
        cpu.checking.cache_clear()


@pytest.mark.parametrize("size", [(33, 17), (700, 3), (600, 4)])
def test_bits_do_not_change(kinds: dict[type, type], size: tuple[int, int]) -> None:
    """At every run, for every number of threads, and wherever the numbers of the inputs lie."""
    layer = pair(kinds[Strang], size[1], torch.float64)[0]
    given = inputs(layer, *size, torch.float64)
    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2, 3, 2):
            torch.set_num_threads(threads)
            found.append(results(layer, given, True))
    finally:
        torch.set_num_threads(before)
    apart = {n: x.detach().t().contiguous().t().requires_grad_() for n, x in given.items()}
    found.append(results(layer, apart, True))
    for other in found[1:]:
        assert all(torch.equal(x, other[n]) for n, x in found[0].items())


def test_a_sample_does_not_depend_on_the_others(kinds: dict[type, type]) -> None:
    """The same bits in a batch and alone, among the first and in the rest of the last tile; and an empty batch."""
    layer = pair(kinds[Strang], 3, torch.float64)[0]
    given = {n: x.detach() for n, x in inputs(layer, 50, 3, torch.float64).items()}
    whole = layer(**given)
    for k in (0, 21, 49):
        alone = layer(**{n: x[k : k + 1] for n, x in given.items()})
        assert all(torch.equal(x[k : k + 1], y) for x, y in zip(whole, alone, strict=True))
    assert all(x.shape == (0, 3) for x in layer(**{n: x[:0] for n, x in given.items()}))


def test_a_bad_number_stays_where_it_is(kinds: dict[type, type]) -> None:
    """NaN and infinity in one sample leave the others as they are, also where the last number fills a vector."""
    layer = pair(kinds[Strang], 3, torch.float64)[0]
    given = {n: x.detach() for n, x in inputs(layer, 50, 3, torch.float64).items()}
    right = layer(**given)
    for bad in (float("nan"), float("inf")):
        wrong = layer(**(given | {"q": given["q"].index_fill(0, torch.tensor([7, 49]), bad)}))
        kept = torch.tensor([k for k in range(50) if k not in (7, 49)])
        assert all(torch.equal(x[kept], y[kept]) for x, y in zip(right, wrong, strict=True))
        assert not wrong.q[[7, 49]].isfinite().any()


def test_what_lies_along_the_vectors() -> None:
    """Numbers where each goes on by itself, samples where channels are coupled."""
    q, p, K = Field("q", POINT), Field("p", POINT), Param("K", shape=("C", "C"), symmetric=True)
    for energy, along in ((q**2 / 2, "numbers"), (q * mix(K, q) / 2, "samples"), (total(q) ** 2 / 2, "samples")):
        one = System(
            "row", POINT, (q, p), hamiltonian=p**2 / 2 + energy, bracket=lambda F, G: F[q] * G[p] - F[p] * G[q],
            integrator=Leapfrog(steps=1, dt=DT),
        )  # fmt: skip
        assert f"tiles of W {along}" in compiled(one).files["kernels.cpp"]


@pytest.mark.parametrize("switch", ["1", "0"])
def test_results_are_memory_of_their_own(kinds: dict[type, type], switch: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of every operator, those of the adjoint among them, with kernels and without; after no steps as well."""
    layer = pair(kinds[Strang], 3, torch.float64)[0]
    layer.backend = "auto"
    monkeypatch.setenv("METRIGEN_CPU_KERNELS", switch)
    for layer.steps in (0, 2):
        with Owned() as found:
            results(layer, inputs(layer, 5, 3, torch.float64), True)
        assert found.seen == {
            f"{n}{back}" for n in ("evolve", "readout", "evolve_readout") for back in ("", "_adjoint")
        }
