"""Powers of what has a kink, times the variable: finite gradients at 0 wherever the second derivative is."""

from __future__ import annotations

from pathlib import Path

import pytest
import sympy as sp
import torch

from metrigen import Field, Lattice, Leapfrog, System, canonical
from metrigen.ir.functions.normal import normal
from tests.lattice.emitted import layer_class, package

pytestmark = pytest.mark.covering

POINT = Lattice()
q, p = Field("q", POINT), Field("p", POINT)
x = sp.Symbol("x", real=True)
HALF3, HALF5 = sp.Rational(3, 2), sp.Rational(5, 2)
FLAT = {
    "max_times": lambda x: sp.Max(x, 0) ** HALF3 * x,
    "max_of_less": lambda x: sp.Max(-2 * x, 0) ** HALF3 * x,
    "max_over": lambda x: sp.Max(x, 0) ** sp.Rational(7, 2) / x,
    "max_float": lambda x: sp.Max(x, 0) ** 1.3 * x,
    "max": lambda x: sp.Max(x, 0) ** HALF5,
    "abs": lambda x: sp.Abs(x) ** HALF5,
    "abs_times": lambda x: sp.Abs(x) ** HALF3 * x,
    "abs_square": lambda x: sp.Abs(x) ** HALF3 * x**2,
    "abs_below": lambda x: sp.Abs(x) ** -sp.S.Half * x**3,
    "abs_sign": lambda x: sp.Abs(x) ** HALF3 * sp.sign(x) * x,
}


@pytest.mark.parametrize("name", FLAT)
def test_gradients_where_the_force_is_flat(name: str, tmp_path: Path) -> None:
    """V'' = 0 at 0: two steps from rest are free flight, and so is their gradient."""
    V = FLAT[name](q)
    made = layer_class(package(
        System(f"flat_{name}", POINT, fields=(q, p), hamiltonian=p**2 / 2 + V, bracket=canonical((q, p)),
               integrator=Leapfrog(2, 0.1)), tmp_path, f"flat_{name}"))  # fmt: skip
    for backend in ("torch", "auto"):
        for dtype in (torch.float32, torch.float64):
            given = [torch.zeros(1, 1, dtype=dtype, requires_grad=True) for _ in range(2)]
            end = made(channels=1, backend=backend).to(dtype)(*given)
            by_q = torch.autograd.grad(end.q.sum(), given, retain_graph=True)
            by_p = torch.autograd.grad(end.p.sum(), given)
            assert [float(g) for g in by_q + by_p] == pytest.approx([1.0, 0.2, 0.0, 1.0], rel=1e-6), backend


@pytest.mark.parametrize("name", FLAT)
def test_one_power_is_the_product(name: str) -> None:
    written = FLAT[name](x)
    for value in (-1.7, -0.2, 0.3, 2.1):
        wanted, found = (sp.N(e.subs(x, value), 15) for e in (written, normal(written)))
        assert abs(wanted - found) < 1e-14 * (1 + abs(wanted))
