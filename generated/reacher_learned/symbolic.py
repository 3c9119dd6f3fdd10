# Part of every package that metrigen 0.1.0 emits. Do not edit.
"""The densities of a layer as expressions of SymPy, with the numbers that the layer has learned."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .expressions import HAMILTONIAN, LAGRANGIAN, SYMBOLS

_NUMBERS = ("scalar", "channel", "matrix")
_ENOUGH = (6, 7, 8, 9, 12, 15, 16, 17)  # digits to try


def hamiltonian(layer: Any, channel: int | None) -> Any:
    """The density of the energy. Raises ModuleNotFoundError without SymPy, ValueError for a channel that is none."""
    return _density(layer, "hamiltonian", HAMILTONIAN, channel)


def lagrangian(layer: Any, channel: int | None) -> Any:
    """The Lagrangian. Raises AttributeError where the spec states none."""
    if not LAGRANGIAN:
        raise AttributeError(f"{type(layer).__name__} has no Lagrangian: its spec states hamiltonian=")
    return _density(layer, "lagrangian", LAGRANGIAN, channel)


def markdown(layer: Any) -> str:
    """What a notebook shows of a layer: how it was made, and the density of its energy where SymPy is installed."""
    try:
        shown = _latex(hamiltonian(layer, 0))
    except (ImportError, RuntimeError, NotImplementedError):  # numbers that nobody has: a layer on no device
        return f"```\n{layer!r}\n```"
    which = "_0" if layer.channels > 1 else ""  # of the first channel
    return f"```\n{layer!r}\n```\n\n" + r"$$\mathcal H" + f"{which} = {shown}$$"


def _latex(expr: Any) -> str:
    """LaTeX with fields without their arguments, phi_x for a derivative, and numbers of six digits."""
    import sympy
    from sympy.core import function

    fields = expr.atoms(function.AppliedUndef)
    slopes = {d for d in expr.atoms(sympy.Derivative) if d.expr in fields}
    short = {x: sympy.Float(f"{float(x):.6g}") for x in expr.atoms(sympy.Float)}
    for d in slopes:
        marks = "".join(str(x) * int(n) for x, n in d.variable_count)
        short[d] = sympy.Symbol(f"{d.expr.func.__name__}_{marks}")
    short |= {f: sympy.Symbol(f.func.__name__) for f in fields if SYMBOLS.get(f.func.__name__) != "function"}
    return sympy.latex(expr.xreplace(short), full_prec=False)


def _density(layer: Any, method: str, text: str, channel: int | None) -> Any:
    try:
        import sympy
        from sympy.core import function
        from sympy.parsing import sympy_parser
    except ImportError as error:
        raise ModuleNotFoundError(
            f"{type(layer).__name__}.{method}() writes with SymPy, which is not installed: pip install sympy",
            name="sympy",
        ) from error
    count = layer.channels
    if channel is not None and (isinstance(channel, bool) or channel not in range(count)):
        raise ValueError(f"channel={channel!r}: {type(layer).__name__} has the channels 0 to {count - 1}; None: all")
    known = {name: _named(sympy, name, *kind.split()) for name, kind in SYMBOLS.items()}
    coupling = {name: sympy.Function(name) for name in ("_mix", "_transposed", "_total")}
    tree = sympy_parser.parse_expr(text, local_dict={"sympy": sympy, **known, **coupling})
    values = {name: getattr(layer, name).detach().cpu() for name, kind in SYMBOLS.items() if kind in _NUMBERS}
    mix, transposed, total = coupling.values()
    coupled = tree.has(mix, total)
    own = {f for f in tree.atoms(function.AppliedUndef) if _kind(f.func.__name__) in ("field", "input", "site")}
    own |= {s for s in tree.free_symbols if _kind(s.name) == "value"}

    def numbers(c: int) -> dict[Any, Any]:
        """What the symbols are in a channel; where channels meet, its fields bear its number."""
        found = {known[n]: _number(sympy, v if not v.dim() else v[c]) for n, v in values.items() if v.dim() < 2}
        if coupled or channel is None:
            found |= {f: _numbered(sympy, f, c) for f in own}
        return found

    tables: dict[int, dict[Any, Any]] = {}

    def of(node: Any, c: int) -> Any:
        if node.func is total:
            return sympy.Add(*(of(node.args[0], d) for d in range(count)))
        if node.func is mix:
            matrix, inner = node.args
            back = matrix.func is transposed
            entries = values[(matrix.args[0] if back else matrix).name]
            row = entries[:, c] if back else entries[c]
            return sympy.Add(*(_number(sympy, row[d]) * of(inner, d) for d in range(count) if row[d] != 0))
        if coupled and node.has(mix, total):
            return node.func(*(of(a, c) for a in node.args))
        if c not in tables:
            tables[c] = numbers(c)
        return node.xreplace(tables[c])

    return sympy.Add(*(of(tree, c) for c in range(count))) if channel is None else of(tree, channel)


def _named(sympy: Any, name: str, kind: str, *signs: str) -> Any:
    """A symbol, or a function of the coordinates that stand behind it."""
    make = sympy.Symbol if kind in ("symbol", "value", *_NUMBERS) else sympy.Function
    return make(name, real=True, **{sign: True for sign in signs})


def _kind(name: str) -> str:
    """What a name is: "value" of an input without coordinates, "symbol" of a coordinate and of what a sample has."""
    return SYMBOLS.get(name, "").partition(" ")[0]


def _numbered(sympy: Any, x: Any, c: int) -> Any:
    """A field or an input of one channel."""
    name = x.name if x.is_Symbol else x.func.__name__
    made = _named(sympy, f"{name}_{c}", *SYMBOLS[name].split())
    return made if x.is_Symbol else made(*x.args)


def _number(sympy: Any, value: Tensor) -> Any:
    """A number in as few digits as tell it from its neighbours in its dtype."""
    exact = float(value)
    for digits in _ENOUGH:
        text = f"{exact:.{digits}g}"
        if bool(torch.tensor(float(text), dtype=value.dtype) == value):
            return sympy.Float(text)
    return sympy.Float(exact)
