"""``metrigen doctor``."""

from __future__ import annotations

from collections.abc import Sequence
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


def doctor(as_json: Json = False, quiet: Quiet = False, debug: Debug = False) -> None:
    """Look at this machine: versions, compiler, cache, GPU; what will run here, and why not."""
    with session("doctor", as_json, quiet, debug) as s:
        from metrigen.doctor import examine

        there, runs = examine()
        _print(s, "found", there)
        s.say()
        _print(s, "runs here", runs)
        s.give(
            found={f.part: {"good": f.good, "text": f.text} for f in there},
            runs={f.part: {"runs": f.good, "why_not": "" if f.good else f.text} for f in runs},
        )


def _print(session: Session, title: str, findings: Sequence[Finding]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column(title, no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("", overflow="fold")
    for finding in findings:
        word = Text("ok", style="green") if finding.good else Text("no", style="yellow")
        table.add_row(finding.part, word, finding.text)
    session.say(table)
