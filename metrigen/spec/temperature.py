"""``System(..., temperature=T)``: what a temperature may be, and which systems have one that is prescribed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sympy as sp

from metrigen.errors import SpecError
from metrigen.spec.contracts import Solver
from metrigen.spec.numbers import check_finite
from metrigen.spec.symbols import InputFunction, Param

if TYPE_CHECKING:
    from metrigen.spec.system import System

_FIX = 'temperature=0.5, Param("T", positive=True, init=0.5), or Input("T", domain, positive=True)'


def temperature_of(system: System) -> sp.Expr | None:
    """The temperature of a system, in units of its energy; None where it is 0, which makes no noise.

    Raises SpecError where it is no number, ``Param`` or ``Input`` that is never negative, or the system takes none.
    """
    try:
        value = sp.sympify(system.temperature)
    except (sp.SympifyError, TypeError):
        raise _no_temperature(system.temperature, "it is no number") from None
    named = isinstance(value, (Param, InputFunction))
    if not (named or (isinstance(value, sp.Expr) and value.is_number)):
        raise _no_temperature(value, "it is no number, and no one Param or Input")
    check_finite("temperature", value, "temperature")
    if isinstance(value, Param) and (value.is_matrix or value.per == "edge"):
        raise _no_temperature(value, "a temperature belongs to a site, and is no matrix and no number of an edge")
    if value.is_nonnegative is not True:
        why = "it is not known to be >= 0" if named else "it is negative, and noise has a strength sqrt(2 T M)"
        raise _no_temperature(value, why)
    _check_system(system)
    return None if value.is_zero else value


def _no_temperature(value: object, why: str) -> SpecError:
    return SpecError(f"temperature= takes no {value!r}", part="temperature", why=why, fix=_FIX, see="temperature")


def _check_system(system: System) -> None:
    """Raise SpecError where nothing fluctuates, the system has a temperature of its own, or no step takes one."""
    if system.metric is None:
        raise SpecError(
            "temperature= needs a metric",
            part="temperature",
            why="the noise is sqrt(2 T M): where nothing dissipates, nothing fluctuates",
            fix="add metric=, friction(gamma, p) say, or drop temperature=",
            see="temperature",
        )
    if system.entropy is not None:
        raise SpecError(
            "temperature= does not go with entropy=",
            part="temperature",
            why="a system with an entropy is isolated: it has its own temperature dH/dS, and no bath to prescribe one",
            fix="drop entropy= for the free-energy form in a bath, or drop temperature=",
            see="temperature",
        )
    if not system.on_lattice:
        raise SpecError(
            f"temperature= does not go with {type(system.domain).__name__}()",
            part="temperature",
            why="noise is made for the sites of a Lattice alone",
            fix="Lattice() for ODEs, Lattice(x) for a field; elsewhere hand the noise in as an Input that acts as a "
            "force, with a time step a call",
            see="temperature",
        )
    if isinstance(system.integrator, Solver):
        raise SpecError(
            f"{type(system.integrator).__name__} takes no temperature=",
            part="temperature",
            why="a solve finds the minimum of the free energy, the state of temperature 0",
            fix="Strang(steps=8, dt=0.1) or ExplicitEuler(steps=8, dt=0.1) samples exp(-H/T); or drop temperature=",
            see="temperature",
        )
    if system.constraints:
        raise SpecError(
            "temperature= does not go with constraints=",
            part="temperature",
            why="noise in a field that an auxiliary field follows is not built",
            fix="write the energy in the fields of the state alone, or drop temperature=",
            see="temperature",
        )
