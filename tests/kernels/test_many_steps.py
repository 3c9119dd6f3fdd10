"""The way back of many steps: few states in memory, the gradients of a full tape."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import sympy as sp
import torch

from metrigen import Field, ImplicitMidpoint, Lattice, Leapfrog, Param, System, energy_density, grad, momentum, t
from tests.kernels.modes import once
from tests.lattice.emitted import layer_class, package

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


@pytest.mark.parametrize("method", [Leapfrog(STEPS, 0.02), ImplicitMidpoint(STEPS, 0.02)], ids=["leapfrog", "midpoint"])
def test_gradients_are_those_of_a_full_tape(method, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = package(phi4(f"many_{type(method).__name__.lower()}", method), tmp_path, f"many_{type(method).__name__}")
    trajectories = sys.modules[f"{module.__name__}.trajectories"]
    u = torch.randn(1, 1, 4, 5, dtype=torch.float64)
    found = []
    for backend, kept in (("auto", None), ("torch", None), ("torch", 10**6)):
        if kept:
            monkeypatch.setattr(trajectories, "KEPT", kept)
        layer, start = layer_class(module)(1, backend=backend).double(), u.clone().requires_grad_()
        layer(start).u.sin().sum().backward()
        found.append((start.grad, *(q.grad for q in layer.parameters())))
    for ours, few, full in zip(*found, strict=True):
        torch.testing.assert_close(few, full, rtol=1e-12, atol=1e-13)
        torch.testing.assert_close(ours, full, rtol=1e-8, atol=1e-9)


def test_ten_thousand_steps_take_the_memory_of_few(tmp_path: Path) -> None:
    """64 x 64 sites in float32: a full tape is 328 MB, two roots of the steps are 7."""
    package(phi4("many_memory", Leapfrog(100, 0.01)), tmp_path, "many_memory")
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
        print(grown(10_000))
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 32
