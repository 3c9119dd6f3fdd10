"""What the index of a package lists, and by what names, in their plain form, the emitted programs hold it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.discretise.dynamics import after
from metrigen.discretise.steady_programs import NonlinearSteady
from metrigen.emit.notation import text
from metrigen.emit.plain_names import plain
from metrigen.ir.nodes import Cayley, ParameterExpression, Program
from metrigen.layers.equations import array_names, moved_by, terms
from metrigen.layers.equations import plain as shown_term
from metrigen.layers.layer import Layer

Holds = Callable[[str], bool]
_SLOPE = re.compile(r"d([A-Z]\w*?)_d(\w+?)")


@dataclass(frozen=True)
class Row:
    """A term in Markdown.

    ways     predicates of the names that may hold it: those of the first that any name satisfies
    back     the same of what its cotangents are of, tried before those of the names that are found
    ends     results that it reaches, whose cotangents stand for its own where it has none
    reading  whether the readout has it
    always   whether it is listed where nothing holds it
    """

    term: str
    ways: tuple[Holds, ...]
    back: tuple[Holds, ...] = ()
    ends: tuple[str, ...] = ()
    reading: bool = False
    always: bool = False


def rows(layer: Layer) -> Iterator[Row]:
    """In order: the terms of the functionals, what is made once, what a step gives, the readout."""
    if layer.shape.remembers:
        return
    if layer.shape.on_tokens:
        yield from _token_rows(layer)
    else:
        yield from _step_rows(layer) if layer.shape.stepping else _steady_rows(layer)
    for name in layer.lowered.components:
        yield Row(f"readout {name}", (_one_of(f"{name}__density"),), reading=True)


def _one_of(*names: str) -> Holds:
    found = {plain(n) for n in names}
    return found.__contains__


def _base(name: str, arrays: Collection[str]) -> str:
    """The array of which ``name`` is a value: itself, or by number."""
    return name if name in arrays else re.sub(r"_\d+$", "", name)


def _slope(array: str, arrays: Collection[str], entropy: bool) -> Holds:
    """dH/du, of H or one of the parts that it is split into; dS/du of the entropy."""

    def holds(name: str) -> bool:
        found = _SLOPE.fullmatch(name)
        return found is not None and (found[1] == "S") == entropy and _base(found[2], arrays) == array

    return holds


def _moved(moved: Collection[str], arrays: Collection[str]) -> Holds:
    """A later value of one of the fields that are moved."""
    return lambda name: name not in arrays and _base(name.removesuffix("_next"), arrays) in moved


def _step_rows(layer: Layer) -> Iterator[Row]:
    derivation, names = layer.source.derivation, array_names(layer.lowered.dynamics)
    arrays = names.values()
    functionals = {"H": derivation.hamiltonian, "S": derivation.system.entropy}
    for letter, functional in functionals.items():
        for term, fields in terms(derivation, functional) if functional is not None else ():
            for u in fields:
                entropy = letter == "S"
                slope, moved = _slope(names[u], arrays, entropy), [names[w] for w in moved_by(derivation, u, entropy)]
                shown = f"`{shown_term(term, names)}` of {letter}" + (f", varied in `{names[u]}`" if fields[1:] else "")
                yield Row(shown, (slope, _moved(moved, arrays)), (slope,), tuple(after(w) for w in moved), always=True)
    yield from _made_once(layer.lowered.prologue)
    for name in arrays:
        yield Row(f"`{name}` after a step", (_one_of(after(name)),))


def _made_once(program: Program) -> Iterator[Row]:
    """What depends on parameters alone: factors that the brackets or the method leave."""
    for s in program:
        if isinstance(s, ParameterExpression):
            yield Row(f"factor `{text(s.expr)}`", (_one_of(s.out),))
        elif isinstance(s, Cayley):
            yield Row(f"factor `(1 - s {s.matrix})^-1 (1 + s {s.matrix})`, s = `{s.scale}`", (_one_of(s.out),))


def _steady_rows(layer: Layer) -> Iterator[Row]:
    """The terms of F: those of degree two in the unknown are in the operator, those of degree one in the source."""
    derivation, names = layer.source.derivation, array_names(layer.lowered.dynamics)
    made = {n: layer.programs[n].outputs for n in ("operator", "weights", "source") if n in layer.programs}
    evolution = layer.lowered.evolution
    for term, fields in terms(derivation, derivation.hamiltonian):
        if isinstance(evolution, NonlinearSteady):
            held = evolution.equation.residual.outputs
        else:
            held = _steady_values(term, fields, made)
        inside = _one_of(*(s.name for s in term.free_symbols), *(f.func.__name__ for f in term.atoms(AppliedUndef)))
        yield Row(f"`{shown_term(term, names)}` of F", (_one_of(*held),), (inside,))
    for part, outputs in made.items():
        for name in outputs:
            yield Row(part, (_one_of(name),))


def _steady_values(
    term: sp.Expr, fields: tuple[AppliedUndef, ...], made: dict[str, tuple[str, ...]]
) -> tuple[str, ...]:
    held: list[str] = []
    for piece in sp.Add.make_args(sp.expand(term)):
        factors = {base: power for base, power in piece.as_powers_dict().items() if base.has(*fields)}
        if sum(factors.values()) == 1:
            held += made.get("source", ())
        elif factors:
            screening, *edges = made.get("weights", ("",))
            held += [*made.get("operator", ()), *([screening] if set(factors) <= set(fields) else edges)]
    return tuple(dict.fromkeys(held))


def _token_rows(layer: Layer) -> Iterator[Row]:
    """One map x <- f + E (x - f) holds all terms of H and of the brackets."""
    scan, derivation = layer.lowered.scan, layer.source.derivation
    names = dict(zip(derivation.fields, scan.fields, strict=True))
    ends = [after(name) for name in scan.fields]
    moving = scan.prologue if scan.prologue.body else scan.propagator
    fields = _one_of(*scan.fields)
    for term, _ in terms(derivation, derivation.hamiltonian):
        yield Row(f"`{shown_term(term, names)}` of H", (_one_of(*moving.outputs, *ends),), (fields,))
    for program in (moving, scan.rotation):
        for name in program.outputs:
            yield Row(program.name, (_one_of(name),))
    for name in scan.fields:
        yield Row(f"`{name}` after a token", (_one_of(after(name)),))
