"""``per="sample"``: one system a sample, of the numbers that a call hands in; by kernels too."""

from __future__ import annotations

import logging
import re
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import sympy as sp
import torch
from torch import Tensor

from metrigen import (
    Dissipation,
    Exponential,
    Field,
    Graph,
    Input,
    Lattice,
    Leapfrog,
    Param,
    Sequence,
    SpecError,
    SteadyState,
    Strang,
    System,
    energy_density,
    grad,
    momentum,
    stress_energy,
    t,
)
from metrigen.backends.backends import BACKENDS
from metrigen.backends.base import Backend
from metrigen.backends.torch.backend import Torch
from tests.lattice.emitted import compiled, layer_class, package
from tests.surface.systems import SCRATCH, drawn

x = sp.Symbol("x", real=True)
WALLS = ("periodic", "zero", "neumann")
SHAPES = {"wave": (3, 2, 7), "steady": (3, 2, 7), "graph": (3, 2, 5), "graph_steady": (3, 2, 5), "point": (3, 2)}


def numbers(per: str) -> tuple[Param, Param]:
    return (Param("c", per=per, positive=True, below=2.0, init=0.5),
            Param("gamma", per=per, nonnegative=True, init=0.2))  # fmt: skip


def system(name: str, wall: str, per: str) -> System:
    """A number of the differences and one of the friction, of a sample or of the layer, in energy and readout."""
    c, gamma = numbers(per)
    domain = Graph() if name.startswith("graph") else Lattice(*([] if name == "point" else [x]), boundary=wall)
    u = Field("u", domain)
    if name.endswith("steady"):
        s, stiff = Input("s", domain), 1 if name == "graph_steady" else c
        energy = stiff * grad(u).square / 2 + (c + gamma) * u**2 / 2 - s * u
        return System(name, domain, (u,), hamiltonian=energy, metric=Dissipation((1, lambda F: F[u])),
                      integrator=SteadyState(rtol=1e-12), readout=energy_density())  # fmt: skip
    pi = momentum(u)
    slope = 0 if name == "point" else (1 if name == "graph" else c) * grad(u).square / 2
    return System(name, domain, lagrangian=u.diff(t) ** 2 / 2 - slope - c * u**2 / 2 - c * u**4 / 4,
                  metric=lambda F, G: gamma * F[pi] * G[pi], integrator=Strang(steps=3, dt=0.1),
                  readout=stress_energy() if name in ("wave", "point") else energy_density())  # fmt: skip


@cache
def kind(name: str, wall: str, per: str, backends: tuple[type[Backend], ...] = (Torch,)) -> type:
    backends = BACKENDS if name == "steady" else backends  # the solve is an operator of torch
    made = f"of_{per}_{name}_{wall}_{len(backends)}"
    return layer_class(package(system(name, wall, per), Path(SCRATCH.name), made, backends))


def given(name: str) -> dict[str, Tensor]:
    shape = SHAPES[name]
    found = {"s" if name.endswith("steady") else "u": drawn(shape, 0)}
    edges = torch.tensor([[0, 1, 2, 3, 0], [1, 2, 3, 4, 3]])
    return found | ({"edge_index": edges} if name.startswith("graph") else {})


def results(layer: Any, named: dict[str, Tensor], inputs: dict[str, Tensor]) -> tuple[Tensor, ...]:
    """Fields, readout and energy, under numbers of samples where there are any."""
    state = layer(**named, **inputs)
    rest = {n: y for n, y in named.items() if n != "u"} | inputs
    return (*(getattr(state, n) for n in layer.FIELDS), layer.readout(state, **rest), layer.energy(state, **rest))


CELLS = [("wave", wall) for wall in WALLS] + [("steady", "zero"), ("point", "periodic"), ("graph", "periodic"),
                                              ("graph_steady", "periodic")]  # fmt: skip


@pytest.mark.parametrize(("name", "wall"), CELLS)
@pytest.mark.parametrize("channels", [False, True])
def test_every_sample_is_the_layer_of_its_numbers(name: str, wall: str, channels: bool) -> None:
    """Values and gradients, (B,) and (B, C)."""
    handed = kind(name, wall, "sample")(2).double()
    assert not list(handed.parameters())
    shape = (3, 2) if channels else (3,)
    inputs = {"c": 1 + drawn(shape, 3).tanh() / 2, "gamma": drawn(shape, 4, positive=True)}
    inputs = {n: y.detach().requires_grad_() for n, y in inputs.items()}
    found = results(handed, given(name), inputs)
    flowed = torch.autograd.grad(sum(y.sin().sum() for y in found), tuple(inputs.values()))
    own = kind(name, wall, "channel")(2).double()
    for b in range(3):
        for n, y in inputs.items():
            setattr(own, n, y[b].detach())
        one = {n: y if n == "edge_index" else y[b : b + 1] for n, y in given(name).items()}
        wanted = results(own, one, {})
        for y, z in zip(found, wanted, strict=True):
            torch.testing.assert_close(y[b : b + 1], z, rtol=1e-9, atol=1e-9)
        for n, g in zip(inputs, flowed, strict=True):
            value = getattr(own, n).detach().requires_grad_()
            raw = torch.autograd.grad(sum(y.sin().sum() for y in wanted), getattr(own, f"raw_{n}"), retain_graph=True)[
                0
            ]
            slope = torch.autograd.grad(getattr(own, n).sum(), getattr(own, f"raw_{n}"))[0]
            torch.testing.assert_close(g[b] if channels else g[b].reshape(1), (raw / slope) if channels else
                                       (raw / slope).sum().reshape(1), rtol=1e-6, atol=1e-8)  # fmt: skip
            assert value.shape == (2,)


