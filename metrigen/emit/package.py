"""From a compiled system to the complete files of its package, manifest included."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

from metrigen.emit.check import check_files
from metrigen.emit.manifest import with_manifest
from metrigen.spec.system import System

if TYPE_CHECKING:
    from metrigen.compiler import Compiled


def package_files(compiled: Compiled) -> dict[str, str]:
    """Relative name -> text of every file of the package, ``manifest.json`` included.

    Raises InternalError for a file that could not be imported.
    """
    check_files(compiled.files)
    return with_manifest(compiled.spec, compiled.files, options(compiled.spec.system), compiled.kernels)


def options(system: System) -> Mapping[str, Any]:
    """The choices of a spec that shape the code beyond its mathematics, as JSON values."""
    return {part: describe(getattr(system, part)) for part in ("domain", "integrator", "readout")}


def describe(value: Any) -> Any:
    """A value of the vocabulary as JSON: dataclasses by their fields, classes by name, expressions by their text."""
    if isinstance(value, type):
        return value.__name__
    if is_dataclass(value):
        return {"kind": type(value).__name__} | {f.name: describe(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, (list, tuple)):
        return [describe(item) for item in value]
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
