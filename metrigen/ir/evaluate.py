"""Values of SymPy expressions by walking the tree, for any array type with the usual operators."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

import numpy as np
import sympy as sp

from metrigen.errors import SpecError
from metrigen.ir.damped_stumpff import damped_stumpff, damped_stumpff_values
from metrigen.ir.sample import sample
from metrigen.ir.secants import artanhc, artanhc_values, ratio, ratio_values
from metrigen.ir.stumpff import stumpff_values
from metrigen.spec.neural import learned

_NUMPY: dict[str, Callable[..., Any]] = {
    "exp": np.exp, "log": np.log, "sin": np.sin, "cos": np.cos, "tan": np.tan, "tanh": np.tanh, "sinh": np.sinh,
    "cosh": np.cosh, "atan": np.arctan, "asin": np.arcsin, "acos": np.arccos, "asinh": np.arcsinh, "Abs": np.abs,
    "sign": np.sign, "atan2": np.arctan2, "Max": lambda *args: reduce(np.maximum, args),
    "Min": lambda *args: reduce(np.minimum, args), "stumpff": stumpff_values,
}  # fmt: skip

# Functions that no spec can hold.
_OWN: dict[type, Callable[..., Any]] = {
    damped_stumpff: damped_stumpff_values, ratio: ratio_values, artanhc: artanhc_values,
}  # fmt: skip

FUNCTIONS = frozenset(_NUMPY)
Learned = Mapping[str, Callable[..., Any]]


def steps_as_signs(expr: sp.Expr) -> sp.Expr:
    """The expression with every step H(x) written (1 + sign x)/2."""
    return expr.xreplace({h: (1 + sp.sign(h.args[0])) / 2 for h in expr.atoms(sp.Heaviside)})


def slope(expr: sp.Expr, symbol: sp.Symbol) -> sp.Expr:
    """d expr/d symbol almost everywhere: at a kink (Max, Min, Abs) the mean of both sides, at a jump (sign) zero."""
    return almost_everywhere(sp.diff(expr, symbol))


def almost_everywhere(derivative: sp.Expr) -> sp.Expr:
    """A derivative without its deltas, steps as signs."""
    return steps_as_signs(derivative.xreplace(dict.fromkeys(derivative.atoms(sp.DiracDelta), sp.S.Zero)))


def check_functions(expr: sp.Expr, part: str | None = None) -> None:
    """Raise SpecError if the expression holds a function that no backend can print."""
    for f in sorted(expr.atoms(sp.Function, sp.Max, sp.Min), key=str):
        if f.func.__name__ not in FUNCTIONS and not isinstance(f, learned):
            raise SpecError(
                f"no kernel can evaluate {f}",
                part=part,
                why=f"{f.func.__name__} has no form in the languages of a package",
                fix=(
                    "write cases with sp.Max, sp.Min and sp.Abs; "
                    if isinstance(f, sp.Piecewise)
                    else "for a table or a network of it NeuralFunction(...); "
                )
                + "the functions are "
                + ", ".join(sorted(FUNCTIONS))
                + ", and powers",
            )


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
        return np.sqrt(args[0]) if exponent == sp.Rational(1, 2) else np.power(args[0], args[1])
    own = _OWN.get(expr.func)
    return _NUMPY[expr.func.__name__](*args) if own is None else own(*args)
