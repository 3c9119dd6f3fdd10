"""Energies whose second derivative is positive at every state, though SymPy's form of it does not show it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import sympy as sp
import torch

from metrigen import Dissipation, ExplicitEuler, Field, Input, Lattice, Param, SpecError, SteadyState, System, derive
from metrigen.physics.convex import hessian
from metrigen.spec.functions import logcosh, softplus
from tests.lattice.emitted import compiled, layer_class, package

x, y = sp.symbols("x y", real=True)
line, plane = Lattice(x), Lattice(x, y)
u, s = Field("u", line), Input("s", line)
c = Param("c", positive=True)
a, b = sp.symbols("a b", real=True)
ENERGIES = {
    "log cosh": sp.log(sp.cosh(a)), "logcosh": logcosh(a - 2 * b), "softplus": softplus(b), "product": 3 * a**2 * b,
    "log of 1 + exp": sp.log(1 + sp.exp(a + b)), "root": sp.sqrt(1 + a**2 + 2 * b**2), "curved": sp.log(sp.cosh(a * b)),
}  # fmt: skip
STRICT = {
    "log cosh": c * sp.log(sp.cosh(u.diff(x))), "of the field": sp.log(sp.cosh(u)) / 3, "total variation":
    sp.sqrt(c + u.diff(x) ** 2), "softplus": sp.log(1 + sp.exp(u.diff(x))), "mixed": sp.log(sp.cosh(u - u.diff(x))),
}  # fmt: skip


def steady(energy: sp.Expr, name: str = "convex") -> System:
    return System(name, line, (u,), hamiltonian=u**2 / 2 - s * u + energy, metric=Dissipation((1, lambda F: F[u])),
                  integrator=SteadyState("newton", rtol=1e-12))  # fmt: skip


@pytest.mark.parametrize("name", ENERGIES)
def test_second_derivatives(name: str) -> None:
    energy, draw = ENERGIES[name], random.Random(0)
    found, plain = hessian(energy, (a, b)), sp.hessian(energy, (a, b))
    for _ in range(3):
        at = {a: sp.Float(draw.uniform(-2, 2), 40), b: sp.Float(draw.uniform(-2, 2), 40)}
        for i in range(2):
            for j in range(2):
                got, want = (sp.sympify(e).doit().xreplace(at).evalf(30) for e in (found[i][j], plain[i, j]))
                assert abs(got - want) < 1e-20 * (1 + abs(want)), (i, j)


@pytest.mark.parametrize("name", STRICT)
def test_a_newton_solve_takes_them(name: str) -> None:
    assert derive(steady(STRICT[name])).steady_state.convex


@pytest.mark.parametrize("energy", [-sp.log(sp.cosh(u.diff(x))), sp.sqrt(1 + sp.sin(u) ** 2), -2 * sp.log(sp.cosh(u))])
def test_what_is_not_convex_is_refused(energy: sp.Expr) -> None:
    with pytest.raises(SpecError, match="not known to be convex"):
        derive(steady(energy))


def test_the_solution(tmp_path: Path) -> None:
    """dF = 0 at the sites: u - s - D tanh(D u) = 0 with the differences of a periodic lattice."""
    layer = layer_class(package(steady(sp.log(sp.cosh(u.diff(x)))), tmp_path, "convex"))(1).double()
    source = torch.randn(1, 1, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 3
    found = layer(s=source)
    slope = torch.tanh(found.u.roll(-1, -1) - found.u)
    torch.testing.assert_close(found.u - slope + slope.roll(1, -1), source, rtol=1e-10, atol=1e-10)
    assert found.status.item() == 0


def test_a_constraint_at_a_point_is_refused_in_words_of_a_point() -> None:
    point = Lattice()
    v, psi, k = Field("v", point), Field("psi", point), Param("k")
    system = System("signless", point, (v,), hamiltonian=v**2 / 2 + psi * v / 2, constraints={psi: k * psi - v},
                    metric=Dissipation((1, lambda F: F[v])), integrator=ExplicitEuler(1, 0.1))  # fmt: skip
    with pytest.raises(SpecError, match="the coefficient of psi is not known to be positive or negative") as told:
        compiled(system)
    assert "lattice" not in str(told.value)
    assert "c*psi = w" in str(told.value)
