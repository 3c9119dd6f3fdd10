"""Costs against counts by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
import sympy as sp

from metrigen.build import report_file
from metrigen.errors import SpecError
from metrigen.package.cost import Ops, ProgramCost, cost_of, default_shape, operations
from metrigen.package.report import Report
from metrigen.package.sections import cost_markdown
from tests.show.systems import decay, heat, report, screened, wave, x, y

a, b, c = sp.symbols("a b c", real=True)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (a, Ops()),
        (-a, Ops()),
        (a - b + c, Ops(adds=2)),
        (2 * a * b, Ops(muls=2)),
        (a**3, Ops(muls=2)),
        (a / b, Ops(divs=1)),
        (1 / b**2, Ops(muls=1, divs=1)),
        (sp.sqrt(a) + sp.exp(b), Ops(adds=1, special=2)),
        (a / sp.sqrt(b), Ops(divs=1, special=1)),
        (sp.Max(a, b, c), Ops(adds=2)),
        (a * sp.sin(a + b) / 2, Ops(adds=1, muls=2, special=1)),
    ],
)
def test_operations_of_an_expression(expression: sp.Expr, expected: Ops) -> None:
    assert operations(expression) == expected
    assert expected.total == expected.adds + expected.muls + expected.divs + expected.special


def program(made: Report, name: str) -> ProgramCost:
    return next(p for p in made.cost(None, 20.0).programs if p.name == name)


def test_a_step_of_decay() -> None:
    """u1 = u - dt a u: one difference, two products; one array read, one written."""
    step = program(report(decay()), "step")
    assert step.ops == Ops(adds=1, muls=2)
    assert (step.kernels, step.maps, step.bytes, step.flops) == (1, 0, 8, 3)
    assert step.intensity == pytest.approx(3 / 8)


def test_a_step_of_heat() -> None:
    """u1 = u + dt kappa (sum of 2 neighbours - 2 u): five sites or three, but one array in and one out."""
    step = program(report(heat()), "step")
    assert step.bytes == 8
    assert step.ops.divs == step.ops.special == 0
    assert 3 <= step.ops.adds <= 5
    assert 2 <= step.ops.muls <= 4


def test_whole_calls_of_a_wave() -> None:
    made = report(wave(gamma=0.4, axes=(x, y)))
    cost = made.cost((2, 3, 16, 8), 10.0)
    loops = {loop.name: loop for loop in cost.loops}
    step, adjoint = program(made, "step"), program(made, "step_adjoint")
    forward, fused = loops["forward, 4 steps one by one"], loops["forward, 4 steps fused"]
    assert forward.flops == fused.flops == 4 * step.flops
    assert forward.bytes == 4 * step.bytes
    assert fused.bytes == 4 * (2 + 2)  # phi and pi in and out
    assert loops["backward, 4 steps one by one"].bytes == 3 * step.bytes + 4 * adjoint.bytes
    assert loops["backward, 4 steps fused"].bytes == 4 * (2 + 2 + 2)  # state and cotangents in, cotangents out
    sites = 2 * 3 * 16 * 8
    assert fused.floor_ms == pytest.approx(16 * sites / 10e9 * 1e3)
    assert "8 bytes per site" in cost.notes[0]
    assert "the 3 states between" in cost.notes[1]
    assert "one plane: 1 KiB forward, 5 KiB backward" in cost.notes[-1]


def test_a_layer_that_mixes_channels_needs_them_on_chip(root: Path) -> None:
    made = report_file(root / "specs/coupled_wave.py")
    cost = made.cost(None, 20.0)
    assert cost.shape == default_shape(2) == (32, 64, 32, 32)
    assert "all 64 channels" in cost.notes[-1]
    step = program(made, "step")
    assert step.maps == 2
    assert step.flops == step.ops.total + 2 * 2 * 64
    assert cost_of(made.lowered, made.optimised, (1, 8, 4, 4)).programs[0].flops == step.ops.total + 2 * 2 * 8  # type: ignore[arg-type]


def test_a_steady_state_is_a_solve() -> None:
    cost = report(screened()).cost(None, 20.0)
    loops = {loop.name: loop for loop in cost.loops}
    assert loops["whole solve on chip, forward"].bytes == 4 * (1 + 1)  # s in, u out
    assert loops["whole solve on chip, backward"].bytes == 4 * 4  # s, u and its cotangent in, that of s out
    assert "implicit function theorem" in cost.notes[1]
    text = cost_markdown(cost, {p.name: "" for p in cost.programs})
    assert "| whole solve on chip, forward | - | 8 | - |" in text


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 4, 5, 6)])
def test_a_shape_of_another_rank_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(SpecError, match=r"takes 4"):
        report(wave(axes=(x, y))).cost(shape, 20.0)


def test_programs_that_are_not_known_are_not_counted_as_a_whole() -> None:
    made = report(heat())
    assert made.lowered is not None
    alone = {name: p for name, p in made.optimised.items() if name != "step_adjoint"}
    cost = cost_of(made.lowered, alone, (1, 1, 8))
    assert cost.loops == ()
    assert cost.notes == ("Whole calls are not counted: the integrator runs programs of its own.",)
    assert [p.name for p in cost.programs] == list(alone)
