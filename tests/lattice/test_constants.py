"""Numbers in a spec that are functions of numbers, as sqrt(2) or cos(2), are numbers in what is emitted."""

from __future__ import annotations

from pathlib import Path

import pytest
import sympy as sp
import torch

from metrigen import Field, Lattice, Param, Strang, System, energy_density, t
from metrigen.backends.cpu.dialect import CPP
from metrigen.backends.expressions import Dialect
from metrigen.backends.torch.dialect import TORCH
from metrigen.backends.triton.dialect import TRITON
from tests.lattice.emitted import layer_class, package

NUMBERS = (
    sp.sqrt(2), sp.cos(2), sp.exp(2), sp.tanh(2), sp.atan(3), sp.log(3), sp.Integer(2) ** sp.Rational(1, 3), sp.pi,
    1 / sp.pi, sp.cos(sp.sqrt(2)) + 1, sp.Max(sp.cos(2), -1),
)  # fmt: skip
grid = Lattice(sp.Symbol("x", real=True))
phi = Field("phi", grid)


@pytest.mark.parametrize("dialect", [TORCH, TRITON, CPP], ids=lambda dialect: dialect.name)
@pytest.mark.parametrize("number", NUMBERS, ids=str)
def test_a_number_is_printed_as_one(number: sp.Expr, dialect: Dialect) -> None:
    text = dialect.print(number)
    assert eval(text, {"__builtins__": {}, "R": float}) == float(number)
    u = sp.Symbol("u", real=True)
    assert eval(dialect.print(number * u), {"__builtins__": {}, "R": float, "u": 1.0}) == pytest.approx(float(number))


def test_a_layer_with_a_number_is_that_of_a_parameter_with_its_value(tmp_path: Path) -> None:
    def system(name: str, stiffness: sp.Expr) -> System:
        energy = phi.diff(grid.axes[0]) ** 2 / 2 + stiffness * phi**2 / 2
        return System(name, grid, lagrangian=phi.diff(t) ** 2 / 2 - energy, integrator=Strang(steps=3, dt=0.1),
                      readout=energy_density())  # fmt: skip

    value = sp.cos(sp.sqrt(2)) + sp.Integer(2) ** sp.Rational(1, 3)
    systems = (system("number", value), system("learned", Param("k")))
    layers = [layer_class(package(s, tmp_path, s.name))(2, backend="torch").double() for s in systems]
    layers[1].k = torch.tensor(float(value), dtype=torch.float64)
    x = torch.randn(2, 2, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    one, other = (layer.readout(layer(x)) for layer in layers)
    assert torch.allclose(one, other, rtol=1e-13, atol=1e-13)
