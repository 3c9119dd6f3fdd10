"""The time step against its limit over the values of the parameters, and what is said of the backward pass."""

from __future__ import annotations

import pytest
import sympy as sp

from metrigen import (
    ExplicitEuler,
    Field,
    ImplicitMidpoint,
    Lattice,
    Leapfrog,
    Param,
    SpecError,
    Strang,
    System,
    derive,
    t,
)
from metrigen.physics.step_bounds import largest_limit, smallest_limit
from tests.integrators.systems import gallery, x
from tests.lattice.emitted import compiled

pytestmark = pytest.mark.covering

line = Lattice(x)
u = Field("u", line)
m2, c2 = Param("m2", nonnegative=True), Param("c2", positive=True, init=1.0)


def wave(dt: object, speed: object = 1, method: type = Leapfrog) -> System:
    lagrangian = u.diff(t) ** 2 / 2 - speed * u.diff(x) ** 2 / 2 - m2 * u**2 / 2
    return System("wave", line, lagrangian=lagrangian, integrator=method(4, dt))


def head(system: System) -> str:
    text = compiled(system).files["reference.py"]
    return " ".join(row.lstrip("# ") for row in text.splitlines() if row.startswith("#"))


def test_the_largest_limit_over_all_parameters() -> None:
    free, fixed = Param("free"), sp.sqrt(4 + m2)
    assert largest_limit(2 / fixed) == 1
    assert largest_limit(2 / sp.sqrt(4 * c2 + m2)) == sp.oo
    assert largest_limit(2 / (8 + c2)) == sp.Rational(1, 4)
    assert largest_limit(2 / sp.sqrt(4 + free)) == sp.oo
    assert largest_limit(2 / sp.sqrt(4 + free**2)) == 1


def test_a_step_above_the_limit_for_every_value_is_refused() -> None:
    derive(wave(1.0))
    derive(wave(50.0, c2))
    derive(wave(50.0, method=ImplicitMidpoint))
    with pytest.raises(SpecError, match="above the step limit of Leapfrog") as caught:
        derive(wave(1.01))
    assert caught.value.part == "integrator"
    assert "at most 1" in caught.value.why
    assert "ImplicitMidpoint" in caught.value.fix
    heat = System("heat", line, (u,), hamiltonian=u.diff(x) ** 2 / 2 + m2 * u**2 / 2,
                  metric=lambda F, G: F[u] * G[u], integrator=ExplicitEuler(1, 0.6))  # fmt: skip
    with pytest.raises(SpecError, match="ExplicitEuler"):
        derive(heat)


def test_warnings_in_the_guarantees() -> None:
    assert "dt = 0.5 is below the step limit 0.9877 at the declared start" in head(wave(0.5, c2))
    assert "WARNING: dt = 3 is above the step limit 0.9877 at the declared start" in head(wave(3, c2))
    learned = head(wave(Param("dt", positive=True, init=0.1), c2))
    assert "WARNING: dt is learned and nothing keeps dt below its step limit, 0.9877 at the declared start" in learned
    assert "WARNING" not in head(wave(0.5, c2, ImplicitMidpoint))


def test_bounds_of_parameters_make_a_step_safe() -> None:
    """Param(below=) on both sides: the step for every value, at the start, or not even there."""
    speed = Param("c2", positive=True, below=1.0)
    screening = Param("m2", nonnegative=True, below=1.0)

    def bounded(most: float) -> str:
        lagrangian = u.diff(t) ** 2 / 2 - speed * u.diff(x) ** 2 / 2 - screening * u**2 / 2
        dt = Param("dt", positive=True, below=most)
        return head(System("wave", line, lagrangian=lagrangian, integrator=Leapfrog(4, dt)))

    assert smallest_limit(2 / sp.sqrt(4 * speed + screening)) == 2 / sp.sqrt(5)
    assert smallest_limit(2 / sp.sqrt(4 * c2 + screening)) == 0
    assert "is at most 0.8, and so below its step limit for every value of the parameters" in bounded(0.8)
    assert "dt is kept below 1, within the step limit 1.265 at the declared start" in bounded(1.0)
    assert "WARNING: dt is learned and dt is kept below 2, not below its step limit" in bounded(2.0)


def test_what_the_backward_pass_keeps() -> None:
    assert "recomputes the others from it (the step is reversible)" in head(wave(0.5))
    damped = head(gallery("damped_pendulum", Strang(4, 0.1)))
    assert "keeps the first state as a checkpoint and recomputes the others from it" in damped
    assert "the solutions of their equations" in head(wave(0.5, 1, ImplicitMidpoint))
