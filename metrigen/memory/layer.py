"""``layer``: from a system to the class of its layer, in one call."""

from __future__ import annotations

import importlib
import os
import warnings
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from metrigen.errors import BuildError, SpecError, SpecWarning
from metrigen.memory import cache
from metrigen.memory.finder import module_name
from metrigen.memory.key import Digest, digest_of, key_of, key_of_files
from metrigen.spec.load import Spec, load_spec
from metrigen.spec.names import class_name
from metrigen.spec.slips import closest
from metrigen.spec.system import System


def layer(system: System | str | os.PathLike[str], **changes: Any) -> type[Any]:
    """The class of the layer of a system, compiled, kept in the cache and imported; torch is imported here.

    system   a ``System``, or the path of a spec file that defines one
    changes  parts of the system that are to be others, as in ``layer(system, integrator=RK4(steps=8, dt=0.1))``

    The package is the one that ``metrigen build`` writes. It is compiled once: its key is a hash of the values of the
    system and of the compiler, and the cache (METRIGEN_CACHE, else the user's cache folder) holds it for every process.
    Instances and states can be pickled, and reach workers that import metrigen.

    What a build prints as a warning is a ``SpecWarning``. Raises SpecError and StructureError where the system is
    refused, BuildError where nothing can be kept or torch is not installed.
    """
    spec, digest = _spec_of(system, changes)
    key = key_of(digest.sha256, f"{spec.file} {spec.sha256}") if digest.whole else None
    entry = None if key is None else cache.find(spec.system.name, key)
    if key is None or entry is None:
        key, entry = _compiled(spec, key)
    for text in entry.warnings:
        warnings.warn(text, SpecWarning, stacklevel=2)
    return _class(spec.system.name, key)


def _spec_of(system: System | str | os.PathLike[str], changes: dict[str, Any]) -> tuple[Spec, Digest]:
    """The system as a spec, with its hash; one that is changed is no longer that of its file."""
    if not isinstance(system, (System, str, os.PathLike)):
        raise SpecError(
            f"layer() takes a System or the path of a spec file, not {system!r}",
            why=f"it is of type {type(system).__name__}",
            fix="metrigen.layer(system)",
            see="in-memory",
        )
    known = [field.name for field in fields(System)]
    for part in changes:
        if part not in known:
            near = closest(part, known)
            fix = f"did you mean {near}=?" if near else f"one of {', '.join(known)}"
            raise SpecError(f"a System has no part {part}=", fix=fix, see="in-memory")
    if not isinstance(system, System):
        spec = load_spec(Path(system))
        if not changes:
            return spec, digest_of(spec.system)
        system = spec.system
    made = replace(system, **changes)
    digest = digest_of(made)
    return Spec("", made, digest.sha256, "", {}, {}), digest


def _compiled(spec: Spec, key: str | None) -> tuple[str, cache.Entry]:
    """Compile and keep a system; without a key, its key is that of its files."""
    from metrigen.build import located
    from metrigen.compiler import compile_spec
    from metrigen.emit.package import package_files
    from metrigen.spec.load import locate

    with located(spec):
        compiled = compile_spec(spec)
        files = package_files(compiled)
    told = [str(locate(warned, spec)) for warned in compiled.warnings]
    key = key or key_of_files(files)
    return key, cache.keep(spec.system.name, key, files, told)


def _class(name: str, key: str) -> type[Any]:
    """The class of a layer, from the module that the cache holds."""
    try:
        module = importlib.import_module(module_name(name, key))
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise BuildError(
            f"a layer needs {error.name}, which is not installed",
            why="the compiler runs without it, what it emits does not",
            fix="pip install 'metrigen[torch]'",
            see="not-installed",
        ) from error
    found: type[Any] = getattr(module, class_name(name))
    return found
