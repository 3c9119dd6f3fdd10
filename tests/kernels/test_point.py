"""Systems of ODEs at a point on the CPU: numbers of all samples and channels along the vectors, against the reference."""

from __future__ import annotations

import importlib
import inspect
import os
from collections.abc import Iterator
from itertools import product
from pathlib import Path

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
    stress_energy,
)
from tests.lattice.emitted import layer_class, package

pytestmark = pytest.mark.skipif(
    os.environ.get("TRITON_INTERPRET") == "1", reason="operators on the CPU run the Triton kernels here"
)

Named = dict[str, torch.Tensor]
DT = Param("dt", positive=True, init=0.05)
METHODS = (ExplicitEuler, SymplecticEuler, Leapfrog, Strang, RK4)
SIZES = tuple(product((1, 5, 33), (1, 3, 4, 17, 64)))  # samples, channels: both below a vector, across and beyond units
LIMIT = {torch.float64: 1e-12, torch.float32: 1e-5}
ONE_VECTOR = 16  # float64 numbers up to which a unit is one vector


def system(method: type) -> System:
    """Two pairs of fields, a number a channel, numbers for all, a force at every number and, where the method takes
    them, friction and functions that are no polynomials."""
    point = Lattice()
    q, p, r, s = (Field(n, point) for n in "qprs")
    w, k = Param("w", per="channel", positive=True, init=0.7), Param("k", positive=True, init=0.3)
    force, gamma = Input("force", point), Param("gamma", per="channel", nonnegative=True, init=0.2)
    energy = p**2 / 2 + w * q**4 / 4 + s**2 / 2 + w * k * sp.cos(r) + k * (q - r) ** 2 / 2 - force * q
    bracket = None if method is ExplicitEuler else lambda F, G: F[q] * G[p] - F[p] * G[q] + F[r] * G[s] - F[s] * G[r]
    flow = Dissipation(*((1, lambda F, f=f: F[f]) for f in (q, p, r, s)))
    friction = lambda F, G: gamma * F[p] * G[p]  # noqa: E731
    metric = flow if method is ExplicitEuler else friction if method in (Strang, RK4) else None
    return System(
        f"point_{method.__name__.lower()}", point, (q, p, r, s), hamiltonian=energy, bracket=bracket, metric=metric,
        integrator=method(steps=3, dt=DT), readout=stress_energy(),
    )  # fmt: skip


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[type, type]]:
    folder = tmp_path_factory.mktemp("point")
    modules = {m: package(system(m), folder, f"point_{m.__name__.lower()}") for m in METHODS}
    if not importlib.import_module(f"{modules[Leapfrog].__name__}.cpu").available():
        pytest.skip("no C++ compiler")
    yield {m: layer_class(module) for m, module in modules.items()}


def pair(kind: type, channels: int, dtype: torch.dtype) -> list[torch.nn.Module]:
    """The layer by its kernels and by the reference, with parameters that differ by channel."""
    layers = [kind(channels, backend=backend).to(dtype) for backend in ("cpu", "torch")]
    for one, same in zip(*(layer.parameters() for layer in layers), strict=True):
        one.data += 0.3 * torch.rand_like(one)
        same.data.copy_(one.data)
    return layers


def inputs(layer: torch.nn.Module, samples: int, channels: int, dtype: torch.dtype) -> Named:
    names = inspect.signature(layer.forward).parameters
    return {n: (0.5 * torch.randn(samples, channels, dtype=dtype)).requires_grad_() for n in names}


def results(layer: torch.nn.Module, given: Named, reads: bool) -> Named:
    """Fields, readouts apart from the steps and with them, and every gradient."""
    state = layer(**given)
    named = dict(state._asdict())
    loss = sum(x.sin().sum() for x in named.values())
    if reads:
        force = {"force": given["force"]}
        named["readout"] = layer.readout(state, **force)
        again, named["joint"] = layer.forward_readout(**given)
        loss = loss + named["readout"].sin().sum() + named["joint"].cos().sum() + again[0].square().sum()
        _, alone = layer.forward_readout(**given)  # nothing flows into its state
        loss = loss + alone.square().sum()
    leaves = {**given, **dict(layer.named_parameters())}
    flowed = torch.autograd.grad(loss, tuple(leaves.values()))
    return {n: x.detach() for n, x in named.items()} | {f"d {n}": g for n, g in zip(leaves, flowed, strict=True)}


def agree(got: Named, expected: Named, limit: float) -> None:
    for name, right in expected.items():
        scale = max(1.0, float(right.abs().max()))
        assert got[name].shape == right.shape, name
        assert float((got[name] - right).abs().max()) <= limit * scale, name


@pytest.mark.parametrize("method", METHODS)
def test_numbers_of_the_reference(kinds: dict[type, type], method: type) -> None:
    """Values and all gradients, for shapes below a vector, of a few units, and with a rest in the last."""
    reads = method in (Strang, RK4)
    for samples, channels in SIZES:
        if samples * channels <= ONE_VECTOR and method is not Strang:
            continue
        layers = pair(kinds[method], channels, torch.float64)
        given = inputs(layers[0], samples, channels, torch.float64)
        agree(*(results(layer, given, reads) for layer in layers), LIMIT[torch.float64])
