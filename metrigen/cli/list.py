"""``metrigen list``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from metrigen.cli.options import GENERATED, Debug, Json, Out, Quiet
from metrigen.cli.session import Session, session

if TYPE_CHECKING:
    from metrigen.catalogue.built import State
    from metrigen.catalogue.outline import Outline

EXAMPLES = """
    metrigen list                      the specs here and the gallery
    metrigen list --no-gallery         the specs here alone
    metrigen list models --out build   those of a folder, built into another
    metrigen list --json | jq '.specs[] | select(.stale != []) | .file'
"""
Row = tuple[str, "Outline", "State"]


def list_specs(
    places: Annotated[
        list[Path] | None, typer.Argument(metavar="SPEC", help="Specs and folders; by default specs/, else here.")
    ] = None,
    out: Out = GENERATED,
    gallery: Annotated[bool, typer.Option("--gallery/--no-gallery", help="The specs that come with metrigen.")] = True,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """List specs: their physics, domain, method, what is learned, what is built and what is stale."""
    with session("list", as_json, quiet, debug) as s:
        own = _own(places, out)
        _print(s, "specs", own)  # before the gallery is read, which takes as long again
        shipped = _gallery(out) if gallery else []
        if own and shipped:
            s.say()
        _print(s, "gallery: metrigen new NAME --like ...", shipped)
        if not own and not shipped:
            s.say("no specs here; `metrigen new NAME` writes one")
        s.give(specs=[_values(*row) for row in own], gallery=[_values(*row) for row in shipped])


def _own(places: Sequence[Path] | None, out: Path) -> list[Row]:
    """The specs of the given places, else of ``specs/``, else of this folder."""
    from metrigen.catalogue.built import state_of
    from metrigen.catalogue.outline import outline
    from metrigen.errors import SpecError

    found: list[Row] = []
    for place in places or [Path("specs") if Path("specs").is_dir() else Path()]:
        inside = sorted(place.glob("*.py")) if place.is_dir() else [place]
        for file in (f for f in inside if not f.name.startswith("_")):
            try:
                data = file.read_bytes()
            except OSError as error:
                raise SpecError(
                    "no such spec file", where=str(file), why=error.strerror, fix="check the path", see="spec-file"
                ) from None
            known = outline(data.decode("utf-8-sig", errors="replace"))
            if known is not None:
                found.append((str(file), known, state_of(data, out / known.name, file.parent)))
    return found


def _gallery(out: Path) -> list[Row]:
    from metrigen.catalogue import gallery
    from metrigen.catalogue.built import state_of
    from metrigen.catalogue.outline import outline

    found: list[Row] = []
    for name, text in gallery.texts().items():
        known = outline(text)
        assert known is not None, name
        found.append((name, known, state_of(text.encode(), out / known.name)))
    return found


def _values(file: str, outline: Outline, state: State) -> dict[str, Any]:
    from dataclasses import asdict

    return {"file": file, **asdict(outline), "package": str(state.folder), "state": state.word,
            "stale": list(state.reasons)}  # fmt: skip


def _print(session: Session, title: str, rows: Sequence[Row]) -> None:
    if not rows or session.as_json:
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column(title if len(title) < 20 else "gallery", no_wrap=True)
    table.add_column("physics; domain, method, what is learned; package", overflow="fold")
    for file, outline, state in rows:
        text = Text(outline.physics)
        text.append(f"\n{outline.features}", style="dim")
        if state.built or title == "specs":
            style = "green" if not state.reasons and state.built else "yellow"
            text.append(f"\n{state.folder}: ", style="dim").append(str(state), style=style)
        table.add_row(Path(file).stem, text)
    session.say(table)
