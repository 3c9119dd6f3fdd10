"""The emitted torch reference against the numpy interpreter, program by program."""

from __future__ import annotations

import importlib
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from metrigen.ir.interpreter import run
from metrigen.ir.nodes import Array, Kind, Program
from metrigen.physics.derive import derive
from metrigen.programs import Lowered
from tests.lattice.arrays import random_values
from tests.lattice.emitted import package
from tests.lattice.systems import BOUNDARIES, screened, stepping_systems
from tests.lengths import spread
from tests.lowered import lower

pytestmark = pytest.mark.covering

CHOSEN = ("Strang-periodic", "Strang-neumann", "Leapfrog-zero", "RK4-zero", "transport-neumann", "membrane-periodic",
          "oscillator")  # fmt: skip
SYSTEMS = {name: stepping_systems()[name] for name in CHOSEN} | {f"screened-{b}": screened(b) for b in BOUNDARIES}
TOLERANCE = {torch.float64: 1e-12, torch.float32: 2e-5}


@cache
def lowered(name: str) -> Lowered:
    return lower(derive(SYSTEMS[name]))


@pytest.fixture(scope="module", params=spread(SYSTEMS, 2))
def system(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Lowered, ModuleType]:
    folder: Path = tmp_path_factory.mktemp("reference")
    name = "ref_" + request.param.lower().replace("-", "_")
    package(SYSTEMS[request.param], folder, name)
    return lowered(request.param), importlib.import_module(f"{name}.reference")


def compare(program: Program, function: object, dtype: torch.dtype, rank: int) -> None:
    values = random_values(program.inputs, rank)
    expected = run(program, values)
    got = function(*(torch.tensor(values[a.name], dtype=dtype) for a in program.inputs))  # type: ignore[operator]
    assert len(got) == len(program.outputs)
    for name, value in zip(program.outputs, got, strict=True):
        scale = max(1.0, float(np.abs(expected[name]).max()))
        assert value.dtype == dtype, name
        np.testing.assert_allclose(value.numpy(), expected[name], rtol=0, atol=TOLERANCE[dtype] * scale, err_msg=name)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_every_program(system: tuple[Lowered, ModuleType], dtype: torch.dtype) -> None:
    low, reference = system
    rank = len(low.dynamics.origin)
    for name, program in low.programs().items():
        compare(program, getattr(reference, name), dtype, rank)
    if low.prologue.body:
        compare(low.prologue, reference.prologue, dtype, rank)


@pytest.mark.parametrize("system", CHOSEN, indirect=True)
def test_several_steps_and_their_adjoint(system: tuple[Lowered, ModuleType]) -> None:
    """The loop and its reverse, against autograd through the loop."""
    low, reference = system
    rank = len(low.dynamics.origin)
    values = random_values(low.step.body.inputs, rank)
    values |= {a.name: 0.2 * values[a.name] for a in low.dynamics.state}
    tensors = [torch.tensor(values[a.name], requires_grad=True) for a in low.step.body.inputs]
    n = len(low.dynamics.state)
    state, fixed = tuple(tensors[:n]), tuple(tensors[n:])
    out = reference.evolve(state, fixed, 3)
    weights = tuple(torch.randn_like(x) for x in out)
    expected = torch.autograd.grad(sum((w * x).sum() for w, x in zip(weights, out, strict=True)), tensors)
    got = reference.evolve_adjoint(weights, state, fixed, 3)
    for array, a, b in zip(low.step.body.inputs, got, expected, strict=True):
        scale = float(b.abs().max().clamp(min=1))
        torch.testing.assert_close(a, b, rtol=0, atol=1e-10 * scale, msg=array.name)


def test_the_interpreter_reads_zero_outside() -> None:
    from metrigen.ir.interpreter import shifted

    x = np.arange(1.0, 5.0).reshape(1, 1, 4)
    np.testing.assert_array_equal(shifted(x, (1,), periodic=False)[0, 0], [2, 3, 4, 0])
    np.testing.assert_array_equal(shifted(x, (-1,), periodic=True)[0, 0], [4, 1, 2, 3])
    np.testing.assert_array_equal(shifted(x, (9,), periodic=False)[0, 0], [0, 0, 0, 0])
    assert Array("x", Kind.SITE) == Array("x", Kind.SITE)
