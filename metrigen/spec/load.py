"""Load a spec file: run it, find its one ``system``, and remember which line says what."""

from __future__ import annotations

import ast
import os
import sys
import traceback
import types
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import sympy as sp

from metrigen.budget import too_deep
from metrigen.errors import MetrigenError, SpecError
from metrigen.spec.files import project_path, read, shown_path
from metrigen.spec.fingerprint import fingerprint
from metrigen.spec.isolation import undisturbed
from metrigen.spec.siblings import Sibling, Siblings
from metrigen.spec.slips import cure
from metrigen.spec.source import SourceMap, quote, source_map
from metrigen.spec.symbols import declared_name, t
from metrigen.spec.system import System

# Parts that follow from others: the line to blame where the spec does not have them.
_KIN = {"hamiltonian": ("lagrangian",), "lagrangian": ("hamiltonian",), "bracket": ("lagrangian",),
        "fields": ("hamiltonian", "lagrangian")}  # fmt: skip


@dataclass(frozen=True)
class Spec:
    """A loaded spec file.

    path           as shown in messages: relative to the current folder if inside it, else the file name
    file           as written into files: relative to the project (the nearest folder above it with a pyproject.toml or
                   a .git), else the file name; the same wherever a build is started
    system         the one system that the file defines
    sha256         of the syntax tree of the file and of those beside it that it imports: comments change nothing
    source         the text of the file
    keyword_lines  keyword of ``System`` -> line
    symbol_lines   declared name -> line of its first declaration
    declared       the parameters, inputs and learned functions that the file binds to a name, by their own name
    siblings       the files beside it that it imports, by name
    """

    path: str
    system: System
    sha256: str
    source: str
    keyword_lines: Mapping[str, int]
    symbol_lines: Mapping[str, int]
    declared: Mapping[str, object] = field(default_factory=dict)
    file: str = ""
    siblings: Mapping[str, Sibling] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "file", self.file or self.path)


def load_spec(path: str | Path) -> Spec:
    """Run the spec file at ``path`` and return what it defines.

    The file runs as a fresh module that is registered nowhere; the working folder, ``sys.path``, the streams and more
    (``undisturbed``) are as they were afterwards, and no bytecode is written. Raises SpecError, its ``where`` pointing
    into the file, for anything that is wrong with the file; errors of our own vocabulary pass through with their
    ``where`` filled.
    """
    path = Path(os.path.abspath(path))
    shown = shown_path(path)
    source, tree = _read_tree(path, shown)
    lines = source_map(tree)
    siblings = Siblings(path.parent, _read_sibling)
    namespace = _run(tree, source, lines, siblings.module("spec", path), siblings)
    siblings.loaded = True
    system = _the_system(namespace, source, shown, lines)
    _check_time(namespace, source, shown, lines.variables)
    for sibling, module in zip(siblings.found.values(), siblings.modules.values(), strict=True):
        _check_time(vars(module), sibling.source, sibling.path, sibling.symbol_lines)
    return Spec(
        path=shown,
        system=system,
        sha256=fingerprint(tree, {name: sibling.sha256 for name, sibling in siblings.found.items()}),
        source=source,
        keyword_lines=types.MappingProxyType(lines.keywords),
        symbol_lines=types.MappingProxyType(lines.symbols),
        declared=types.MappingProxyType(_declared(namespace, siblings)),
        file=project_path(path),
        siblings=types.MappingProxyType(dict(sorted(siblings.found.items()))),
    )


def locate(error: MetrigenError, spec: Spec) -> MetrigenError:
    """Fill ``error.where`` with the line of the spec that is to blame, as far as it can be known; return the error.

    The line is that of the keyword of ``System`` named by ``error.part``, else of the symbol of that name, else the
    innermost line of the spec that was running when the error was raised, else that of the system's name.
    """
    sources = _sources(spec)
    if error.where is not None:
        if error.where.startswith(tuple(sources)):
            return error
        error.component = error.component or error.where
    part = error.part or ""
    lines = (*(spec.keyword_lines.get(word) for word in (part, *_KIN.get(part, ()))), spec.symbol_lines.get(part))
    places = [(spec.path, line) for line in lines]
    places += [(sibling.path, sibling.symbol_lines.get(part)) for sibling in spec.siblings.values()]
    places += [_running_line(error, sources) or (spec.path, None), (spec.path, spec.keyword_lines.get("name"))]
    path, line = next(((path, line) for path, line in places if line), (spec.path, None))
    error.where = quote(path, sources[path], line) if line else spec.path
    return error


