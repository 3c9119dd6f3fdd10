"""Errors as part of the interface: what is wrong, where, why, a numeric witness and the way out.

Two kinds reach a user: ``SpecError`` (the input cannot be understood) and ``StructureError`` (a law that must hold
does not). Both carry the same parts, so that one renderer prints them all. ``part`` names the keyword of ``System``
that is at fault; the loader of a spec file turns it into ``file:line``.
"""

from __future__ import annotations

REPORT = "this is a fault of the compiler, which checks what it emits: please report it with your spec"


class MetrigenError(Exception):
    """An error for the author of a spec.

    what       one sentence: what is wrong
    part       keyword of ``System`` (or name of a symbol) at fault, used to find the line in the spec file
    where      ``file:line   source text`` once known
    component  the component of the state concerned, with its residual
    why        the reason, with the offending expression
    witness    numbers at which the law is broken
    fix        what to write instead
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
    ) -> None:
        super().__init__(what)
        self.what = what
        self.part = part
        self.where = where
        self.component = component
        self.why = why
        self.witness = witness
        self.fix = fix

    def rows(self) -> list[tuple[str, str]]:
        """The labelled lines under the headline, in reading order, empty ones left out."""
        rows = [
            ("spec", self.where),
            ("where", self.component),
            ("why", self.why),
            ("witness", self.witness),
            ("fix", self.fix),
        ]
        return [(label, text) for label, text in rows if text]

    def __str__(self) -> str:
        return "\n".join([self.what] + [f"  {label:<8} {text}" for label, text in self.rows()])


class SpecError(MetrigenError):
    """The input cannot be understood: a spec file, a name, a domain, an integrator that does not fit."""


class Warned(MetrigenError):
    """What a build tells the author of a spec that is no refusal; ``--strict`` makes it one."""


class StructureError(MetrigenError):
    """A structure law that must hold fails. ``law`` is its name, ``residual`` the SymPy expression that is not zero."""

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
    ) -> None:
        super().__init__(what, part=part, where=where, component=component, why=why, witness=witness, fix=fix)
        self.law = law
        self.residual = residual


class BuildError(MetrigenError):
    """The package cannot be written: a destination that is no package of ours, a disk that is full."""


class InternalError(Exception):
    """A fault of the compiler itself, found before anything was written: not the spec is wrong, metrigen is."""
