"""A sequence token by token: every token is a lattice without axes, and its time step is an exact one.

H = sum_t x_t.P x_t/2 + x_t.c        dH/dx = P (x - f)        (``discretise.sequence``)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NoReturn, cast

import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.discretise.base import Discretisation
from metrigen.discretise.lattice import Stencils
from metrigen.discretise.lower import Lowering
from metrigen.discretise.sequence_laws import sequence_laws
from metrigen.errors import SpecError
from metrigen.ir.nodes import Array, Program
from metrigen.physics.channels import has_maps
from metrigen.physics.derivation import Derivation, Law
from metrigen.physics.memory import check_readout
from metrigen.spec import domain as spec_domain
from metrigen.spec.contracts import Method
from metrigen.spec.system import System

if TYPE_CHECKING:
    from metrigen.discretise.base import Made
    from metrigen.discretise.dynamics import Dynamics
    from metrigen.integrators.memory import Memory
    from metrigen.integrators.scan import Scan

KEEPS = "linear dynamics exact: rotation, decay and fixed point of every token"
COUPLED_KEEPS = (
    "the flow of every channel exact, then an exact rotation of coupled channels about the same fixed point: of first "
    "order in the step where the two do not commute, orthogonal for every weight"
)


@dataclass(frozen=True)
class SequenceLowering(Lowering):
    """On the tokens of a sequence; ``stencils`` are those of no axes. An input has one value a token."""

    domain: ClassVar[type[spec_domain.Domain]] = spec_domain.Sequence
    emitted: ClassVar[str] = "step"
    unshown: ClassVar[str] = "the time is the token axis, and a token is one exact step"

    @classmethod
    def of(
        cls, derivation: Derivation, arrays: Mapping[sp.Basic, Array], given: Iterable[Array], params: tuple[Array, ...]
    ) -> Discretisation:
        return cls(arrays, params, Stencils(spec_domain.Lattice()))

    @classmethod
    def check_readout(cls, system: System) -> None:
        if system.remembers:
            check_readout(system.readout)
        else:
            super().check_readout(system)

    @classmethod
    def check_input(cls, f: AppliedUndef, system: System) -> None:
        return

    @classmethod
    def check_cost(cls, system: System) -> None:
        if system.integrator is not None:
            raise SpecError(
                "the cost of a sequence is not shown here",
                part="domain",
                why="there are no sites and no steps to count by",
                fix="DERIVATION.md and manifest.json of the package have operations and bytes per state element",
                see="cost",
            )

    @classmethod
    def with_step(cls, derivation: Derivation) -> Derivation:
        return derivation  # a step that is a number is part of the exponential

    @classmethod
    def method_sentences(cls, derivation: Derivation, steps: str, limits: Sequence[str]) -> list[str]:
        if derivation.system.remembers:
            return [f"{type(derivation.system.integrator).__name__}: {derivation.law('token').how}."]
        coupled = derivation.bracket is not None and has_maps(derivation.bracket.form)
        once = f"One step of dt = {derivation.system.dt} a token, at any dt."
        return [f"{type(derivation.system.integrator).__name__}: {COUPLED_KEEPS if coupled else KEEPS}.", once]

    def programs(self, method: Method, dynamics: Dynamics) -> Scan | Memory:
        return method.token_programs(dynamics)

    def solve(self, dynamics: Dynamics, solver: str) -> NoReturn:
        raise SpecError("a sequence is stepped token by token", part="integrator", fix="Exponential()", see="sequence")

    def laws(self, dynamics: Dynamics, made: Made) -> tuple[Law, ...]:
        if dynamics.derivation.system.remembers:
            how = "every part of the step is the exact exponential of its own, and contracts where the dynamics does"
            return (dynamics.derivation.law("contraction").inherited("step_contraction", how),)
        return sequence_laws(dynamics.derivation, cast("Scan", made))

    def diagnostics(self, derivation: Derivation) -> dict[str, Program]:
        return {}
