"""``metrigen doctor``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from metrigen.cli.options import Debug, Json, Quiet
from metrigen.cli.session import Session, session

if TYPE_CHECKING:
    from metrigen.doctor import Finding

EXAMPLES = """
    metrigen doctor                    what is here, and what will run
    metrigen doctor --json             for a bug report or a script
    METRIGEN_CACHE=cache metrigen doctor
"""
_WIDEST = len("packages in torch")


def doctor(as_json: Json = False, quiet: Quiet = False, debug: Debug = False) -> None:
    """Look at this machine: versions, compiler, cache, GPU; what will run here, and why not."""
    with session("doctor", as_json, quiet, debug) as s:
        from metrigen.doctor import examine, verdicts

        there = _print(s, "found", examine())
        s.say()
        runs = _print(s, "runs here", verdicts(there))
        s.give(
            found={f.part: {"good": f.good, "text": f.text} for f in there},
            runs={f.part: {"runs": f.good, "why_not": "" if f.good else f.text} for f in runs},
        )


def _print(session: Session, title: str, findings: Iterable[Finding]) -> list[Finding]:
    """Print every finding as soon as it is there; all of them."""
    from rich.text import Text

    from metrigen.console import Rows

    seen: list[Finding] = []
    rows = Rows((title, _WIDEST), ("", 2))
    for finding in findings:
        word = Text("ok", style="green") if finding.good else Text("no", style="yellow")
        session.say(rows.row(finding.part, word, finding.text))
        seen.append(finding)
    return seen
