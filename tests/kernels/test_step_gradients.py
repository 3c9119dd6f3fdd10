"""The gradient to a time step that is handed to a call: kernels give it where it is asked for, and as the reference."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
import sympy as sp
import torch

from metrigen import Field, Input, Lattice, Param, Strang, System, grad, momentum, t
from tests.kernels.ladder import system
from tests.kernels.systems import rotating
from tests.lattice.emitted import layer_class, package
from tests.temperature.systems import wave

pytestmark = pytest.mark.covering

KERNELS = "triton" if os.environ.get("TRITON_INTERPRET") == "1" else "cpu"
CHANNELS = 4
LINE = Lattice(sp.Symbol("x", real=True))


def shaken() -> System:
    """A wave with friction and a source that has a value for every step."""
    u, f = Field("u", LINE), Input("f", LINE, time_dependent=True)
    p, gamma = momentum(u), Param("gamma", per="channel", nonnegative=True)
    return System(
        name="shaken", domain=LINE, lagrangian=u.diff(t) ** 2 / 2 - grad(u).square / 2 - u**4 / 4 + f * u,
        bracket=lambda F, G: F[u] * G[p] - F[p] * G[u], metric=lambda F, G: gamma * F[p] * G[p],
        integrator=Strang(3, 0.05),
    )  # fmt: skip


SYSTEMS = {
    "strang": lambda: system("strang", "zero", 2),
    "rk4": lambda: system("rk4", "neumann", 1),
    "rotating": lambda: replace(rotating(2), integrator=Strang(2, 0.05)),
    "point": lambda: system("strang", "periodic", 0),
    "coupled point": lambda: system("coupled", "periodic", 0),
    "leapfrog": lambda: system("leapfrog", "periodic", 1),
    "euler": lambda: system("explicit", "zero", 1),
    "bath": lambda: wave(1),
    "shaken": shaken,
    "midpoint": lambda: system("midpoint", "zero", 1),
    "implicit point": lambda: system("average", "periodic", 0),
}
IMPLICIT = ("midpoint", "implicit point")  # without Triton kernels
ONLY_CPU = (*IMPLICIT, "leapfrog", "euler", "shaken")  # what is the same in Triton for others is not taken again
STEPS, SITES = (2, (4, 3)) if KERNELS == "triton" else (4, (6, 5))  # the interpreter takes its time


Layers = tuple[torch.nn.Module, torch.nn.Module]


def layers(made: System, folder: Path, name: str) -> Layers:
    kind = layer_class(package(made, folder, f"asked_{name.replace(' ', '_')}"))
    ours, truth = (kind(CHANNELS, backend=backend, dtype=torch.float64) for backend in (KERNELS, "torch"))
    for a, b in zip(ours.parameters(), truth.parameters(), strict=True):
        torch.nn.init.normal_(a, std=0.3), b.data.copy_(a.data)
    return ours, truth


def given(layer: torch.nn.Module) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    shape = (2, CHANNELS, *SITES[: layer.RANK])
    fields = {n: torch.randn(shape, dtype=torch.float64, generator=generator).requires_grad_() for n in layer.FIELDS}
    return fields | {n: _input(shape, n in layer.DRIVEN) for n in layer.INPUTS}


def _input(shape: tuple[int, ...], by_step: bool) -> torch.Tensor:
    whole = torch.full(shape, 0.8, dtype=torch.float64)
    return torch.stack([whole * k for k in range(STEPS)], 2) if by_step else whole


def slopes(layer: torch.nn.Module, way: str, dt: torch.Tensor, steps: int) -> list[torch.Tensor]:
    """Gradients to the time step, to the fields, and to the parameters."""
    arrays = given(layer)
    options = {"generator": torch.Generator().manual_seed(1)} if hasattr(layer, "NOISE") else {}
    if way == "readout":
        found = layer.forward_readout(**arrays, dt=dt, steps=steps)[1].sin()
    elif way == "rollout":
        states = layer.rollout(**arrays, dt=dt, steps=steps, every=steps // 2, **options)
        found = torch.cat([getattr(states, n).sin() for n in layer.FIELDS])
    else:
        state = layer(**arrays, dt=dt, steps=steps, **options)
        found = torch.cat([getattr(state, n).sin() for n in layer.FIELDS])
    wanted = [*([dt] if dt.requires_grad else []), *(arrays[n] for n in layer.FIELDS), *layer.parameters()]
    return list(torch.autograd.grad(found.sum(), wanted, allow_unused=True, materialize_grads=True))


def counted(layer: torch.nn.Module, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The samples of each call of a CPU kernel from now on."""
    calls: list[int] = []
    if KERNELS == "cpu":
        tiling = layer.OPERATORS.backends["cpu"]._Tiling
        run = tiling.run
        monkeypatch.setattr(tiling, "run", lambda self, *given: (calls.append(self.samples), run(self, *given))[1])
    return calls


