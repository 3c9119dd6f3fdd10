"""Conductivities of every magnitude and closed walls: value, gradient and second derivative on every backend.

H = k u_x^2/2 with a harmonic mean on the edges goes down its slope. Where k is scaled by c and the time by 1/c nothing
may change but the derivatives by k, by 1/c and 1/c^2. Cells with k = 0 take no part. What is right is said by PyTorch
in float64 from 2 a b/(a + b). With k (1 + u^2) the reverse has the second derivatives of the mean, and its own
derivative the third, of size 1/k^2: it is tried where that and k^2 are numbers.
"""

from __future__ import annotations

import os
from typing import Any

import pytest
import sympy as sp
import torch

from metrigen import Dissipation, ExplicitEuler, Field, Input, Lattice, System
from tests.lattice.emitted import layer_class, package

pytestmark = pytest.mark.covering

BACKENDS = ("triton",) if os.environ.get("TRITON_INTERPRET") == "1" else ("torch", "cpu")
STEPS = 6 if BACKENDS == ("triton",) else 100
DT = 0.1
SCALES = {torch.float32: (1e-30, 1e-12, 1.0, 1e12, 1e30), torch.float64: (1e-290, 1e-30, 1e-12, 1.0, 1e290)}
SQUARED = {torch.float32: (1e-12, 1.0, 1e12), torch.float64: (1e-100, 1e-12, 1.0, 1e100)}
SYSTEMS = {"plain": SCALES, "moving": SQUARED}
# A wall of two cells; on its left conductivities that differ by up to seven decades.
CONDUCTIVITY = (1.0, 1e-7, 3e-4, 0.8, 0.5, 0.0, 0.0, 0.6, 0.7, 0.9)
START = (1.0, -0.6, 0.9, 0.4, -0.3, 5.0, -7.0, 0.25, 0.25, 0.25)
WALL, BEHIND = slice(5, 7), slice(7, 10)


def coefficient(name: str, u: Any, k: Any) -> Any:
    """Of SymPy's symbols, or of tensors."""
    return k if name == "plain" else k * (1 + u**2)


def system(name: str) -> System:
    x = sp.Symbol("x", real=True)
    line = Lattice(x, boundary="neumann", average="harmonic")
    u, k = Field("u", line), Input("k", line, nonnegative=True)
    return System(name, line, (u,), hamiltonian=coefficient(name, u, k) * u.diff(x) ** 2 / 2,
                  metric=Dissipation((1, lambda F: F[u])), integrator=ExplicitEuler(steps=2, dt=DT))  # fmt: skip


@pytest.fixture(scope="module")
def layers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, type]:
    folder = tmp_path_factory.mktemp("harmonic")
    return {name: layer_class(package(system(name), folder, f"harmonic_{name}")) for name in SYSTEMS}


def given(dtype: torch.dtype, scale: float) -> tuple[torch.Tensor, torch.Tensor]:
    u, k = (torch.tensor(row, dtype=torch.float64)[None, None] for row in (START, CONDUCTIVITY))
    return u.to(dtype).requires_grad_(), (k * scale).to(dtype).requires_grad_()


def right_step(name: str, u: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
    """One step by the formulas of a textbook; of two closed cells the mean with the slopes 1/2."""
    c = coefficient(name, u, k)
    a, b = c[..., :-1], c[..., 1:]
    closed = (a == 0) & (b == 0)
    mean = torch.where(closed, (a + b) / 2, 2 * a * b / torch.where(closed, 1, a + b))
    energy = (mean * (u[..., 1:] - u[..., :-1]) ** 2).sum() / 2
    return u - DT * torch.autograd.grad(energy, u, create_graph=True)[0]


def derivatives(end: torch.Tensor, u: torch.Tensor, k: torch.Tensor, scale: float) -> dict[str, torch.Tensor]:
    """The end, its pullback of a fixed cotangent, and the pullback of that; as they are for the scale 1."""
    weights = torch.linspace(-1, 1, u.numel(), dtype=torch.float64).cos().to(u.dtype).reshape(u.shape)
    by_u, by_k = torch.autograd.grad((end * weights).sum(), (u, k), create_graph=True)
    inner = (by_u * weights.flip(-1)).sum() + (by_k * scale * weights.flip(-1)).sum()
    by_uu, by_kk = torch.autograd.grad(inner, (u, k))
    return {"end": end, "by u": by_u, "by k": by_k * scale, "twice, u": by_uu, "twice, k": by_kk * scale}


def expected(name: str) -> dict[str, torch.Tensor]:
    u, k = given(torch.float64, 1.0)
    return derivatives(right_step(name, right_step(name, u, k), k), u, k, 1.0)


@pytest.mark.parametrize("dtype", SCALES, ids=str)
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", SYSTEMS)
def test_every_magnitude(layers: dict[str, type], name: str, backend: str, dtype: torch.dtype) -> None:
    want = expected(name)
    for scale in SYSTEMS[name][dtype]:
        u, k = given(dtype, scale)
        layer = layers[name](1, dt=DT / scale, backend=backend).to(dtype)
        for part, value in derivatives(layer(u, k=k).u, u, k, scale).items():
            size = want[part].abs().max()
            error = (value.detach().double() - want[part]).abs().max() / size
            assert error < 40 * torch.finfo(dtype).eps, (scale, part, float(error))


@pytest.mark.parametrize("dtype", SCALES, ids=str)
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_closed_wall_leaks_exactly_nothing(layers: dict[str, type], backend: str, dtype: torch.dtype) -> None:
    for scale in SCALES[dtype]:
        u, k = given(dtype, scale)
        layer = layers["plain"](1, steps=STEPS, dt=DT / scale, backend=backend).to(dtype)
        with torch.no_grad():
            end = layer(u, k=k).u
        assert torch.equal(end[..., WALL], u[..., WALL])
        assert torch.equal(end[..., BEHIND], u[..., BEHIND])
        assert (end[..., 2:5] - u[..., 2:5]).abs().min() > 1e-6, "and what is open conducts"
