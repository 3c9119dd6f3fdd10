"""Files beside a spec that it imports: ``from common import lattice`` takes ``common.py`` of its own folder.

What a spec imports is looked up there first, the standard library and what SymPy and metrigen are made of apart. The
modules are those of one loading: they are not in ``sys.modules``, so that two specs whose siblings have the same name,
or a sibling and an installed package, never meet.
"""

from __future__ import annotations

import ast
import builtins
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# Packages that keep their names: a spec is written in them.
_TAKEN = frozenset({*sys.stdlib_module_names, "metrigen", "sympy", "mpmath", "numpy", "networkx"})


@dataclass(frozen=True)
class Sibling:
    """A file that a spec imports.

    path          as shown in messages
    source        its text; ``symbol_lines``: declared name -> line
    sha256        of its syntax tree
    """

    path: str
    source: str
    sha256: str
    symbol_lines: Mapping[str, int]


@dataclass
class Siblings:
    """The files beside a spec, each run once when it is first imported.

    folder   where they are
    read     reads a file: what is remembered of it, and its code
    found    name of a file -> what was read
    modules  the modules that were made of them, by name
    loaded   the spec has run: nothing is imported any more that its hash would not know of
    """

    folder: Path
    read: Callable[[Path], tuple[Sibling, types.CodeType]]
    found: dict[str, Sibling] = field(default_factory=dict)
    modules: dict[str, types.ModuleType] = field(default_factory=dict)
    loaded: bool = False

    def module(self, name: str, path: Path) -> types.ModuleType:
        """A fresh module whose imports look beside the spec."""
        made = types.ModuleType(name, None)
        made.__file__ = str(path)
        made.__dict__["__builtins__"] = {**vars(builtins), "__import__": self._import}
        return made

    def _import(
        self,
        name: str,
        globals: Mapping[str, object] | None = None,
        locals: Mapping[str, object] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> Any:
        """``__import__`` of a spec and its siblings."""
        if level or "." in name or name in _TAKEN or not (path := self.folder / f"{name}.py").is_file():
            return builtins.__import__(name, globals, locals, fromlist or (), level)
        if name in self.modules:
            return self.modules[name]
        if self.loaded:
            raise ImportError(f"{name}.py is imported after the spec was loaded: import it at the top of the file")
        made = self.modules[name] = self.module(name, path)
        try:
            self.found[path.name], code = self.read(path)
            exec(code, made.__dict__)
        except BaseException:
            del self.modules[name]
            raise
        return made


def shared_among(files: Sequence[Path]) -> set[Path]:
    """Those of the files in a folder that are no specs: they bind no ``system``, and others of them import them."""
    binding: set[Path] = set()
    imported: set[str] = set()
    for file in files:
        try:
            nodes = list(ast.walk(ast.parse(file.read_bytes())))
        except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
            binding.add(file)  # what is wrong with it is told when it is built
            continue
        names = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
        taken = {alias.asname or alias.name for n in nodes if isinstance(n, ast.ImportFrom) for alias in n.names}
        if "system" in names | taken or "*" in taken:
            binding.add(file)
        imported |= {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        imported |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
    return {file for file in files if file not in binding and file.stem in imported}
