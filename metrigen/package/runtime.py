"""Files that are the same in every package that has them, to the byte: the rest of a package is its physics."""

from __future__ import annotations

from metrigen.emit.header import RUNTIME
from metrigen.emit.render import render
from metrigen.manifests import FORMAT


def runtime(*names: str, **context: object) -> dict[str, str]:
    """Name of a file -> its text, of the templates with these names."""
    return {f"{name}.py": render(f"{name}.py.j2", header=RUNTIME, **context) for name in names}


def shared(parameters: bool) -> dict[str, str]:
    """What a layer on any domain stands on; ``parameters``: whether it has some that are learned."""
    names = ("arguments", "base", "checks", "plain", "state", "surface", "symbolic")
    return runtime(*names, *(("param",) if parameters else ()), format=FORMAT)
