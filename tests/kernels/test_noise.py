"""Steps at a temperature: the kernels as the reference for the same noise, and both as steps one by one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from metrigen import ExplicitEuler, Param, Strang, System
from tests.kernels.test_driven import gradients
from tests.lattice.emitted import layer_class, package
from tests.temperature.systems import flow, per_site, turned, wave

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
    drawn = [layer(*state, **inputs, steps=K, generator=torch.Generator().manual_seed(8)) for layer in (ours, truth)]
    for every in (1, 2):
        rolled = ours.rollout(*state, **inputs, steps=K, every=every, generator=torch.Generator().manual_seed(8))
        for name, a, b in zip(ours.FIELDS, *drawn, strict=True):
            assert torch.equal(getattr(rolled, name)[:, :, -1], a)
            torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-11)
    assert not torch.allclose(drawn[0][-1], ends[0][-1])
