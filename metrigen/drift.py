"""How a package on disk differs from what its spec gives today, in a few lines: spec, versions, files, terms."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metrigen import manifests
from metrigen.drift_notation import plain
from metrigen.drift_parameters import parameters
from metrigen.emit.manifest import NAME as MANIFEST
from metrigen.emit.rows import addends
from metrigen.emit.tree import Difference

_DERIVATION, _MODULE = "DERIVATION.md", "module.py"
_FORMULA = re.compile(r"^## ([^\n]*)$|^\$\$\n(.*?)\n\$\$$", re.M | re.S)
_LAW = re.compile(r"^\| (\w+) \| (proved|conditional|sampled|failed) \|", re.M)


@dataclass(frozen=True)
class Drift:
    """state  "not built", or "not up to date"

    causes      what is behind it: the spec, versions, options
    parameters  "parameter NAME: init 0.1 -> 0.5", and signs, bounds, shapes
    files       kind of a difference -> names
    terms       section of the derivation, and the terms that it loses (-) and gains (+)
    laws        "NAME: verdict before -> verdict now"
    """

    state: str
    causes: tuple[str, ...]
    parameters: tuple[str, ...]
    files: Mapping[str, tuple[str, ...]]
    terms: tuple[str, ...]
    laws: tuple[str, ...]

    @property
    def lines(self) -> list[str]:
        """For people."""
        if self.state == "not built":
            return []
        files = [f"{kind}: {', '.join(names)}" for kind, names in self.files.items()]
        return [*self.causes, *self.parameters, *files, *self.terms, *(f"law {law}" for law in self.laws)]

    def values(self) -> dict[str, Any]:
        """For programs."""
        files = {kind: list(names) for kind, names in self.files.items()}
        parts = {"causes": self.causes, "parameters": self.parameters, "terms": self.terms, "laws": self.laws}
        return {"files": files} | {name: list(lines) for name, lines in parts.items()}


def summary(expected: Mapping[str, str], folder: Path, differences: Sequence[Difference]) -> Drift:
    """The drift of the package in ``folder`` from its ``expected`` files; ``differences`` are those of the two."""
    files = {kind: tuple(d.name for d in differences if d.kind == kind) for kind in ("changed", "missing", "extra")}
    files = {kind: names for kind, names in files.items() if names}
    if len(files.get("missing", ())) == len(expected):
        return Drift("not built", (), (), files, (), ())
    built = manifests.read(folder)
    edited = manifests.edited(built, folder)
    causes = _causes(built, manifests.parsed(expected[MANIFEST]))
    causes += (f"edited since: {', '.join(edited)}",) if edited else ()
    before, now = _text(folder / _DERIVATION), expected[_DERIVATION]
    changed = files.get("changed", ())
    terms, laws = (_terms(before, now), _laws(before, now)) if _DERIVATION in changed else ((), ())
    learned = parameters(_text(folder / _MODULE), expected[_MODULE]) if _MODULE in changed else ()
    return Drift("not up to date", causes or ("files were added or taken away",), learned, files, terms, laws)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _causes(before: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[str, ...]:
    """The spec, the versions and the options that differ between two manifests."""
    if not before:
        return ("there is no manifest",)
    causes = []
    if manifests.part(before, "spec").get("sha256") != now["spec"]["sha256"]:
        causes.append("the spec has changed since")
    elif before.get("spec") != now["spec"]:
        causes.append(f"built from {manifests.part(before, 'spec').get('path')}, which is now {now['spec']['path']}")
    for name, version in now["versions"].items():
        other = manifests.part(before, "versions").get(name)
        if other != version:
            causes.append(f"built with {name} {other}, this is {version}")
    for name, option in now["options"].items():
        other = manifests.part(before, "options").get(name)
        if other != option:
            causes.append(f"{name}: {_short(other)} -> {_short(option)}")
    return tuple(causes)


def _short(option: object) -> str:
    if not isinstance(option, dict):
        return str(option)
    rest = ", ".join(f"{key}={_number(value)}" for key, value in option.items() if key != "kind")
    return f"{option.get('kind', '')}({rest})"


def _number(value: object) -> object:
    """A number that is written with all its zeros, without them."""
    try:
        return f"{float(value):g}" if isinstance(value, str) else value
    except ValueError:
        return value


def _terms(before: str, now: str) -> tuple[str, ...]:
    old, new = _formulas(before), _formulas(now)
    found = []
    for key in dict.fromkeys((*old, *new)):
        lost = [term for term in old.get(key, ()) if term not in new.get(key, ())]
        gained = [term for term in new.get(key, ()) if term not in old.get(key, ())]
        section, left = key
        found += [f"{section}, {plain(left)}: loses {plain(term)}" for term in lost]
        found += [f"{section}, {plain(left)}: gains {plain(term)}" for term in gained]
    return tuple(found)


def _formulas(text: str) -> dict[tuple[str, str], tuple[str, ...]]:
    """(section, left side) -> the terms of the right side."""
    found, section = {}, ""
    for title, formula in _FORMULA.findall(text):
        section = title or section
        if formula:
            left, _, right = formula.partition(" = ")
            found[section, left] = tuple(term.strip() for term in addends(right))
    return found


def _laws(before: str, now: str) -> tuple[str, ...]:
    old, new = dict(_LAW.findall(before)), dict(_LAW.findall(now))
    names = dict.fromkeys((*old, *new))
    return tuple(f"{n}: {old.get(n, 'absent')} -> {new.get(n, 'absent')}" for n in names if old.get(n) != new.get(n))
