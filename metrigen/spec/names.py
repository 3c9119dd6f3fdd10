"""Which names a spec may use: one check that every name of a spec goes through before it reaches emitted text.

In C++ names of a spec are renamed where the language or the code around has them, so that a name has to fit Python
alone: the emitted functions, the layer with its attributes, and the folder of the package.
"""

from __future__ import annotations

import keyword

from metrigen.errors import SpecError
from metrigen.spec.reserved import BUILTINS, CLASSES, DEVICES, EMITTED, ENDINGS, IMPORTED, SYMPY, TORCH

_FUNCTIONS = ("field", "input", "learned function")  # what is a class of SymPy's by its name
LONGEST = 100  # of the name of a system, which file names are made of


def check_name(name: object, what: str) -> str:
    """Return ``name`` if emitted code can carry it as it is; raise ``SpecError`` otherwise."""
    text = check_identifier(name, what)
    owner = _owner(text)
    if owner is None and text in SYMPY and what in _FUNCTIONS:
        owner = "SymPy: it takes what has that name for a number"
    if owner is not None:
        raise SpecError(
            f"{what} name {text!r} is reserved in {owner}",
            part=text,
            fix=f"rename it, for instance to {_free(text)!r}",
            see="reserved-name",
        )
    return text


def check_system_name(name: object) -> str:
    """Return the name of a system if a package, its folder and its class can be called after it; else SpecError."""
    text = check_identifier(name, "system")
    fix = f"rename it, for instance to {text[:20] + '_layer'!r}"
    if keyword.iskeyword(text):
        raise SpecError(f"system name {text!r} is reserved in Python", part=text, fix=fix, see="reserved-name")
    if text in IMPORTED:
        raise SpecError(
            f"system name {text!r} is that of a package which the layer imports",
            part=text,
            fix=fix,
            see="reserved-name",
        )
    if text.lower() in DEVICES:
        why = "Windows keeps that name for a device: no folder can have it there"
        raise SpecError(f"system name {text!r} is no name of a folder", part=text, why=why, fix=fix, see="not-a-name")
    if len(text) > LONGEST:
        why = f"it has {len(text)} letters, and file names are made of it"
        raise SpecError(
            f"system name {text[:20] + '...'!r} is too long",
            part=text,
            why=why,
            fix=f"{LONGEST} at most",
            see="not-a-name",
        )
    if class_name(text) in BUILTINS | CLASSES:
        why = f"the class of the layer would be {class_name(text)}, which its module uses for something else"
        raise SpecError(f"system name {text!r} gives no name of a class", part=text, why=why, fix=fix, see="not-a-name")
    return text


def check_label(name: object, what: str) -> str:
    """Return ``name`` if it can stand in a line of text, where it names no variable; raise ``SpecError`` otherwise."""
    if not isinstance(name, str) or not name.strip() or not name.isprintable():
        raise SpecError(
            f"{what} name {name!r} is not a line of printable text", fix='a word, as "spin"', see="not-a-name"
        )
    return name


def class_name(name: str) -> str:
    """The name of a class after that of a system."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_") if part)


def check_identifier(name: object, what: str) -> str:
    """Return ``name`` if names can be made of it: those of the components of a current, say. Else SpecError."""
    if not isinstance(name, str) or not name.isidentifier() or not name.isascii():
        raise SpecError(
            f"{what} name {name!r} is not an identifier",
            part=str(name),
            why="names appear unchanged in Python, Triton and C code",
            fix="use ASCII letters, digits and single underscores, not starting with a digit",
            see="not-a-name",
        )
    if "__" in name or name.startswith("_"):
        raise SpecError(
            f"{what} name {name!r} is reserved in the emitted code",
            part=name,
            why="a leading or a double underscore marks names that the compiler makes",
            fix=f"rename it, for instance to {_free(name.strip('_').replace('__', '_') or 'u')!r}",
            see="reserved-name",
        )
    return name


def _owner(name: str) -> str | None:
    """Who has the name already; None if nobody has."""
    if keyword.iskeyword(name):
        return "Python"
    if name in TORCH:
        return "torch: a layer has an attribute of that name"
    if name in EMITTED or name.endswith(ENDINGS):
        return "the emitted code"
    return None


def _free(name: str) -> str:
    """A name like it that nobody has."""
    found = f"{name}_" if not name.endswith("_") else f"{name}1"
    return found if _owner(found) is None else f"my_{name.strip('_')}"
