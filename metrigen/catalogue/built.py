"""What is built of a spec and whether it is stale, from the manifest alone: cheap, and without a derivation."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import metrigen
from metrigen import manifests
from metrigen.manifests import part
from metrigen.spec.fingerprint import fingerprint


@dataclass(frozen=True)
class State:
    """built    whether there is a package of ours in ``folder``
    reasons     why it is stale; none where it is what this metrigen would write, as far as the manifest tells
    """

    folder: Path
    built: bool
    reasons: tuple[str, ...] = ()

    @property
    def word(self) -> str:
        """ "not built", "up to date", or "stale"."""
        return "not built" if not self.built else "stale" if self.reasons else "up to date"

    def __str__(self) -> str:
        return self.word + (f": {'; '.join(self.reasons)}" if self.reasons else "")


def state_of(spec: bytes, folder: Path, beside: Path | None = None) -> State:
    """The state of the package in ``folder`` of a spec whose file has these bytes and whose siblings are ``beside``."""
    manifest = manifests.read(folder)
    if manifest.get("generator") != "metrigen":
        return State(folder, False)
    reasons = []
    built_from = part(manifest, "spec")
    siblings = {name: _hash_of(beside / name) for name in part(built_from, "siblings")} if beside is not None else {}
    changed = [name for name, now in siblings.items() if now != part(built_from, "siblings")[name]]
    if built_from.get("sha256") != _tree_hash(spec, siblings):
        reasons.append(f"{', '.join(changed) or 'the spec'} has changed")
    if (found := manifests.format_of(manifest)) != manifests.FORMAT:
        reasons.append(f"of format {found}, this metrigen writes {manifests.FORMAT}")
    for name, now in _versions().items():
        before = part(manifest, "versions").get(name)
        if now and before != now:
            reasons.append(f"built with {name} {before}, this is {now}")
    return State(folder, True, (*reasons, *_files(manifest, folder)))


def _tree_hash(source: bytes, siblings: Mapping[str, str] | None = None) -> str:
    """The hash of a file of Python as a manifest has it; empty for what is none."""
    try:
        return fingerprint(ast.parse(source), siblings)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return ""


def _hash_of(file: Path) -> str:
    try:
        return _tree_hash(file.read_bytes())
    except OSError:
        return ""


def _versions() -> dict[str, str]:
    try:
        return {"metrigen": metrigen.__version__, "sympy": version("sympy")}
    except PackageNotFoundError:
        return {"metrigen": metrigen.__version__}


def _files(manifest: Mapping[str, Any], folder: Path) -> list[str]:
    """What was edited, taken away or put in since the package was written."""
    listed = part(manifest, "files")
    missing = sorted(name for name in listed if not (folder / name).is_file())
    edited, foreign = manifests.edited(manifest, folder), _foreign(listed, folder)
    found = {"edited": edited, "missing": missing, "not of the package": foreign}
    return [f"{word}: {', '.join(names)}" for word, names in found.items() if names]


def _foreign(listed: Mapping[str, Any], folder: Path) -> list[str]:
    """Files that no build wrote, Python's caches aside: a build refuses to replace a folder that holds any."""
    files = (path.relative_to(folder) for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    names = (path.as_posix() for path in files if "__pycache__" not in path.parts)
    return sorted(name for name in names if name not in {*listed, "manifest.json", *manifests.compiled(folder)})
