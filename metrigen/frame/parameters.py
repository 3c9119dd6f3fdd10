"""Learned parameters of the emitted module: a raw tensor each, and the map that keeps what was declared of it."""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp

from metrigen.spec.symbols import Param


@dataclass(frozen=True)
class ParameterText:
    """Code of one parameter: ``shape`` of the raw tensor, ``init`` value, ``read`` raw -> value, ``write`` back."""

    name: str
    doc: str
    shape: str
    init: str
    read: str
    write: str
    block: int | None


def parameter_text(symbol: sp.Symbol, rank: int) -> ParameterText:
    """The code of a parameter; a plain SymPy symbol is a learned scalar."""
    param = symbol if isinstance(symbol, Param) else None
    matrix = param is not None and param.is_matrix
    block = param.block if param is not None else None
    per = param.per if param is not None else "scalar"
    shapes = {"scalar": "(1,)", "channel": "(channels,)", "site": "(channels, *sites)", "edge": "(channels, *edges)"}
    shape = shapes[per]
    if matrix:
        shape = "(channels, channels)" if block is None else f"(-(-channels // {block}), {block}, {block})"
    raw, given = f"self.raw_{symbol.name}", _given(symbol, param)
    if param is not None and (param.symmetric or param.antisymmetric):
        given = f"_mirrored({given}, {symbol.name!r}, {1 if param.symmetric else -1})"
    if block is not None:
        given = f"_diagonal_blocks({given}, {raw}, self.channels, {symbol.name!r}, value)"
    if per == "edge":
        raw = f"_pairs({raw}, self.edges is None)"
        given = f"_both_ways({given}, {symbol.name!r}, self.edges is None)"
    read, write, words = raw, given, []
    if param is not None and param.symmetric:
        read, words = f"0.5 * ({raw} + {raw}.mT)", ["symmetric"]
    elif param is not None and param.antisymmetric:
        read, words = f"0.5 * ({raw} - {raw}.mT)", ["antisymmetric"]
    if param is not None and param.below is not None:
        bound = float(param.below)
        read = f"_between({raw}, {bound!r}, {bool(symbol.is_positive)})"
        write = f"_inverse_between({given}, {bound!r})"
        words.append(f"{'positive' if symbol.is_positive else 'nonnegative'} and below {param.below}")
    elif symbol.is_positive:
        read, write = f"_positive({read})", f"_inverse_softplus({given})"
        words.append("positive")
    elif symbol.is_nonnegative:
        read, write = f"nn.functional.softplus({read})", f"_inverse_softplus({given})"
        words.append("nonnegative")
    if per == "scalar" and not matrix:
        read = f"{read}.squeeze(0)"  # of shape (1,), since sharded training takes no parameter of shape ()
    if block is not None:
        read = f"_block_diagonal({read}, self.channels)"
        words.append(f"in blocks of {block} channels")
    doc = " ".join(["Channel matrix" if matrix else f"One value per {per}" if per != "scalar" else "A number"])
    doc += f", {', '.join(words)}." if words else "."
    doc += f" Made from ``raw_{symbol.name}``: set it by assignment, writing into it changes nothing."
    return ParameterText(symbol.name, doc, shape, repr(initial_value(symbol)), read, write, block)


def _given(symbol: sp.Symbol, param: Param | None) -> str:
    """The call that checks a value that a parameter is set to: its shape and the range of its declaration."""
    limits = ["above=0.0"] if symbol.is_positive else ["least=0.0"] if symbol.is_nonnegative else []
    if param is not None and param.below is not None:
        limits.append(f"below={float(param.below)!r}")
    return f"_accepted({', '.join(['value', f'self.{symbol.name}', repr(symbol.name), *limits])})"


def initial_value(symbol: sp.Symbol) -> float:
    """The declared start, else half of a bound, 1 for a positive number, 0.1 for a nonnegative one, 0 otherwise."""
    if isinstance(symbol, Param) and symbol.init is not None:
        return float(symbol.init)
    if isinstance(symbol, Param) and symbol.below is not None:
        return symbol.below / 2
    if symbol.is_positive:
        return 1.0
    return 0.1 if symbol.is_nonnegative else 0.0
