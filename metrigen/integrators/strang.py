"""Strang splitting of a damped Hamiltonian system: a palindrome of exact sub-flows.

    q += h/2 T'(p);  p -= h/2 V'(q);  p *= exp(-gamma h/2);  p <- R p;  p *= exp(-gamma h/2);
    p -= h/2 V'(q);  q += h/2 T'(p)

with one force evaluation a step, since q does not move between the two kicks. On a mode of frequency w the step has
determinant exp(-gamma h) and is stable for h w <= 2 whatever the friction (Jury condition: trace <= 1 + determinant).
What depends on the time is taken at t + h/2, so that the step stays symmetric in time, and so of order 2.

At a temperature T friction and noise are one part, the exact Ornstein-Uhlenbeck process in the middle of the step,

    p <- exp(-gamma h) p + sqrt(T m (1 - exp(-2 gamma h))) xi          T = p^2/(2 m), xi standard normal

with one draw a step: drift A, kick B and this part O are composed to A B O B A, and with rotations R to A B R O R B A.
O and R keep the momenta of exp(-H/T); averages of exp(-H/T) come out to order 2 in h.

With an entropy the friction heats: U(e) += T(p) (1 - exp(-2 gamma h)) with p, which keeps the total energy of the
sub-flow, and S(e) grows. The rest of the step is symplectic and leaves S alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import sympy as sp

from metrigen.discretise.dynamics import Dynamics
from metrigen.errors import SpecError
from metrigen.integrators.base import TimeStepper, at_mid_time
from metrigen.integrators.composition import check_parts, composed
from metrigen.integrators.separable import Flows, Splitting, splitting
from metrigen.ir.nodes import Program
from metrigen.physics.clock import is_timed
from metrigen.physics.derivation import Derivation
from metrigen.physics.heat import friction_with_heat
from metrigen.physics.limits import VonNeumann
from metrigen.physics.preconditions import check_friction, check_pairs, check_quadratic, check_separable, unfit
from metrigen.physics.report import show
from metrigen.physics.rotation import misfit
from metrigen.spec.domain import ANY

_TURNING = (
    "decay of phase-space volume exact; the kinetic energy in the rotation of the momenta exact; reversible without "
    "friction"
)
_FIX = "Strang(steps=8, dt=0.1, bracket=Leapfrog, metric=DiscreteGradient)"


@dataclass(frozen=True)
class Strang(TimeStepper):
    """Drift, kick, friction, rotation, friction, kick, drift; with ``bracket`` and ``metric`` half a step of the one
    integrator, a step of the other, half a step of the one (``integrators.composition``).

    bracket, metric  classes of integrators of order 2 or more for the two parts, both or none: Leapfrog, RK4,
                     ImplicitMidpoint, ... and DiscreteGradient, AverageVectorField, ...
    """

    bracket: type[TimeStepper] | None = None
    metric: type[TimeStepper] | None = None

    order: ClassVar[int] = 2
    symmetric: ClassVar[bool] = True
    fluctuates: ClassVar[bool] = True
    keeps: ClassVar[str] = "decay of phase-space volume exact; symplectic and reversible without friction"

    def __post_init__(self) -> None:
        super().__post_init__()
        named = {"bracket": self.bracket, "metric": self.metric}
        for name, part in named.items():
            if part is not None and not (isinstance(part, type) and issubclass(part, TimeStepper)):
                raise SpecError(
                    f"{name}={part!r} is no class of an integrator", part="integrator", fix=_FIX, see="splitting"
                )
            if part is not None and part.order < self.order:
                why = f"{part.__name__} has order {part.order}, and so would the whole"
                raise SpecError(
                    f"{name}={part.__name__} does not fit a splitting",
                    part="integrator",
                    why=why,
                    fix=_FIX,
                    see="splitting",
                )
        if (self.bracket is None) != (self.metric is None):
            given, missing = ("metric", "bracket") if self.bracket is None else ("bracket", "metric")
            raise SpecError(f"Strang has {given}= and no {missing}=", part="integrator", fix=_FIX, see="splitting")

    @property
    def parts(self) -> tuple[TimeStepper, TimeStepper] | None:
        """The integrators of a composition: of the bracket over half a step, of the metric over a whole one."""
        if self.bracket is None or self.metric is None:
            return None
        return self.bracket(1, self.dt / 2), self.metric(1, self.dt)

    def check(self, derivation: Derivation) -> None:
        """Pairs with T = a p^2/2, rotations of the momenta, and friction that is linear or heats; or two parts that
        each fit."""
        if self.parts is not None:
            if derivation.system.temperature is not None:
                why = "Strang(..., bracket=, metric=) makes no noise: it would step the system at temperature 0"
                raise unfit(derivation, why, "Strang(steps=8, dt=0.1) without parts, or drop temperature=")
            check_parts(derivation, *self.parts)
            return
        pairs = check_pairs(derivation)
        momenta, energy = [p for _, p in pairs], check_separable(derivation, pairs)
        check_quadratic(derivation, energy.kinetic, momenta)
        wrong = misfit(derivation, pairs, energy.kinetic)
        if wrong is not None:
            raise unfit(derivation, wrong[0], f"{wrong[1]}; {ANY}")
        if derivation.system.entropy is not None:
            friction_with_heat(derivation, pairs)
        else:
            check_friction(derivation, momenta)
        _check_turns(derivation)

    def step_limit(self, analysis: VonNeumann) -> sp.Expr | None:
        """h w <= 2 for every friction; not known for a composition."""
        return analysis.oscillating(sp.Integer(2)) if self.parts is None else None

    def kept(self, derivation: Derivation) -> str:
        if self.parts is not None:
            half, whole = self.parts
            of = f"{half.kept(derivation)} ({type(half).__name__}, bracket)"
            return f"what both of its parts keep: {of}; {whole.kept(derivation)} ({type(whole).__name__}, metric)"
        if derivation.system.temperature is not None:
            return _noisy(splitting(derivation))
        if derivation.system.entropy is None:
            parts = splitting(derivation)
            return _TURNING if parts.rotation or parts.planes else self.keeps
        keeps = "the total energy of the friction exactly; the entropy never falls"
        return at_mid_time(f"{keeps}; symplectic and reversible without it", derivation)

    def step(self, dynamics: Dynamics) -> Program:
        if self.parts is not None:
            return composed(dynamics, *self.parts)
        h = self.dt
        flows = Flows.of(dynamics, dynamics.time + h / 2)
        flows.drift(h / 2)
        slopes = flows.force()
        rotating = flows.splitting.rotation or flows.splitting.planes
        if rotating and dynamics.noise:
            flows.kick(slopes, h / 2)
            flows.rotate(h / 2)
            flows.damp(h)
            flows.rotate(h / 2)
            flows.kick(slopes, h / 2)
        elif rotating:
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


def _noisy(parts: Splitting) -> str:
    """What the splitting keeps at a temperature."""
    word = "ABOBA" if not (parts.rotation or parts.planes) else "ABRORBA"
    rotation = ", R rotation" if word != "ABOBA" else ""
    return (
        "the momenta of exp(-H/T) in the exact Ornstein-Uhlenbeck part; averages of exp(-H/T) to order dt^2, by the "
        f"splitting {word} (A drift, B kick, O Ornstein-Uhlenbeck{rotation})"
    )


def _check_turns(derivation: Derivation) -> None:
    """Raise SpecError where channels rotate at a rate that depends on the time: their rotation is one for all steps."""
    forms = (derivation.hamiltonian, derivation.bracket.form if derivation.bracket is not None else sp.S.Zero)
    if not any(map(is_timed, forms)):
        return
    for blocks in splitting(derivation).rotation.values():
        for rate, matrix in blocks:
            if is_timed(rate):
                raise unfit(
                    derivation,
                    f"the rate {show(rate)} at which {matrix} rotates the channels depends on the time, and a rotation "
                    "of channels is worked out once for all steps",
                    f"ImplicitMidpoint, or a rate that is free of t; {ANY}",
                )
