"""Reading the manifest.json of a package that is there: what it was built from, and which of its files are changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# Of packages, their compiled kernels and the settings in their checkpoints; what has none is of an earlier metrigen, 0.
FORMAT = 1


def parsed(text: str) -> dict[str, Any]:
    """A manifest; empty for what is none."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def read(folder: Path) -> dict[str, Any]:
    """The manifest of a package; empty where there is none."""
    try:
        return parsed((folder / "manifest.json").read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return {}


def part(manifest: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A part of a manifest; empty where it has none of that name."""
    found = manifest.get(name)
    return found if isinstance(found, dict) else {}


def format_of(manifest: Mapping[str, Any]) -> int:
    """The format that a package says it is of."""
    found = manifest.get("format", 0)
    return found if isinstance(found, int) else 0


def compiled(folder: Path) -> frozenset[str]:
    """Names of the files of a package that ``metrigen build --compile`` and ``--cpp`` wrote into it, beside those of
    its manifest."""
    found = set[str]()
    for place, kind, ending in (("compiled", "libraries", ".so"), ("cpp", "files", "")):
        known = read(folder / place)
        if known.get("generator") == "metrigen":
            found |= {f"{place}/{name}" for name in ("manifest.json", *(f"{k}{ending}" for k in part(known, kind)))}
    return frozenset(found)


def edited(manifest: Mapping[str, Any], folder: Path) -> list[str]:
    """The files that are there and not what the build wrote."""
    there = {name: folder / name for name in sorted(part(manifest, "files")) if (folder / name).is_file()}
    return [n for n, f in there.items() if hashlib.sha256(f.read_bytes()).hexdigest() != manifest["files"][n]]
