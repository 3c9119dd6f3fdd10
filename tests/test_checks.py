"""METRIGEN_CHECK=1: a layer looks at what it is handed and at what comes out, and says where it is wrong."""

from __future__ import annotations

import re
from types import ModuleType

import pytest
import torch

from tests.test_parametrisations import emitted

HEAD = "import sympy as sp\nfrom metrigen import *\nx = sp.Symbol('x', real=True)\n"
HEAT = (
    HEAD
    + """
line = Lattice(x)
u = sp.Function("u", positive=True)(t, x)
k = Input("k", line, positive=True)
w = Input("w", line, nonnegative=True)
system = System(name="heat", domain=line, fields=(u,), hamiltonian=k * grad(u).square / 2 + w * u**4,
    metric=Dissipation((1, lambda F: F[u])), integrator=ExplicitEuler(steps=50, dt=1), readout=energy_density())
"""
)
NODES = (
    HEAD
    + """
graph = Graph()
u = Field("u", graph)
k = Input("k", graph.edges, positive=True)
w = Input("w", graph, nonnegative=True)
system = System(name="nodes", domain=graph, fields=(u,), hamiltonian=k * grad(u).square / 2 + w * u**4,
    metric=Dissipation((1, lambda F: F[u])), integrator=ExplicitEuler(steps=50, dt=1), readout=energy_density())
"""
)
CELL = (
    HEAD
    + """
tokens = Sequence()
u = Field("u", tokens)
w = Input("w", tokens, nonnegative=True)
system = System(name="cell", domain=tokens, fields=(u,), hamiltonian=u**2 / 2,
    metric=lambda F, G: w * F[u] * G[u], integrator=Exponential(), readout=energy_density())
"""
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ModuleType]:
    folder = tmp_path_factory.mktemp("checks")
    return {name: emitted(folder, name, text) for name, text in (("heat", HEAT), ("nodes", NODES), ("cell", CELL))}


def called(made: dict[str, ModuleType], name: str, **given: torch.Tensor) -> object:
    inputs = {"k": torch.full((1, 2, 8, 8) if name == "nodes" else (1, 2, 8), 0.1), "w": torch.zeros(1, 2, 8)} | given
    layer = getattr(made[name], name.capitalize())(2)
    u = inputs.pop("u", torch.ones(1, 2, 8))
    if name == "cell":
        return layer(w=inputs["w"])
    return layer(u, **inputs)


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("heat", "k", "Heat.forward: k must be positive, as it was declared; it is -1.0 at (0, 0, 3)"),
        ("heat", "w", "Heat.forward: w must be nonnegative, as it was declared; it is -1.0 at (0, 0, 3)"),
        ("heat", "u", "Heat.forward: u must be positive, as it was declared; it is -1.0 at (0, 0, 3)"),
        ("nodes", "w", "Nodes.forward: w must be nonnegative, as it was declared; it is -1.0 at (0, 0, 3)"),
        ("cell", "w", "Cell.forward: w must be nonnegative, as it was declared; it is -1.0 at (0, 0, 3)"),
    ],
)
def test_what_is_handed_in_is_looked_at(
    made: dict[str, ModuleType], name: str, given: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = torch.ones(1, 2, 8)
    wrong[0, 0, 3] = -1.0
    called(made, name, **{given: wrong})  # nobody waits for the numbers where nobody asked
    monkeypatch.setenv("METRIGEN_CHECK", "1")
    called(made, name)
    with pytest.raises(ValueError, match=re.escape(message)):
        called(made, name, **{given: wrong})
    wrong[0, 0, 3] = float("nan")
    with pytest.raises(ValueError, match=f"{given} must be finite; it is nan"):
        called(made, name, **{given: wrong})


@pytest.mark.parametrize("name", ["heat", "nodes"])
def test_the_first_step_without_a_number_is_named(
    made: dict[str, ModuleType], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """u' = u - 4 w u^3 with w = 1 from u = 1: beyond float32 at a step that is counted by hand."""
    monkeypatch.setenv("METRIGEN_CHECK", "1")
    value, step = torch.tensor(1.0), 0
    while value.isfinite():
        value, step = value - 4 * value * value * value, step + 1
    assert 1 < step < 50
    with pytest.raises(FloatingPointError, match=rf": u is \S+ at \(0, 0, 0\), first after step {step} of 50$"):
        called(made, name, w=torch.ones(1, 2, 8))
