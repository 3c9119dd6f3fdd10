"""``Strang(steps=, dt=, bracket=A, metric=B)``: half a step of A for z_t = J dH, a step of B for the dissipation,
half a step of A.

A sees the system without its metric and entropy, B the one without its bracket. With A and B of order 2 the composition
has order 2, and what both keep it keeps.
"""

from __future__ import annotations

from dataclasses import replace

from metrigen.integrators.base import TimeStepper
from metrigen.integrators.dynamics import Builder, Dynamics, after
from metrigen.ir.nodes import Program
from metrigen.physics.parts import bracket_part, metric_part


def composed(dynamics: Dynamics, half: TimeStepper, whole: TimeStepper) -> Program:
    """The step: ``half`` on the bracket, ``whole`` on the metric, ``half`` on the bracket."""
    derivation = dynamics.derivation
    reversible = half.step(replace(dynamics, derivation=bracket_part(derivation, half)))
    dissipative = whole.step(replace(dynamics, derivation=metric_part(derivation, whole)))
    builder = Builder(dynamics)
    state = {a.name: dynamics.leaf(a.name) for a in dynamics.state}
    for program in (reversible, dissipative, reversible):
        ends = builder.call(program, state)
        state = {name: ends[after(name)] for name in state}
    return builder.finish(state)
