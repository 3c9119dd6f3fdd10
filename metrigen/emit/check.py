"""What is emitted is read before it is written: every Python file parses, and knows every name that it uses."""

from __future__ import annotations

import builtins
import symtable
from collections.abc import Iterator, Mapping

from metrigen.errors import InternalError

# Names that a module has from the start.
_GIVEN = frozenset({*dir(builtins), "__file__", "__name__", "__doc__", "__path__", "__package__", "__class__"})


def check_files(files: Mapping[str, str]) -> None:
    """Raise InternalError, naming file and line, for a Python file that cannot be imported: one that does not parse, or
    uses a name that nothing in it defines."""
    for name, text in files.items():
        if not name.endswith(".py"):
            continue
        try:
            compile(text, name, "exec", dont_inherit=True)
            table = symtable.symtable(text, name, "exec")
        except (SyntaxError, ValueError) as error:
            line = getattr(error, "lineno", None)
            where = f", line {line}: {_line(text, line)}" if line else ""
            raise InternalError(f"the emitted {name} does not parse ({error}){where}") from error
        known = _GIVEN | {s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported()}
        known |= {s.get_name() for scope in _scopes(table) for s in scope.get_symbols() if s.is_declared_global()}
        for scope in _scopes(table):
            for symbol in scope.get_symbols():
                if symbol.is_referenced() and symbol.is_global() and symbol.get_name() not in known:
                    where = f"{scope.get_name()}, line {scope.get_lineno()}"
                    raise InternalError(
                        f"the emitted {name} uses {symbol.get_name()!r}, which it does not define: {where}"
                    )


def _scopes(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    yield table
    for inner in table.get_children():
        yield from _scopes(inner)


def _line(text: str, number: int) -> str:
    lines = text.splitlines()
    return lines[number - 1].strip() if 0 < number <= len(lines) else ""
