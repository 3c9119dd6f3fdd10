"""Energies with a kink or a jump: Max, Min, Abs, sign and steps, differentiated almost everywhere."""

from __future__ import annotations

from pathlib import Path

import pytest
import sympy as sp
import torch

from metrigen import (
    Dissipation,
    ExplicitEuler,
    Field,
    Lattice,
    Leapfrog,
    SpecError,
    System,
    derive,
    energy_density,
    grad,
    stress_energy,
    t,
)
from metrigen.backends.cpu.dialect import CPP
from metrigen.backends.torch.dialect import TORCH
from metrigen.backends.triton.dialect import TRITON
from metrigen.ir.evaluate import partial_derivative
from tests.lattice.emitted import layer_class, package
from tests.lowered import lower

x = sp.Symbol("x", real=True)
line = Lattice(x)
u = Field("u", line)
ENERGIES = {
    "max": sp.Max(u, 0) ** 2 / 2 + grad(u).square / 2,
    "abs": sp.Abs(u) ** 3 + sp.sign(u) * u,
    "min": sp.Min(u, u.diff(x)) ** 2,
    "three": sp.Abs(u.diff(x)) * sp.Max(u, sp.Rational(1, 3), -u),
    "step": sp.Heaviside(u) * u**2,
}


def system(name: str, energy: sp.Expr) -> System:
    return System(name, line, fields=(u,), hamiltonian=energy, metric=Dissipation((1, lambda F: F[u])),
                  integrator=ExplicitEuler(steps=2, dt=0.1), readout=energy_density())  # fmt: skip


@pytest.mark.parametrize("name", ENERGIES)
def test_gradients_of_the_layer(name: str, tmp_path: Path) -> None:
    """The kernels of the CPU (where there is a compiler) and the reference agree, and with differences."""
    layer = layer_class(package(system(f"kink_{name}", ENERGIES[name]), tmp_path, f"kink_{name}"))
    w = torch.randn(1, 2, 7, dtype=torch.float64, requires_grad=True)
    ends, slopes = [], []
    for backend in ("auto", "torch"):
        made = layer(2, backend=backend).double()
        end = made(w)
        ends.append(torch.cat([end.u.flatten(), made.energy(end), made.readout(end).flatten()]))
        slopes.append(torch.autograd.grad(ends[-1].sin().sum(), w)[0])
    torch.testing.assert_close(ends[0], ends[1], rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(slopes[0], slopes[1], rtol=1e-12, atol=1e-12)
    made = layer(2, steps=1, backend="torch").double()
    start = type(end)(w.detach())
    assert (
        made.energy(
            made(
                w,
            )
        )
        < made.energy(start)
    ).all()
    assert torch.autograd.gradcheck(lambda v: made(v).u, (w,), fast_mode=True)


def test_slopes_at_a_kink_and_at_a_jump() -> None:
    a = sp.Symbol("a", real=True)
    assert partial_derivative(sp.Max(a, 0), a) == (1 + sp.sign(a)) / 2
    assert partial_derivative(sp.Abs(a), a) == sp.sign(a)
    assert partial_derivative(sp.sign(a) * a, a) == sp.sign(a)
    texts = [dialect.print(partial_derivative(sp.Max(a, 0), a)) for dialect in (TORCH, TRITON, CPP)]
    assert all("sign" in text for text in texts), texts
    assert TORCH.print(sp.Max(a, 0)) == "torch.maximum(torch.tensor(0.0, dtype=torch.float64), a)"


def test_a_delta_is_refused() -> None:
    with pytest.raises(SpecError, match="no kernel can evaluate DiracDelta") as refused:
        lower(derive(system("delta", sp.DiracDelta(u) + u**2)))
    assert refused.value.fix


def test_half_powers_are_products_with_a_root() -> None:
    """A power is a call for every lane, a root one instruction for all of them."""
    a = sp.Symbol("a", positive=True)
    assert CPP.print(a ** sp.Rational(3, 2)) == "a * sqrt_(a)"
    assert CPP.print(a ** sp.Rational(-5, 2)) == "R(1.0) / (a * a * sqrt_(a))"
    for dialect in (TORCH, TRITON, CPP):
        text = dialect.print((a + 1) ** sp.Rational(3, 2))
        value = eval(text, {"a": 2.0, "torch": sp, "tl": sp, "sqrt_": sp.sqrt, "R": float})
        assert abs(float(value) - 3.0**1.5) < 1e-14


@pytest.mark.parametrize(
    ("stepped", "same"),
    [
        (lambda v: sp.Heaviside(v) * v**2, lambda v: sp.Max(v, 0) ** 2),
        (lambda v: sp.sign(v) * v**3, lambda v: sp.Abs(v) ** 3),
    ],
    ids=["step", "sign"],
)
def test_steps_of_a_slope_are_read_out(stepped: object, same: object, tmp_path: Path) -> None:
    """The momentum flux holds the derivative of the energy: the impulse of the step is nothing almost everywhere."""
    ends = []
    for k, energy in enumerate((stepped, same)):
        lagrangian = u.diff(t) ** 2 / 2 - energy(u.diff(x))  # type: ignore[operator]
        wave = System(
            "step", line, lagrangian=lagrangian, integrator=Leapfrog(steps=3, dt=0.1), readout=stress_energy()
        )
        found = layer_class(package(wave, tmp_path, f"{tmp_path.name}_{k}"))
        w = torch.randn(1, 2, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        for backend in ("auto", "torch"):
            made = found(2, backend=backend).double()
            end = made(w)
            ends.append(torch.cat([end.u.flatten(), end.pi.flatten(), made.readout(end).flatten()]))
            ends[-1] = torch.cat([ends[-1], *(v.flatten() for v in made.stress_energy(end).values())])
    for other in ends[1:]:
        torch.testing.assert_close(other, ends[0], rtol=1e-12, atol=1e-12)
