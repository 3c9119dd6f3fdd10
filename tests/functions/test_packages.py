"""Whole packages of one function each: u' = u - V'(u)/2, its gradient, and the readout with its gradients.

Run with TRITON_INTERPRET=1 the kernels are Triton's; else those of the CPU, beside the reference.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import sympy as sp
import torch

from metrigen import (
    Dissipation,
    ExplicitEuler,
    Field,
    Lattice,
    Param,
    SpecError,
    System,
    derive,
    energy_density,
    hypot,
    logmean,
)
from metrigen.backends.cpu.dialect import CPP
from metrigen.backends.expressions import Dialect
from metrigen.backends.torch.dialect import TORCH
from metrigen.backends.triton.dialect import TRITON
from tests.lattice.emitted import layer_class, package
from tests.lengths import spread

point = Lattice()
u = Field("u", point)
a = Param("a", per="channel", init=1.5)
b = Param("b", per="channel", positive=True, init=0.7)
x = sp.Symbol("x", positive=True)
HALF = sp.Rational(1, 2)

# name -> (H, u, u after the step, du'/du)
ENERGIES: dict[str, tuple[sp.Expr, float, float, float]] = {
    "root_of_a_clamp": (sp.sqrt(sp.Max(0, u**2 - 1)), 0.37, 0.37, 1),
    "whole_float_exponent": (u**2.0, -1.0, 0.0, 0),
    "cube_root": (sp.cbrt(u**2), 1.0, 1 - 1 / 3, 1 + 1 / 9),
    "distance": (hypot(u, 2), 1.0, 0.776393202250021, 0.821114561800016),
    "distance_at_zero": (hypot(u, a * u), 0.0, 0.0, 1),
    "two_to_the": (2**u, 2.6, 0.4987706707906336, -0.4564611852513375),
    "log_cosh": (sp.log(sp.cosh(u)), 120.0, 119.5, 1),
    "softplus": (sp.log(1 + sp.exp(u)), 800.0, 799.5, 1),
    "power_at_zero": (sp.Abs(u) ** (a + 1), 0.0, 0.0, 1),
    "square_beside_a_power": (u**2 * sp.Abs(u) ** (a - 1), 0.0, 0.0, 1),
    "square_beside_a_power_of_twice": (u**2 * sp.Abs(2 * u) ** (a - 1), 0.0, 0.0, 1),
    "cube_beside_a_power": (u**3 * sp.Abs(u) ** (a - 2), 0.0, 0.0, 1),
    "long_rational": (sp.Rational(10**310 + 1, 10**310 + 7) * u**2, 1.0, 0.0, 0),
    "floor": (sp.floor(u) * u, 2.5, 1.5, 1),
    "mod": (sp.Mod(u, 1), 2.5, 2.0, 1),
    "zero_as_a_float": (sp.Max(u, 0.0) ** 2 + u**0.0, 1.0, 0.0, 0),
    "atan2": (sp.atan2(u, 2), 1.0, 0.8, 1.08),
    "huber": (sp.Piecewise((u**2 / 2, u < 1), (u - HALF, True)), 3.0, 2.5, 1),
    "between": (sp.Piecewise((u**2, sp.And(u > -1, u <= 2)), (0, True)), 1.0, 0.0, 0),
    "erf": (sp.erf(u), 0.5, 0.06060871053227762, 1.4393912894677223),
    "loggamma": (sp.loggamma(2 + u**2), 0.5, 0.21372676668813284, 0.14878895612271026),
    "sinc": (sp.sinc(u), 0.0, 0.0, 1 + 1 / 6),
    "tanh_of_a_multiple_over": (sp.tanh(b * u) / u, 0.0, 0.0, 1 + 0.7**3 / 3),
    "expm1_over": ((sp.exp(u) - 1) / u, 0.0, -0.25, 1 - 1 / 6),
    "bernoulli": (u / (sp.exp(u) - 1), 0.0, 0.25, 1 - 1 / 12),
    "one_minus_cos_over": ((1 - sp.cos(u)) / u**2, 0.0, 0.0, 1 + 1 / 24),
    "atanh_over": (sp.atanh(u) / u, 0.0, 0.0, 2 / 3),
    "atanh_over_root": (sp.atanh(sp.sqrt(u**2 + u**4)) / sp.sqrt(u**2 + u**4), 0.0, 0.0, 2 / 3),
    "logmean_of_equals": (logmean(b, b + u**2), 0.0, 0.0, 0.5),
}


def system(name: str, energy: sp.Expr) -> System:
    return System(name, point, fields=(u,), hamiltonian=energy, metric=Dissipation((1, lambda F: F[u])),
                  integrator=ExplicitEuler(steps=1, dt=0.5), readout=energy_density())  # fmt: skip


@pytest.fixture(autouse=True)
def kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METRIGEN_CPU_KERNELS", "1")


@pytest.mark.parametrize("name", spread(ENERGIES, 3))
def test_step_and_gradients(name: str, tmp_path: Path) -> None:
    energy, start, end, slope = ENERGIES[name]
    layer = layer_class(package(system(f"function_{name}", energy), tmp_path, f"function_{name}"))
    for backend in ("torch", "triton" if os.environ.get("TRITON_INTERPRET") == "1" else "cpu"):
        for dtype, tolerance in ((torch.float64, 4e-15), (torch.float32, 2e-6)):
            made = layer(channels=1, backend=backend).to(dtype)
            given = torch.tensor([[start]], dtype=dtype, requires_grad=True)
            state = made(given)
            (own,) = torch.autograd.grad(state.u.sum(), given)
            assert abs(state.u.item() - end) <= tolerance * max(1, abs(end)), (backend, dtype)
            assert abs(own.item() - slope) <= tolerance, (backend, dtype)
            reading = made.readout(type(state)(given)).sum()
            found = torch.autograd.grad(reading, [given, *made.parameters()], allow_unused=True)
            assert all(g is None or g.isfinite().all() for g in found), (backend, dtype, found)
            assert abs(found[0].item() - 2 * (start - end)) <= 2 * tolerance * max(1, abs(end)), (backend, dtype)


def test_a_mean_of_positive_numbers_is_positive() -> None:
    """The weight of a jump process proves its metric positive."""
    weighted = System("mean", point, fields=(u,), hamiltonian=u**2 / 2, integrator=ExplicitEuler(steps=1, dt=0.5),
                      metric=Dissipation((logmean(b, 1 + u**2), lambda F: F[u])), readout=energy_density())  # fmt: skip
    assert derive(weighted).law("metric_psd").verdict == "proved"


@pytest.mark.parametrize("number", [sp.oo, -sp.oo, sp.nan, sp.zoo])
def test_a_number_that_is_none_is_refused(number: sp.Expr) -> None:
    with pytest.raises(
        SpecError, match=r"hamiltonian= contains an? (infinite constant|constant that is no number)"
    ) as refused:
        system("infinite", number * u**2)
    assert refused.value.fix


@pytest.mark.parametrize("dialect", [TORCH, TRITON, CPP], ids=lambda d: d.name)
def test_a_number_beyond_a_double_is_refused(dialect: Dialect) -> None:
    with pytest.raises(SpecError, match="beyond a double"):
        dialect.print(sp.Integer(10) ** 400 * x)


def test_a_gap_between_cases_is_refused() -> None:
    with pytest.raises(SpecError, match="no value where no condition holds"):
        system("gap", sp.Piecewise((u**2, u < 1)))
