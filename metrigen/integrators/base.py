"""What every integrator states about itself, and what a method hands to the layer."""

from __future__ import annotations

from abc import abstractmethod
from copy import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import sympy as sp

from metrigen.errors import SpecError
from metrigen.physics.clock import is_driven, is_timed
from metrigen.physics.derivation import Derivation
from metrigen.spec.contracts import Stepper
from metrigen.spec.numbers import MOST_STEPS, check_finite, check_number
from metrigen.spec.symbols import Param

if TYPE_CHECKING:
    from metrigen.discretise.dynamics import Dynamics
    from metrigen.ir.nodes import Program


@dataclass(frozen=True)
class TimeStepper(Stepper):
    """``steps`` steps of size ``dt`` (a ``Param`` or a number)."""

    steps: int
    dt: sp.Expr

    order: ClassVar[int]

    @abstractmethod
    def step(self, dynamics: Dynamics) -> Program:
        """One step as a program: state, inputs and parameters -> the state after it."""

    def programs(self, dynamics: Dynamics) -> Program:
        return self.step(dynamics)

    def with_dt(self, dt: sp.Expr) -> TimeStepper:
        return replace(self, dt=dt)

    def over(self, h: sp.Expr) -> TimeStepper:
        """The same method over h, of either sign: a part of the step of another."""
        part = copy(self)
        object.__setattr__(part, "dt", h)
        return part

    def is_reversible(self, derivation: Derivation) -> bool:
        return self.symmetric and derivation.metric is None

    def kept(self, derivation: Derivation) -> str:
        """``keeps``, where that does not depend on the system."""
        return self.keeps

    def __post_init__(self) -> None:
        self._check_stated()
        if not isinstance(self.steps, int) or self.steps < 0:
            raise SpecError(f"steps={self.steps!r} is not a non-negative integer", part="integrator", fix="steps=8")
        if self.steps > MOST_STEPS:
            what = f"steps={self.steps:.3g} is more than a layer can count"
            raise SpecError(what, part="integrator", fix=f"{MOST_STEPS} at most; a layer may be called several times")
        dt = sp.sympify(self.dt)
        check_finite("dt", dt, "integrator")
        if is_timed(dt):
            raise SpecError(
                f"dt={self.dt} depends on the time",
                part="integrator",
                why="a step is one number over all steps of a call",
                fix="dt=0.1, and a call for every part of the time with another step, forward(..., dt=)",
            )
        if dt.is_number:
            check_number(dt, "dt", "integrator", "dt=0.1")
        if dt.is_positive is not True:
            raise SpecError(
                f"dt={self.dt} is not known to be positive",
                part="integrator",
                fix='dt=0.1, or dt=Param("dt", positive=True, init=0.1)',
            )
        handed = sorted(s.name for s in dt.free_symbols if isinstance(s, Param) and s.per == "sample")
        if handed:
            raise SpecError(
                f'dt={self.dt} has {handed[0]}, which is per="sample"',
                part="integrator",
                fix="dt=0.1: a layer takes a tensor (B,) for it, layer.dt or dt=",
            )
        object.__setattr__(self, "dt", dt)

    def _check_stated(self) -> None:
        name, missing = type(self).__name__, [part for part in ("order", "keeps") if not hasattr(self, part)]
        if missing:
            fix = f'order: ClassVar[int] = 2 and keeps: ClassVar[str] = "linear Casimirs", say, in class {name}'
            raise SpecError(f"{name} does not state its {' and '.join(missing)}", part="integrator", fix=fix)


def at_mid_time(keeps: str, derivation: Derivation) -> str:
    """What a method keeps that takes energy and entropy at the middle of a step, where these depend on the time."""
    densities = [e for e in (derivation.hamiltonian, derivation.system.entropy) if e is not None]
    if any(map(is_driven, densities)):
        keeps += "; energy and entropy with the inputs of the step, which change from step to step"
    if not any(map(is_timed, densities)):
        return keeps
    return f"{keeps}; energy and entropy of the time t + dt/2, which change between steps by their own dependence on t"
