"""A declared symmetry never decides whether a layer can be built: what its current lacks leaves it out, with a note."""

from __future__ import annotations

from pathlib import Path

import pytest
import sympy as sp
import torch

from metrigen import RK4, Field, Input, Lattice, Param, System, energy_density, grad, t
from tests.lattice.emitted import compiled, layer_class, package

x, y = sp.symbols("x y", real=True)
POINT, PLANE = Lattice(), Lattice(x, y)
q, u = Field("q", POINT), Field("u", PLANE)
A1, A2, gauge = Field("A1", PLANE), Field("A2", PLANE), Input("Lm", PLANE)
FREE = q.diff(t) ** 2 / 2
WAVE = u.diff(t) ** 2 / 2 - grad(u).square / 2
FIELDS = (A1.diff(t) ** 2 + A2.diff(t) ** 2 - (A2.diff(x) - A1.diff(y)) ** 2) / 2
LEFT_OUT = {
    "boost": (POINT, FREE, {q: t}, "t"),
    "gauge": (PLANE, FIELDS, {A1: gauge.diff(x), A2: gauge.diff(y)}, "Lm(x, y)"),
    "rotation": (PLANE, WAVE, {u: x * u.diff(y) - y * u.diff(x)}, "x, y"),
    "scaled": (POINT, FREE, {q: Param("eps")}, "eps"),
}


def system(name: str, domain: Lattice, lagrangian: sp.Expr, symmetries: dict) -> System:
    return System(name, domain, lagrangian=lagrangian, symmetries=symmetries, integrator=RK4(steps=1, dt=0.1),
                  readout=energy_density())  # fmt: skip


@pytest.mark.parametrize("name", LEFT_OUT)
def test_a_current_that_cannot_be_read_out_is_left_out(name: str) -> None:
    domain, lagrangian, symmetry, held = LEFT_OUT[name]
    made = compiled(system(name, domain, lagrangian, {name: symmetry}))
    assert name in made.derivation.currents
    assert "def currents" not in made.files["module.py"]
    assert f"No part of `currents()`: it holds {held}." in made.files["DERIVATION.md"]


def test_the_others_stay(tmp_path: Path) -> None:
    both = system("boosted", POINT, FREE, {"boost": {q: t}, "shift": {q: sp.S.One}})
    layer = layer_class(package(both, tmp_path, "boosted"))(1)
    state = layer(torch.ones(2, 1), 2 * torch.ones(2, 1))
    assert list(layer.currents(state)) == ["shift"]
