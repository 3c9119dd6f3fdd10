"""What is emitted is read before it is written: every Python file parses, and knows every name that it uses."""

from __future__ import annotations

import ast
import builtins
import symtable
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from types import CodeType

from metrigen.errors import InternalError

# Names that a module has from the start.
_GIVEN = frozenset({*dir(builtins), "__file__", "__name__", "__doc__", "__path__", "__package__", "__class__"})


def check_files(files: Mapping[str, str]) -> None:
    """Raise InternalError, naming file and line, for a Python file that is not right: one that does not parse,
    uses a name that nothing in it defines, or defines one function or class over another."""
    for name, text in files.items():
        if name.endswith(".py"):
            _check(name, text)


@lru_cache(maxsize=128)  # the runtime of packages is the same text
def _check(name: str, text: str) -> None:
    try:
        code = compile(text, name, "exec", dont_inherit=True)
        table = symtable.symtable(text, name, "exec")
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        where = f", line {line}: {_line(text, line)}" if line else ""
        raise InternalError(f"the emitted {name} does not parse ({error}){where}") from error
    for definition in _defined_again(ast.parse(text, name).body) if _repeats(code) else ():
        raise InternalError(f"the emitted {name} defines {definition.name!r} twice, line {definition.lineno}")
    known = _GIVEN | {s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported()}
    unknown = [(scope, symbol) for scope in _scopes(table) for symbol in _globals(scope, known)]
    known |= {symbol.get_name() for _, symbol in unknown if symbol.is_declared_global()}
    for scope, symbol in unknown:
        if symbol.is_referenced() and symbol.get_name() not in known:
            where = f"{scope.get_name()}, line {scope.get_lineno()}"
            raise InternalError(f"the emitted {name} uses {symbol.get_name()!r}, which it does not define: {where}")


_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def _defined_again(body: Sequence[ast.stmt]) -> Iterator[_Definition]:
    """Definitions of a name that the same block has defined already, but for the setter of a property and
    the signatures that ``overload`` names."""
    seen: set[str] = set()
    for statement in body:
        if not isinstance(statement, _Definition):
            continue
        if statement.name in seen and not any(isinstance(d, ast.Attribute) for d in statement.decorator_list):
            yield statement
        if not any(isinstance(d, ast.Name) and d.id == "overload" for d in statement.decorator_list):
            seen.add(statement.name)
        if isinstance(statement, ast.ClassDef):
            yield from _defined_again(statement.body)


def _repeats(code: CodeType) -> bool:
    """Whether some block may define a name again: a tree costs as much as all else here, and serves to tell that."""
    inner = [c for c in code.co_consts if isinstance(c, CodeType)]
    names = [c.co_name for c in inner if c.co_name[0] != "<"]
    return len(set(names)) < len(names) or any(map(_repeats, inner))


def _globals(scope: symtable.SymbolTable, known: Collection[str]) -> list[symtable.Symbol]:
    """The global names of a scope that are not known yet."""
    names = scope.get_globals() if isinstance(scope, symtable.Function) else scope.get_identifiers()
    return [symbol for name in names if name not in known and (symbol := scope.lookup(name)).is_global()]


def _scopes(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    yield table
    for inner in table.get_children():
        yield from _scopes(inner)


def _line(text: str, number: int) -> str:
    lines = text.splitlines()
    return lines[number - 1].strip() if 0 < number <= len(lines) else ""
