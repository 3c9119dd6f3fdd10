"""What changed in the physics between two specs: terms, brackets, method, laws, cost per site."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import sympy as sp

from metrigen.budget import BUILD, TooLarge, limited
from metrigen.build import located
from metrigen.compiler import layer_of
from metrigen.emit.derivation import Formula, sections
from metrigen.emit.notation import text
from metrigen.layers.counts import statistics
from metrigen.physics.derivation import Derivation, Law
from metrigen.physics.derive import derive
from metrigen.physics.work_budget import expand
from metrigen.spec.load import Spec, load_spec
from metrigen.spec.symbols import Param

# The tensor and the currents follow from the densities, and the laws say what is left of them.
_LEFT_OUT = ("Stress-energy tensor", "Noether current", "Legendre transform", "Multipliers")


@dataclass(frozen=True)
class Snapshot:
    """formulas  (title of a section, left side) -> the terms of the right side
    facts        what is no formula: domain, method, readout, parameters
    laws         name -> verdict
    cost         program -> its operations and bytes per site, in float32
    """

    name: str
    formulas: Mapping[tuple[str, str], tuple[str, ...]]
    facts: Mapping[str, str]
    laws: Mapping[str, str]
    cost: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class Change:
    """``lost`` and ``gained`` of one part: terms of a formula, or the text of a fact before and now."""

    part: str
    lost: tuple[str, ...]
    gained: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """changes of formulas and facts; laws: name -> (verdict before, now), None where there is none; cost: program ->
    figure -> (before, now)."""

    changes: tuple[Change, ...]
    laws: Mapping[str, tuple[str | None, str | None]]
    cost: Mapping[str, Mapping[str, tuple[int, int]]]

    @property
    def same(self) -> bool:
        return not (self.changes or self.laws or self.cost)


def snapshot(path: Path) -> Snapshot:
    """Load, derive and, where there is an integrator, lower a spec; raises what a build raises."""
    spec = load_spec(path)
    with located(spec), limited(BUILD):
        if spec.system.integrator is None:
            derivation = derive(spec.system)
            return _snapshot(spec, derivation, derivation.laws, {})
        layer = layer_of(spec)
        return _snapshot(spec, layer.source.derivation, layer.source.laws, statistics(layer))


def _snapshot(spec: Spec, derivation: Derivation, laws: tuple[Law, ...], cost: Mapping[str, Any]) -> Snapshot:
    formulas: dict[tuple[str, str], tuple[str, ...]] = {}
    for section in sections(derivation):
        if not section.title.startswith(_LEFT_OUT):
            formulas |= {(section.title, _left(formula)): _terms(formula) for formula in section.formulas}
    return Snapshot(spec.system.name, formulas, _facts(spec), {law.name: law.verdict for law in laws}, cost)


def _left(formula: Formula) -> str:
    return formula.left[1] if isinstance(formula.left, tuple) else text(formula.left)


def _terms(formula: Formula) -> tuple[str, ...]:
    right = sp.sympify(formula.right)
    with contextlib.suppress(TooLarge):  # its terms as they stand, then
        right = expand(right)
    return tuple(sorted(text(term, formula.covectors) for term in sp.Add.make_args(right)))


def _facts(spec: Spec) -> dict[str, str]:
    system = spec.system
    found = {part: _written(getattr(system, part)) for part in ("domain", "integrator", "readout")}
    found |= {f"parameter {name}": _declared(item) for name, item in spec.declared.items() if isinstance(item, Param)}
    return {"name": system.name} | {name: words for name, words in found.items() if words}


def _written(value: Any) -> str:
    """A value of the vocabulary as a spec writes it, what is left out left out."""
    if value is None:
        return ""
    if not is_dataclass(value):
        return f"{float(value):g}" if isinstance(value, (sp.Float, float)) else str(value)
    given = {f.name: _written(getattr(value, f.name)) for f in fields(value)}
    return f"{type(value).__name__}({', '.join(f'{name}={words}' for name, words in given.items() if words)})"


def _declared(param: Param) -> str:
    words = [f"per {param.per}" if param.shape is None else "channel matrix"]
    words += [w for w in ("symmetric", "antisymmetric") if getattr(param, w)]
    words += ["positive"] if param.is_positive else ["nonnegative"] if param.is_nonnegative else []
    numbers = {"block": param.block, "below": param.below, "init": param.init}
    return ", ".join([*words, *(f"{word} {value}" for word, value in numbers.items() if value is not None)])


def compare(before: Snapshot, now: Snapshot) -> Comparison:
    """What differs, in the order of a derivation."""
    changes = []
    for key in dict.fromkeys((*before.formulas, *now.formulas)):
        old, new = before.formulas.get(key, ()), now.formulas.get(key, ())
        changes.append(Change(", ".join(key), _without(old, new), _without(new, old)))
    for name in dict.fromkeys((*before.facts, *now.facts)):
        old, new = (tuple([s.facts[name]] if name in s.facts else []) for s in (before, now))
        changes.append(Change(name, _without(old, new), _without(new, old)))
    names = dict.fromkeys((*before.laws, *now.laws))
    laws = {name: (before.laws.get(name), now.laws.get(name)) for name in names}
    return Comparison(
        tuple(change for change in changes if change.lost or change.gained),
        {name: verdicts for name, verdicts in laws.items() if verdicts[0] != verdicts[1]},
        _costs(before.cost, now.cost),
    )


def _without(some: tuple[str, ...], others: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(term for term in some if term not in others)


def _costs(
    before: Mapping[str, Mapping[str, int]], now: Mapping[str, Mapping[str, int]]
) -> dict[str, dict[str, tuple[int, int]]]:
    found: dict[str, dict[str, tuple[int, int]]] = {}
    for name in dict.fromkeys((*before, *now)):
        old, new = before.get(name, {}), now.get(name, {})
        figures = {f: (old.get(f, 0), new.get(f, 0)) for f in dict.fromkeys((*old, *new)) if f != "ops_before_cse"}
        figures = {f: pair for f, pair in figures.items() if pair[0] != pair[1]}
        if figures:
            found[name] = figures
    return found
