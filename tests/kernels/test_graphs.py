"""CPU kernels of layers on graphs against the torch reference: states, trajectories, readouts, all gradients."""

from __future__ import annotations

import importlib
import inspect
import os
from pathlib import Path

import pytest
import torch
from torch import Tensor

from metrigen.spec.load import load_spec
from tests.conftest import ROOT
from tests.graph.systems import EDGE_INDEX, NODES, SYSTEMS, class_of, poisson
from tests.lengths import LONG, picked

# A warning of a package's own class cannot be told to the process that hands out the tests.
pytestmark = [
    pytest.mark.covering,
    pytest.mark.filterwarnings("ignore:.*did not converge"),
    pytest.mark.skipif(
        os.environ.get("TRITON_INTERPRET") == "1", reason="operators on the CPU run the Triton kernels here"
    ),
]
GALLERY = ("driven_graph", "graph_diffusion", "graph_heat", "graph_kuramoto", "graph_poisson", "spring_network")
NAMES = [*SYSTEMS, *GALLERY, "poisson", "sudoku"]
CHOSEN = picked(NAMES, "nonlinear", "driven_graph", "poisson")
Named = dict[str, Tensor]


def layer_of(name: str) -> type:
    if name in SYSTEMS or name == "poisson":
        return class_of({**SYSTEMS, "poisson": poisson()}[name])
    place = ROOT / "specs" / ("" if name == "sudoku" else "gallery") / f"{name}.py"
    return class_of(load_spec(place).system)


def made(name: str, backend: str, channels: int, nodes: int, edges: int | None, dtype: torch.dtype) -> torch.nn.Module:
    """A layer whose parameters are not those that it begins with."""
    kind = layer_of(name)
    takes = inspect.signature(kind.__init__).parameters
    sizes = (
        {"nodes": nodes}
        if "nodes" in takes and (edges is None or takes["nodes"].default is takes["nodes"].empty)
        else {}
    )
    sizes |= {"edges": edges} if "edges" in takes and edges is not None else {}
    sizes |= {"rtol": 1e-12} if "rtol" in takes and dtype == torch.float64 else {}
    layer = kind(channels, backend=backend, **sizes).to(dtype)
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for p in layer.parameters():
            p.add_(0.1 * torch.randn(p.shape, generator=generator).to(dtype))
    return layer


def arguments(
    name: str, batch: int, channels: int, nodes: int, edge_index: Tensor | None, dtype: torch.dtype, shared: bool
) -> Named:
    """Fields and inputs: those along the edges are shared by the samples or not, and of all pairs not symmetric."""
    kind, found = layer_of(name), {}
    generator = torch.Generator().manual_seed(1)

    def rand(*shape: int) -> Tensor:
        return (0.2 + 0.6 * torch.rand(shape, generator=generator, dtype=torch.float64)).to(dtype).requires_grad_()

    lead = (channels,) if shared else (batch, channels)
    rest = (nodes, nodes) if edge_index is None else (edge_index.shape[1],)
    fields = getattr(kind, "FIELDS", ())
    for n in (*(fields if "warm_start" not in inspect.signature(kind.forward).parameters else ()), *kind.INPUTS):
        if n in getattr(kind, "DRIVEN", ()):
            found[n] = rand(batch, channels, 4, nodes)
        else:
            found[n] = rand(*lead, *rest) if n in ("w", "K") and n in kind.INPUTS else rand(batch, channels, nodes)
    return found


def results(layer: torch.nn.Module, given: Named, edge_index: Tensor | None) -> Named:
    """The state, every second one on the way, the readout and all gradients."""
    ends = {} if edge_index is None else {"edge_index": edge_index}
    steps = {"steps": 4} if "steps" in inspect.signature(layer.forward).parameters else {}
    state = layer(**given, **ends, **steps)
    named = {n: getattr(state, n) for n in layer.FIELDS}
    if steps:
        named["way"] = getattr(layer.rollout(**given, **ends, **steps, every=2), layer.FIELDS[0])
    read = inspect.signature(layer.readout).parameters
    moment = {n: x[:, :, -1] if n in getattr(layer, "DRIVEN", ()) else x for n, x in given.items() if n in read}
    named["readout"] = layer.readout(state, **moment, **ends)
    leaves = {**given, **dict(layer.named_parameters())}
    loss = sum((x.sin() * (1 + torch.arange(x.numel()).reshape(x.shape) % 5)).sum() for x in named.values())
    flowed = torch.autograd.grad(loss, tuple(leaves.values()), materialize_grads=True)
    return {n: x.detach() for n, x in named.items()} | {f"d {n}": g for n, g in zip(leaves, flowed, strict=True)}


