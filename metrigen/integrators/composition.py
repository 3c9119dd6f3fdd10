"""``Strang(steps=, dt=, bracket=A, metric=B)``: half a step of A for z_t = J dH, a step of B for the dissipation,
half a step of A.

A sees the system without its metric and entropy, B the one without its bracket. With A and B of order 2 the composition
has order 2, and what both keep it keeps. The halves begin at t and at t + h/2, the whole at t: symmetric in time.
"""

from __future__ import annotations

from dataclasses import replace

from metrigen.discretise.dynamics import Builder, Dynamics, after
from metrigen.errors import SpecError
from metrigen.integrators.base import TimeStepper
from metrigen.ir.nodes import Program
from metrigen.physics.derivation import Derivation
from metrigen.physics.parts import bracket_part, metric_part
from metrigen.physics.preconditions import check_domain, check_integrator, name_of, unfit
from metrigen.spec.symbols import t


def check_parts(derivation: Derivation, half: TimeStepper, whole: TimeStepper) -> None:
    """Raise SpecError where there is nothing to split, or a part does not fit what is left to it."""
    for method in (half, whole):
        check_domain(derivation, method)
    missing = [name for name, part in (("bracket", derivation.bracket), ("metric", derivation.metric)) if part is None]
    if missing:
        raise unfit(
            derivation,
            f"it splits a bracket from a metric, and there is no {missing[0]}",
            f"the integrator of the other part alone: {type(whole if missing[0] == 'bracket' else half).__name__}",
        )
    for name, part in (("bracket", bracket_part(derivation, half)), ("metric", metric_part(derivation, whole))):
        try:
            check_integrator(part)
        except SpecError as error:
            why = f"{name}={name_of(part)} does not fit that part: {error.why}"
            raise unfit(derivation, why, str(error.fix)) from error


def composed(dynamics: Dynamics, half: TimeStepper, whole: TimeStepper) -> Program:
    """The step: ``half`` on the bracket, ``whole`` on the metric, ``half`` on the bracket."""
    derivation = dynamics.derivation
    bracket = replace(dynamics, derivation=bracket_part(derivation, half))
    reversible = half.step(bracket)
    dissipative = whole.step(replace(dynamics, derivation=metric_part(derivation, whole)))
    last = half.step(bracket.later(half.dt)) if dynamics.timed else reversible
    builder = Builder(dynamics)
    state = dynamics.values
    for program in (reversible, dissipative, last):
        ends = builder.call(program, state, t)
        state = {name: ends[after(name)] for name in state}
    return builder.finish(state)
