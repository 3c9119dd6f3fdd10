"""``metrigen list``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
        own = _print(s, "specs", _own(places, out))
        shipped = _print(s, "gallery", _gallery(out), after=bool(own)) if gallery else []
        if not own and not shipped:
            s.say("no specs here; `metrigen new NAME` writes one")
        s.give(specs=[_values(*row) for row in own], gallery=[_values(*row) for row in shipped])


def _own(places: Sequence[Path] | None, out: Path) -> tuple[list[str], Iterator[Row]]:
    """Names and rows of the specs of the given places, else of ``specs/``, else of this folder."""
    found = []
    for place in places or [Path("specs") if Path("specs").is_dir() else Path()]:
        inside = sorted(place.glob("*.py")) if place.is_dir() else [place]
        found += [file for file in inside if not file.name.startswith("_")]
    return [file.stem for file in found], _rows(found, out)


def _rows(files: Sequence[Path], out: Path) -> Iterator[Row]:
    from metrigen.catalogue.built import state_of
    from metrigen.catalogue.outline import outline
    from metrigen.errors import SpecError

    for file in files:
        try:
            data = file.read_bytes()
        except OSError as error:
            raise SpecError(
                "no such spec file", where=str(file), why=error.strerror, fix="check the path", see="spec-file"
            ) from None
        known = outline(data.decode("utf-8-sig", errors="replace"))
        if known is not None:
            yield str(file), known, state_of(data, out / known.name, file.parent)


def _gallery(out: Path) -> tuple[list[str], Iterator[Row]]:
    from metrigen.catalogue import gallery
    from metrigen.catalogue.built import state_of
    from metrigen.catalogue.outline import outline

    def rows() -> Iterator[Row]:
        for name, text in texts.items():
            known = outline(text)
            assert known is not None, name
            yield name, known, state_of(text.encode(), out / known.name)

    texts = gallery.texts()
    return list(texts), rows()


def _values(file: str, outline: Outline, state: State) -> dict[str, Any]:
    from dataclasses import asdict

    return {"file": file, **asdict(outline), "package": str(state.folder), "state": state.word,
            "stale": list(state.reasons)}  # fmt: skip


def _print(session: Session, title: str, found: tuple[list[str], Iterator[Row]], after: bool = False) -> list[Row]:
    """Print a row as soon as its spec is read; all of them. ``after``: below another table."""
    from rich.text import Text

    from metrigen.console import Rows

    names, rows = found
    table = Rows((title, max(map(len, [title, *names]))), last="physics; domain, method, what is learned; package")
    seen: list[Row] = []
    for file, outline, state in rows:
        text = Text(outline.physics)
        text.append(f"\n{outline.features}", style="dim")
        if state.built or title == "specs":
            style = "green" if not state.reasons and state.built else "yellow"
            text.append(f"\n{state.folder}: ", style="dim").append(str(state), style=style)
        if after and not seen:
            session.say()
        session.say(table.row(Path(file).stem, text))
        seen.append((file, outline, state))
    return seen
