"""What ``NAME=TEXT`` on the command line means: a named start, or an expression in the coordinates.

An expression is evaluated by NumPy as it stands: it is no part of the spec, and no kernel has to have its functions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import sympy as sp
from sympy.printing.codeprinter import PrintMethodNotImplementedError

from metrigen.errors import SpecError
from metrigen.ir.functions.numeric import numpy_function, vector
from metrigen.simulate.formula import check_formula
from metrigen.simulate.place import Place

# What NumPy itself does not have.
_MORE: Mapping[str, Callable[..., Any]] = {
    "erf": vector(math.erf),
    "erfc": vector(math.erfc),
    "gamma": vector(math.gamma),
    "loggamma": numpy_function("loggamma"),
    "polygamma": lambda order, x: numpy_function(f"polygamma{int(order)}")(x),
}


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


def start(text: str, place: Place, rng: np.random.Generator, sign: str = "") -> np.ndarray:
    """A named start. Where it would break the declared ``sign`` (positive, nonnegative) it lies around 1: 1 + start/2,
    noise as exp(noise/2). What is 0 everywhere stays 0."""
    found = STARTS[text](place, rng)
    if text == "zero" or not (breaks(found, sign)).any():
        return found
    return np.exp(found / 2) if text == "noise" else 1 + found / 2


def sign_of(symbol: sp.Expr) -> str:
    """The sign that a symbol or a field was declared with: positive, nonnegative, or empty."""
    return "positive" if symbol.is_positive else "nonnegative" if symbol.is_nonnegative else ""


def breaks(x: np.ndarray, sign: str) -> np.ndarray:
    """Where values are against a declared sign."""
    return x <= 0 if sign == "positive" else x < 0 if sign == "nonnegative" else np.zeros_like(x, dtype=bool)


def signed(name: str, text: str, x: np.ndarray, sign: str, sites: Mapping[str, np.ndarray]) -> np.ndarray:
    """``x`` as it is, if it keeps the declared sign everywhere. Raises SpecError with a value and its site."""
    wrong = breaks(x, sign)
    if not wrong.any():
        return x
    worst = np.unravel_index(np.where(wrong, x, np.inf).argmin(), x.shape)
    at = [f"{axis} = {np.broadcast_to(c, x.shape)[worst]:g}" for axis, c in sites.items()]
    raise SpecError(
        f"{name} must be {sign}, as it was declared",
        component=f"--set {name}={text}",
        why=f"{int(wrong.sum())} of its {x.size} values are not",
        witness=f"{name} = {x[worst]:g}" + (f" at {', '.join(at)}" if at else ""),
        fix=f"--set {name}=VALUE that is {'above' if sign == 'positive' else 'at least'} 0 everywhere",
        see="simulate-options",
    )


def assignments(texts: list[str], option: str) -> dict[str, str]:
    """``["phi=gauss", "m2=0.3"]`` by name. Raises SpecError."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, right = (part.strip() for part in text.partition("="))
        if not equals or not name.isidentifier() or not right:
            raise SpecError(
                f"{option} takes NAME=VALUE, not {text!r}", fix=f'{option} "u=exp(-x**2)"', see="simulate-options"
            )
        if name in found:
            raise SpecError(f"{option} names {name} twice", fix="once", see="simulate-options")
        found[name] = right
    return found


def _expression(name: str, text: str, known: tuple[str, ...], option: str) -> sp.Expr:
    """The text as an expression in ``known`` names. Raises SpecError for another name, or what has no value."""
    symbols = {word: sp.Symbol(word, real=True) for word in known}
    said = f"{option} {name}={text}"
    try:
        check_formula(text)
        found = sp.sympify(text, locals=symbols)
    except (sp.SympifyError, SyntaxError, TypeError, ValueError, AttributeError) as error:
        raise SpecError(
            f"{said} is no expression", why=str(error).splitlines()[0], fix="as exp(-x**2)", see="simulate-options"
        ) from error
    if not isinstance(found, sp.Expr):
        raise SpecError(f"{said} is no number", fix="as 0.3, or exp(-x**2)", see="simulate-options")
    if found.has(sp.zoo, sp.nan, sp.oo, -sp.oo):
        raise SpecError(
            f"{said} is not finite", why=f"it is {found}", fix="as 0.3, or exp(-x**2)", see="simulate-options"
        )
    other = sorted(str(s) for s in found.free_symbols if s not in symbols.values())
    other += sorted({f.func.__name__ for f in found.atoms(sp.core.function.AppliedUndef)})
    if other:
        names = f"the names are {', '.join(known)}" if known else "a number; there are no coordinates here"
        starts = f"; starts: {', '.join(STARTS)}" if option == "--set" else ""
        raise SpecError(
            f"{said} has {', '.join(other)}, which has no value here", fix=names + starts, see="simulate-options"
        )
    return found


def values(name: str, text: str, known: Mapping[str, Any], option: str = "--set") -> np.ndarray:
    """The value of an expression, which broadcasts to the sites. Raises SpecError where it is no finite real number."""
    said = f"{option} {name}={text}"
    try:
        function = _function(name, text, tuple(known), option)
        with np.errstate(all="ignore"):
            result = np.asarray(function(*(np.asarray(x, dtype=float) for x in known.values())))
            result = result if np.iscomplexobj(result) else result.astype(float)
    except (NameError, TypeError, ValueError, PrintMethodNotImplementedError) as error:
        raise SpecError(
            f"{said} cannot be evaluated by numpy", why=str(error).splitlines()[0],
            fix="functions that numpy has, erf, gamma, and Piecewise of them", see="simulate-options",
        ) from error  # fmt: skip
    if np.iscomplexobj(result) and not (result.imag == 0).all():
        raise SpecError(
            f"{said} is not real",
            why=f"it is {result[result.imag != 0][0]} somewhere",
            fix="a real one",
            see="simulate-options",
        )
    result = result.real
    if not np.isfinite(result).all():
        why = f"it is {result[~np.isfinite(result)][0]} somewhere"
        raise SpecError(f"{said} is not finite everywhere", why=why, fix="another start", see="simulate-options")
    return result


@lru_cache(maxsize=64)
def _function(name: str, text: str, known: tuple[str, ...], option: str) -> Callable[..., Any]:
    """The text as a function of arrays by these names; a driven input calls it in every step."""
    found = _expression(name, text, known, option)
    symbols = [sp.Symbol(word, real=True) for word in known]
    function: Callable[..., Any] = sp.lambdify(symbols, found, modules=[dict(_MORE), "numpy"])
    return function


def coordinates(place: Place) -> dict[str, Any]:
    """The names of an expression at the sites: the axes, and their lengths Lx, Ly."""
    return {**place.coordinates, **{f"L{axis}": length for axis, length in place.lengths.items()}}