def raised_in_spec(error: BaseException, spec: Spec) -> SpecError | None:
    """The error as a SpecError if a line of the spec raised it (a bracket is called long after loading), else None."""
    sources = _sources(spec)
    place = _running_line(error, sources)
    return None if place is None else _foreign(error, sources, place)


def _sources(spec: Spec) -> Mapping[str, str]:
    """The texts of the spec and of the files that it imports, by the path that messages show."""
    return {spec.path: spec.source} | {sibling.path: sibling.source for sibling in spec.siblings.values()}


def line_of_system(spec: Spec) -> str:
    """``file:line   source text`` of what the spec defines."""
    line = spec.keyword_lines.get("name")
    return quote(spec.path, spec.source, line) if line else spec.path


def _read_tree(path: Path, shown: str) -> tuple[str, ast.Module]:
    """The text of a file and its syntax tree."""
    data = read(path, shown)
    try:
        source = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        why = f"byte 0x{data[error.start]:02x} in line {line}"
        raise SpecError(
            "the spec file is not UTF-8", where=shown, why=why, fix="save it as UTF-8", see="spec-file"
        ) from error
    return source, _parse(source, shown)


def _read_sibling(path: Path) -> tuple[Sibling, types.CodeType]:
    """A file that a spec imports, and its code."""
    shown = shown_path(path)
    source, tree = _read_tree(path, shown)
    sibling = Sibling(shown, source, fingerprint(tree), types.MappingProxyType(source_map(tree).symbols))
    return sibling, compile(tree, shown, "exec", dont_inherit=True)


def _parse(source: str, shown: str) -> ast.Module:
    try:
        return ast.parse(source, filename=shown)
    except SyntaxError as error:
        where = quote(shown, source, error.lineno) if error.lineno else shown
        fix = "the file must be valid Python"
        raise SpecError(
            "the spec has a syntax error", where=where, why=error.msg, fix=fix, see="spec-syntax"
        ) from error
    except (ValueError, RecursionError, MemoryError) as error:
        why, fix = str(error) or type(error).__name__, "the file must be Python that the interpreter can parse"
        raise SpecError("the spec cannot be parsed", where=shown, why=why, fix=fix, see="spec-syntax") from error


def _run(
    tree: ast.Module, source: str, lines: SourceMap, module: types.ModuleType, siblings: Siblings
) -> dict[str, object]:
    shown = shown_path(Path(module.__file__ or ""))
    limit = sys.getrecursionlimit()
    try:
        with undisturbed():
            try:
                exec(compile(tree, shown, "exec", dont_inherit=True), module.__dict__)
            finally:
                sys.setrecursionlimit(limit)  # here, where the spec itself was called: deeper, no call may be left
    except MetrigenError as error:
        if error.where is not None:  # of a file that it imports
            raise
        sources = {shown: source} | {sibling.path: sibling.source for sibling in siblings.found.values()}
        place = _running_line(error, sources)
        # Inside the System(...) call the traceback knows only its first line, but the error knows the keyword.
        if place and place[0] == shown and lines.call and lines.call[0] <= place[1] <= lines.call[1]:
            part = error.part or ""
            place = shown, lines.keywords.get(part) or lines.symbols.get(part) or place[1]
        if place is not None:
            error.where = quote(place[0], sources[place[0]], place[1])
        raise
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit, GeneratorExit and what a spec derives from BaseException
        sources = {shown: source} | {sibling.path: sibling.source for sibling in siblings.found.values()}
        raise _foreign(error, sources, _running_line(error, sources) or (shown, 0), module.__dict__) from error
    return module.__dict__


