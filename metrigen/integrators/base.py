"""What every integrator states about itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

import sympy as sp

from metrigen.errors import SpecError
from metrigen.physics.derivation import Derivation
from metrigen.spec.numbers import MOST_STEPS, check_finite, check_number

if TYPE_CHECKING:
    from metrigen.integrators.dynamics import Dynamics
    from metrigen.ir.nodes import Program


@dataclass(frozen=True)
class TimeStepper:
    """``steps`` steps of size ``dt`` (a ``Param`` or a number).

    order  classical order of accuracy
    keeps  what a step conserves exactly, in words
    restores  law of the stencil -> how a step keeps it although the flow of the stencil does not
    symmetric  a step of -dt undoes a step of dt, where there is no dissipation
    """

    steps: int
    dt: sp.Expr

    order: ClassVar[int]
    keeps: ClassVar[str]
    restores: ClassVar[Mapping[str, str]] = MappingProxyType({})
    symmetric: ClassVar[bool] = False

    def step(self, dynamics: Dynamics) -> Program:
        """One step as a program: state, inputs and parameters -> the state after it."""
        raise NotImplementedError(f"{type(self).__name__} has no step")

    def is_reversible(self, derivation: Derivation) -> bool:
        """Whether a step of -dt undoes a step of dt, in exact arithmetic and without amplifying rounding."""
        return self.symmetric and derivation.metric is None

    def kept(self, derivation: Derivation) -> str:
        """What a step conserves of this system; ``keeps`` where that does not depend on it."""
        return self.keeps

    def __post_init__(self) -> None:
        if not isinstance(self.steps, int) or self.steps < 0:
            raise SpecError(f"steps={self.steps!r} is not a non-negative integer", part="integrator", fix="steps=8")
        if self.steps > MOST_STEPS:
            what = f"steps={self.steps:.3g} is more than a layer can count"
            raise SpecError(what, part="integrator", fix=f"{MOST_STEPS} at most; a layer may be called several times")
        dt = sp.sympify(self.dt)
        check_finite("dt", dt, "integrator")
        if dt.is_number:
            check_number(dt, "dt", "integrator", "dt=0.1")
        if dt.is_positive is not True:
            raise SpecError(
                f"dt={self.dt} is not known to be positive",
                part="integrator",
                fix='dt=0.1, or dt=Param("dt", positive=True, init=0.1)',
            )
        object.__setattr__(self, "dt", dt)
