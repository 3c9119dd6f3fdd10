"""What the methods of a module pass to its programs: which arrays are handed in, learned, or made on the spot."""

from __future__ import annotations

from collections.abc import Sequence

import sympy as sp

from metrigen.ir.nodes import Kind, Program
from metrigen.layer.layer import Emission
from metrigen.package.parameters import ParameterText, parameter_text
from metrigen.spec.symbols import InputFunction, Param


def _expressions(emission: Emission) -> list[sp.Expr]:
    """What the spec says, as far as parameters and inputs may stand in it."""
    derivation = emission.derivation
    expressions = [derivation.hamiltonian, derivation.system.entropy, derivation.system.dt]
    expressions += [b.form for b in (derivation.bracket, derivation.metric) if b is not None]
    expressions += derivation.constraints.values()
    return [e for e in expressions if e is not None]


def symbols(emission: Emission) -> dict[str, sp.Symbol]:
    """Learned parameters by name: every parameter of the lattice dynamics but a numeric time step."""
    named = {s.name: s for e in _expressions(emission) for s in e.free_symbols}
    layer = emission.lowered.dynamics
    wanted = [a.name for a in layer.params] + [a.name for a in layer.inputs if isinstance(named.get(a.name), Param)]
    return {name: named[name] for name in sorted(wanted) if name in named}


def parameters(emission: Emission) -> list[ParameterText]:
    return [parameter_text(symbol) for symbol in symbols(emission).values()]


def per_site(emission: Emission) -> list[str]:
    return [n for n, s in symbols(emission).items() if isinstance(s, Param) and s.per == "site" and not s.is_matrix]


def axes(emission: Emission) -> list[str]:
    names = [axis.name for axis in emission.spec.system.domain.axes]
    return [a.name for a in emission.lowered.dynamics.inputs if a.name in names and a.name not in symbols(emission)]


def inputs_of(emission: Emission) -> list[str]:
    """Arrays that ``forward`` is handed: inputs of the spec, no coordinates, no learned maps."""
    own = {*per_site(emission), *axes(emission)}
    return [a.name for a in emission.lowered.dynamics.inputs if a.name not in own]


def spread(emission: Emission, name: str) -> str:
    """Expression of an input with all axes of the fields: one that lives on some of them may be handed in without the
    others, which it gets as axes of length one."""
    axes_of_fields = emission.spec.system.domain.axes
    found = [f for e in _expressions(emission) for f in e.atoms(InputFunction) if f.func.__name__ == name]
    kept = [axis in found[0].args for axis in axes_of_fields] if found else []
    if all(kept):
        return name
    index = ", ".join([":", ":", *(":" if has else "None" for has in kept)])
    return f"({name}[{index}] if {name}.dim() == {2 + sum(kept)} else {name})"


def time_step(emission: Emission) -> tuple[str, str]:
    """("parameter", name), ("number", value) or ("expression", text) of the time step."""
    dt = emission.spec.system.stepper.dt
    if dt.is_number:
        return "number", repr(float(dt))
    return ("parameter", dt.name) if dt.is_Symbol else ("expression", str(dt))


def floats(emission: Emission) -> list[str]:
    """Scalars of the step that are plain numbers: a time step that is not learned."""
    return ["dt"] if emission.stepping and time_step(emission)[0] == "number" else []


def value(emission: Emission, name: str, kind: Kind, like: str) -> str:
    """Expression of one argument of an operator inside a method, in the dtype of the state."""
    if kind is Kind.SITE:
        if name in axes(emission):
            axis = [a.name for a in emission.spec.system.domain.axes].index(name)
            return f"self._coordinate({like}, {axis}, {float(emission.spec.system.lattice.spacing)!r})"
        if name in per_site(emission):
            return f"self._site(self.{name}.unsqueeze(0), {like}, {name!r})"
        return f"self._site({spread(emission, name)}, {like}, {name!r})"
    if name in floats(emission):
        return f"step_of(self.{name}, {like})"
    return f"as_dtype(self.{name}, {like}.dtype)"


def arguments(
    emission: Emission, program: Program, like: str, skip: tuple[str, ...] = (), ready: tuple[str, ...] = ()
) -> list[str]:
    """Expressions of the arguments of a program but those in ``skip``; those in ``ready`` are variables at hand."""
    made = {*emission.fields, *ready, *(emission.lowered.prologue.outputs if emission.lowered.prologue else ())}
    return [
        a.name if a.name in made else value(emission, a.name, a.kind, like)
        for a in program.inputs
        if a.name not in skip
    ]


def tuple_text(names: Sequence[str]) -> str:
    return f"({', '.join(names)}{',' if len(names) == 1 else ''})"


def input_signature(emission: Emission, optional: bool) -> str:
    names = inputs_of(emission)
    return (
        (", *, " + ", ".join(f"{n}: Tensor" + (" | None = None" if optional else "") for n in names)) if names else ""
    )
