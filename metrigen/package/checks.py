"""What a layer looks at under METRIGEN_CHECK=1: the declared signs of its fields and inputs, and methods that check."""

from __future__ import annotations

from collections.abc import Iterable

from sympy.core.function import AppliedUndef

from metrigen.physics.declared import stated
from metrigen.physics.derivation import Derivation
from metrigen.spec.symbols import Param

_WATCHED = ("def forward(", "def forward_readout(")


def declarations(derivation: Derivation, inputs: Iterable[str]) -> list[tuple[str, str]]:
    """The names of the inputs, and the sign that was declared of a field or an input, by name."""
    system = derivation.system
    functions = {u for _, e in stated(system) for u in e.atoms(AppliedUndef)} | {*derivation.fields}
    signs = {u.func.__name__: "positive" if u.is_positive else "nonnegative" for u in functions if u.is_nonnegative}
    handed = {s for _, e in stated(system) for s in e.free_symbols if isinstance(s, Param) and s.per == "sample"}
    signs |= {s.name: "positive" if s.is_positive else "nonnegative" for s in handed if s.is_nonnegative}
    bounds = {s.name: float(s.below) for s in sorted(handed, key=lambda s: s.name) if s.below is not None}
    found = [("INPUTS", repr(tuple(inputs))), ("SIGNS", repr(dict(sorted(signs.items()))))]
    return [*found, ("BOUNDS", repr(bounds))] if bounds else found


def watched(lines: Iterable[str]) -> list[str]:
    """The lines of methods, with the decorators of those that take fields and inputs: they may be handed a State
    instead, and check what they are handed."""
    watching = ("@from_state", "@checked")
    return [line for text in lines for line in ((*watching, text) if text.startswith(_WATCHED) else (text,))]
