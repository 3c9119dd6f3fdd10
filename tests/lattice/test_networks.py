"""Declared learned functions: interpreter = reference = the same network as a module, the adjoint, the surface."""

from __future__ import annotations

import importlib
from functools import cache

import numpy as np
import pytest
import torch
from torch import nn

from metrigen import AverageVectorField, Field, Lattice, Leapfrog, NeuralFunction, derive
from metrigen.errors import SpecError
from metrigen.ir.interpreter import run
from metrigen.ir.nodes import Kind
from metrigen.ir.units import Units
from metrigen.passes.vary import bar
from metrigen.programs import Lowered, optimise
from tests.lattice.arrays import directional, random_values
from tests.lattice.networks import NAMES, SYSTEMS, C, H, Module, Packages, drawn, point, same, state_of, wave, x
from tests.lengths import spread
from tests.lowered import lower

pytestmark = pytest.mark.covering


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Packages:
    return Packages(tmp_path_factory.mktemp("networks"))


@cache
def lowered(name: str) -> Lowered:
    return lower(derive(SYSTEMS[name]()))


@pytest.mark.parametrize("name", spread(NAMES, 4))
def test_the_numbers_of_the_same_network_as_a_module(packages, name: str) -> None:
    found, other = packages(name), packages(name, declared=False)
    mine = drawn(found.layer(C, backend="torch"))
    weights, offset = getattr(mine, found.name).detach(), getattr(mine, f"{found.name}_offset").detach()
    function = {"membrane": nn.functional.softplus}.get(name, torch.tanh)
    truth = other.layer(C, **{found.name: Module(weights, offset, function)}).double()
    with torch.no_grad():
        for key, raw in truth.named_parameters():
            if key.startswith("raw_"):
                raw.copy_(mine.get_parameter(key))
    fields, inputs = state_of(mine)
    ends = [layer(*fields, **inputs) for layer in (mine, truth)]
    same([*ends[0]], [*ends[1]])
    same([mine.readout(ends[0], **inputs)], [truth.readout(ends[1], **inputs)])


@pytest.mark.parametrize("name", spread(NAMES, 4))
def test_every_program_against_the_interpreter(packages, name: str) -> None:
    reference = importlib.import_module(f"{packages(name).module.__name__}.reference")
    low = lowered(name)
    for key, program in low.programs().items():
        values = random_values(program.inputs, len(low.dynamics.origin))
        expected = run(program, values)
        got = getattr(reference, key)(*(torch.tensor(values[a.name]) for a in program.inputs))
        for out, value in zip(program.outputs, got, strict=True):
            scale = max(1.0, float(np.abs(expected[out]).max()))
            np.testing.assert_allclose(value.numpy(), expected[out], rtol=0, atol=1e-12 * scale, err_msg=out)


@pytest.mark.parametrize("name", NAMES)
def test_the_varied_step_is_the_adjoint(name: str) -> None:
    """<J v, w> = <v, J^T w>, weights among what is varied."""
    low = lowered(name)
    assert any(a.kind is Kind.UNITS for a in low.step.body.inputs)
    rank = len(low.dynamics.origin)
    for program, adjoint in (
        (low.step.body, low.step.adjoint),
        (optimise(low.step.body)[0], optimise(low.step.adjoint)[0]),
    ):
        values, along = random_values(program.inputs, rank), random_values(program.inputs, rank, seed=1)
        along |= {constant: 0 * along[constant] for constant in low.step.constants}
        image = directional(program, values, along)
        cotangents = {bar(n): np.random.default_rng(2).normal(size=image[n].shape) for n in program.outputs}
        flowed = run(adjoint, {**values, **cotangents})
        forward = sum((image[n] * cotangents[bar(n)]).sum() for n in program.outputs)
        terms = [(flowed[bar(a.name)] * along[a.name]).sum() for a in program.inputs]
        assert abs(forward - sum(terms)) < 1e-11 * max(1.0, sum(abs(term) for term in terms))


# The surface -------------------------------------------------------------------------------------------------------


def test_the_weights_are_parameters(packages) -> None:
    kind = packages("mobility-neumann").layer
    torch.manual_seed(0)
    layer = kind(C)
    assert layer.raw_M.shape == (1, H, 4)
    assert layer.M.shape == (C, H, 4)
    assert layer.raw_M_offset.shape == (1,)
    assert layer.M_offset.shape == (C,)
    assert {"raw_M", "raw_M_offset"} <= set(layer.state_dict())
    assert not {"raw_M", "raw_M_offset"} & layer.no_weight_decay()
    torch.manual_seed(0)
    torch.testing.assert_close(kind(C).raw_M, layer.raw_M, rtol=0, atol=0)
    before = layer.M.detach().clone()
    layer.reset_parameters()
    assert not torch.equal(before, layer.M)
    layer.M = before
    torch.testing.assert_close(layer.M, before, rtol=0, atol=0)
    with pytest.raises(ValueError, match="M has shape"):
        layer.M = torch.zeros(7)
    fresh = kind(C, init={"M": before, "M_offset": 0.5})
    torch.testing.assert_close(fresh.M, before, rtol=0, atol=0)
    torch.testing.assert_close(fresh.M_offset, torch.full((C,), 0.5), rtol=0, atol=0)
    again = kind.from_config(layer.config)
    again.load_state_dict(layer.state_dict())
    (u,), inputs = state_of(layer.double())
    end = layer(u, **inputs)
    torch.testing.assert_close(again.double()(u, **inputs).u, end.u, rtol=0, atol=0)
    frozen = layer.freeze()
    torch.testing.assert_close(frozen(u, **inputs).u, end.u, rtol=0, atol=0)
    with pytest.raises(RuntimeError, match="M is frozen"):
        layer.M = before


def test_weights_of_each_channel(packages) -> None:
    layer = packages("Strang").layer(C)
    assert layer.raw_V.shape == (C, H, 3)
    assert float(layer.V[..., 1].detach().abs().max()) <= 1


def test_a_program_is_as_long_for_many_units_as_for_few() -> None:
    few, many = (lower(derive(wave("periodic", Leapfrog(2, 0.1), hidden=(n,)))) for n in (4, 64))
    assert [type(s) for s in few.step.body] == [type(s) for s in many.step.body]
    assert {s.count for s in many.step.body if isinstance(s, Units)} == {64}


def test_refusals() -> None:
    phi = Field("phi", Lattice(x))

    def refused(match: str, **options: object) -> None:
        with pytest.raises(SpecError, match=match):
            NeuralFunction("V", phi, **options)

    refused("65 hidden units are more than 64", hidden=(65,))
    refused("2 hidden layers", hidden=(16, 16))
    refused("hidden=0 is no number of units", hidden=0)
    refused("activation='relu' is not known", hidden=(4,), activation="relu")
    refused("per='site' is not known", hidden=(4,), per="site")
    refused("not kept by activation='tanh'", hidden=4, activation="tanh", convex=True)
    refused("say how many units|speak of a network", activation="tanh")
    with pytest.raises(SpecError, match="9 arguments are more than 8"):
        NeuralFunction("V", *(phi * k for k in range(1, 10)), hidden=4)
    with pytest.raises(SpecError, match="mean slope of V") as caught:
        derive(point(False, AverageVectorField(1, 0.1)))
    assert "ImplicitMidpoint" in (caught.value.fix or "") or "ImplicitMidpoint" in str(caught.value)