def test_what_is_declared_is_a_condition(monkeypatch: pytest.MonkeyPatch) -> None:
    layer, u = kind("wave", "zero", "sample")(2), torch.randn(3, 2, 7)
    right = {"c": torch.ones(3), "gamma": torch.zeros(3)}
    monkeypatch.setenv("METRIGEN_CHECK", "1")
    layer(u, **right)
    declared = "as it was declared; it is"
    cases = [("c", [1.0, -1.0, 1.0], f"c must be positive, {declared} -1.0"),
             ("c", [1.0, 1.0, 2.5], f"c must be below 2.0, {declared} 2.5"),
             ("gamma", [-0.5, 1.0, 1.0], f"gamma must be nonnegative, {declared} -0.5")]  # fmt: skip
    for one, values, message in cases:
        with pytest.raises(ValueError, match=re.escape(message)):
            layer(u, **{**right, one: torch.tensor(values)})
    with pytest.raises(ValueError, match=r"c has shape \(3, 2, 1\); needed: \(B,\) or \(B, C\)"):
        layer(u, **{**right, "c": torch.ones(3, 2, 1)})
    with pytest.raises(ValueError, match=r"c has shape"):
        layer(u, **{**right, "c": torch.ones(4)})
    with pytest.raises(TypeError, match="c"):
        layer(u, gamma=right["gamma"])
    with pytest.raises(TypeError, match="c is a tensor, not float"):
        layer(u, **{**right, "c": 1.0})


def test_one_that_cannot_be_handed_in_is_refused() -> None:
    with pytest.raises(SpecError, match="a channel matrix is the same for all samples"):
        Param("K", per="sample", shape=("C", "C"))
    with pytest.raises(SpecError, match='per="sample"'):
        Leapfrog(steps=1, dt=Param("h", per="sample", positive=True))
    tokens = Sequence()
    q, f, a = Field("q", tokens), Input("f", tokens), Param("a", per="sample", positive=True)
    with pytest.raises(SpecError, match='a has per="sample", which a scan does not carry'):
        compiled(System("tokens", tokens, fields=(q,), hamiltonian=a * q**2 / 2 - f * q, integrator=Exponential(dt=0.5),
                        metric=Dissipation((1, lambda F: F[q]))))  # fmt: skip


def test_a_hypernetwork() -> None:
    """Numbers of samples from a network: gradients reach its weights."""
    layer, network = kind("point", "periodic", "sample")(2).double(), torch.nn.Linear(4, 4).double()
    c, gamma = torch.nn.functional.softplus(network(drawn((3, 4), 0))).chunk(2, 1)
    layer(drawn((3, 2), 1), c=c, gamma=gamma).u.square().sum().backward()
    assert network.weight.grad is not None
    assert (network.weight.grad.abs().sum(1) > 0).all()


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
@pytest.mark.parametrize("name", ["wave", "point"])
def test_kernels_take_numbers_of_samples_and_say_that_they_ran(
    name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    monkeypatch.setenv("METRIGEN_CPU_KERNELS", "1")
    monkeypatch.setenv("METRIGEN_CACHE", str(tmp_path))
    made = kind(name, "periodic", "sample", BACKENDS)
    inputs = {"c": 1 + drawn((3,), 3).tanh() / 2, "gamma": drawn((3, 2), 4, positive=True)}
    inputs = {n: y.detach().requires_grad_() for n, y in inputs.items()}
    layers = {backend: made(2, backend=backend).double() for backend in ("cpu", "auto", "torch")}
    with caplog.at_level(logging.INFO, logger="metrigen.layer"):
        found = {backend: results(layer, given(name), inputs) for backend, layer in layers.items()}
    assert {b: layer.last_backend for b, layer in layers.items()} == {"cpu": "cpu", "auto": "cpu", "torch": "torch"}
    assert re.search(r"compiled \w+\.\w+\.so with \S+ in \d", caplog.text)
    for backend in ("cpu", "auto"):
        for y, z in zip(found[backend], found["torch"], strict=True):
            torch.testing.assert_close(y, z)
        flowed = [torch.autograd.grad(sum(y.sin().sum() for y in found[b]), tuple(inputs.values()), retain_graph=True)
                  for b in (backend, "torch")]  # fmt: skip
        for y, z in zip(*flowed, strict=True):
            torch.testing.assert_close(y, z)
    layers["auto"].dt = torch.tensor(0.1, dtype=torch.float64, requires_grad=True)  # kernels have its gradient too
    results(layers["auto"], given(name), inputs)
    assert layers["auto"].last_backend == "cpu"
