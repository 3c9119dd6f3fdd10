"""The finder of packages that were compiled in memory: it imports ``metrigen.memory.NAME_KEY`` from the cache.

Bytecode is neither read nor written: what runs is the text whose hash was checked.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType

from metrigen.memory import cache
from metrigen.memory.key import LENGTH

HOME = __name__.rpartition(".")[0]
_NAME = re.compile(rf"{re.escape(HOME)}\.(\w+)_([0-9a-f]{{{LENGTH}}})(?:\.(\w+))?")


class _Loader(SourceFileLoader):
    """A file of Python, read as it is."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


class Finder(MetaPathFinder):
    """Finds the packages in the cache, and their files. Raises ModuleNotFoundError where one is gone."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        found = _NAME.fullmatch(fullname)
        if found is None:
            return None
        name, key, inside = found.groups()
        if inside is None:
            return _package(fullname, name, key)
        file = Path(next(iter(path or ()), "")) / f"{inside}.py"
        return spec_from_file_location(fullname, file, loader=_Loader(fullname, str(file))) if file.is_file() else None


def module_name(name: str, key: str) -> str:
    """The name of the package of a system under a key."""
    return f"{HOME}.{name}_{key}"


def install() -> None:
    """Let imports ask the finder, once a process."""
    if not any(isinstance(finder, Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, Finder())  # ahead of the finder of files, which keeps bytecode


def _package(fullname: str, name: str, key: str) -> ModuleSpec | None:
    entry = cache.find(name, key)
    if entry is None:
        places = " and ".join(map(str, cache.folders()))
        raise ModuleNotFoundError(
            f"the layer {name} with the key {key} is not in {places}: it was kept elsewhere, or the cache was emptied. "
            "metrigen.layer(system) with the same system and the same metrigen makes it again; METRIGEN_CACHE names "
            "the folder",
            name=fullname,
        )
    file = str(entry.folder / "__init__.py")
    return spec_from_file_location(
        fullname, file, loader=_Loader(fullname, file), submodule_search_locations=[str(entry.folder)]
    )
