"""What the methods of a module pass to its programs: which arrays are handed in, learned, or made on the spot."""

from __future__ import annotations

import sympy as sp

from metrigen.frame.emission import Emission
from metrigen.frame.parameters import ParameterText, parameter_text
from metrigen.ir.nodes import Kind, Program
from metrigen.spec.symbols import Param


def symbols(emission: Emission) -> dict[str, sp.Symbol]:
    """Learned parameters by name: every parameter of the lattice dynamics but a numeric time step."""
    derivation, integrator = emission.derivation, emission.spec.system.integrator
    expressions = [derivation.hamiltonian, derivation.system.entropy, getattr(integrator, "dt", None)]
    expressions += [b.form for b in (derivation.bracket, derivation.metric) if b is not None]
    expressions += derivation.constraints.values()
    named = {s.name: s for e in expressions if e is not None for s in e.free_symbols}
    layer = emission.lowered.dynamics
    wanted = [a.name for a in layer.params] + [a.name for a in layer.inputs if isinstance(named.get(a.name), Param)]
    return {name: named[name] for name in sorted(wanted) if name in named}


def parameters(emission: Emission) -> list[ParameterText]:
    return [parameter_text(symbol, emission.rank) for symbol in symbols(emission).values()]


def per_site(emission: Emission) -> list[str]:
    return [n for n, s in symbols(emission).items() if isinstance(s, Param) and s.per == "site" and not s.is_matrix]


def axes(emission: Emission) -> list[str]:
    names = [axis.name for axis in emission.spec.system.domain.axes]
    return [a.name for a in emission.lowered.dynamics.inputs if a.name in names and a.name not in symbols(emission)]


def inputs_of(emission: Emission) -> list[str]:
    """Arrays that ``forward`` is handed: inputs of the spec, no coordinates, no learned maps."""
    own = {*per_site(emission), *axes(emission)}
    return [a.name for a in emission.lowered.dynamics.inputs if a.name not in own]


def time_step(emission: Emission) -> tuple[str, str]:
    """("parameter", name), ("number", value) or ("expression", text) of the time step."""
    dt = emission.spec.system.integrator.dt
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
            return f"_coordinate({like}, {axis}, {float(emission.spec.system.lattice.spacing)!r})"
        if name in per_site(emission):
            return f"_site(self.{name}.unsqueeze(0), {like}, {name!r})"
        return f"_site({name}, {like}, {name!r})"
    if name in floats(emission):
        return f"{like}.new_tensor(self.{name})"
    return f"self.{name}.to({like}.dtype)"


def arguments(emission: Emission, program: Program, like: str, skip: tuple[str, ...] = ()) -> list[str]:
    hoisted = set(emission.lowered.prologue.outputs) if emission.lowered.prologue else set()
    return [
        a.name if a.name in hoisted or a.name in emission.fields else value(emission, a.name, a.kind, like)
        for a in program.inputs
        if a.name not in skip
    ]


def tuple_text(names: list[str]) -> str:
    return f"({', '.join(names)}{',' if len(names) == 1 else ''})"


def input_signature(emission: Emission, optional: bool) -> str:
    names = inputs_of(emission)
    return (
        (", *, " + ", ".join(f"{n}: Tensor" + (" | None = None" if optional else "") for n in names)) if names else ""
    )
