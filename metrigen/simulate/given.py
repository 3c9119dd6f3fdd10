"""What ``NAME=TEXT`` on the command line means: a named start, or an expression in the coordinates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import sympy as sp

from metrigen.errors import SpecError
from metrigen.ir.evaluate import check_functions, evaluate
from metrigen.simulate.place import Place


def _centred(place: Place, width: float) -> np.ndarray:
    """sum of ((x - L/2)/(width L))^2 over the axes; for a point 0."""
    parts = [((x - place.lengths[n] / 2) / (width * place.lengths[n])) ** 2 for n, x in place.coordinates.items()]
    return np.asarray(sum(parts, np.zeros(place.shape)))


def _wave(place: Place, rng: np.random.Generator) -> np.ndarray:
    """One wave along the first axis; for a point 1."""
    for name, x in place.coordinates.items():
        return np.sin(2 * np.pi * x / place.lengths[name]) + np.zeros(place.shape)
    return np.ones(place.shape)


STARTS: Mapping[str, Callable[[Place, np.random.Generator], np.ndarray]] = {
    "gauss": lambda place, rng: np.exp(-_centred(place, 0.1) / 2),
    "noise": lambda place, rng: rng.standard_normal(place.shape),
    "wave": _wave,
    "one": lambda place, rng: np.ones(place.shape),
    "zero": lambda place, rng: np.zeros(place.shape),
}


def assignments(texts: list[str], option: str) -> dict[str, str]:
    """``["phi=gauss", "m2=0.3"]`` by name. Raises SpecError."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, right = (part.strip() for part in text.partition("="))
        if not equals or not name.isidentifier() or not right:
            raise SpecError(f"{option} takes NAME=VALUE, not {text!r}", fix=f'{option} "u=exp(-x**2)"')
        if name in found:
            raise SpecError(f"{option} names {name} twice", fix="once")
        found[name] = right
    return found


def expression(name: str, text: str, known: Mapping[str, Any]) -> sp.Expr:
    """The text as an expression in ``known`` names. Raises SpecError for another name, or what has no value."""
    symbols = {word: sp.Symbol(word, real=True) for word in known}
    try:
        found = sp.sympify(text, locals=symbols)
    except (sp.SympifyError, SyntaxError, TypeError, ValueError, AttributeError) as error:
        raise SpecError(
            f"{name}={text} is no expression", why=str(error).splitlines()[0], fix="as exp(-x**2)"
        ) from error
    if not isinstance(found, sp.Expr):
        raise SpecError(f"{name}={text} is no number", fix="as 0.3, or exp(-x**2)")
    other = sorted(str(s) for s in found.free_symbols if s not in symbols.values())
    other += sorted({f.func.__name__ for f in found.atoms(sp.core.function.AppliedUndef)})
    if other:
        names = f"the names are {', '.join(known)}" if known else "a number; there are no coordinates here"
        raise SpecError(
            f"{name}={text} has {', '.join(other)}, which has no value here",
            fix=f"{names}; starts: {', '.join(STARTS)}",
        )
    check_functions(found)
    return found


def values(name: str, text: str, known: Mapping[str, Any]) -> np.ndarray:
    """The value of an expression, which broadcasts to the sites. Raises SpecError where it is not finite."""
    found = expression(name, text, known)
    with np.errstate(all="ignore"):
        result = np.asarray(evaluate(found, {sp.Symbol(word, real=True): x for word, x in known.items()}), dtype=float)
    if not np.isfinite(result).all():
        raise SpecError(
            f"{name}={text} is not finite everywhere",
            why=f"it is {result[~np.isfinite(result)][0]} somewhere",
            fix="another start",
        )
    return result


def coordinates(place: Place) -> dict[str, Any]:
    """The names of an expression at the sites: the axes, and their lengths Lx, Ly."""
    return {**place.coordinates, **{f"L{axis}": length for axis, length in place.lengths.items()}}


def on_edges(place: Place) -> dict[str, Any]:
    """The same on the edges of a graph: their number."""
    return {**place.edge_values}
