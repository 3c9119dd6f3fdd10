"""Errors as part of the interface: what is wrong, where, why, a numeric witness and the way out.

Two kinds reach a user: ``SpecError`` (the input cannot be understood) and ``StructureError`` (a law that must hold
does not). Both carry the same parts, so that one renderer prints them all. ``part`` names the keyword of ``System``
that is at fault; the loader of a spec file turns it into ``file:line``. ``InternalError`` is none of them: it says
which stage or pass of the compiler is wrong, and how to report it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from traceback import walk_tb

REPORT = "this is a fault of the compiler, which checks what it emits: please report it with your spec"
REFUSALS = "docs/reference/refusals.md"
HOW_TO_REPORT = "please report it: send your spec, and the block with versions and traceback that `metrigen` prints"


class MetrigenError(Exception):
    """An error for the author of a spec.

    what       one sentence: what is wrong
    part       keyword of ``System`` (or name of a symbol) at fault, used to find the line in the spec file
    where      ``file:line   source text`` once known
    component  the component of the state concerned, with its residual
    why        the reason, with the offending expression
    witness    numbers at which the law is broken
    fix        what to write instead
    see        the section of ``docs/reference/refusals.md`` on refusals of this kind
    """

    def __init__(
        self,
        what: str,
        *,
        part: str | None = None,
        where: str | None = None,
        component: str | None = None,
        why: str | None = None,
        witness: str | None = None,
        fix: str | None = None,
        see: str | None = None,
    ) -> None:
        super().__init__(what)
        self.what = what
        self.part = part
        self.where = where
        self.component = component
        self.why = why
        self.witness = witness
        self.fix = fix
        self.see = see

    def rows(self) -> list[tuple[str, str]]:
        """The labelled lines under the headline, in reading order, empty ones left out."""
        rows = [
            ("spec", self.where),
            ("where", self.component),
            ("why", self.why),
            ("witness", self.witness),
            ("fix", self.fix),
            ("see", f"{REFUSALS}#{self.see}" if self.see else None),
        ]
        return [(label, text) for label, text in rows if text]

    def __str__(self) -> str:
        return "\n".join([self.what] + [f"  {label:<8} {text}" for label, text in self.rows()])


class SpecError(MetrigenError):
    """The input cannot be understood: a spec file, a name, a domain, an integrator that does not fit."""


class Warned(MetrigenError):
    """What a build tells the author of a spec that is no refusal; ``--strict`` makes it one."""


class SpecWarning(UserWarning):
    """What a build tells of a spec that it does not refuse, where the layer is made in memory."""


class StructureError(MetrigenError):
    """A structure law that must hold fails. ``law`` is its name, ``residual`` the SymPy expression that is not zero.

    The section on refusals of a law is that of the law, where ``see`` names no other."""

    def __init__(
        self,
        what: str,
        *,
        law: str,
        residual: object = None,
        part: str | None = None,
        where: str | None = None,
        component: str | None = None,
        why: str | None = None,
        witness: str | None = None,
        fix: str | None = None,
        see: str | None = None,
    ) -> None:
        see = see or f"law-{law.replace('_', '-')}"
        super().__init__(what, part=part, where=where, component=component, why=why, witness=witness, fix=fix, see=see)
        self.law = law
        self.residual = residual


class BuildError(MetrigenError):
    """The package cannot be written: a destination that is no package of ours, a disk that is full."""


class InternalError(Exception):
    """A fault of the compiler itself, found before anything was written: not the spec is wrong, metrigen is.

    what    one sentence: what is wrong
    stage   the stage of the build in which it was found
    passed  the pass that made it, where it was one
    where   ``file:line   source text`` of the system that was built
    at      the line of the compiler that raised something else, where it was that
    """

    def __init__(self, what: str, *, stage: str = "", passed: str = "", at: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.stage = stage
        self.passed = passed
        self.where = ""
        self.at = at

    def rows(self) -> list[tuple[str, str]]:
        """The labelled lines under the headline, empty ones left out; the last says how to report it."""
        rows = [
            ("spec", self.where),
            ("stage", self.stage),
            ("pass", self.passed),
            ("at", self.at),
            ("why", self.what),
            ("report", HOW_TO_REPORT),
        ]
        return [(label, text) for label, text in rows if text]

    def __str__(self) -> str:
        rows = [(label, text) for label, text in self.rows() if label != "why"]
        return "\n".join([self.what] + [f"  {label:<8} {text}" for label, text in rows])


@contextmanager
def faults(*, stage: str | Callable[[], str] = "", passed: str = "") -> Iterator[None]:
    """What is raised inside and is no refusal leaves as an InternalError that names the stage, or the pass.

    RecursionError and MemoryError pass through: they are of the machine, and known as what they are further out.
    """
    try:
        yield
    except (MetrigenError, RecursionError, MemoryError):
        raise
    except Exception as error:
        fault = error if isinstance(error, InternalError) else InternalError(short(error), at=_line_of(error))
        fault.stage = fault.stage or (stage if isinstance(stage, str) else stage())
        fault.passed = fault.passed or passed
        raise fault from (error.__cause__ if fault is error else error)


def short(error: BaseException) -> str:
    """The first line of an exception, with its type."""
    return f"{type(error).__name__}: {error}".splitlines()[0].rstrip(": ")


def _line_of(error: BaseException) -> str:
    """The innermost line of the compiler in a traceback, as ``metrigen/passes/fuse.py:30``; empty without one."""
    home = Path(__file__).parent
    frames = [(Path(frame.f_code.co_filename), line) for frame, line in walk_tb(error.__traceback__)]
    inside = [(file, line) for file, line in frames if file.is_relative_to(home) and file != Path(__file__)]
    return f"{inside[-1][0].relative_to(home.parent).as_posix()}:{inside[-1][1]}" if inside else ""
