"""The adjoint of many steps: few states in memory, the gradients of a full tape."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest
import sympy as sp
import torch

from metrigen import (
    Field,
    ImplicitMidpoint,
    Lattice,
    Leapfrog,
    NeuralFunction,
    Param,
    System,
    energy_density,
    grad,
    momentum,
    t,
)
from tests.kernels.modes import once
from tests.lattice.emitted import layer_class, package
from tests.lengths import LONG
from tests.modules import Network

pytestmark = [pytest.mark.covering, once]

x, y = sp.symbols("x y", real=True)
STEPS = 150


def phi4(name: str, method: object) -> System:
    """A field in a double well, chaotic."""
    grid = Lattice(x, y)
    u = Field("u", grid)
    p, k = momentum(u), Param("k", positive=True, init=1.0)
    return System(
        name, grid, lagrangian=u.diff(t) ** 2 / 2 - grad(u).square / 2 + k * u**2 / 2 - u**4 / 4,
        bracket=lambda F, G: F[u] * G[p] - F[p] * G[u], integrator=method, readout=energy_density(),
    )  # fmt: skip


def learned_lagrangian() -> sp.Expr:
    u = Field("u", Lattice(x, y))
    return u.diff(t) ** 2 / 2 - grad(u).square / 2 - NeuralFunction("V", u)


@pytest.mark.parametrize("method", [Leapfrog(STEPS, 0.02), ImplicitMidpoint(STEPS, 0.02)], ids=["leapfrog", "midpoint"])
def test_gradients_are_those_of_a_full_tape(method, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = package(phi4(f"many_{type(method).__name__.lower()}", method), tmp_path, f"many_{type(method).__name__}")
    trajectories = sys.modules[f"{module.__name__}.trajectories"]
    u = torch.randn(1, 1, 4, 5, dtype=torch.float64)
    found = []
    for backend, kept in (("auto", None), ("torch", None), ("torch", 10**6)):
        if kept:
            monkeypatch.setattr(trajectories, "SAVED", kept)
        layer, start = layer_class(module)(1, backend=backend).double(), u.clone().requires_grad_()
        layer(start).u.sin().sum().backward()
        found.append((start.grad, *(q.grad for q in layer.parameters())))
    for ours, few, full in zip(*found, strict=True):
        torch.testing.assert_close(few, full, rtol=1e-12, atol=1e-13)
        torch.testing.assert_close(ours, full, rtol=1e-8, atol=1e-9)


def test_a_module_is_called_for_every_step_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A learned function is differentiated within a step: that takes no step again. Once forwards, once on the way
    back; first and second derivatives are those of a full tape."""
    system = replace(phi4("many_learned", Leapfrog(12, 0.1)), lagrangian=learned_lagrangian())
    module = package(system, tmp_path, "many_learned")
    trajectories, network = sys.modules[f"{module.__name__}.trajectories"], Network(seed=3).double()
    calls, found = [0], []
    network.register_forward_hook(lambda *_: calls.__setitem__(0, calls[0] + 1))
    u = torch.randn(1, 1, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    for kept in (10**6, 4):
        monkeypatch.setattr(trajectories, "SAVED", kept)
        layer, start, calls[0] = layer_class(module)(1, V=network).double(), u.clone().requires_grad_(), 0
        given = (start, *(w for name, w in network.named_parameters() if name != "layers.2.bias"))  # V' has none
        first = torch.autograd.grad(layer(start).u.sin().sum(), given)
        counted = calls[0]
        once_more = torch.autograd.grad(layer(start).u.sin().sum(), given, create_graph=True)
        second = torch.autograd.grad(once_more[0].square().sum(), given, allow_unused=True)
        found.append((counted, (*first, *(x for x in second if x is not None))))
    (full, wanted), (few, ours) = found
    assert full < few <= 2 * full
    for x, y in zip(ours, wanted, strict=True):
        torch.testing.assert_close(x, y, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(
    ("method", "steps"),
    [(Leapfrog(100, 0.01), 10_000 if LONG else 4_000), (ImplicitMidpoint(100, 0.01), 2_000 if LONG else 1_200)],
    ids=["leapfrog", "midpoint"],
)
def test_many_steps_take_the_memory_of_few(method, steps: int, tmp_path: Path) -> None:
    """64 x 64 sites in float32: of 10,000 and 2,000 steps a full tape is 328 MB, of the solved steps 131, two
    roots of the steps are 7 and 6; of a short run they are 131, 79, 4 and 5."""
    package(phi4("many_memory", method), tmp_path, "many_memory")
    code = """
        import resource, sys, torch
        sys.path.insert(0, sys.argv[1])
        import many_memory
        layer = many_memory.module.ManyMemory(1)
        def grown(steps):
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            u = torch.randn(1, 1, 64, 64, requires_grad=True)
            layer(u, steps=steps).u.square().sum().backward()
            return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        grown(100)
        print(grown(int(sys.argv[2])))
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(tmp_path), str(steps)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 32
