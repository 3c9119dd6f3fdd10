"""What a build tells of a spec that it does not refuse: a step above its limit, what is declared and not used, energies
without a value at some states. Printed with the line of the spec; in a package the headline alone."""

from __future__ import annotations

from collections.abc import Mapping

from metrigen.emit.notation import text
from metrigen.errors import Warned
from metrigen.package.steps import step_warning
from metrigen.physics.declared import unused
from metrigen.physics.derivation import Derivation
from metrigen.physics.limits import AMPLITUDE, amplitude_limit
from metrigen.physics.ranges import undefined
from metrigen.spec.symbols import InputFunction
from metrigen.spec.system import System


def notices(derivation: Derivation, declared: Mapping[str, object]) -> tuple[Warned, ...]:
    """The warnings of a derived spec, in a fixed order; ``part`` of each is the keyword or name to point at."""
    step = step_warning(derivation)
    return (
        *(() if step is None else (step,)),
        *_unused(derivation.system, declared),
        *_undefined(derivation),
    )


def _unused(system: System, declared: Mapping[str, object]) -> list[Warned]:
    found = []
    for name in unused(system, declared):
        kind = "input" if isinstance(declared[name], InputFunction) else "parameter"
        found.append(
            Warned(
                f"the {kind} {name} is declared and not used",
                part=name,
                why="no density, bracket, metric or time step holds it, and the layer will not have it",
                fix=f"use {name} in the system (was metric= forgotten?), or drop it"
                if system.metric is None
                else f"use {name} in the system, or drop it",
            )
        )
    return found


def _undefined(derivation: Derivation) -> list[Warned]:
    system = derivation.system
    transformed = derivation.structure.hamiltonian if system.hamiltonian is None else None
    named = {"momentum": "the Hamiltonian of lagrangian="}
    return [
        Warned(
            f"{named.get(part, f'{part}=')} has a value only where {text(base)} {'>' if strict else '>='} 0",
            part="lagrangian" if part == "momentum" else part,
            why=f"it contains {text(whole)}; at another state a layer computes NaN",
            fix="start it there and keep it there, or write the density so that it has a value everywhere",
        )
        for part, base, whole, strict in undefined(system, transformed)
    ]


def limit_sentences(derivation: Derivation) -> list[str]:
    """About which states a step limit speaks; nothing where none is known."""
    if derivation.step_limit is None:
        return []
    state = ", ".join(f"{text(u)} = 0" for u in derivation.structure.fields)
    bound = amplitude_limit(derivation)
    if bound is not None and bound == derivation.step_limit and not bound.has(AMPLITUDE):
        return ["The step limit holds at every state: it does not depend on the fields."]
    small = f"The step limit is that of the von Neumann analysis about {state}."
    if bound is None:
        return [small, "No bound is known for larger ones: a state of larger amplitude may need a shorter step."]
    if not bound.has(AMPLITUDE):
        return [small, f"At every state dt below {text(bound)} is stable."]
    return [small, f"While every field stays between -amplitude and amplitude: dt_max = {text(bound)}."]
