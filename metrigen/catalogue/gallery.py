"""The gallery: specs of the literature, in a checkout and in an installed metrigen alike."""

from __future__ import annotations

import importlib.resources
from pathlib import Path
from typing import TYPE_CHECKING

from metrigen.errors import SpecError

if TYPE_CHECKING:
    from importlib.abc import Traversable


def folder() -> Traversable | Path:
    """The folder of the gallery: inside an installed package, else that of the checkout."""
    installed = importlib.resources.files("metrigen") / "_gallery"
    return installed if installed.is_dir() else Path(__file__).resolve().parents[2] / "specs" / "gallery"


def names() -> tuple[str, ...]:
    """The specs of the gallery, sorted; none where it is missing."""
    place = folder()
    files = [file.name for file in place.iterdir()] if place.is_dir() else []
    return tuple(sorted(name[:-3] for name in files if name.endswith(".py") and not name.startswith("_")))


def text(name: str) -> str:
    """The text of a spec of the gallery; SpecError for a name that it does not have."""
    known = names()
    if name not in known:
        from difflib import get_close_matches

        near = get_close_matches(name, known, 3, 0.5) or [other for other in known if name and name in other][:3]
        fix = f"{' or '.join(near)}; `metrigen list` has all" if near else "`metrigen list` has all names"
        raise SpecError(f"the gallery has no spec {name!r}", fix=fix, see="gallery-name")
    return (folder() / f"{name}.py").read_text(encoding="utf-8")


def texts() -> dict[str, str]:
    """Name -> text of every spec of the gallery, sorted."""
    place = folder()
    return {name: (place / f"{name}.py").read_text(encoding="utf-8") for name in names()}
