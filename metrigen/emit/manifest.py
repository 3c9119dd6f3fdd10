"""``manifest.json``: what a package was made from and what it holds, for people, drift checks and the writer itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import sympy as sp

import metrigen
from metrigen.manifests import FORMAT
from metrigen.spec.load import Spec

NAME = "manifest.json"
GENERATOR = "metrigen"


def manifest(spec: Spec, files: Mapping[str, str], options: Mapping[str, Any], kernels: Mapping[str, Any]) -> str:
    """The text of the manifest of a package.

    files    the other files of the package: relative name -> text
    options  choices that shaped the code (integrator, readout, ...), JSON values
    kernels  kernel name -> its figures (operations, bytes per site, ...), JSON values
    """
    content = {
        "generator": GENERATOR,
        "format": FORMAT,
        "versions": {"metrigen": metrigen.__version__, "sympy": sp.__version__},
        "spec": {
            "name": spec.system.name,
            "path": spec.file,
            "sha256": spec.sha256,
            "siblings": {name: sibling.sha256 for name, sibling in spec.siblings.items()},
        },
        "options": dict(options),
        "kernels": dict(kernels),
        "files": {name: hashlib.sha256(text.encode()).hexdigest() for name, text in files.items()},
    }
    return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def with_manifest(
    spec: Spec, files: Mapping[str, str], options: Mapping[str, Any], kernels: Mapping[str, Any]
) -> dict[str, str]:
    """``files`` with their manifest, in the order of their names."""
    complete = {**files, NAME: manifest(spec, files, options, kernels)}
    return {name: complete[name] for name in sorted(complete)}


def listed_files(text: str) -> frozenset[str] | None:
    """Names of the files that the manifest ``text`` accounts for, itself included; None if it is not one of ours."""
    try:
        content = json.loads(text)
    except ValueError:
        return None
    if not isinstance(content, dict) or content.get("generator") != GENERATOR:
        return None
    files = content.get("files")
    return frozenset(files if isinstance(files, dict) else ()) | {NAME}
