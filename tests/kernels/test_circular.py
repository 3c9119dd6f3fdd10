"""sin and cos of the CPU kernels at a point: within two units in the last place, wherever their argument lies."""

from __future__ import annotations

import importlib
import math
import os
from pathlib import Path
from typing import Any

import mpmath
import pytest
import sympy as sp
import torch

from metrigen import Dissipation, ExplicitEuler, Field, Lattice, System, energy_density
from tests.lattice.emitted import layer_class, package

pytestmark = [
    pytest.mark.covering,
    pytest.mark.skipif(
        os.environ.get("TRITON_INTERPRET") == "1", reason="operators on the CPU run the Triton kernels here"
    ),
]

# What pi of three numbers is good for ends at 1e9 and 1e5; beyond it the C library answers lane by lane.
LARGEST = {torch.float64: 1e9, torch.float32: 1e5}


def arguments(dtype: torch.dtype) -> torch.Tensor:
    """Small and large ones, all about the zeros of both functions, and what is beyond."""
    grid = torch.Generator().manual_seed(1)
    even = 2 * torch.rand(150, dtype=torch.float64, generator=grid) - 1
    turns = torch.cat([torch.arange(-40.0, 41.0), torch.floor(LARGEST[dtype] * even / 2)]).double() * (math.pi / 2)
    far = LARGEST[dtype] * torch.tensor([1.0, 1.5, 17.0, 1e5, 1e15], dtype=torch.float64)
    found = torch.cat([3 * even, 100 * even, LARGEST[dtype] * even, torch.exp(40 * even - 40), turns, far, -far])
    return torch.cat([found, torch.zeros(1)]).to(dtype)


def state_of(layer: torch.nn.Module, u: torch.Tensor, v: torch.Tensor) -> Any:
    """These fields as a state of the layer."""
    return layer(torch.zeros_like(u), torch.zeros_like(v).detach())._replace(u=u, v=v)


@pytest.mark.parametrize("dtype", LARGEST)
def test_two_units_in_the_last_place(dtype: torch.dtype, tmp_path: Path) -> None:
    u, v = Field("u", Lattice()), Field("v", Lattice())
    flow = System(
        "circle", Lattice(), (u, v), hamiltonian=sp.sin(u) + v * sp.cos(u), integrator=ExplicitEuler(steps=1, dt=0.1),
        metric=Dissipation((1, lambda F: F[v])), readout=energy_density(),
    )  # fmt: skip
    module = package(flow, tmp_path, "circle")
    if not importlib.import_module(f"{module.__name__}.cpu").available():
        pytest.skip("no C++ compiler")
    layer = layer_class(module)(1, backend="cpu").to(dtype)
    x = arguments(dtype)[:, None]
    zero = torch.zeros_like(x).requires_grad_()
    sine = layer.readout(state_of(layer, x, zero))  # sin u + 0 cos u; its slope in v is cos u
    (cosine,) = torch.autograd.grad(sine.sum(), zero)
    with mpmath.workdps(60):
        for found, exact in ((sine, mpmath.sin), (cosine, mpmath.cos)):
            for argument, value in zip(x.flatten().tolist(), found.detach().flatten().tolist(), strict=True):
                right = exact(mpmath.mpf(argument))
                unit = torch.finfo(dtype).eps * 2.0 ** math.floor(math.log2(abs(float(right)))) if right else 1e-300
                assert abs(mpmath.mpf(value) - right) <= 2 * unit, (argument, value)
    bad = torch.tensor([[math.inf], [math.nan], [1.0]], dtype=dtype)
    read = layer.readout(state_of(layer, bad, torch.zeros_like(bad)))
    assert read.isfinite().flatten().tolist() == [False, False, True]
