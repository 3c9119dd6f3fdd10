"""Systems of ODEs with coupled channels on the CPU, samples along the vectors: as the reference."""

from __future__ import annotations

import importlib
import os
from itertools import product

import pytest
import sympy as sp
import torch

from metrigen import Field, Input, Lattice, Param, Strang, System, energy_density, mix, stress_energy, total
from tests.kernels.owned import Owned
from tests.kernels.test_point import DT, LIMIT, agree, inputs, results
from tests.lattice.emitted import layer_class, package
from tests.lengths import LONG

pytestmark = [
    pytest.mark.covering,
    pytest.mark.skipif(
        os.environ.get("TRITON_INTERPRET") == "1", reason="operators on the CPU run the Triton kernels here"
    ),
]

POINT = Lattice()


def system(block: int | None) -> System:
    """Two fields, a matrix that is symmetric and one that is not, numbers of a channel, of a site and for all, a force;
    without blocks a sum over the channels of what is no polynomial as well."""
    q, p = Field("q", POINT), Field("p", POINT)
    K, V = Param("K", shape=("C", "C"), symmetric=True, block=block), Param("V", shape=("C", "C"), block=block)
    w, k = Param("w", per="channel", positive=True, init=0.7), Param("k", positive=True, init=0.3)
    a, force = Param("a", per="site", init=0.1), Input("force", POINT)
    energy = p**2 / 2 + w * q**4 / 4 + q * mix(K, q) / 2 + k * sp.cos(mix(V, q)) - force * q + a * q**2 / 2
    energy += 0 if block else k * total(sp.sin(q)) ** 2 / 2
    gamma = Param("gamma", per="channel", nonnegative=True, init=0.2)
    return System(
        "coupled", POINT, (q, p), hamiltonian=energy, bracket=lambda F, G: F[q] * G[p] - F[p] * G[q],
        metric=lambda F, G: gamma * F[p] * G[p], integrator=Strang(steps=3, dt=DT),
        readout=energy_density() if block else stress_energy(),
    )  # fmt: skip


BLOCKS = {"whole": None, "blocks": 4}


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, type]:
    folder = tmp_path_factory.mktemp("coupled")
    modules = {name: package(system(block), folder, f"coupled_{name}") for name, block in BLOCKS.items()}
    if not importlib.import_module(f"{modules['whole'].__name__}.cpu").available():
        pytest.skip("no C++ compiler")
    return {name: layer_class(module) for name, module in modules.items()}


def pair(kind: type, channels: int, dtype: torch.dtype) -> list[torch.nn.Module]:
    """The layer by its kernels and by the reference, every parameter away from its start."""
    layers = [kind(channels, sites=(), backend=backend).to(dtype) for backend in ("cpu", "torch")]
    for one, same in zip(*(layer.parameters() for layer in layers), strict=True):
        one.data += 0.3 * torch.randn_like(one)
        same.data.copy_(one.data)
    return layers


# Samples and channels: one lane, a rest in the last tile and groups of channels that do not come out even, groups of 4.
SIZES: dict[str, tuple[tuple[int, int], ...]] = {"whole": ((1, 3), (21, 9)), "blocks": ((13, 8),)}
if LONG:
    whole = (*product((1, 3, 11), (1, 3)), (150, 3), (21, 9), (5, 33))
    SIZES = {"whole": whole, "blocks": ((1, 4), (13, 8), (150, 12), (5, 6))}


@pytest.mark.parametrize("name", BLOCKS)
def test_numbers_of_the_reference(kinds: dict[str, type], name: str) -> None:
    for samples, channels in SIZES[name]:
        layers = pair(kinds[name], channels, torch.float64)
        given = inputs(layers[0], samples, channels, torch.float64)
        agree(*(results(layer, given, True) for layer in layers), LIMIT[torch.float64])


def test_single_precision(kinds: dict[str, type]) -> None:
    layers = pair(kinds["whole"], 9, torch.float32)
    given = inputs(layers[0], 21, 9, torch.float32)
    agree(*(results(layer, given, False) for layer in layers), LIMIT[torch.float32])


