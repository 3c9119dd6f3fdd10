"""``metrigen diff``."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated, Any

import typer

from metrigen.cli.options import Debug, Json, Quiet
from metrigen.cli.session import Session, session
from metrigen.spec.files import read, shown_path

if TYPE_CHECKING:
    from pathlib import Path

    from metrigen.compare import Comparison, Snapshot

EXAMPLES = """
    metrigen diff specs/maze.py               against the last commit
    metrigen diff specs/maze.py@v1 specs/maze.py
    metrigen diff specs/cifar_euler.py specs/cifar.py
    metrigen diff a.py b.py --json            for a program
"""
SpecAt = Annotated[str, typer.Argument(metavar="A", help="A spec, or SPEC@REVISION as git has it.")]


def diff(
    a: SpecAt,
    b: Annotated[
        str | None,
        typer.Argument(metavar="B", help="Another; by default A as it is now, and A@HEAD before."),
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Compare the physics of two specs: terms, brackets, method, laws won and lost, cost per site."""
    with session("diff", as_json, quiet, debug) as s:
        from metrigen.revision import file_of, spec_at

        # One revision alone is compared with the file as it is now.
        alone = (a, file_of(a)) if file_of(a) != a else (f"{a}@HEAD", a)
        before, now = alone if b is None else (a, b)
        with ExitStack() as stack:
            snapshots = []
            for given in (before, now):
                file = stack.enter_context(spec_at(given))
                read(file, shown_path(file))
                snapshots.append(_snapshot(s, given, file))
        from metrigen.compare import compare

        found = compare(*snapshots)
        _print(s, found)
        s.give(before=before, now=now, same=found.same, **_values(found))


def _snapshot(session: Session, given: str, file: Path) -> Snapshot:
    session.tell(f"derive {given}")
    import metrigen.caches  # noqa: F401  # before anything imports SymPy
    from metrigen.compare import snapshot

    return snapshot(file)


def _values(found: Comparison) -> dict[str, Any]:
    return {
        "changes": [{"part": c.part, "lost": c.lost, "gained": c.gained} for c in found.changes],
        "laws": {name: {"before": old, "now": new} for name, (old, new) in found.laws.items()},
        "cost": {
            program: {figure: {"before": old, "now": new} for figure, (old, new) in figures.items()}
            for program, figures in found.cost.items()
        },
    }


def _print(session: Session, found: Comparison) -> None:
    from metrigen.show import term_lines

    if found.same:
        session.say("the same physics")
    for change in found.changes:
        session.say(change.part, style="bold")
        for sign, style, terms in (("-", "red", change.lost), ("+", "green", change.gained)):
            for term in terms:
                session.say("\n".join(term_lines(sign, term)), style=style)
    _laws(session, found.laws)
    if found.cost:
        session.say("cost per site, float32", style="bold")
        for program, figures in found.cost.items():
            words = ", ".join(f"{name.split('_')[0]} {old} -> {new}" for name, (old, new) in figures.items())
            session.say(f"    {program}: {words}")


def _laws(session: Session, laws: Mapping[str, tuple[str | None, str | None]]) -> None:
    for title, style in (("laws won", "green"), ("laws lost", "red"), ("laws changed", "yellow")):
        rows = [(name, *verdicts) for name, verdicts in laws.items() if _kind(*verdicts) == title]
        if rows:
            session.say(title, style="bold")
        for name, old, new in rows:
            session.say(f"    {name}: {old or 'absent'} -> {new or 'absent'}", style=style)


def _kind(old: str | None, new: str | None) -> str:
    """Won: it holds and did not, or was not known to; lost: the other way round."""
    rank = {None: 0, "failed": 0, "sampled": 1, "conditional": 2, "proved": 3}
    if rank[new] == rank[old]:
        return "laws changed"
    return "laws won" if rank[new] > rank[old] else "laws lost"
