"""Steps at a temperature: the kernels as the reference for the same noise, and both as steps one by one."""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from metrigen import ExplicitEuler, Param, Strang, System
from tests.kernels.test_driven import gradients
from tests.lattice.emitted import layer_class, package
from tests.temperature.systems import flow, per_site, turned, wave

pytestmark = pytest.mark.covering

K, CHANNELS = 4, 3
KERNELS = "triton" if os.environ.get("TRITON_INTERPRET") == "1" else "cpu"
CELLS = {
    "point": lambda: wave(0, integrator=Strang(K, 0.1)),
    "ring": lambda: wave(1, integrator=Strang(K, 0.1), temperature=Param("T", per="channel", positive=True, init=0.5)),
    "wall": lambda: wave(2, "zero", Strang(K, 0.1), temperature=per_site),
    "turned": lambda: turned("neumann"),
    "euler": lambda: wave(1, "zero", ExplicitEuler(K, 0.01)),
    "mobility": lambda: flow(lambda u: 1 + u**2, lambda u: u**4 / 4, Param("T", positive=True, init=0.5), rank=1),
}


def made(cell: str) -> System:
    return CELLS[cell]()


@pytest.mark.parametrize("cell", CELLS)
def test_kernels_take_the_noise_of_the_reference(cell: str, tmp_path: Path) -> None:
    module = package(made(cell), tmp_path, f"noisy_{cell}")
    ours, truth = (layer_class(module)(CHANNELS, backend=b).double() for b in ("auto", "torch"))
    for a, b in zip(ours.parameters(), truth.parameters(), strict=True):
        torch.nn.init.normal_(a, std=0.3), b.data.copy_(a.data)
    sites, generator = (6, 5)[: ours.RANK], torch.Generator().manual_seed(3)
    draw = lambda *shape: torch.randn(shape, dtype=torch.float64, generator=generator)
    state = [draw(2, CHANNELS, *sites).requires_grad_() for _ in ours.FIELDS]
    inputs = {name: (draw(2, CHANNELS, *sites).abs() + 0.5).requires_grad_() for name in ours.INPUTS}
    noise = draw(2, CHANNELS, K, *sites).requires_grad_()
    ends = [layer(*state, **inputs, noise=noise, steps=K) for layer in (ours, truth)]
    assert (ours.last_backend, truth.last_backend) == (KERNELS, "torch")
    step = tuple(state)
    for k in range(K):
        step = truth(*step, **inputs, noise=noise[:, :, k : k + 1], steps=1)
    for a, b, c in zip(*ends, step, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-11)
        torch.testing.assert_close(b, c, rtol=1e-12, atol=1e-13)
    leaves = [*state, *inputs.values(), noise]
    found = [gradients(layer, end, leaves) for layer, end in zip((ours, truth), ends, strict=True)]
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-9)
    read = [layer.rollout_readout(*state, **inputs, noise=noise, steps=K, every=2) for layer in (ours, truth)]
    assert ours.last_backend == KERNELS
    read = [(*last, readings) for last, readings in read]
    found = [gradients(layer, values, leaves) for layer, values in zip((ours, truth), read, strict=True)]
    for a, b in zip((*read[0], *found[0]), (*read[1], *found[1]), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-9)
    drawn = [layer(*state, **inputs, steps=K, generator=torch.Generator().manual_seed(8)) for layer in (ours, truth)]
    for every in (1, 2):
        rolled = ours.rollout(*state, **inputs, steps=K, every=every, generator=torch.Generator().manual_seed(8))
        for name, a, b in zip(ours.FIELDS, *drawn, strict=True):
            assert torch.equal(getattr(rolled, name)[:, :, -1], a)
            torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-11)
    assert not torch.allclose(drawn[0][-1], ends[0][-1])


Layers = tuple[torch.nn.Module, torch.nn.Module, ModuleType]


