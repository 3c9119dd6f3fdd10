"""Compile a system in memory and import its package from a temporary folder."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from metrigen import System
from metrigen.backends.backends import BACKENDS
from metrigen.backends.base import Backend
from metrigen.compiler import Compiled, compile_spec
from tests.kept import files_of, spec_of


def compiled(system: System) -> Compiled:
    return compile_spec(spec_of(system))


def package(system: System, folder: Path, name: str, backends: tuple[type[Backend], ...] = BACKENDS) -> ModuleType:
    """The imported package of a system under a module name of its own."""
    return imported(files_of(replace(system, name=name), backends), folder, name)


def imported(files: Mapping[str, str], folder: Path, name: str) -> ModuleType:
    """The package of these files under that name."""
    target = folder / name
    target.mkdir(parents=True, exist_ok=True)
    for file, text in files.items():
        (target / file).write_text(text)
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(folder))


def arrays_of(layer: object) -> list[str]:
    """The fields and inputs that a call takes, by name."""
    options = ("warm_start", "steps", "dt", "t0", "generator", "noise")
    return [n for n in inspect.signature(layer.forward).parameters if n not in options]


def layer_class(module: ModuleType) -> type:
    """The layer that a package exports."""
    return getattr(module, next(n for n in module.__all__ if not n.endswith("State")))