def compared(
    name: str, batch: int, channels: int, nodes: int, edge_index: Tensor | None, dtype: torch.dtype = torch.float64,
    shared: bool = False, limit: float = 2e-10,
) -> None:  # fmt: skip
    given = arguments(name, batch, channels, nodes, edge_index, dtype, shared)
    edges = None if edge_index is None else edge_index.shape[1]
    fast, plain = (made(name, b, channels, nodes, edges, dtype) for b in ("cpu", "torch"))
    found, wanted = results(fast, given, edge_index), results(plain, given, edge_index)
    assert (fast.last_backend, plain.last_backend) == ("cpu", "torch")
    for n, x in wanted.items():
        assert found[n].shape == x.shape, n
        if x.numel():
            assert (found[n] - x).abs().max() <= limit * max(1.0, float(x.abs().max())), n


@pytest.mark.parametrize("name", CHOSEN)
def test_numbers_of_the_reference(name: str) -> None:
    compared(name, 3, 2, NODES, EDGE_INDEX)
    compared(name, 9, 2, NODES, None, shared=True)
    if LONG or name == "driven_graph":
        compared(name, 3, 2, NODES, EDGE_INDEX, torch.float32, limit=3e-4)


def test_one_graph_of_many_nodes_and_channels() -> None:
    """More nodes than a piece has, and channels side by side."""
    ends = torch.randint(0, 150, (2, 400), generator=torch.Generator().manual_seed(3))
    compared("graph_kuramoto", 1, 5, 150, ends[:, ends[0] != ends[1]])


@pytest.mark.parametrize("name", ["leapfrog", "poisson"])
def test_small_graphs(name: str) -> None:
    none = torch.empty((2, 0), dtype=torch.int64)
    compared(name, 2, 1, 3, none)  # isolated nodes
    compared(name, 2, 1, 1, None)  # one node
    compared(name, 2, 1, 2, torch.tensor([[0, 0, 1], [1, 1, 0]]))  # edges that count three times
    compared(name, 0, 2, 4, torch.tensor([[0], [1]]))  # no sample
    with pytest.raises(ValueError, match="self loop"):
        compared(name, 1, 1, 2, torch.tensor([[0, 1], [1, 1]]))


def bits(name: str, batch: int, nodes: int, edge_index: Tensor | None, shared: bool = False) -> Named:
    given = arguments(name, batch, 2, nodes, edge_index, torch.float32, shared)
    edges = None if edge_index is None else edge_index.shape[1]
    return results(made(name, "cpu", 2, nodes, edges, torch.float32), given, edge_index)