@pytest.mark.parametrize("limit", ["SAVED_BYTES", "HELD_BYTES", "SUMMED_BYTES", "none"])
def test_tiles_of_every_width(kinds: dict[str, type], limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many steps, many channels and many sums make tiles of fewer samples, and fewer jobs: the same numbers."""
    cpu = importlib.import_module(f"{kinds['whole'].__module__.rpartition('.')[0]}.cpu")
    widest = cpu._Tiling("evolve_adjoint", torch.empty(150, 3, dtype=torch.float64), 40)
    if limit != "none":
        monkeypatch.setattr(cpu, limit, 100)
    tiling = cpu._Tiling("evolve_adjoint", torch.empty(150, 3, dtype=torch.float64), 40)
    fewer = tiling.width < widest.width, tiling.jobs < widest.jobs
    assert fewer == (limit[:4] in ("SAVE", "HELD"), limit[:3] == "SUM")
    layers = pair(kinds["whole"], 3, torch.float64)
    for layer in layers:
        layer.steps = 40
    given = inputs(layers[0], 150, 3, torch.float64)
    agree(*(results(layer, given, False) for layer in layers), LIMIT[torch.float64])


def test_no_steps(kinds: dict[str, type]) -> None:
    layers = pair(kinds["whole"], 3, torch.float64)
    for layer in layers:
        layer.steps = 0
    given = inputs(layers[0], 5, 3, torch.float64)
    agree(*(results(layer, given, False) for layer in layers), LIMIT[torch.float64])


@pytest.mark.parametrize("size", [(21, 9), (150, 3)])
def test_bits_do_not_change(kinds: dict[str, type], size: tuple[int, int]) -> None:
    """At every run, for every number of threads, and wherever the numbers of the inputs lie."""
    layer = pair(kinds["whole"], size[1], torch.float64)[0]
    given = inputs(layer, *size, torch.float64)
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3, 2):
            torch.set_num_threads(threads)
            found.append(results(layer, given, size[1] == 9))
    finally:
        torch.set_num_threads(before)
    apart = {n: x.detach().t().contiguous().t().requires_grad_() for n, x in given.items()}
    found.append(results(layer, apart, size[1] == 9))
    for other in found[1:]:
        assert all(torch.equal(x, other[n]) for n, x in found[0].items())


def test_a_sample_does_not_depend_on_the_others(kinds: dict[str, type]) -> None:
    """The same bits in a batch and alone, NaN and infinity in one sample leave the others, and an empty batch."""
    layer = pair(kinds["whole"], 3, torch.float64)[0]
    given = {n: x.detach() for n, x in inputs(layer, 43, 3, torch.float64).items()}
    whole = layer(**given)
    for k in (0, 21, 42):
        alone = layer(**{n: x[k : k + 1] for n, x in given.items()})
        assert all(torch.equal(x[k : k + 1], y) for x, y in zip(whole, alone, strict=True))
    for bad in (float("nan"), float("inf")):
        wrong = layer(**(given | {"q": given["q"].index_fill(0, torch.tensor([7, 42]), bad)}))
        kept = torch.tensor([k for k in range(43) if k not in (7, 42)])
        assert all(torch.equal(x[kept], y[kept]) for x, y in zip(whole, wrong, strict=True))
        assert not wrong.q[[7, 42]].isfinite().any()
    assert all(x.shape == (0, 3) for x in layer(**{n: x[:0] for n, x in given.items()}))


def test_nothing_is_read_that_nobody_wrote(kinds: dict[str, type], monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = importlib.import_module(f"{kinds['whole'].__module__.rpartition('.')[0]}.cpu")
    monkeypatch.setenv("METRIGEN_CHECK", "1")
    cpu.checking.cache_clear()
    try:
        layers = pair(kinds["whole"], 9, torch.float64)
        given = inputs(layers[0], 21, 9, torch.float64)
        agree(*(results(layer, given, True) for layer in layers), LIMIT[torch.float64])
    finally:
        cpu.checking.cache_clear()


@pytest.mark.parametrize("switch", ["1", "0"])
def test_results_are_memory_of_their_own(kinds: dict[str, type], switch: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of every operator, those of the adjoint among them, with kernels and without; after no steps as well."""
    layer = pair(kinds["whole"], 3, torch.float64)[0]
    layer.backend = "auto"
    monkeypatch.setenv("METRIGEN_CPU_KERNELS", switch)
    for layer.steps in (0, 2):
        with Owned() as found:
            results(layer, inputs(layer, 5, 3, torch.float64), True)
        assert found.seen == {
            f"{n}{back}" for n in ("evolve", "readout", "evolve_readout") for back in ("", "_adjoint")
        }
