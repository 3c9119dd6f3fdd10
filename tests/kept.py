"""Files of the packages that tests make, each compiled once for all workers and runs of pytest.

What is kept is found by the hash of the values of its system and of the compiler (``metrigen.memory.key``): a change of
either compiles again. A long run keeps nothing.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from metrigen import System
from metrigen.backends.backends import BACKENDS
from metrigen.backends.base import Backend
from metrigen.compiler import compile_spec
from metrigen.memory.key import compiler_digest, digest_of
from metrigen.spec.load import Spec
from tests.lengths import LONG

FOLDER = Path(__file__).parents[1] / ".pytest_cache" / "packages"


def spec_of(system: System) -> Spec:
    return Spec(f"specs/{system.name}.py", system, "0" * 64, "", {}, {})


def files_of(system: System, backends: tuple[type[Backend], ...] = BACKENDS) -> Mapping[str, str]:
    """The files of the package of a system, by name."""
    digest = digest_of(system)
    if LONG or not digest.whole or not set(backends) <= set(BACKENDS):
        return compile_spec(spec_of(system), backends=backends).files
    name = "-".join((digest.sha256, *(backend.name for backend in backends)))
    path = FOLDER / compiler_digest()[:16] / f"{name}.json"
    try:
        found: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = dict(compile_spec(spec_of(system), backends=backends).files)
        _keep(path, json.dumps(found))
    return found


def _keep(path: Path, text: str) -> None:
    """Write a file whole, as another worker may read it, and drop what another compiler left."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as file:
        file.write(text)
    os.replace(file.name, path)
    for other in path.parent.parent.iterdir():
        if other != path.parent:
            shutil.rmtree(other, ignore_errors=True)
