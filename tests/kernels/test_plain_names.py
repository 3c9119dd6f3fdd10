"""A spec may have the names that emitted code has of its own: what the compiler made gets a number there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import sympy as sp
import torch

from metrigen import (
    Field,
    Input,
    Lattice,
    Leapfrog,
    Param,
    SpecError,
    SteadyState,
    Strang,
    System,
    energy_density,
    grad,
    mix,
    momentum,
    t,
)
from metrigen.spec.names import check_name
from tests.lattice.emitted import layer_class, package
from tests.lengths import LONG

pytestmark = pytest.mark.covering

KERNELS = "triton" if os.environ.get("TRITON_INTERPRET") == "1" else "cpu"
WANTED = (
    "ok at base plane program first channel partial neighbour_0 i0 N N0 C K TILE GROUP u_bar u_next u_next_bar u_p1_0 "
    "u_0_m1 inside_p1_0 inside_0_m1 v_0 v_1 u_1 dV_du dV_du_bar u_row total held stride c diagonal screening back"
)


def free(name: str) -> bool:
    try:
        return check_name(name, "parameter") == name
    except SpecError:
        return False


NAMES = tuple(name for name in WANTED.split() if free(name))


def system(names: tuple[str, ...]) -> System:
    x, y = sp.symbols("x y", real=True)
    grid = Lattice(x, y, boundary="neumann")
    u = Field("u", grid)
    pi, B = momentum(u), Param("B", shape=("C", "C"), antisymmetric=True)
    terms = (u**2 / 2, u**4 / 4, grad(u).square / 2, 1 - sp.cos(u))
    energy = sum(Param(name, per="channel", init=0.1) * terms[k % len(terms)] for k, name in enumerate(names))
    return System(
        "namesakes", grid, lagrangian=u.diff(t) ** 2 / 2 - energy,
        bracket=lambda F, G: F[u] * G[pi] - F[pi] * G[u] + F[pi] * mix(B, G[pi]),
        integrator=Strang(steps=2, dt=0.1), readout=energy_density(),
    )  # fmt: skip


def test_there_are_such_names() -> None:
    assert {"ok", "u_bar", "u_p1_0", "plane"} <= set(NAMES), "reserved names are not asked for here"


ARRAYS = [
    ("ok", "at"),
    ("at", "ok"),
    ("outside", "weight"),
    ("neighbour", "base"),
    ("u_bar", "u_p1"),
    ("weight", "outside"),
]


def arrays(names: tuple[str, str], boundary: str, steady: bool) -> System:
    """A field and an input that are read at neighbours, under these names."""
    x = sp.Symbol("x", real=True)
    line = Lattice(x, boundary=boundary)
    u, k = Field(names[0], line), Input(names[1], line, positive=True)
    energy = k * grad(u).square / 2 + k * u**2 / 2 + (0 if steady else u**4 / 4)
    if steady:
        source = Input("source", line)
        return System(
            "arrays", line, fields=(u,), hamiltonian=energy - source * u, metric=lambda F, G: F[u] * G[u],
            integrator=SteadyState(rtol=1e-12), readout=energy_density(),
        )  # fmt: skip
    return System(
        "arrays", line, lagrangian=u.diff(t) ** 2 / 2 - energy, integrator=Leapfrog(steps=3, dt=0.1),
        readout=energy_density(),
    )  # fmt: skip


@pytest.mark.parametrize("steady", [False, True], ids=["steps", "steady"])
@pytest.mark.parametrize("boundary", ["zero", "neumann"])
@pytest.mark.parametrize("names", ARRAYS if LONG else ARRAYS[:2], ids="-".join)
def test_arrays_that_are_namesakes_change_no_number(
    names: tuple[str, str], boundary: str, steady: bool, tmp_path: Path
) -> None:
    found = []
    for pair in (names, ("phi", "stiffness")):
        module = package(arrays(pair, boundary, steady), tmp_path, f"arrays_{pair[0]}_{boundary}_{steady}")
        for backend in ("auto", "torch"):
            layer, generator = layer_class(module)(2, backend=backend).double(), torch.Generator().manual_seed(0)
            start, k = (torch.rand(1, 2, 6, generator=generator, dtype=torch.float64) + 0.5 for _ in range(2))
            leaves = [start.requires_grad_(), k.requires_grad_()]
            given = {pair[1]: k} | ({"source": start} if steady else {})
            state = layer(**given) if steady else layer(start, **given)
            assert layer.last_backend == (KERNELS if backend == "auto" else "torch")
            read = layer.readout(state, **given)
            loss = state[0].sin().sum() + read.cos().sum()
            found.append([state[0], read, *torch.autograd.grad(loss, leaves)])
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("backend", ["torch", "auto"])
def test_namesakes_of_made_names_change_no_number(backend: str, tmp_path: Path) -> None:
    plain = tuple(f"coefficient{k:02}" for k in range(len(NAMES)))
    values = [0.05 * k for k in range(len(NAMES))]
    found = []
    for names in (NAMES, plain):
        module = package(system(names), tmp_path, f"namesakes_{names[0]}")
        layer = layer_class(module)(3, backend=backend, init=dict(zip(names, values, strict=True))).double()
        generator = torch.Generator().manual_seed(0)
        torch.nn.init.normal_(layer.get_parameter("raw_B" if hasattr(layer, "raw_B") else "B"), generator=generator)
        start = torch.randn(2, 3, 5, 4, generator=generator, dtype=torch.float64).requires_grad_()
        state, read = layer.forward_readout(start)
        assert layer.last_backend == (KERNELS if backend == "auto" else "torch")
        weights = dict(layer.named_parameters())
        leaves = [start, *(weights.get(name, weights.get(f"raw_{name}")) for name in names)]
        loss = sum(part.sin().sum() for part in (*state, read))
        found.append([*state, read, *torch.autograd.grad(loss, leaves)])
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)
