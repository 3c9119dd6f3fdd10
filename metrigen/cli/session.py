"""What every command prints, and how it ends."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import typer

from metrigen.cli.exits import FAULT, REFUSED

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from metrigen.errors import MetrigenError, Warned
    from metrigen.physics.derivation import Law


@dataclass
class Session:
    """The streams of a command: what it tells as it goes, and what it was asked for.

    as_json  stdout holds one JSON value and nothing else; what is told goes to stderr
    quiet    nothing is told
    """

    command: str
    as_json: bool
    quiet: bool
    debug: bool
    warnings: list[Warned] = field(default_factory=list)

    @cached_property
    def _out(self) -> Console:
        from metrigen.console import console

        return console()

    @cached_property
    def _err(self) -> Console:
        from metrigen.console import console

        return console(stderr=True)

    def tell(self, text: RenderableType = "", **style: Any) -> None:
        """A line of progress."""
        if not self.quiet:
            (self._err if self.as_json else self._out).print(text, soft_wrap=isinstance(text, str), **style)

    def say(self, text: RenderableType = "", **style: Any) -> None:
        """A part of what was asked for, for people."""
        if not self.as_json:
            self._out.print(text, soft_wrap=isinstance(text, str), **style)

    def give(self, exit_code: int = 0, **result: Any) -> None:
        """What was asked for, for programs; the last that is printed. Another exit code than 0 ends the command."""
        if self.as_json:
            found = {"command": self.command, "exit": exit_code, **result}
            if self.warnings:
                found["warnings"] = [error_values(warned) for warned in self.warnings]
            self._out.print(json.dumps(found, indent=2, default=str), soft_wrap=True)
        if exit_code:
            raise typer.Exit(exit_code)

    def warn(self, warnings: Sequence[Warned], strict: bool) -> None:
        """Print warnings; under ``strict`` they end the command before anything is written. Raises SpecError then."""
        from metrigen.console import print_warnings

        print_warnings(warnings)
        self.judge(warnings, strict)

    def judge(self, warnings: Sequence[Warned], strict: bool) -> None:
        """``warn`` of warnings that were printed already."""
        self.warnings += warnings
        if strict and warnings:
            from metrigen.errors import SpecError

            many = f"{len(warnings)} warning{'s' * (len(warnings) > 1)}"
            raise SpecError(
                f"{many}, and --strict makes warnings errors",
                where=warnings[0].where,
                why=warnings[0].what,
                fix="mend what they name; nothing was written",
                see="strict",
            )


@contextmanager
def session(command: str, as_json: bool = False, quiet: bool = False, debug: bool = False) -> Iterator[Session]:
    """Run a command: print a refusal and leave with exit code 1; a fault of ours, with what to report, with 3."""
    from metrigen.errors import MetrigenError

    found = Session(command, as_json, quiet, debug)
    try:
        yield found
    except MetrigenError as error:
        from metrigen.console import print_error

        print_error(error, debug)
        found.give(REFUSED, error=error_values(error))
    except (typer.Exit, typer.BadParameter, typer.Abort):
        raise
    except Exception as error:
        from metrigen.console import print_unexpected

        print_unexpected(error)
        found.give(FAULT, error={"kind": "InternalError", "what": f"{type(error).__name__}: {error}"})


def error_values(error: MetrigenError) -> dict[str, Any]:
    """The parts of a refusal or of a warning."""
    parts = {"what": error.what, "spec": error.where, "where": error.component, "why": error.why}
    see = dict(error.rows()).get("see")
    found = {"kind": type(error).__name__, **parts, "witness": error.witness, "fix": error.fix, "see": see}
    return found | {"law": getattr(error, "law", None)}


def law_values(laws: Sequence[Law]) -> list[Mapping[str, str]]:
    """Laws with their verdicts."""
    return [{name: getattr(law, name) for name in ("name", "verdict", "how", "detail", "witness")} for law in laws]
