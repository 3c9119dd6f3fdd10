"""``metrigen new``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from metrigen.cli.options import Debug, Json, Quiet
from metrigen.cli.session import session

EXAMPLES = """
    metrigen new wave                  a short spec to begin with: wave.py
    metrigen new specs/rope            in another folder: specs/rope.py
    metrigen new rope --like kdv       a copy of a spec of the gallery
"""


def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the system, its file and its package.")],
    like: Annotated[str | None, typer.Option("--like", metavar="GALLERY", help="The spec to copy.")] = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write a spec file NAME.py to begin with; one that is there is never overwritten."""
    with session("new", as_json, quiet, debug) as s:
        from metrigen.catalogue.starter import new_spec

        path = Path(name.removesuffix(".py") + ".py")
        text = new_spec(path.stem, like)
        _write(path, text)
        s.tell(f"wrote {path}")
        s.tell(f"next: metrigen check {path}, then metrigen build {path}")
        s.give(file=str(path), name=path.stem, like=like, next=f"metrigen check {path}")


def _write(path: Path, text: str) -> None:
    from metrigen.errors import BuildError

    try:
        with path.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        raise BuildError(
            f"{path} is there already", fix="another name, or move the file away", see="place-taken"
        ) from None
    except OSError as error:
        raise BuildError(
            f"{path} cannot be written",
            why=error.strerror or str(error),
            fix="a folder that is there",
            see="place-taken",
        ) from error
