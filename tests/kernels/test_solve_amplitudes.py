"""Solves of every family with sources and cotangents of every size, those whose squares underflow or overflow too.

Sizes are powers of two, so that a linear solve has no excuse: A u = 2^n b is solved by 2^n u to the last bit, in as many
iterations. In Triton's interpreter the suite runs this with its kernels.
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
import sympy as sp
import torch

from metrigen import RK4, Dissipation, Field, Graph, Input, Lattice, Param, SteadyState, System, grad
from tests.integrators.systems import Layers, x, y
from tests.lengths import spread

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
Tensors = tuple[torch.Tensor, ...]
Make = Callable[[torch.dtype], dict[str, torch.Tensor]]
SIZES = {
    torch.float32: (1e-30, 1e-25, 1e25, 1e-35, 1e-21, 1e-10, 10.0, 1e10, 1e18, 1e20, 1e30, 1e35),
    torch.float64: (1e-200, 1e160, 1e-290, 1e-160, 1e-100, 1e-25, 1e25, 1e100, 1e200, 1e290),
}


def steady(name: str, solver: str = "cg", wide: bool = False, quartic: bool = False) -> System:
    """-div kappa grad u + k u (+ u_xxxx / 4, + lam u^3) = s."""
    grid = Lattice(x, y, boundary="neumann")
    u, s, kappa = Field("u", grid), Input("s", grid), Input("kappa", grid, positive=True)
    k = Param("k", per="channel", positive=True, init=0.3)
    energy = kappa * grad(u).square / 2 + k * u**2 / 2 - s * u + (u.diff(x, 2) ** 2 / 8 if wide else 0)
    if quartic:
        energy += Param("lam", nonnegative=True, init=2.0) * u**4 / 4
    return System(name, grid, (u,), hamiltonian=energy, metric=Dissipation((1, lambda F: F[u])),
                  integrator=SteadyState(solver, rtol=1e-5))  # fmt: skip


def network() -> System:
    """(B^T w B + m) u = s."""
    graph = Graph()
    u, s, w = Field("u", graph), Input("s", graph), Input("w", graph.edges, nonnegative=True)
    m = Param("m", per="channel", positive=True, init=0.3)
    return System("network", graph, (u,), hamiltonian=w * grad(u).square / 2 + m * u**2 / 2 - s * u,
                  metric=Dissipation((1, lambda F: F[u])), integrator=SteadyState(rtol=1e-5))  # fmt: skip


def attracted(boundary: str, screening: int) -> System:
    """u_t = -u - A^-1 u with A psi = -lap psi + screening psi; without it the constants are the kernel of A."""
    grid = Lattice(x, y, boundary=boundary)
    s, psi, a = Field("s", grid), Field("psi", grid), Param("a", nonnegative=True, init=0.2)
    return System(f"attracted_{boundary}", grid, (s,), hamiltonian=s**2 / 2 + s * psi / 2,
                  constraints={psi: psi.diff(x, 2) + psi.diff(y, 2) - screening * psi + s},
                  metric=Dissipation((a, lambda F: F[s])), integrator=RK4(steps=1, dt=0.1))  # fmt: skip


def lattice(*shape: int) -> Make:
    def made(dtype: torch.dtype) -> dict[str, torch.Tensor]:
        random = torch.Generator().manual_seed(1)
        s, kappa = (torch.randn(shape, generator=random, dtype=torch.float64) for _ in range(2))
        return {"s": s.to(dtype), "kappa": (kappa.abs() + 0.2).to(dtype)}

    return made


def field(*shape: int) -> Make:
    return lambda dtype: {"s": lattice(*shape)(dtype)["s"]}


def pairs(nodes: int, listed: bool) -> Make:
    def made(dtype: torch.dtype) -> dict[str, torch.Tensor]:
        given = lattice(2, 2, nodes)(dtype)["s"]
        edges = torch.triu_indices(nodes, nodes, 1)
        if listed:
            return {
                "s": given,
                "w": torch.linspace(0.1, 1.0, edges.shape[1], dtype=dtype).expand(2, -1),
                "edge_index": edges,
            }
        w = torch.linspace(0.1, 1.0, nodes * nodes, dtype=dtype).reshape(nodes, nodes)
        return {"s": given, "w": (w + w.mT).expand(2, -1, -1)}

    return made


@dataclass(frozen=True)
class Case:
    system: str
    given: Make
    backends: tuple[str, ...] = ("torch",)
    solver: str = ""


SYSTEMS = {
    "planes": steady("planes"), "wide": steady("wide", wide=True), "monotone": steady("monotone", "monotone"),
    "newton": steady("newton", "newton", quartic=True), "network": network(),
    "screened": attracted("zero", 1), "singular": attracted("periodic", 0),
}  # fmt: skip
ALL = ("torch", "cpu", "triton")
CASES = {
    "planes": Case("planes", lattice(2, 2, 5, 4), ALL),
    "levels": Case("planes", lattice(1, 1, 18, 17), ("cpu",)),
    "wide": Case("wide", lattice(2, 2, 5, 4), ALL),
    "monotone": Case("monotone", lattice(2, 2, 5, 4), ALL),
    "newton": Case("newton", lattice(2, 2, 5, 4)),
    "pairs": Case("network", pairs(5, False), solver="cg"),
    "edges": Case("network", pairs(5, True)),
    "factors": Case("network", pairs(5, False)),
    "screened": Case("screened", field(2, 2, 5, 4)),
    "singular": Case("singular", field(2, 2, 5, 4)),
}
RUNS = [(name, b) for name, case in CASES.items() for b in case.backends if (b == "triton") == INTERPRETED]
CELLS = [
    (n, b, dtype, size) for i, (n, b) in enumerate(RUNS) for dtype in SIZES for size in spread(SIZES[dtype], 5 + i % 2)
]


@pytest.fixture(scope="module")
def layers(tmp_path_factory: pytest.TempPathFactory) -> Layers:
    return Layers(tmp_path_factory.mktemp("solve_amplitudes"), SYSTEMS)


def layer(layers: Layers, name: str, backend: str, dtype: torch.dtype, channels: int = 2) -> torch.nn.Module:
    case = CASES[name]
    options = {} if case.system == "network" else {"backend": backend}
    made = layers.layer(case.system, channels, **options, **({"solver": case.solver} if case.solver else {})).to(dtype)
    if case.system == "newton":
        made.lam = 0.0  # which leaves a linear equation to Newton's method
    return made


def solved(made: torch.nn.Module, given: dict[str, torch.Tensor], source: float, cotangent: float) -> Tensors:
    """In units of source and cotangent: the solution, its reports, and the gradients, that of the source first."""
    leaves = {n: (x * source if n == "s" else x).detach() for n, x in given.items()}
    leaves = {n: x.requires_grad_(x.is_floating_point()) for n, x in leaves.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        state = made(**leaves)
    flow = torch.linspace(-1, 2, state[0].numel(), dtype=state[0].dtype).reshape_as(state[0]) * cotangent
    along = [x for x in leaves.values() if x.requires_grad] + [p for n, p in made.named_parameters() if n != "raw_lam"]
    first, *rest = torch.autograd.grad(state[0], along, flow)
    reports = {n: x for n, x in state._asdict().items() if n in ("iterations", "residual", "status")}
    return (state[0].detach() / source, first / cotangent, *(x / source / cotangent for x in rest),
            *(x / source if n == "residual" else x for n, x in reports.items()))  # fmt: skip


@cache
def expected(made: torch.nn.Module, name: str, dtype: torch.dtype) -> Tensors:
    return solved(made, CASES[name].given(dtype), 1.0, 1.0)


@pytest.mark.parametrize(("name", "backend", "dtype", "size"), CELLS)
def test_a_linear_solve_knows_no_unit(layers: Layers, name: str, backend: str, dtype: torch.dtype, size: float) -> None:
    """A source and a cotangent of any size give the numbers of size 1, and no warning."""
    made, unit = layer(layers, name, backend, dtype), 2.0 ** round(math.log2(size))
    given, wanted = CASES[name].given(dtype), solved(made, CASES[name].given(dtype), 1.0, 1.0)
    assert all(bool(x.isfinite().all()) and bool((x != 0).any()) for x in wanted[:2])
    for found in (solved(made, given, unit, 1.0), solved(made, given, 1.0, unit)):
        for one, other in zip(found, wanted, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-5 if dtype is torch.float32 else 1e-14, atol=0)
