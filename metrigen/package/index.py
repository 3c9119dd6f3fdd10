"""Where the terms of a spec are in its package: a section of DERIVATION.md that is read off the finished texts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from metrigen.emit.plain_names import plain
from metrigen.layers.layer import Layer
from metrigen.package.index_rows import Row, rows

TITLE = "Where to find the terms"
_NOTE = """A value holds the variation of its term; where that is no value of its own, it is what the variation moves.
A place is a function, and the line of a file where it assigns the value; `adjoint` is where the reference has the
cotangent of the value. A term without a value moves nothing: no bracket reads its variation."""
_FUNCTION = re.compile(r"^(?:def|static|inline|INLINE|extern)\b[^(\n]*?(\w+)\(", re.M)
_END = {False: re.compile(r"^(?:def|class|@)", re.M), True: re.compile(r"^\}", re.M)}  # of Python, of C++
_LOADED = r"(?:tl\.load|load\w*|_new|_components|partials|_step\w*)\(|\(\)$"
_ASSIGNED = re.compile(
    rf"^[ \t]+(?:const (?:auto|V|R) )?(\w+(?:, \w+)*) = (?!{_LOADED})|\btl\.store\(\s*(\w+)_ptr\b", re.M
)
_BACK = re.compile(r"adjoint|transposed|pullback|step_back")
_ASIDE = re.compile(r"^(energy|entropy|stress_energy|currents|flux|rates|power)$|tangent")
_COTANGENT = re.compile(r"(\w+?)_bar\d*")
_TERM, _VALUES, _PLACES = 100, 4, 2  # characters of a term, values of a row, places of a cell


@dataclass(frozen=True)
class Assignment:
    """A name that a line of a function gives a value."""

    name: str
    function: str
    file: str
    line: int

    @property
    def place(self) -> str:
        return f"`{self.function}`, {self.file}:{self.line}"


@dataclass(frozen=True)
class Block:
    """The text of a function and the line of its file where it begins."""

    name: str
    file: str
    line: int
    text: str

    def at(self, name: str, position: int) -> Assignment:
        return Assignment(name, self.name, self.file, self.line + self.text.count("\n", 0, position))

    @cached_property
    def assignments(self) -> tuple[Assignment, ...]:
        found = []
        for match in _ASSIGNED.finditer(self.text):
            begin = match.start(1) if match[1] else match.start()
            found += [self.at(name.removesuffix("_v"), begin) for name in (match[1] or match[2]).split(", ")]
        return tuple(found)

    def reading(self, name: str) -> Assignment | None:
        """The first assignment that reads a name which the function is handed."""
        body = self.text.find(":\n") + 1
        found = re.compile(rf"\b{name}\b").search(self.text, body)
        lines = [m for m in _ASSIGNED.finditer(self.text, body) if m[1] and found and m.start() < found.start()]
        return self.at(lines[-1][1], lines[-1].start(1)) if lines else None


def blocks(files: Mapping[str, str]) -> tuple[Block, ...]:
    """The functions of Python and C++ files, in order."""
    found = []
    for file, whole in files.items():
        for match in _FUNCTION.finditer(whole):
            end = _END[file.endswith(".cpp")].search(whole, match.end())
            inside = whole[match.start() : end.start() if end else len(whole)]
            found.append(Block(match[1], file, whole.count("\n", 0, match.start()) + 1, inside))
    return tuple(found)


def index_section(
    layer: Layer, reference: Mapping[str, str], kernels: Mapping[str, Mapping[str, str]]
) -> list[tuple[str, str]]:
    """The section as (title, Markdown). ``reference`` are the files of the reference, ``kernels`` those of the other
    backends by the name of the backend."""
    own, others = blocks(reference), {name: blocks(files) for name, files in kernels.items()}
    head = ["term", "value", "reference", "adjoint", *others]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for row in rows(layer):
        found = _forward(row, own)
        if not found and not row.always:
            continue
        names = list(dict.fromkeys(a.name for a in found))
        shown = [f"`{n}`" for n in names]
        if len(names) > _VALUES:
            shown = [*shown[: _VALUES - 2], "...", shown[-1]]
        cells = [_places(found), _places(_backward(row, names, own))]
        cells += [_places(_forward(row, each), names) for each in others.values()]
        lines.append(f"| {_term(row.term)} | {', '.join(shown) or '-'} | {' | '.join(cells)} |")
    return [(TITLE, "\n".join([_NOTE, "", *lines]))] if len(lines) > 2 else []


def _forward(row: Row, functions: Iterable[Block]) -> list[Assignment]:
    """What holds the term: the first of the ways to hold it that is found in the programs, else in a diagnostic."""
    ahead = [b for b in functions if not _BACK.search(b.name) and row.reading == ("readout" in b.name)]
    for aside in (False, True):
        inside = [a for b in ahead if bool(_ASIDE.search(b.name)) == aside for a in b.assignments]
        for holds in row.ways:
            found = [a for a in inside if holds(plain(a.name))]
            if found:
                return found
    return []


def _backward(row: Row, names: list[str], functions: Iterable[Block]) -> list[Assignment]:
    """The cotangents of what holds the term; of a result of its program, which the adjoint is handed, what reads it."""
    back = [b for b in functions if _BACK.search(b.name) and row.reading == ("readout" in b.name)]
    held: tuple[Callable[[str], bool], ...] = (*row.back, names.__contains__)
    for holds in held:
        found = [a for b in back for a in b.assignments if (m := _COTANGENT.fullmatch(plain(a.name))) and holds(m[1])]
        if found:
            return found
    handed = (b.reading(f"{name}_bar") for name in (*names, *row.ends) for b in back)
    return [a for a in handed if a is not None]


def _places(found: Iterable[Assignment], known: Iterable[str] | None = None) -> str:
    """The first place in each function, of the first few functions; with its name where that is none of the known."""
    first: dict[tuple[str, str], Assignment] = {}
    for a in found:
        first.setdefault((a.function, a.file), a)
    unknown = {a.name for a in first.values()} - set(known) if known is not None else set()
    shown = [f"{a.place} as `{a.name}`" if a.name in unknown else a.place for a in first.values()]
    return "; ".join(shown[:_PLACES]) or "-"


def _term(term: str) -> str:
    """A term inside a cell, a long one cut."""
    term = term if len(term) <= _TERM else f"{term[: _TERM - 3]}..."
    return term.replace("|", r"\|")