@pytest.mark.parametrize("name", ["graph_kuramoto", "poisson"])
def test_threads_give_the_same_bits(name: str) -> None:
    ends = torch.randint(0, 150, (2, 400), generator=torch.Generator().manual_seed(3))
    ends = ends[:, ends[0] != ends[1]]
    before = torch.get_num_threads()
    try:
        for case in ((1, 150, ends), (40, NODES, EDGE_INDEX), (40, NODES, None, True)):
            torch.set_num_threads(1)
            alone = bits(name, *case)
            torch.set_num_threads(2)
            assert all(torch.equal(x, alone[n]) for n, x in bits(name, *case).items())
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("name", ["graph_kuramoto", "poisson"])
def test_poisoned_memory_reaches_no_result(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cases = ((3, NODES, EDGE_INDEX), (5, NODES, None, True), (5, NODES, None))
    wanted = [bits(name, *case) for case in cases]
    cpu = importlib.import_module(f"{layer_of(name).__module__.rpartition('.')[0]}.cpu")
    monkeypatch.setenv("METRIGEN_CHECK", "1")
    cpu.checking.cache_clear()
    try:
        for case, clean in zip(cases, wanted, strict=True):
            assert all(torch.equal(x, clean[n]) for n, x in bits(name, *case).items())
    finally:
        cpu.checking.cache_clear()


def test_who_insists_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    given = arguments("poisson", 1, 1, NODES, EDGE_INDEX, torch.float32, False)
    layer = made("poisson", "cpu", 1, NODES, 7, torch.float32)
    monkeypatch.setenv("METRIGEN_CPU_KERNELS", "0")
    with pytest.raises(ValueError, match="METRIGEN_CPU_KERNELS=0"):
        layer(**given, edge_index=EDGE_INDEX)
    with pytest.raises(ValueError, match="triton"):
        layer_of("poisson")(1, backend="triton", nodes=NODES)
    layer.backend = "auto"
    layer(**given, edge_index=EDGE_INDEX)
    assert layer.last_backend == "torch"


@pytest.mark.parametrize("name", ["graph_kuramoto", "poisson"])
@pytest.mark.parametrize("ends", [EDGE_INDEX, None])
def test_second_derivatives_and_transforms(name: str, ends: Tensor | None) -> None:
    edges = None if ends is None else 7
    listed = {} if ends is None else {"edge_index": ends}
    found = []
    for backend in ("auto", "torch"):
        layer = made(name, backend, 1, NODES, edges, torch.float64)
        given = arguments(name, 2, 1, NODES, ends, torch.float64, False)
        leaves = (*given.values(), *layer.parameters())
        first = torch.autograd.grad(layer(**given, **listed)[0].sin().sum(), leaves, create_graph=True)
        second = torch.autograd.grad(sum(g.square().sum() for g in first), leaves)
        head, *rest = given

        def loss(x: Tensor, layer=layer, given=given, head=head, rest=rest) -> Tensor:
            return layer(**{head: x, **{n: given[n] for n in rest}}, **listed)[0].sin().sum()

        found.append((*first, *second, torch.func.grad(loss)(given[head])))
    for x, y in zip(*found, strict=True):
        assert (x - y).abs().max() <= 1e-8 * max(1.0, float(y.abs().max()))


@pytest.mark.parametrize("name", ["graph_kuramoto", "poisson"])
def test_compiled_as_a_whole(name: str) -> None:
    layer = made(name, "auto", 2, NODES, 7, torch.float32)
    given = arguments(name, 3, 2, NODES, EDGE_INDEX, torch.float32, False)
    compiled = torch.compile(lambda **x: layer(**x, edge_index=EDGE_INDEX)[0], fullgraph=True, backend="aot_eager")
    plain, found = layer(**given, edge_index=EDGE_INDEX)[0], compiled(**given)
    assert torch.equal(plain, found)
    pairs = (torch.autograd.grad(x.square().sum(), tuple(given.values())) for x in (plain, found))
    assert all(torch.equal(x, y) for x, y in zip(*pairs, strict=True))


def test_a_solve_says_how_it_went(tmp_path: Path) -> None:
    """Stops, starts and failures are those of the reference."""
    for solver, ends in (("cg", EDGE_INDEX), ("cg", None), ("cholesky", None)):
        given = arguments("poisson", 3, 2, NODES, ends, torch.float64, False)
        given = {n: x.detach() for n, x in given.items()}
        given["s"] = given["s"] * torch.tensor([0.0, 1.0, 1e30], dtype=torch.float64)[:, None, None]
        listed = {} if ends is None else {"edge_index": ends}
        kind, states = layer_of("poisson"), []
        for backend in ("cpu", "torch"):
            layer = kind(2, backend=backend, solver=solver, nodes=NODES, rtol=1e-10).double()
            state = layer(**given, **listed)
            again = layer(**given, **listed, warm_start=state[0])
            assert (again.iterations == 0).all()
            negative = {**given, "w": torch.cat((given["w"][:2], -9 * given["w"][2:]))}
            states.append((state, layer(**negative, **listed)))
        (found, bad), (wanted, worse) = states
        assert (found.iterations - wanted.iterations).abs().max() <= 1
        assert torch.equal(found.status, wanted.status)
        assert torch.equal(bad.status, worse.status)
        assert bad.status[2] == -1
        assert (found.residual <= 1e-9 * given["s"].flatten(1).norm(dim=1)).all()
