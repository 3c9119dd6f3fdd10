"""Load a spec file: run it, find its one ``system``, and remember which line says what."""

from __future__ import annotations

import ast
import errno
import hashlib
import os
import stat
import sys
import traceback
import types
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import sympy as sp

from metrigen.budget import too_deep
from metrigen.errors import MetrigenError, SpecError
from metrigen.spec.isolation import undisturbed
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
    sha256         of the bytes of the file
    source         the text of the file
    keyword_lines  keyword of ``System`` -> line
    symbol_lines   declared name -> line of its first declaration
    declared       the parameters, inputs and learned functions that the file binds to a name, by their own name
    """

    path: str
    system: System
    sha256: str
    source: str
    keyword_lines: Mapping[str, int]
    symbol_lines: Mapping[str, int]
    declared: Mapping[str, object] = field(default_factory=dict)
    file: str = ""

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
    data = _read(path, shown)
    try:
        source = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        why = f"byte 0x{data[error.start]:02x} in line {line}"
        raise SpecError("the spec file is not UTF-8", where=shown, why=why, fix="save it as UTF-8") from error
    tree = _parse(source, shown)
    lines = source_map(tree)
    namespace = _run(tree, source, shown, lines, path)
    system = _the_system(namespace, source, shown, lines)
    _check_time(namespace, source, shown, lines)
    return Spec(
        path=shown,
        system=system,
        sha256=hashlib.sha256(data).hexdigest(),
        source=source,
        keyword_lines=types.MappingProxyType(lines.keywords),
        symbol_lines=types.MappingProxyType(lines.symbols),
        declared=types.MappingProxyType(_declared(namespace)),
        file=project_path(path),
    )


def shown_path(path: Path) -> str:
    """``path`` relative to the current folder if inside it, else the file name alone: never an absolute path."""
    absolute, here = Path(os.path.abspath(path)), Path.cwd()
    return absolute.relative_to(here).as_posix() if absolute.is_relative_to(here) else absolute.name


def project_path(path: Path) -> str:
    """``path`` relative to the project that it belongs to, else the file name alone: the same from everywhere."""
    absolute = Path(os.path.abspath(path))
    for folder in absolute.parents:
        if (folder / "pyproject.toml").is_file() or (folder / ".git").exists():
            return absolute.relative_to(folder).as_posix()
    return absolute.name


def locate(error: MetrigenError, spec: Spec) -> MetrigenError:
    """Fill ``error.where`` with the line of the spec that is to blame, as far as it can be known; return the error.

    The line is that of the keyword of ``System`` named by ``error.part``, else of the symbol of that name, else the
    innermost line of the spec that was running when the error was raised, else that of the system's name.
    """
    if error.where is not None:
        if error.where.startswith(spec.path):
            return error
        error.component = error.component or error.where
    part = error.part or ""
    lines = (*(spec.keyword_lines.get(word) for word in (part, *_KIN.get(part, ()))), spec.symbol_lines.get(part))
    line = next((line for line in lines if line), None)
    line = line or _running_line(error, spec.path) or spec.keyword_lines.get("name")
    error.where = quote(spec.path, spec.source, line) if line else spec.path
    return error


def raised_in_spec(error: BaseException, spec: Spec) -> SpecError | None:
    """The error as a SpecError if a line of the spec raised it (a bracket is called long after loading), else None."""
    line = _running_line(error, spec.path)
    return None if line is None else _foreign(error, spec.path, spec.source, line)


def line_of_system(spec: Spec) -> str:
    """``file:line   source text`` of what the spec defines."""
    line = spec.keyword_lines.get("name")
    return quote(spec.path, spec.source, line) if line else spec.path


def _read(path: Path, shown: str) -> bytes:
    if not str(shown).isprintable():
        raise SpecError(f"the path of the spec holds unprintable characters: {shown!r}", fix="rename the file")
    try:
        mode = path.stat().st_mode
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            why = "nothing is there"
            raise SpecError("no such spec file", where=shown, why=why, fix="check the path") from None
        why = error.strerror or str(error)
        fix = "a shorter path, and a folder that may be entered"
        raise SpecError("the spec file cannot be read", where=shown[:200], why=why, fix=fix) from error
    if stat.S_ISDIR(mode):
        raise SpecError("the spec is a folder, not a file", where=shown, fix=f"metrigen build {shown}/NAME.py")
    if not stat.S_ISREG(mode):
        why = "it is a pipe, a socket or a device"
        raise SpecError("the spec is no regular file", where=shown, why=why, fix="write it to a file that ends in .py")
    if path.suffix != ".py":
        raise SpecError("a spec is a Python file", where=shown, fix="give a file whose name ends in .py")
    try:
        return path.read_bytes()
    except OSError as error:
        why, fix = error.strerror or str(error), "let the file be read, or give another"
        raise SpecError("the spec file cannot be read", where=shown, why=why, fix=fix) from error


def _parse(source: str, shown: str) -> ast.Module:
    try:
        return ast.parse(source, filename=shown)
    except SyntaxError as error:
        where = quote(shown, source, error.lineno) if error.lineno else shown
        fix = "the file must be valid Python"
        raise SpecError("the spec has a syntax error", where=where, why=error.msg, fix=fix) from error
    except (ValueError, RecursionError, MemoryError) as error:
        why, fix = str(error) or type(error).__name__, "the file must be Python that the interpreter can parse"
        raise SpecError("the spec cannot be parsed", where=shown, why=why, fix=fix) from error


def _run(tree: ast.Module, source: str, shown: str, lines: SourceMap, path: Path) -> dict[str, object]:
    module = types.ModuleType("spec", None)
    module.__file__ = str(path)
    limit = sys.getrecursionlimit()
    try:
        with undisturbed():
            try:
                exec(compile(tree, shown, "exec", dont_inherit=True), module.__dict__)
            finally:
                sys.setrecursionlimit(limit)  # here, where the spec itself was called: deeper, no call may be left
    except MetrigenError as error:
        line = _running_line(error, shown)
        # Inside the System(...) call the traceback knows only its first line, but the error knows the keyword.
        if lines.call and line and lines.call[0] <= line <= lines.call[1]:
            part = error.part or ""
            line = lines.keywords.get(part) or lines.symbols.get(part) or line
        if line is not None:
            error.where = quote(shown, source, line)
        raise
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit, GeneratorExit and what a spec derives from BaseException
        raise _foreign(error, shown, source, _running_line(error, shown), module.__dict__) from error
    return module.__dict__


def _foreign(
    error: BaseException, shown: str, source: str, line: int | None, known: Mapping[str, object] | None = None
) -> SpecError:
    """Some other exception, as an error of the spec."""
    if isinstance(error, RecursionError):
        deep = too_deep(None, "Python has no calls left inside calls: SymPy goes down an expression level by level")
        deep.where = shown if line is None else quote(shown, source, line)
        return deep
    text, where = str(error), shown if line is None else quote(shown, source, line)
    fix = cure(error, "" if line is None else source.splitlines()[line - 1], known)
    return SpecError(
        "the spec raised an exception",
        where=where,
        why=f"{type(error).__name__}: {text}" if text else type(error).__name__,
        fix=fix or "correct this line of the spec",
    )


def _running_line(error: BaseException, shown: str) -> int | None:
    """The innermost line of the spec in the traceback."""
    lines = [line for frame, line in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename == shown]
    return lines[-1] if lines else None


def _declared(namespace: Mapping[str, object]) -> dict[str, object]:
    """Parameters, inputs and learned functions bound to a name of the file, lists and tuples of them included."""
    found: dict[str, object] = {}
    for value in namespace.values():
        for item in value if isinstance(value, (list, tuple)) else (value,):
            name = declared_name(item)
            if name is not None:
                found.setdefault(name, item)
    return found


def _check_time(namespace: Mapping[str, object], source: str, shown: str, lines: SourceMap) -> None:
    """A symbol of the file's own that is called t is never the time, and derivatives by it are zero."""
    for name, value in namespace.items():
        if isinstance(value, sp.Symbol) and value.name == t.name and value != t:
            line = lines.variables.get(name)
            raise SpecError(
                f"the symbol {name!r} is not the time",
                part=name,
                where=quote(shown, source, line) if line else shown,
                why="fields depend on the t of metrigen; to SymPy a symbol of the same name made here is another one, "
                "and a derivative by it is zero",
                fix="from metrigen import t, and drop this line",
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
        )
    line = lines.variables.get(names[0]) if names else None
    raise SpecError(
        "no `system` in the spec file: a spec file defines exactly one `system`",
        where=quote(shown, source, line) if line else shown,
        why=f"the system is called {names[0]!r}" if names else None,
        fix=f"rename {names[0]!r} to 'system'" if names else "system = System(name=..., domain=..., ...)",
    )
