"""Values of SymPy expressions node by node, for any array type with the usual operators."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, reduce
from typing import Any

import numpy as np
import sympy as sp

from metrigen.errors import SpecError
from metrigen.ir.damped_stumpff import damped_stumpff_values
from metrigen.ir.functions.numeric import numpy_function
from metrigen.ir.functions.partial_derivatives import almost_everywhere as almost_everywhere
from metrigen.ir.functions.partial_derivatives import partial_derivative as partial_derivative
from metrigen.ir.functions.powers import exact_in_float32, parts
from metrigen.ir.functions.table import ROWS, WORDS
from metrigen.ir.sample import sample
from metrigen.ir.secants import artanhc, artanhc_values, ratio, ratio_values
from metrigen.ir.stumpff import stumpff_values
from metrigen.spec.neural import learned

# Functions that are no row of the table; a spec can hold those in FUNCTIONS.
_OWN: dict[str, Callable[..., Any]] = {
    "stumpff": stumpff_values, "damped_stumpff": damped_stumpff_values,
    ratio.__name__: ratio_values, artanhc.__name__: artanhc_values,
}  # fmt: skip
FUNCTIONS = frozenset(ROWS) | {"stumpff", "damped_stumpff"}
Learned = Mapping[str, Callable[..., Any]]


def check_functions(expr: sp.Expr, part: str | None = None) -> None:
    """Raise SpecError if the expression holds a function that no backend can print."""
    for f in sorted(expr.atoms(sp.Function, sp.Max, sp.Min), key=str):
        if f.func.__name__ not in FUNCTIONS and not isinstance(f, learned):
            raise SpecError(
                f"no kernel can evaluate {f}",
                part=part,
                why=f"{f.func.__name__} has no form in the languages of a package",
                fix="for a table or a network of it NeuralFunction(...); the functions are "
                + ", ".join(WORDS)
                + ", and powers",
                see="no-kernel-form",
            )


@cache
def _function(name: str) -> Callable[..., Any]:
    """The function of that name in numpy, its order first where it has one."""
    if name in _OWN:
        return _OWN[name]
    if name in ("Max", "Min"):
        pair = numpy_function(name)
        return lambda *args: reduce(pair, args)
    if ROWS[name].ordered:
        return lambda order, *args: numpy_function(f"{name}{int(order)}")(*args)
    return numpy_function(name)


def evaluate(expr: sp.Expr, values: Mapping[sp.Symbol, Any], learned_functions: Learned | None = None) -> Any:
    """The value of ``expr`` with numpy, operation by operation.

    ``learned_functions`` gives for the name of a learned function a callable of (orders, *arguments); one that is not
    given is represented by ``sample``.
    """
    if expr.is_Symbol:
        return values[expr]
    if expr.is_Number or expr.is_NumberSymbol:
        return float(expr)
    if isinstance(expr, learned):
        arguments = [evaluate(arg, values, learned_functions) for arg in expr.arguments]
        given = (learned_functions or {}).get(expr.head.name)
        return sample(expr.head, *arguments) if given is None else given(expr.head.orders, *arguments)
    args = [evaluate(arg, values, learned_functions) for arg in expr.args]
    if expr.is_Add:
        return sum(args[1:], start=args[0])
    if expr.is_Mul:
        product = args[0]
        for factor in args[1:]:
            product = product * factor
        return product
    if expr.is_Pow:
        exponent = expr.args[1]
        if exponent.is_Integer:
            return args[0] ** int(exponent) if exponent.is_positive else 1.0 / args[0] ** int(-exponent)
        if exponent == sp.Rational(1, 2):
            return np.sqrt(args[0])
        if not exponent.is_number or exact_in_float32(exponent) or not np.isrealobj(args[0]):
            return np.power(args[0], args[1])
        first, rest = parts(exponent if exponent.is_positive else -exponent)
        value = numpy_function("raised")(args[0], float(first), float(rest))
        return value if exponent.is_positive else 1.0 / value
    return _function(expr.func.__name__)(*args)