@pytest.mark.parametrize("name", [n for n in SYSTEMS if KERNELS == "cpu" or n not in ONLY_CPU])
def test_the_gradient_to_a_time_step_is_that_of_the_reference(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step for every sample is one call there and one back where kernels take them at once; coefficients that
    are made of it, channels and matrices, differ as it does."""
    ours, truth = layers(SYSTEMS[name](), tmp_path, name)
    calls = counted(ours, monkeypatch)
    ways = ["forward", "rollout", "readout"] if name in ("strang", "point") and KERNELS == "cpu" else ["forward"]
    one_by_one = name in IMPLICIT or KERNELS == "triton"  # samples with their own steps
    for shape in ((), (2,)) if KERNELS == "cpu" or name == "point" else ((),):
        for way in ways:
            dt = torch.tensor([0.05, 0.08], dtype=torch.float64)[: 1 + len(shape)].reshape(shape or ()).requires_grad_()
            calls.clear()
            found, known = (slopes(layer, way, dt, STEPS) for layer in (ours, truth))
            assert (one_by_one and shape) or KERNELS == "triton" or calls == [2, 2]
            assert known[0].abs().min() > 1e-4
            for a, b in zip(found, known, strict=True):
                torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-9)
            others = slopes(ours, way, dt.detach(), STEPS)  # the rest is the same where nobody asks
            for a, b in zip(others, found[1:], strict=True):
                torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-9)
    assert ours.last_backend == KERNELS


@pytest.mark.skipif(KERNELS == "triton", reason="many steps of the interpreter")
@pytest.mark.parametrize("name", ["strang", "point"])
def test_many_steps_in_stretches(name: str, tmp_path: Path) -> None:
    ours, truth = layers(SYSTEMS[name](), tmp_path, name)
    dt = torch.tensor(0.01, dtype=torch.float64, requires_grad=True)
    for a, b in zip(*(slopes(layer, "forward", dt, 150) for layer in (ours, truth)), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-9)


@pytest.mark.skipif(KERNELS != "triton", reason="planes that do not fit on a chip")
def test_kernels_step_by_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, truth = layers(SYSTEMS["strang"](), tmp_path, "strang")
    kernels = ours.OPERATORS.backends["triton"]
    monkeypatch.setattr(kernels, "_channels_together", lambda *_: 0)
    for asked in (True, False):
        dt = torch.tensor(0.05, dtype=torch.float64, requires_grad=asked)
        for a, b in zip(*(slopes(layer, "forward", dt, STEPS) for layer in (ours, truth)), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-9)


def test_compiled_and_twice(tmp_path: Path) -> None:
    ours, truth = layers(SYSTEMS["rk4"](), tmp_path, "rk4")
    arrays = {n: x.detach() for n, x in given(ours).items()}
    dt = torch.tensor(0.05, dtype=torch.float64, requires_grad=True)

    def loss(layer: torch.nn.Module, dt: torch.Tensor) -> torch.Tensor:
        return layer(**arrays, dt=dt, steps=2).u.square().sum()

    once = [torch.autograd.grad(loss(layer, dt), dt, create_graph=True)[0] for layer in (ours, truth)]
    torch.testing.assert_close(*once)
    torch.testing.assert_close(*(torch.autograd.grad(x, dt)[0] for x in once))
    compiled = torch.compile(lambda dt: loss(ours, dt), backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(torch.autograd.grad(compiled(dt), dt)[0], once[0].detach())
    each = torch.tensor([0.05, 0.08], dtype=torch.float64, requires_grad=True)
    found, known = (torch.autograd.grad(run(each), each)[0] for run in (compiled, lambda dt: loss(truth, dt)))
    torch.testing.assert_close(found, known)


@pytest.mark.skipif(KERNELS == "triton", reason="samples with their own steps go one after the other")
def test_a_step_for_every_sample_twice_and_without_kernels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second derivative is that of the reference, of one sample after the other; so is all where nothing compiles."""
    kind = layer_class(package(SYSTEMS["rotating"](), tmp_path, "asked_rotating"))
    ours, truth = (kind(CHANNELS, backend=backend, dtype=torch.float64) for backend in ("auto", "torch"))
    for a, b in zip(ours.parameters(), truth.parameters(), strict=True):
        torch.nn.init.normal_(a, std=0.3), b.data.copy_(a.data)
    dt = torch.tensor([0.05, 0.08], dtype=torch.float64, requires_grad=True)

    def twice(layer: torch.nn.Module, way: str) -> torch.Tensor:
        arrays = {n: x.detach() for n, x in given(layer).items()}
        found = layer.rollout(**arrays, dt=dt, steps=2) if way == "rollout" else layer(**arrays, dt=dt, steps=2)
        (slope,) = torch.autograd.grad(found[0].sin().sum(), dt, create_graph=True)
        return torch.autograd.grad(slope.square().sum(), dt)[0]

    known = {way: twice(truth, way) for way in ("forward", "rollout")}
    for way, expected in known.items():
        torch.testing.assert_close(twice(ours, way), expected)
    assert ours.last_backend == "cpu"
    kernels = ours.OPERATORS.backends["cpu"]
    monkeypatch.setattr(kernels, "library", lambda *_: None)
    for way, expected in known.items():
        torch.testing.assert_close(twice(ours, way), expected)
    for a, b in zip(*(slopes(layer, "readout", dt, 2) for layer in (ours, truth)), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-9)
