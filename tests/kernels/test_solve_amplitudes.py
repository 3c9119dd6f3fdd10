"""Solves of every family with sources and cotangents of every size, those whose squares underflow or overflow too.

Sizes are powers of two, so that a linear solve has no excuse: A u = 2^n b is solved by 2^n u, in as many iterations.
In Triton's interpreter the suite runs this with its kernels.
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch

from metrigen import RK4, Dissipation, Field, Graph, Input, Lattice, Param, SteadyState, System, grad
from tests.integrators.systems import Layers, x, y
from tests.lengths import spread

pytestmark = pytest.mark.covering

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
PLANES = (2, 1, 3, 2) if INTERPRETED else (2, 2, 5, 4)  # the interpreter takes its time
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
    "planes": Case("planes", lattice(*PLANES), ALL),
    "levels": Case("planes", lattice(1, 1, 18, 17), ("cpu",)),
    "wide": Case("wide", lattice(*PLANES), ("torch", "cpu")),
    "monotone": Case("monotone", lattice(*PLANES), ALL),
    "newton": Case("newton", lattice(*PLANES)),
    "pairs": Case("network", pairs(5, False), solver="cg"),
    "edges": Case("network", pairs(5, True)),
    "factors": Case("network", pairs(5, False)),
    "screened": Case("screened", field(2, 2, 5, 4)),
    "singular": Case("singular", field(2, 2, 5, 4)),
}
RUNS = [(name, b) for name, case in CASES.items() for b in case.backends if (b == "triton") == INTERPRETED]
CELLS = [
    (n, b, d, size) for i, (n, b) in enumerate(RUNS) for d in SIZES for size in spread(SIZES[d], 5 + i % 2)
    if n != "newton" or size < torch.finfo(d).max ** (1 / 3)  # the cube is looked at, though its coefficient is 0
]  # fmt: skip


@pytest.fixture(autouse=True)
def subnormal() -> None:
    """Numbers below the normal ones are numbers here, whatever library of another test has switched them off."""
    torch.set_flush_denormal(False)


@pytest.fixture(scope="module")
def layers(tmp_path_factory: pytest.TempPathFactory) -> Layers:
    return Layers(tmp_path_factory.mktemp("solve_amplitudes"), SYSTEMS)


def layer(layers: Layers, name: str, backend: str, dtype: torch.dtype) -> torch.nn.Module:
    case = CASES[name]
    channels = case.given(dtype)["s"].shape[1]
    options = {} if case.system == "network" else {"backend": backend}
    made = layers.layer(case.system, channels, **options, **({"solver": case.solver} if case.solver else {})).to(dtype)
    if case.system == "monotone":
        made.rtol = made.bwd_rtol = 1e-2  # of every site, in fewer iterations
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


# Where the constants are the kernel, rounding may show p.Ap < 0 beside a residual that is small; also at size 1.
@pytest.mark.parametrize(("name", "backend", "dtype", "size"), CELLS)
def test_a_linear_solve_knows_no_unit(layers: Layers, name: str, backend: str, dtype: torch.dtype, size: float) -> None:
    """A source and a cotangent of any size give the numbers of size 1, and no warning."""
    made, unit = layer(layers, name, backend, dtype), 2.0 ** round(math.log2(size))
    given, wanted = CASES[name].given(dtype), solved(made, CASES[name].given(dtype), 1.0, 1.0)
    assert all(bool(x.isfinite().all()) and bool((x != 0).any()) for x in wanted[:2])
    for found in (solved(made, given, unit, 1.0), solved(made, given, 1.0, unit)):
        for one, other in zip(found, wanted, strict=True):
            subnormal = (
                2 * torch.finfo(dtype).tiny * torch.finfo(dtype).eps / unit
            )  # what a small residual is rounded at
            torch.testing.assert_close(one, other, rtol=1e-5 if dtype is torch.float32 else 1e-14, atol=subnormal)


REPORTED = [(n, b) for n, b in RUNS if CASES[n].system not in ("screened", "singular")]
STEADY = [(n, b) for n, b in REPORTED if n not in ("monotone", "newton", "factors")]  # by conjugate gradient alone


def answer(made: torch.nn.Module, given: dict[str, torch.Tensor], **more: torch.Tensor) -> Tensors:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        state = made(**{**given, **more})
    return tuple(x.detach() for x in (state[0], state.iterations, state.residual, state.status))


@pytest.mark.parametrize(("name", "backend"), STEADY)
@pytest.mark.parametrize("dtype", SIZES)
def test_a_start_is_a_help_or_none(layers: Layers, name: str, backend: str, dtype: torch.dtype) -> None:
    """However far from the source it is: the solution to the tolerance, and 0 of no source at all."""
    made, given = layer(layers, name, backend, dtype), CASES[name].given(dtype)
    tiny, s = torch.finfo(dtype).tiny, given["s"]
    wanted, *_ = answer(made, given)
    for source, start in (
        (1.0, 1e4),
        (1.0, tiny**-0.9),
        (tiny**0.5, 1.0),
        (tiny * 2**20, tiny**-0.9),
        (tiny**-0.9, 1.0),
    ):
        u, _, _, status = answer(made, {**given, "s": s * source}, warm_start=torch.full_like(s, start))
        assert not status.any(), (source, start)
        torch.testing.assert_close(u / source, wanted, rtol=0, atol=1e-3 * float(wanted.abs().max()))
    for start in (0.0, 1.0, tiny**0.9, tiny**-0.9):
        u, _, residual, status = answer(made, {**given, "s": s * 0}, warm_start=torch.full_like(s, start))
        assert not any(bool(x.any()) for x in (u, residual, status)), start


@pytest.mark.parametrize(("name", "backend"), STEADY)
@pytest.mark.parametrize("dtype", SIZES)
def test_the_smallest_and_the_largest_numbers(layers: Layers, name: str, backend: str, dtype: torch.dtype) -> None:
    """A source of subnormal numbers, and one that ends the range; each plane has a unit of its own."""
    made, given = layer(layers, name, backend, dtype), CASES[name].given(dtype)
    s, info = given["s"] / given["s"].abs().max(), torch.finfo(dtype)
    wanted, _, before, _ = answer(made, {**given, "s": s})
    for size, digits in ((info.tiny / 2**10, 1e-2), (info.max / 16, 1e-4)):
        own = s.clone()
        own[0] *= size
        u, _, residual, status = answer(made, {**given, "s": own})
        assert not status.any()
        torch.testing.assert_close(u[0] / size, wanted[0], rtol=0, atol=digits * float(wanted.abs().max()))
        torch.testing.assert_close(u[1:], wanted[1:], rtol=0, atol=0)
        torch.testing.assert_close(residual[1:], before[1:], rtol=0, atol=0)


@pytest.mark.parametrize(("name", "backend"), REPORTED)
@pytest.mark.parametrize("wrong", [math.inf, math.nan])
def test_what_is_no_number_has_no_solution(layers: Layers, name: str, backend: str, wrong: float) -> None:
    """A source with one of them: no solution of 0, status 1, and the other samples as they are."""
    made = layer(layers, name, backend, torch.float64)
    given = CASES[name].given(torch.float64)
    right, *_ = answer(made, given)
    given["s"].view(-1)[3] = wrong
    u, _, _, status = answer(made, given)
    assert status.tolist() == [1, 0][: len(status)]
    assert not u[0, 0].isfinite().any()
    torch.testing.assert_close(u[1:], right[1:], rtol=0, atol=0)


@pytest.mark.parametrize(("name", "backend"), STEADY)
def test_an_absolute_tolerance_is_one(layers: Layers, name: str, backend: str) -> None:
    """In the unit of the source, not in that of the solve."""
    made = layer(layers, name, backend, torch.float64)
    given, made.rtol = CASES[name].given(torch.float64), 1e-12
    for size in (1e-200, 1.0, 1e200):
        counts = []
        for atol in (0.0, 0.1 * size, 1e3 * size):
            made.atol = atol
            _, iterations, residual, status = answer(made, {**given, "s": given["s"] * size})
            assert not status.any()
            assert bool((residual <= max(atol, 1e-10 * size)).all())
            counts.append(iterations)
        assert (counts[0] > counts[1]).all()
        assert not counts[2].any()


@pytest.mark.skipif(INTERPRETED, reason="torch alone")
@pytest.mark.parametrize("dtype", SIZES)
def test_newtons_method_measures_what_has_no_square(layers: Layers, dtype: torch.dtype) -> None:
    """-div kappa grad u + k u + lam u^3 = s: linear for the smallest sources, u = cbrt(s / lam) for the largest."""
    made, given = layer(layers, "newton", "torch", dtype), CASES["newton"].given(dtype)
    wanted, *_ = answer(made, given)
    made.lam, s = 2.0, given["s"]
    for size in [size for size in SIZES[dtype] if size < 1e-20]:
        u, _, _, status = answer(made, {**given, "s": s * size})
        assert not status.any()
        torch.testing.assert_close(u / size, wanted, rtol=0, atol=1e-4 * float(wanted.abs().max()))
    for size in [size for size in SIZES[dtype] if size > 1e19]:
        root = (s.double() / 2).sign() * (s.double().abs() / 2 * size) ** (1 / 3)
        u, _, residual, status = answer(made, {**given, "s": s * size}, warm_start=(1.5 * root).to(dtype))
        assert not status.any()
        assert residual.isfinite().all()
        torch.testing.assert_close(u.double(), root, rtol=0, atol=1e-2 * float(root.abs().max()))


@pytest.mark.skipif(INTERPRETED, reason="kernels for the CPU")
def test_threads_that_share_a_plane_share_its_unit(layers: Layers) -> None:
    made, given = layer(layers, "levels", "cpu", torch.float32), CASES["levels"].given(torch.float32)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        wanted = answer(made, given)
        for unit in (2.0**-100, 2.0**100):
            u, iterations, residual, status = answer(made, {**given, "s": given["s"] * unit})
            for one, other in zip((u / unit, iterations, residual / unit, status), wanted, strict=True):
                torch.testing.assert_close(one, other, rtol=1e-6, atol=0)
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize(("name", "backend"), [run for run in REPORTED if run[0] != "monotone"])
def test_a_cotangent_that_is_no_number_is_told(layers: Layers, name: str, backend: str) -> None:
    made, given = layer(layers, name, backend, torch.float64), CASES[name].given(torch.float64)
    given["s"].requires_grad_()
    (phi, *_) = made(**given)
    cotangent = torch.ones_like(phi)
    cotangent.view(-1)[3] = math.nan
    with pytest.warns(RuntimeWarning, match="did not converge"):
        (found,) = torch.autograd.grad(phi, given["s"], cotangent)
    assert not found.isfinite().all()