def pair(cell: str, folder: Path, dtype: torch.dtype = torch.float64) -> Layers:
    """A layer with kernels, the same by the reference, and their package."""
    module = package(made(cell), folder, f"noisy_{cell}")
    ours, truth = (layer_class(module)(CHANNELS, backend=b, dtype=dtype) for b in (KERNELS, "torch"))
    return ours, truth, module


def seeded(seed: int = 8) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("cell", ["point", "ring", "turned"])
def test_kernels_count_as_the_reference_does(cell: str, dtype: torch.dtype, tmp_path: Path) -> None:
    """One step from rest leaves the numbers themselves, times a strength: one wrong bit of an integer gives others."""
    ours, truth, _ = pair(cell, tmp_path, dtype)
    rest = torch.zeros(64, CHANNELS, *(37,)[: ours.RANK], dtype=dtype)
    a, b = (layer(rest, rest, steps=1, generator=seeded()).p for layer in (ours, truth))
    assert len(b.unique()) > 0.999 * b.numel()
    assert b.abs().amax() > 2.5 * b.std()
    tight = 2e-6 if dtype == torch.float32 else 1e-14
    torch.testing.assert_close(a, b, rtol=tight, atol=tight)


@pytest.mark.parametrize("cell", ["point", "wall", "turned"])
def test_gradients_see_the_noise_of_the_way_forward(cell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over stretches of steps that are taken once more, in one kernel and step by step, and twice."""
    ours, truth, module = pair(cell, tmp_path)
    steps = 150 if KERNELS == "cpu" else 5
    sites = (5, 3)[: ours.RANK]
    state = [torch.randn(2, CHANNELS, *sites, dtype=torch.float64, generator=seeded(i)) for i in range(2)]
    handed = {name: torch.full_like(state[0], 0.5) for name in ours.INPUTS}

    def found(layer: torch.nn.Module) -> list[torch.Tensor]:
        q, p = (x.clone().requires_grad_() for x in state)
        end = layer(q, p, **handed, steps=steps, generator=seeded())
        first = gradients(layer, end, [q, p])
        bent = layer(q, p, **handed, steps=2, generator=seeded()).q.square().sum()
        (slope,) = torch.autograd.grad(bent, q, create_graph=True)
        return [*end, *first, slope, *torch.autograd.grad(slope.square().sum(), [q, layer.raw_k])]

    known = found(truth)
    for on_chip in (True, False) if KERNELS == "triton" else (True,):
        if not on_chip:
            monkeypatch.setattr(module.kernels, "_channels_together", lambda *_: 0)
        for a, b in zip(found(ours), known, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-9)
    assert ours.last_backend == KERNELS


def test_samples_with_steps_of_their_own_keep_their_noise(tmp_path: Path) -> None:
    ours, truth, _ = pair("ring", tmp_path)
    rest = torch.zeros(3, CHANNELS, 6, dtype=torch.float64)
    dt = torch.tensor([0.1, 0.2, 0.1], dtype=torch.float64)
    ends = [layer(rest, rest, dt=dt, steps=K, generator=seeded()).q for layer in (ours, truth)]
    torch.testing.assert_close(*ends, rtol=1e-10, atol=1e-11)


class Largest(TorchDispatchMode):
    """The most numbers of a tensor that any operation returned."""

    numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        for x in found if isinstance(found, (tuple, list)) else (found,):
            self.numbers = max(self.numbers, x.untyped_storage().nbytes() // 8 if isinstance(x, torch.Tensor) else 0)
        return found


@pytest.mark.parametrize("backend", [KERNELS, "torch"])
def test_no_call_holds_the_noise_of_all_steps(backend: str, tmp_path: Path) -> None:
    ours, truth, _ = pair("ring", tmp_path)
    layer, steps = ours if backend == KERNELS else truth, 24
    rest = torch.zeros(2, CHANNELS, 50, dtype=torch.float64)
    with Largest() as seen:
        layer(rest, rest, steps=steps, generator=seeded()).q.square().sum().backward()
    assert 0 < seen.numbers <= max(rest.numel(), 2 * CHANNELS * steps)
