"""What the class of a layer says of itself to ``surface.py``, which is the same in every package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.layers.equations import array_names, plain
from metrigen.layers.layer import Layer
from metrigen.package.settings import momenta

LONGEST = 72  # characters of the energy where a layer is printed


def surface_constants(
    layer: Layer, names: Mapping[AppliedUndef, str], *, zero: Sequence[str] = (), start: str = "",
    hoisted: Sequence[str] = (),
) -> list[tuple[str, str]]:  # fmt: skip
    """State, fields and components of the readout, and the energy in one line; ``names``: field -> its array."""
    found = [("STATE", f"{layer.source.class_name}State"), ("FIELDS", repr(layer.lowered.fields))]
    found += [("ZERO", repr(tuple(zero)))] if zero else []
    found += [("START", f'"{start}"')] if start else []
    found += [("READS", "COMPONENTS"), ("ENERGY", f'"{_cut(plain(layer.source.derivation.hamiltonian, dict(names)))}"')]
    step = _step(layer)
    found += [("STEP", f'"{step}"')] if step else []
    return found + ([("HOISTED", repr(tuple(hoisted)))] if hoisted else [])


def field_constants(layer: Layer) -> list[tuple[str, str]]:
    """Those of a layer on a lattice or a graph."""
    hoisted = ("_prologue",) if layer.lowered.prologue.body else ()
    zero, start = (momenta(layer), "") if layer.shape.stepping else ([], "warm_start")
    names = array_names(layer.lowered.dynamics)
    found = surface_constants(layer, names, zero=zero, start=start, hoisted=hoisted)
    return [*found, ("ORDER", repr(layer.source.spec.system.stepper.order))] if layer.shape.stepping else found


def _step(layer: Layer) -> str:
    """A time step that is learned, made of what is, or that of a token: none that is an attribute."""
    system = layer.source.spec.system
    if system.solves:
        return ""
    dt = sp.sympify(system.stepper.dt)
    return "" if dt.is_number and layer.shape.stepping else _cut(str(dt))


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
