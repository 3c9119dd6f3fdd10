"""Functions as text of a language: those that it has under a name of its own, and of the others the forms.

A language is a value of ``Target`` in the folder of its backend; that of numpy is in ``numeric``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import ClassVar

from metrigen.ir.functions.forms import Form, form
from metrigen.ir.functions.table import ROWS

CALL = re.compile(r"(?<![\w.])([a-z]\w*)\(")
_NUMBER = "0123456789"


@dataclass(frozen=True, eq=False)
class Target:
    """How a language says the functions of the table, where it is one with the syntax of Python.

    native  function -> its name, or a text with {0} for the arguments; the form of any other is printed
    words   word of a form (where, like, ...) that is no function of the table -> how it is said
    texts   helper, as it is called -> its definition, where it is no form
    above   what stands above the definition of a form
    """

    native: Mapping[str, str]
    words: Mapping[str, str]
    texts: Mapping[str, str] = field(default_factory=dict)
    above: str = ""

    SUFFIX: ClassVar[str] = "__"  # of a helper
    CALLED: ClassVar[str] = r"(?<![\w.])([a-z][a-z0-9]*__)\("
    BETWEEN: ClassVar[str] = "\n\n\n"
    MARK: ClassVar[str] = "# FUNCTIONS\n"

    def spelling(self, name: str) -> str:
        """The name of a function, the order behind its name included."""
        assert _function(name) in ROWS or name == "raised", name
        return self.native.get(_function(name), f"{name}{self.SUFFIX}")

    def is_native(self, name: str) -> bool:
        """Whether the language has the function by itself."""
        return _function(name) in self.native

    def helpers(self, text: str) -> str:
        """The definitions of all helpers that a text calls, and of those that these call, each before its first use."""
        found: dict[str, str] = {}
        self._collect(self._names(text), found)
        return self.prelude(found.values()) + self.BETWEEN.join(found.values())

    def put_into(self, text: str) -> str:
        """A file with the helpers that it calls in place of the line that marks where they belong."""
        before, mark, after = text.partition(self.MARK)
        assert mark, "the template does not say where its functions belong"
        made = self.helpers(before + after)
        return self.placed(before, made, after) if made else before + after

    # What another syntax says otherwise -------------------------------------------------------------------------------

    def printed(self, stem: str, found: Form) -> str:
        """The definition of a form."""
        head = f"def {stem}__({', '.join(found.arguments)}):"
        return "\n".join([*([self.above] if self.above else []), head, *self.body(found)])

    def body(self, found: Form) -> list[str]:
        return [f"    {self.spelled(line)}" for line in found.lines]

    def called(self, name: str) -> str:
        """How a helper is called that a text names so."""
        return name

    def called_in_form(self, name: str) -> str:
        """How a form calls a function of the table."""
        return self.spelling(name)

    def prelude(self, definitions: Iterable[str]) -> str:
        """What has to stand before the definitions."""
        return ""

    def placed(self, before: str, made: str, after: str) -> str:
        return f"{before.rstrip()}\n\n\n{made}\n\n\n{after.lstrip()}"

    # ------------------------------------------------------------------------------------------------------------------

    def spelled(self, text: str) -> str:
        """A line of a form with the calls of the language."""
        out, at = "", 0
        for match in CALL.finditer(text):
            if match.start() < at:
                continue
            inside, end = _argument(text, match.end())
            call = self.words.get(match[1]) or self.called_in_form(match[1])
            inside = self.spelled(inside)
            made = call.format(inside) if "{0}" in call else f"{call}({inside})"
            out, at = out + text[at : match.start()] + made, end
        return out + text[at:]

    def _names(self, text: str) -> list[str]:
        return sorted(set(re.findall(self.CALLED, text)))

    def _collect(self, names: Iterable[str], found: dict[str, str]) -> None:
        for name in map(self.called, names):
            text = _definition(self, name)
            if not text or name in found:
                continue
            inner = [n for n in self._names(text) if n.rstrip("_") != name.rstrip("_")]
            self._collect(inner, found)
            found[name] = text


@cache
def _definition(target: Target, name: str) -> str:
    """The text that defines the helper ``name`` (as it is called); "" if it is none."""
    if name in target.texts:
        return target.texts[name]
    stem = name.rstrip("_")
    found = form(stem) if stem else None
    needed = stem in ("log1p", "raised") or (_function(stem) in ROWS and not target.is_native(stem))
    return target.printed(stem, found) if found is not None and needed else ""


def _function(name: str) -> str:
    """The function of a name that may have its order behind it."""
    return name if name in ROWS else name.rstrip(_NUMBER)


def _argument(text: str, start: int) -> tuple[str, int]:
    """What stands between the bracket before ``start`` and its partner, and where that ends."""
    depth = 1
    for i in range(start, len(text)):
        depth += (text[i] == "(") - (text[i] == ")")
        if not depth:
            return text[start:i], i + 1
    raise ValueError(text)
