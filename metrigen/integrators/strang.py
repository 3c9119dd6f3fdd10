"""Strang splitting of a damped Hamiltonian system: a palindrome of exact sub-flows.

    q += h/2 T'(p);  p -= h/2 V'(q);  p *= exp(-gamma h/2);  p <- R p;  p *= exp(-gamma h/2);
    p -= h/2 V'(q);  q += h/2 T'(p)

with one force evaluation a step, since q does not move between the two kicks. On a mode of frequency w the step has
determinant exp(-gamma h) and is stable for h w <= 2 whatever the friction (Jury condition: trace <= 1 + determinant).

With an entropy the friction heats: U(e) += T(p) (1 - exp(-2 gamma h)) with p, which keeps the total energy of the
sub-flow, and S(e) grows. The rest of the step is symplectic and leaves S alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from metrigen.integrators.base import TimeStepper
from metrigen.integrators.dynamics import Dynamics
from metrigen.integrators.separable import Flows
from metrigen.ir.nodes import Program
from metrigen.physics.derivation import Derivation


@dataclass(frozen=True)
class Strang(TimeStepper):
    """Drift, kick, friction, rotation, friction, kick, drift."""

    order: ClassVar[int] = 2
    keeps: ClassVar[str] = "decay of phase-space volume exact; symplectic and reversible without friction"

    def kept(self, derivation: Derivation) -> str:
        if derivation.system.entropy is None:
            return self.keeps
        return "the total energy of the friction exactly; the entropy never falls; symplectic and reversible without it"

    def step(self, dynamics: Dynamics) -> Program:
        h = self.dt
        flows = Flows.of(dynamics)
        flows.drift(h / 2)
        slopes = flows.force()
        if flows.splitting.rotation:
            flows.kick(slopes, h / 2)
            flows.damp(h / 2)
            flows.rotate(h)
            flows.damp(h / 2)
            flows.kick(slopes, h / 2)
        elif flows.splitting.friction:
            flows.kick(slopes, h / 2)
            flows.damp(h)
            flows.kick(slopes, h / 2)
        else:
            flows.kick(slopes, h)
        flows.drift(h / 2)
        return flows.builder.finish(flows.state)