def _foreign(
    error: BaseException, sources: Mapping[str, str], place: tuple[str, int], known: Mapping[str, object] | None = None
) -> SpecError:
    """Some other exception, as an error of the spec; ``place``: path and line, 0 where that is not known."""
    path, line = place
    where = quote(path, sources[path], line) if line else path
    if isinstance(error, RecursionError):
        deep = too_deep(None, "Python has no calls left inside calls: SymPy goes down an expression level by level")
        deep.where = where
        return deep
    text = str(error)
    fix = cure(error, sources[path].splitlines()[line - 1] if line else "", known)
    return SpecError(
        "the spec raised an exception",
        where=where,
        why=f"{type(error).__name__}: {text}" if text else type(error).__name__,
        fix=fix or "correct this line of the spec",
        see="spec-raises",
    )


def _running_line(error: BaseException, sources: Mapping[str, str]) -> tuple[str, int] | None:
    """The innermost line of the spec, or of a file that it imports, in the traceback: path and line."""
    frames = ((frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__))
    lines = [(path, line) for path, line in frames if path in sources]
    return lines[-1] if lines else None


def _declared(namespace: Mapping[str, object], siblings: Siblings) -> dict[str, object]:
    """Parameters, inputs and learned functions bound to a name of the file, lists and tuples of them included; those of
    a file that several specs share are apart, for none has to use all of them."""
    found: dict[str, object] = {}
    shared = {id(value) for module in siblings.modules.values() for value in vars(module).values()}
    for value in namespace.values():
        if id(value) in shared:
            continue
        for item in value if isinstance(value, (list, tuple)) else (value,):
            name = declared_name(item)
            if name is not None:
                found.setdefault(name, item)
    return found


def _check_time(namespace: Mapping[str, object], source: str, shown: str, lines: Mapping[str, int]) -> None:
    """A symbol of the file's own that is called t is never the time, and derivatives by it are zero."""
    for name, value in namespace.items():
        if isinstance(value, sp.Symbol) and value.name == t.name and value != t:
            line = lines.get(name)
            raise SpecError(
                f"the symbol {name!r} is not the time",
                part=name,
                where=quote(shown, source, line) if line else shown,
                why="fields depend on the t of metrigen; to SymPy a symbol of the same name made here is another one, "
                "and a derivative by it is zero",
                fix="from metrigen import t, and drop this line",
                see="time-symbol",
            )


def _the_system(namespace: dict[str, object], source: str, shown: str, lines: SourceMap) -> System:
    """The System bound to ``system``; SpecError unless the file defines exactly one."""
    first: dict[int, str] = {}
    for name, value in namespace.items():
        if isinstance(value, System):
            first.setdefault(id(value), name)
    names = list(first.values())
    if len(names) > 1 or len(lines.bindings) > 1:
        line = lines.bindings[1] if len(names) <= 1 else lines.variables.get(names[1])
        raise SpecError(
            "a spec file defines exactly one `system`, this one defines two",
            where=quote(shown, source, line) if line else shown,
            why="systems: " + ", ".join(names) if len(names) > 1 else "`system` is assigned twice",
            fix="one file a system: move the other one to a file of its own",
            see="one-system",
        )
    system = namespace.get("system")
    if isinstance(system, System):
        return system
    if "system" in namespace:
        raise SpecError(
            "`system` is not a System",
            where=quote(shown, source, lines.bindings[0]) if lines.bindings else shown,
            why=f"it is of type {type(system).__name__}",
            fix="system = System(name=..., domain=..., ...)",
            see="one-system",
        )
    line = lines.variables.get(names[0]) if names else None
    raise SpecError(
        "no `system` in the spec file: a spec file defines exactly one `system`",
        where=quote(shown, source, line) if line else shown,
        why=f"the system is called {names[0]!r}" if names else None,
        fix=f"rename {names[0]!r} to 'system'" if names else "system = System(name=..., domain=..., ...)",
        see="one-system",
    )
