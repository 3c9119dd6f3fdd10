"""The key of a system: a hash of its values alone, without a derivation.

Expressions are hashed node by node with what SymPy's names leave out: assumptions, what a ``Param`` declares, what a
function is. A bracket is hashed by its value for two functionals of any state. What is not of metrigen, a method of the
user's own say, has code that no value tells: the key of such a system is that of its files.
"""

from __future__ import annotations

import hashlib
import importlib.resources
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mpmath
import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.spec.functional import AnyFunctional, Dissipation
from metrigen.spec.neural import Head
from metrigen.spec.symbols import InputFunction
from metrigen.spec.system import System

if TYPE_CHECKING:
    from importlib.abc import Traversable

LENGTH = 16  # hexadecimal digits of a key, as a name of a module has them


@dataclass(frozen=True)
class Digest:
    """The hash of the values of a system. ``whole``: it tells all; False where a part is of a class that is not of
    metrigen, of which it tells the name and the fields, or is a bracket that cannot be evaluated by itself."""

    sha256: str
    whole: bool


def digest_of(system: System) -> Digest:
    """The hash of a system: equal for two systems that state the same, in every process."""
    hashing = _Hashing()
    hashing.feed(_parts(system, system.stated_fields))
    return Digest(hashing.done.hexdigest(), hashing.whole)


def key_of(digest: str, file: str) -> str:
    """The key of a package: of what it is made of, of the file it names, and of what compiles it."""
    return _sha((digest, file, compiler_digest()))[:LENGTH]


def key_of_files(files: Mapping[str, str]) -> str:
    """The key of a package whose system has none: of all that it is."""
    return _sha(sorted(files.items()))[:LENGTH]


@lru_cache(maxsize=1)
def compiler_digest() -> str:
    """The hash of the compiler: its files, and the versions of what it computes with."""
    digest = hashlib.sha256(f"{sp.__version__} {mpmath.__version__}".encode())
    for name, file in compiler_files():
        digest.update(f"\0{name}\0".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def compiler_files() -> Iterator[tuple[str, Traversable | Path]]:
    """All that decides what is emitted: sources, tables, templates."""
    from metrigen.emit.render import templates

    home = importlib.resources.files("metrigen")
    for root, ending in ((home, ".py"), (home, ".json"), (templates(), ".j2")):
        yield from _files(root, ending)


def _files(root: Traversable | Path, ending: str, before: str = "") -> Iterator[tuple[str, Traversable | Path]]:
    for file in sorted(root.iterdir(), key=lambda file: file.name):
        if file.is_dir():
            yield from _files(file, ending, f"{before}{file.name}/")
        elif file.name.endswith(ending):
            yield before + file.name, file


def _parts(system: System, state: tuple[AppliedUndef, ...]) -> tuple[Any, ...]:
    return tuple(
        (field.name, _form(value, state) if field.name in ("bracket", "metric") else value)
        for field in fields(System)
        for value in (getattr(system, field.name),)
    )


def _form(form: Callable[..., Any] | None, state: tuple[AppliedUndef, ...]) -> Any:
    """A bracket as its value, a factored one as its weights and factors; what raises is told of when it is derived."""
    if form is None:
        return None
    F, G = AnyFunctional("F", state), AnyFunctional("G", state)
    try:
        if isinstance(form, Dissipation):
            return "Dissipation", tuple((weight, sp.sympify(factor(F))) for weight, factor in form.terms)
        return "form", sp.sympify(form(F, G))
    except Exception:
        return _Unread()


class _Unread:
    """What nothing is known of."""


def _sha(value: Any) -> str:
    hashing = _Hashing()
    hashing.feed(value)
    return hashing.done.hexdigest()


class _Hashing:
    """A hash of values, such that no two values feed it the same.

    known  expression, by its id, -> itself, which keeps the id its own, and its hash
    whole  whether all that was fed is of metrigen and SymPy
    """

    def __init__(self) -> None:
        self.done = hashlib.sha256()
        self.known: dict[int, tuple[sp.Basic, str]] = {}
        self.whole = True

    def feed(self, value: Any) -> None:
        if value is None or isinstance(value, (bool, int, float, str)):
            self._say(f"{type(value).__name__} {value!r}")
        elif isinstance(value, (tuple, list)):
            self._say(f"tuple {len(value)}")
            for item in value:
                self.feed(item)
        elif isinstance(value, Mapping):
            self.feed(list(value.items()))
        elif isinstance(value, type):  # is_dataclass says yes to the class, which has no values
            self._say(f"class {self._name(value)}")
        elif isinstance(value, sp.Basic):
            self._say(f"expression {self._expression(value)}")
        else:
            self._say(self._name(type(value)))
            if is_dataclass(value):
                self.feed([(f.name, getattr(value, f.name)) for f in fields(value)])

    def _say(self, text: str) -> None:
        self.done.update(f"{text}\0".encode())

    def _name(self, kind: type) -> str:
        self.whole &= kind.__module__.startswith(("metrigen.", "sympy.")) and kind is not _Unread
        return f"{kind.__module__}.{kind.__qualname__}"

    def _expression(self, root: sp.Basic) -> str:
        """The hash of an expression, shared parts once; not by calls inside calls, of which Python has few."""
        stack = [root]
        while stack:
            node = stack[-1]
            below = [a for a in node.args if isinstance(a, sp.Basic) and id(a) not in self.known]
            if below and id(node) not in self.known:
                stack += below
                continue
            stack.pop()
            if id(node) not in self.known:
                inside = [self.known[id(a)][1] if isinstance(a, sp.Basic) else repr(a) for a in node.args]
                text = "\0".join((self._own(node), *inside))
                self.known[id(node)] = node, hashlib.sha256(text.encode()).hexdigest()
        return self.known[id(root)][1]

    def _own(self, node: sp.Basic) -> str:
        """What a node is beside its arguments."""
        if isinstance(node, AppliedUndef):
            kind = "input" if isinstance(node, InputFunction) else "field"
            return f"{kind} {node.func.__name__} {sorted(getattr(node.func, '_kwargs', {}).items())}"
        name = self._name(type(node))
        if isinstance(node, sp.Dummy):
            return f"{name} {node.name} {sorted(node.assumptions0.items())}"
        if isinstance(node, (sp.Symbol, Head)):
            return f"{name} {node._hashable_content()!r}"
        return name if node.args else f"{name} {sp.srepr(node)}"
