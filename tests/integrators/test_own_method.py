"""A method that one writes oneself is a class and nothing else: whatever is asked of every method is asked of it."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from typing import ClassVar

import pytest

from metrigen import Derivation, SpecError, Strang, derive, t
from metrigen.discretise.dynamics import Builder, Dynamics, after
from metrigen.integrators.base import TimeStepper
from metrigen.ir.nodes import Program
from tests.integrators import test_methods
from tests.integrators.contract import anharmonic
from tests.integrators.systems import DT, coupled_wave
from tests.lattice.emitted import compiled


@dataclass(frozen=True)
class Fourth(TimeStepper):
    """Three steps of Strang, of which the second goes back, so that the errors of third order cancel."""

    order: ClassVar[int] = 4
    symmetric: ClassVar[bool] = True
    keeps: ClassVar[str] = "symplectic form, time reversal"

    def check(self, derivation: Derivation) -> None:
        """What Strang takes, without friction: a step back would feed it."""
        Strang(1, self.dt).check(derivation)
        if derivation.metric is not None:
            raise SpecError("Fourth has no friction", part="integrator", why="a substep goes back", fix="Strang")

    def step(self, dynamics: Dynamics) -> Program:
        builder, outer = Builder(dynamics), 1 / (2 - 2 ** (1 / 3))
        state = {a.name: dynamics.load(a.name) for a in dynamics.state}
        begun = 0.0
        for weight in (outer, 1 - 2 * outer, outer):
            part = copy(Strang(1, self.dt))
            object.__setattr__(part, "dt", weight * self.dt)
            ends = builder.call(part.step(dynamics.later(begun * self.dt)), state, t)
            begun += weight
            state = {name: ends[after(name)] for name in state}
        return builder.finish(state)


CHECKS = (
    test_methods.test_what_a_class_states,
    test_methods.test_another_name_is_the_same_method,
    test_methods.test_the_order_is_the_measured_one,
    test_methods.test_a_symmetric_step_is_undone_by_a_step_back,
    test_methods.test_the_step_limit_is_where_waves_begin_to_grow,
    test_methods.test_a_token_takes_an_exact_step_alone,
    test_methods.test_a_metric_along_edges_is_taken_by_who_says_so,
)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("test_"))
def test_it_does_what_it_says(check: Callable[[type[TimeStepper]], None]) -> None:
    check(Fourth)


def test_it_builds_and_is_named_in_its_package() -> None:
    files = compiled(anharmonic(Fourth(2, DT))).files
    assert "Fourth: order 4, keeps symplectic form, time reversal" in files["DERIVATION.md"]
    assert "steps     steps of Fourth (default 2)" in files["module.py"]
    with pytest.raises(SpecError, match="no friction"):
        derive(coupled_wave("zero", Fourth(2, DT)))
