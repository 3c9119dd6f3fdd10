"""Learned parameters of the emitted module: what the class says of each."""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp

from metrigen.spec.network import Offset, Weights
from metrigen.spec.symbols import Param


@dataclass(frozen=True)
class ParameterText:
    """One parameter: its ``name`` and the ``declaration`` in the class of the layer."""

    name: str
    declaration: str


def parameter_text(symbol: sp.Symbol) -> ParameterText:
    """The code of a parameter; a plain SymPy symbol is a learned scalar."""
    if isinstance(symbol, (Weights, Offset)):
        sizes = [str(symbol.network.hidden), str(symbol.arguments)] if isinstance(symbol, Weights) else []
        sizes += ["shared=True"] if symbol.network.per == "shared" else []
        sizes += ["convex=True"] if symbol.network.convex and isinstance(symbol, Weights) else []
        return ParameterText(symbol.name, f"{symbol.name} = Network{type(symbol).__name__}({', '.join(sizes)})")
    param = symbol if isinstance(symbol, Param) else None
    per = "scalar" if param is None else "matrix" if param.is_matrix else param.per
    start = tuple(map(float, param.init)) if param is not None and isinstance(param.init, tuple) else None
    arguments = [f'"{per}"', repr(start or initial_value(symbol))]
    if symbol.is_positive or symbol.is_nonnegative:
        arguments.append(f'sign="{"positive" if symbol.is_positive else "nonnegative"}"')
    if param is not None:
        arguments += [f"below={float(param.below)!r}"] if param.below is not None else []
        arguments += [f"symmetry={1 if param.symmetric else -1}"] if param.symmetric or param.antisymmetric else []
        arguments += [f"block={param.block}"] if param.block is not None else []
    return ParameterText(symbol.name, f"{symbol.name} = LayerParam({', '.join(arguments)})")


def initial_value(symbol: sp.Symbol) -> float:
    """The declared start, of a range its middle; else half of a bound, 1 for a positive number, 0.1 for a nonnegative
    one, 0 otherwise."""
    init = symbol.init if isinstance(symbol, Param) else None
    if isinstance(init, tuple):
        return (float(init[0]) + float(init[1])) / 2
    if init is not None:
        return float(init)
    if isinstance(symbol, Param) and symbol.below is not None:
        return symbol.below / 2
    if symbol.is_positive:
        return 1.0
    return 0.1 if symbol.is_nonnegative else 0.0
