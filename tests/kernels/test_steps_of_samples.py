"""Calls in which every sample has a time step of its own, and a time at which it begins: what each sample alone gives,
with all gradients, in one call of CPU kernels where they take it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import sympy as sp
import torch

from metrigen import (
    Field,
    Graph,
    Input,
    Lattice,
    Leapfrog,
    NeuralFunction,
    Param,
    Strang,
    System,
    energy_density,
    friction,
    grad,
    mix,
    momentum,
    t,
)
from tests.kernels.modes import once
from tests.lattice.emitted import layer_class, package
from tests.temperature.systems import wave

pytestmark = once

SAMPLES, CHANNELS, STEPS, NODES = 5, 3, 4, 4  # at a point 15 numbers: two tiles, in which samples are cut
EDGES = torch.tensor([[0, 1, 2, 3, 0], [1, 2, 3, 0, 2]])
LINE, POINT, NET = Lattice(sp.Symbol("x", real=True)), Lattice(), Graph()


def damped(domain: Lattice | Graph, force: Callable[[sp.Expr], sp.Expr], name: str) -> System:
    """An anharmonic oscillator with friction at every place, pulled by a force."""
    u, gamma = Field("u", domain), Param("gamma", per="channel", nonnegative=True, init=0.4)
    tension = 0 if domain == POINT else grad(u).square / 2
    return System(
        name=name, domain=domain, lagrangian=u.diff(t) ** 2 / 2 - tension - u**4 / 4 + force(u),
        metric=friction(gamma, momentum(u)), integrator=Strang(STEPS, 0.05), readout=energy_density(),
    )  # fmt: skip


def handed(domain: Lattice | Graph) -> Callable[[sp.Expr], sp.Expr]:
    return lambda u: Input("f", domain, time_dependent=True) * u


def neural() -> System:
    u = Field("u", POINT)
    V = NeuralFunction("V", u, hidden=(4,), activation="tanh")
    return System(name="neural", domain=POINT, lagrangian=u.diff(t) ** 2 / 2 - V, integrator=Leapfrog(STEPS, 0.05),
                  readout=energy_density())  # fmt: skip


def crossed() -> System:
    """Weights of edges that are handed in, and channels that meet at the nodes."""
    u, w, K = Field("u", NET), Input("w", NET.edges, nonnegative=True), Param("K", shape=("C", "C"), symmetric=True)
    energy = w * grad(u).square / 2 + u * mix(K, u) / 2 + u**4 / 4
    return System(name="crossed", domain=NET, lagrangian=u.diff(t) ** 2 / 2 - energy, integrator=Leapfrog(STEPS, 0.05),
                  readout=energy_density())  # fmt: skip


SYSTEMS: Mapping[str, Callable[[], System]] = {
    "driven point": lambda: damped(POINT, handed(POINT), "pulled"),
    "bath at a point": lambda: wave(0),
    "network at a point": neural,
    "bath": lambda: wave(1),
    "graph": lambda: damped(NET, handed(NET), "pulled_graph"),
    "coupled graph": crossed,
    "all pairs": crossed,
    "timed point": lambda: damped(POINT, lambda u: sp.cos(t) * u, "clocked"),
}


# What else is asked of a system than the state at the end; those of a graph take no other kernels.
WAYS = {
    "driven point": ("forward", "readings"), "bath": ("readings",), "graph": ("forward", "rollout", "readings"),
    "all pairs": ("forward", "rollout"), "timed point": ("forward", "rollout", "readings"),
}  # fmt: skip
Tensors = list[torch.Tensor]


def layers(name: str, folder: Path) -> tuple[torch.nn.Module, torch.nn.Module]:
    """A layer whose backend is chosen, and the reference with the same parameters."""
    made = SYSTEMS[name]()
    kind = layer_class(package(made, folder, f"apart_{made.name}"))
    ours, truth = (kind(CHANNELS, backend=backend, dtype=torch.float64) for backend in ("auto", "torch"))
    for a, b in zip(ours.parameters(), truth.parameters(), strict=True):
        torch.nn.init.normal_(a, std=0.3), b.data.copy_(a.data)
    return ours, truth


def arrays_of(layer: torch.nn.Module, name: str) -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(3)
    shape = (SAMPLES, CHANNELS, *((NODES,) if layer.RANK else ()))
    edges = (*shape[:2], NODES, NODES) if name == "all pairs" else (*shape[:2], EDGES.shape[1])

    def drawn(*sizes: int) -> torch.Tensor:
        return (0.2 + torch.rand(sizes, dtype=torch.float64, generator=draw)).requires_grad_()

    found = {n: drawn(*shape) for n in layer.FIELDS}
    for n in layer.INPUTS:
        by_step = (*shape[:2], STEPS, *shape[2:])
        found[n] = drawn(*(by_step if n in layer.DRIVEN else edges if n in layer.ALONG else shape))
    return found


def called(
    layer: torch.nn.Module, way: str, arrays: Mapping[str, torch.Tensor], span: Mapping[str, torch.Tensor]
) -> Tensors:
    """The fields, at the end or on the way, and the readouts."""
    n = len(layer.FIELDS)
    if way == "forward":
        return list(layer(**arrays, **span, steps=STEPS)[:n])
    if way == "rollout":
        return list(layer.rollout(**arrays, **span, steps=STEPS, every=2)[:n])
    end, read = layer.rollout_readout(**arrays, **span, steps=STEPS, every=2)
    return [*end[:n], read]


def one_by_one(
    layer: torch.nn.Module, way: str, arrays: Mapping[str, torch.Tensor], span: Mapping[str, torch.Tensor]
) -> Tensors:
    def of(x: torch.Tensor, i: int) -> torch.Tensor:
        return x if x is EDGES else x[i : i + 1]

    found = []
    for i in range(SAMPLES):
        own = {n: {f: of(x, i) for f, x in v.items()} if isinstance(v, dict) else of(v, i) for n, v in arrays.items()}
        found.append(called(layer, way, own, {n: x[i] for n, x in span.items()}))
    return [torch.cat(x) for x in zip(*found, strict=True)]


@pytest.mark.parametrize("name", SYSTEMS)
def test_steps_of_samples_are_those_of_each_alone(name: str, tmp_path: Path) -> None:
    """A system in which t stands is left to the reference, as the gradient to a time is."""
    ours, truth = layers(name, tmp_path)
    given = arrays_of(ours, name)
    dt = torch.linspace(0.04, 0.08, SAMPLES, dtype=torch.float64).requires_grad_()
    span = {"dt": dt} | ({"t0": (5 * dt).detach().requires_grad_()} if ours.TIMED else {})
    more = {"edge_index": EDGES} if "edge_index" in ours.MORE and name != "all pairs" else {}
    if hasattr(ours, "NOISE"):
        shape = (SAMPLES, CHANNELS, STEPS, *given[ours.FIELDS[0]].shape[2:])
        more = {"noise": {f: torch.randn(shape, dtype=torch.float64) for f in ours.NOISE.values()}}
    for way in WAYS.get(name, ("forward",)):
        results = (called(ours, way, given | more, span), one_by_one(truth, way, given | more, span))
        for a, b in zip(*results, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10)
        slopes = [
            torch.autograd.grad(
                sum(x.sin().sum() for x in found), (*span.values(), *given.values(), *layer.parameters()),
                allow_unused=True, materialize_grads=True,
            )
            for layer, found in zip((ours, truth), results, strict=True)
        ]  # fmt: skip
        for a, b in zip(*slopes, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-9)
        assert slopes[1][0].abs().min() > 1e-4
        assert ours.last_backend == ("torch" if ours.TIMED else "cpu"), way


def test_a_graph_twice_and_without_kernels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second derivative is that of the reference, of one sample after the other; so is all where nothing compiles."""
    ours, truth = layers("graph", tmp_path)
    given = {n: x.detach() for n, x in arrays_of(ours, "graph").items()} | {"edge_index": EDGES}
    dt = torch.linspace(0.04, 0.08, SAMPLES, dtype=torch.float64).requires_grad_()

    def twice(layer: torch.nn.Module, way: str) -> tuple[torch.Tensor, torch.Tensor]:
        end = called(layer, way, given, {"dt": dt})[0]
        (slope,) = torch.autograd.grad(end.sin().sum(), dt, create_graph=True)
        return slope.detach(), torch.autograd.grad(slope.square().sum(), dt)[0]

    known = {way: twice(truth, way) for way in ("forward", "rollout")}
    for way, expected in known.items():
        for a, b in zip(twice(ours, way), expected, strict=True):
            torch.testing.assert_close(a, b)
    monkeypatch.setattr(ours.OPERATORS.backends["cpu"], "library", lambda *_: None)
    for way, expected in known.items():
        for a, b in zip(twice(ours, way), expected, strict=True):
            torch.testing.assert_close(a, b)
