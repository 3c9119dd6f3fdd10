"""Newton's method for a nonlinear steady state on the CPU: solution, report and gradients of the reference."""

from __future__ import annotations

from pathlib import Path

import pytest
import sympy as sp
import torch
from torch import Tensor

from metrigen import (
    Dissipation,
    Field,
    Input,
    Lattice,
    NeuralFunction,
    Param,
    SteadyState,
    System,
    energy_density,
    grad,
)
from tests.kernels.modes import once
from tests.lattice.emitted import layer_class, package

pytestmark = [pytest.mark.covering, once]

x, y = sp.symbols("x y", real=True)


def system(boundary: str, learned: bool) -> System:
    grid = Lattice(x, y, boundary=boundary)
    u, s, kappa = Field("u", grid), Input("s", grid), Input("kappa", grid, positive=True)
    k = Param("k", per="channel", positive=True, init=0.5)
    V = NeuralFunction("V", u, hidden=6, convex=True) if learned else k * u**4 / 4
    energy = kappa * grad(u).square / 2 + u**2 / 2 + V - s * u
    return System("steady", grid, (u,), hamiltonian=energy, metric=Dissipation((1, lambda F: F[u])),
                  integrator=SteadyState(solver="newton", rtol=1e-11), readout=energy_density())  # fmt: skip


CASES = [("periodic", False), ("zero", True), ("neumann", True)]


@pytest.fixture(scope="module")
def layers(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, bool], type]:
    folder: Path = tmp_path_factory.mktemp("newton")
    return {case: layer_class(package(system(*case), folder, f"newton_{i}")) for i, case in enumerate(CASES)}


def pair(kind: type, **options: object) -> tuple[torch.nn.Module, torch.nn.Module]:
    made = [kind(3, backend=backend, **options).double() for backend in ("cpu", "torch")]
    with torch.no_grad():
        for name, raw in made[0].named_parameters():
            raw.add_(0.3 * torch.randn_like(raw))
            made[1].get_parameter(name).copy_(raw)
    return made[0], made[1]


def given(*shape: int) -> tuple[Tensor, Tensor]:
    return torch.rand(shape, dtype=torch.float64) + 0.2, 3 * torch.randn(shape, dtype=torch.float64)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("size", [(1, 1), (4, 7), (9, 17)])
def test_the_reference(layers: dict[tuple[str, bool], type], case: tuple[str, bool], size: tuple) -> None:
    """Solution, iterations and status; gradients of first and second order, into the weights of a network as well."""
    found = []
    kappa, s = given(2, 3, *size)
    mine, truth = pair(layers[case])
    for layer in (mine, truth):
        leaves = [kappa.clone().requires_grad_(), s.clone().requires_grad_()]
        own = [p for n, p in layer.named_parameters() if "offset" not in n]
        end = layer(**dict(zip(("kappa", "s"), leaves, strict=True)))
        first = torch.autograd.grad((end.u**3).sum(), [*leaves, *own], create_graph=True)
        second = torch.autograd.grad(sum((g**2).sum() for g in first), [*leaves, *own])
        found.append([end.u, *first, *second, end.status.double(), end.iterations.double()])
        assert (end.status == 0).all()
    assert mine.last_backend == "cpu"
    for a, b in zip(*(f[:-1] for f in found), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-7, atol=1e-7 * float(b.detach().abs().max().clamp(min=1)))
    assert (found[0][-1] - found[1][-1]).abs().max() <= 2


def test_what_gives_up_says_so(layers: dict[tuple[str, bool], type]) -> None:
    """A sample that is stopped early, and one that is no number; the others are solved."""
    kappa, s = given(3, 3, 5, 6)
    s[1] = torch.nan
    for layer in pair(layers["periodic", False]):
        with pytest.warns(RuntimeWarning, match="did not converge"):
            end = layer(kappa=kappa, s=s)
        assert end.status.tolist() == [0, 1, 0]
        assert end.u[1].isnan().all()
        assert not end.u[[0, 2]].isnan().any()
    for layer in pair(layers["periodic", False], max_iter=2):
        with pytest.warns(RuntimeWarning, match="did not converge"):
            assert layer(kappa=kappa[:1], s=s[:1]).status.tolist() == [1]


def test_a_warm_start_and_single_precision(layers: dict[tuple[str, bool], type]) -> None:
    kappa, s = given(2, 3, 5, 6)
    layer, _ = pair(layers["zero", True])
    end = layer(kappa=kappa, s=s)
    again = layer(kappa=kappa, s=s, warm_start=end.u)
    assert (again.iterations < end.iterations).all()
    torch.testing.assert_close(again.u, end.u, rtol=0, atol=1e-9)
    layer.rtol = 1e-5
    single = layer.float()(kappa=kappa.float(), s=s.float())
    assert single.u.dtype == torch.float32
    torch.testing.assert_close(single.u.double(), end.u, rtol=0, atol=1e-4)
