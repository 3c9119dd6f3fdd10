"""Names as a person would write them: what the compiler made loses its double underscores where the name is free.

Inside the compiler a name with a double underscore is one that no spec can have (``phi__bar``, ``ok__``). In a finished
file it becomes ``phi_bar`` or ``ok``; where something else has that name, ``ok_2``, or the next number that is free.
"""

from __future__ import annotations

import builtins
import io
import keyword
import re
import tokenize
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import count, pairwise

_MADE = re.compile(r"\b[A-Za-z]\w*?__\w*\b")
_WORD = re.compile(r"\b[A-Za-z_]\w*\b")
_ASIDE = re.compile(r"//[^\n]*|/\*.*?\*/|\"(?:[^\"\\\n]|\\.)*\"", re.S)  # comments and strings of C++
_PYTHON = frozenset((*dir(builtins), *keyword.kwlist, *keyword.softkwlist))
_START = tokenize.TokenInfo(tokenize.NEWLINE, "", (0, 0), (0, 0), "")  # before the first token
_FUNCTION = re.compile(r"^(?=@|def |class )", re.M)


def plain(name: str) -> str:
    """The name without double underscores: ``phi__0_m1`` -> ``phi_0_m1``, ``ok__`` -> ``ok``."""
    return re.sub("__+", "_", name).rstrip("_")


def plain_python(text: str) -> str:
    """A file of Python, its made names plain: in each function by itself, but for names that others call it by."""
    parts = [_part(text) for text in _FUNCTION.split(text) if text]
    known = {name for part in parts for name in part.shared}
    barred = {name for part in parts for name in _barred(part, known)}
    shared = {name: plain(name) for name in known - barred}
    if barred:
        words = {word for part in parts for word in (*part.words, *map(plain, part.made))}
        shared.update(_numbered(barred, words))
    return "".join(_written(part.text, _names_of(part, shared)) for part in parts)


def _barred(part: _Part, known: Collection[str]) -> set[str]:
    """The names that others know which cannot be plain in this part."""
    found = renames(part.made, part.words)
    return {name for name in part.made.intersection(known) if found[name] != plain(name)}


def _names_of(part: _Part, shared: Mapping[str, str]) -> Mapping[str, str]:
    known = part.made & shared.keys()
    return {**renames(part.made - known, part.words | {shared[name] for name in known}), **shared}


@dataclass(frozen=True)
class _Part:
    """A piece of Python: its made names, its other words, and the made names that other pieces may know."""

    text: str
    made: frozenset[str] = frozenset()
    words: frozenset[str] = frozenset()
    shared: frozenset[str] = frozenset()


@lru_cache(maxsize=512)  # the helpers of packages are the same text
def _part(text: str) -> _Part:
    made = frozenset(_MADE.findall(text))
    if not made:  # nothing to be renamed, and nothing that others may know
        return _Part(text)
    tokens = [_START, *tokenize.generate_tokens(io.StringIO(text).readline)]
    return _Part(text, made, _PYTHON | _words(tokens), frozenset(_by_name(tokens)))


def plain_cpp(text: str, is_taken: Callable[[str], bool]) -> str:
    """The same of a file of C++, as a whole; ``is_taken`` knows the words of the language and of the headers."""
    made, words = set(_MADE.findall(text)), set(_WORD.findall(_ASIDE.sub(" ", text)))
    return _written(text, renames(made, words | {name for name in map(plain, made) if is_taken(name)}))


def renames(made: Collection[str], words: Collection[str]) -> Mapping[str, str]:
    """Made name -> its plain form, numbered where that is one of the words or of two made names."""
    wanted = Counter(map(plain, made))
    found = {name: plain(name) for name in made if wanted[plain(name)] == 1 and plain(name) not in words}
    if len(found) < len(made):
        found.update(_numbered(set(made) - found.keys(), {*words, *wanted}))
    return found


def _numbered(names: Collection[str], taken: Collection[str]) -> Mapping[str, str]:
    """Name -> its plain form with the first number that makes it a name of its own."""
    found: dict[str, str] = {}
    for name in sorted(names):
        others = {*taken, *found.values()}
        found[name] = next(n for k in count(2) if (n := f"{plain(name)}_{k}") not in others)
    return found


def _words(tokens: Iterable[tokenize.TokenInfo]) -> set[str]:
    """The names of a piece of Python but for attributes, which no other name can meet."""
    return {token.string for before, token in pairwise(tokens) if token.type == tokenize.NAME and before.string != "."}


def _by_name(tokens: Iterable[tokenize.TokenInfo]) -> set[str]:
    """The made names that more than one function may know: in strings, of functions, of keywords of a call."""
    depth, found = 0, set()
    for token, following in pairwise(tokens):
        depth += (token.string in ("(", "[", "{")) - (token.string in (")", "]", "}"))
        keyword_of_call = depth and following.string == "=" and token.type == tokenize.NAME
        if token.type == tokenize.STRING or keyword_of_call:
            found |= set(_MADE.findall(token.string))
        elif token.string in ("def", "class") or (following.start[1] == 0 and following.type == tokenize.NAME):
            found |= set(_MADE.findall(following.string))
    return found


def _written(text: str, names: Mapping[str, str]) -> str:
    return _MADE.sub(lambda match: names.get(match[0], match[0]), text)
