"""Initial values: of the spec and of the layer, numbers, tensors, ranges and functions, all within what is declared."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import sympy as sp
import torch

from metrigen import Field, Lattice, Leapfrog, Param, SpecError, System, energy_density, grad, mix, t
from metrigen.backends.torch.backend import Torch
from tests.graph import systems as graphs
from tests.lattice.emitted import layer_class, package
from tests.surface.systems import SCRATCH, layer


def starting(name: str = "starting") -> type:
    grid = Lattice(sp.Symbol("x", real=True))
    u, K = Field("u", grid), Param("K", shape=("C", "C"), symmetric=True, block=2, init=(0.1, 0.2))
    c = Param("c", per="channel", positive=True, below=1.75, init=(0.5, 1.5))
    m = Param("m", nonnegative=True, init=(0, 1))
    k = Param("k", per="site", init=(-1, 1))
    lagrangian = u.diff(t) ** 2 / 2 - c * grad(u).square / 2 - m * u**2 / 2 - k * u**4 - u * mix(K, u) / 2
    system = System(name, grid, lagrangian=lagrangian, integrator=Leapfrog(steps=1, dt=Param("dt", positive=True)),
                    readout=energy_density())  # fmt: skip
    return layer_class(package(system, Path(SCRATCH.name), name, (Torch,)))


MADE: dict[str, type] = {}


def made(**options: Any) -> Any:
    if not MADE:
        MADE["starting"] = starting()
    return MADE["starting"](64, sites=(5,), **options)


def test_a_range_of_the_spec_is_drawn_from_for_every_channel() -> None:
    torch.manual_seed(0)
    first, second = made(), made()
    torch.manual_seed(0)
    again = made()
    for name, low, high in (("c", 0.5, 1.5), ("m", 0, 1), ("k", -1, 1)):
        value = getattr(first, name)
        assert low <= float(value.detach().min()) <= float(value.detach().max()) <= high
        assert not torch.equal(value, getattr(second, name))
        torch.testing.assert_close(value, getattr(again, name))
    assert first.c.unique().numel() == 64
    assert first.c.std() > 0.2
    blocks = first.K.detach()
    assert torch.equal(blocks, blocks.mT)
    inside = blocks[blocks != 0]
    assert inside.numel() == 2 * 64
    assert 0.0999 < float(inside.min()) <= float(inside.max()) < 0.2001
    value = first.c.clone()
    first.reset_parameters()
    assert not torch.equal(first.c, value)


def test_a_layer_takes_other_initial_values() -> None:
    values = torch.linspace(0.1, 1.0, 64)
    found = made(init={"c": lambda channels: torch.linspace(0.1, 1.0, channels), "m": 0.25, "k": (2.0, 3.0)}, dt=0.03)
    torch.testing.assert_close(found.c.detach(), values)
    assert found.m.item() == pytest.approx(0.25)
    assert 2 <= float(found.k.detach().min()) < float(found.k.detach().max()) <= 3
    assert found.dt.item() == pytest.approx(0.03)
    with torch.no_grad():
        found.raw_c.zero_()
    found.reset_parameters()
    torch.testing.assert_close(found.c.detach(), values)
    torch.testing.assert_close(made(init={"c": values}).c.detach(), values)
    other = made(init={"c": lambda channels: (0.2, 0.3)})  # a function may return a range
    assert 0.2 <= float(other.c.detach().min()) < float(other.c.detach().max()) <= 0.3


@pytest.mark.parametrize(
    ("init", "message"),
    [
        ({"c": 2.0}, "c must be positive and below 1.75, not 2.0"),
        ({"c": (0.5, 1.8)}, "c must be positive and below 1.75, not 1.8"),
        ({"c": (-0.1, 1.0)}, "c must be positive and below 1.75, not -0.1"),
        ({"c": (1.0, 0.5)}, "c is drawn from a range"),
        ({"c": (1.0, 0.5, 0.2)}, "c is drawn from a range"),
        ({"c": lambda channels: torch.zeros(channels)}, "c must be positive and below 1.75, not 0.0"),
        ({"c": torch.ones(3)}, "c has shape (3,); needed: (64,)"),
        ({"speed": 1.0}, "init= names 'speed'; Starting has the parameters ('K', 'c', 'dt', 'k', 'm')"),
    ],
)
def test_what_a_parameter_cannot_be_is_refused(init: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        made(init=init)


@pytest.mark.parametrize(
    "declared",
    [
        {"init": (1, 2), "positive": True, "below": 1.5},
        {"init": (-1, 2), "nonnegative": True},
        {"init": (2, 1)},
        {"init": (1, 2, 3)},
        {"init": (1, float("inf"))},
        {"init": ("a", "b")},
    ],
)
def test_a_range_of_a_spec_is_within_what_is_declared(declared: dict[str, Any]) -> None:
    with pytest.raises(SpecError, match="init"):
        Param("c", **declared)


def test_matrices_and_edges_are_drawn_with_their_symmetry() -> None:
    found = layer("lattice", init={"B": (-0.5, 0.5), "K": (0.1, 0.2)})
    for matrix, sign in ((found.B.detach(), -1), (found.K.detach(), 1)):
        assert torch.equal(matrix, sign * matrix.mT)
        assert matrix.abs().max() > 0
    dense = graphs.class_of(graphs.SYSTEMS["nonlinear"])(2, nodes=4, init={"k": (0.5, 0.7)})
    weights = dense.k.detach()
    assert torch.equal(weights, weights.mT)
    assert weights.unique().numel() > 10


def test_the_middle_of_a_range_stands_for_it_in_the_report() -> None:
    """Step limits and pictures take one number for a parameter."""
    from metrigen.package.parameters import initial_value

    assert initial_value(Param("c", init=(1, 2))) == 1.5
    assert initial_value(Param("c", positive=True, below=1.0)) == 0.5
