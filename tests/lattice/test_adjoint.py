"""The adjoint of every step, against the exact directional derivative: <J v, w> = <v, J^T w> to rounding."""

from __future__ import annotations

import numpy as np
import pytest

from metrigen.ir.interpreter import run
from metrigen.ir.nodes import Inside, Kind, Load, Map, Program
from metrigen.passes.channels import merge_channel_maps
from metrigen.passes.pipeline import KERNELS
from metrigen.passes.vary import bar, vary
from metrigen.programs import optimise
from tests.lattice.arrays import directional, dot_defect, random_values
from tests.lattice.systems import BOUNDARIES, lattice_dynamics, screened, stepping_systems
from tests.lengths import spread

pytestmark = pytest.mark.covering

SYSTEMS = stepping_systems()


@pytest.mark.parametrize("name", spread(SYSTEMS, 3))
def test_dot_product(name: str) -> None:
    layer = lattice_dynamics(SYSTEMS[name])
    rank = len(layer.origin)
    step = merge_channel_maps(layer.derivation.system.integrator.step(layer))
    adjoint = merge_channel_maps(vary(step, [a.name for a in step.inputs], rank=rank))
    assert dot_defect(step, adjoint, rank) < 1e-11
    assert dot_defect(optimise(step)[0], optimise(adjoint)[0], rank) < 1e-11


def test_nothing_flows_into_a_constant() -> None:
    """Its cotangent is zero, every other one what it was; the sums of the constant are not computed."""
    layer = lattice_dynamics(SYSTEMS["Strang-zero"])
    step = layer.derivation.system.integrator.step(layer)
    names = [a.name for a in step.inputs]
    (constant, *_) = (a.name for a in step.inputs if a.kind is Kind.CHANNEL)
    whole, spared = vary(step, names, rank=2), vary(step, names, rank=2, constants=(constant,))
    values = random_values(whole.inputs, 2)
    expected, found = run(whole, values), run(spared, values)
    assert expected[bar(constant)].any()
    assert found[bar(constant)].shape == expected[bar(constant)].shape
    assert not found[bar(constant)].any()
    assert all(np.allclose(found[bar(n)], expected[bar(n)], rtol=1e-12, atol=1e-12) for n in names if n != constant)
    assert optimise(spared)[2] < optimise(whole)[2]


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_dot_product_of_a_solve(boundary: str) -> None:
    layer = lattice_dynamics(screened(boundary, average="harmonic"))
    programs = layer.derivation.system.integrator.programs(layer)
    assert programs is not None
    outer = [a.name for a in programs.operator.inputs if a.name != programs.unknown]
    values = random_values(programs.operator.inputs, 2)
    along = random_values(programs.operator.inputs, 2, seed=1) | {programs.unknown: 0 * values[programs.unknown]}
    (image,) = directional(programs.operator, values, along).values()
    cotangent = np.random.default_rng(2).normal(size=image.shape)
    (out,) = programs.operator.outputs
    flowed = run(programs.adjoint, {**values, bar(out): cotangent})
    expected = (image * cotangent).sum()
    assert abs(expected - sum((flowed[bar(n)] * along[n]).sum() for n in outer)) < 1e-11 * max(1, abs(expected))


def test_a_coefficient_read_at_the_wrong_site_is_caught() -> None:
    """The classic mistake, flipping the stencil but not moving the coefficient, must fail the dot test."""
    layer = lattice_dynamics(SYSTEMS["Leapfrog-periodic"])
    step = layer.derivation.system.integrator.step(layer)
    adjoint = vary(step, [a.name for a in step.inputs], rank=2)

    def stay(e):  # type: ignore[no-untyped-def]
        return e.xreplace({load: Load("kappa", (0, 0), True) for load in e.atoms(Load) if load.array == "kappa"})

    broken = tuple(
        Map(tuple((n, stay(e)) for n, e in s.stores), s.sums, s.lets) if isinstance(s, Map) else s for s in adjoint.body
    )
    assert dot_defect(step, Program(adjoint.name, adjoint.inputs, broken, adjoint.outputs, True), 2) > 1e-3


@pytest.mark.parametrize("name", ["Strang-zero", "transport-neumann", "oscillator"])
def test_passes_keep_every_value(name: str) -> None:
    layer = lattice_dynamics(SYSTEMS[name])
    step = layer.derivation.system.integrator.step(layer)
    values = random_values(step.inputs, len(layer.origin))
    expected = run(step, values)
    for run_pass in (merge_channel_maps, *KERNELS):
        step = run_pass(step)
        got = run(step, values)
        for out, value in expected.items():
            np.testing.assert_allclose(got[out], value, rtol=1e-12, atol=1e-13)
    assert run_pass(step) == step, "the last pass is not idempotent"


def test_leaf_and_indicator_survive_a_shift() -> None:
    load = Load("u", (1, -2))
    assert load.shifted((-1, 2)) == Load("u", (0, 0))
    assert Inside((1, 0)).shifted((-1, 0)) == Inside((0, 0))
