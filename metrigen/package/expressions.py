"""The text of ``expressions.py``: the densities of a layer as plain SymPy, and what each name in them is.

What is of metrigen alone is written in SymPy's own words: a case as ``Piecewise``, the difference along an edge of a
graph by its ends. What couples channels keeps its name, with a line before it, for the layer to write out.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Mapping

import sympy as sp
from sympy.core.function import AppliedUndef
from sympy.printing.str import StrPrinter

from metrigen.emit.layout import layout
from metrigen.emit.render import render
from metrigen.emit.style.rows import WIDTH as PYTHON_WIDTH
from metrigen.layers.layer import Layer
from metrigen.spec.contract import contract
from metrigen.spec.distance import bearing, hypot, overhypot
from metrigen.spec.domain import EDGE, NODE
from metrigen.spec.edges import average, difference
from metrigen.spec.functions import (
    Quotient,
    choose,
    cosatan,
    expm1,
    guard,
    logcosh,
    polar,
    powlog,
    sigmoid,
    sinatan,
    softplus,
    whole,
)
from metrigen.spec.means import harmonicmean, logmean
from metrigen.spec.neural import Head, learned
from metrigen.spec.symbols import InputFunction, Param, mix, total, transposed

WIDTH = 98  # of a line of text, with the name before it
HEAD, TAIL = sp.Symbol("head", real=True), sp.Symbol("tail", real=True)
_COUPLING = {mix: "_mix", transposed: "_transposed", total: "_total", contract: "_contract"}


def expressions_text(layer: Layer, header: str) -> str:
    """The module; a field has the name that it has in a state."""
    system = layer.source.spec.system
    names = dict(zip(layer.source.derivation.fields, layer.lowered.fields, strict=True))
    densities = {"HAMILTONIAN": layer.source.derivation.hamiltonian, "LAGRANGIAN": system.lagrangian}
    axes = system.domain.axes
    plain = {name: None if e is None else _named(_plain(e, axes), names) for name, e in densities.items()}
    symbols: dict[str, str] = {}
    for expr in plain.values():
        symbols |= {} if expr is None else _symbols(expr, layer)
    texts = {name: "" if expr is None else _text(expr, set(symbols)) for name, expr in plain.items()}
    return layout(
        render(
            "expressions.py.j2",
            header=header,
            class_name=layer.source.class_name,
            densities=[(name, _lines(name, text)) for name, text in texts.items()],
            symbols=sorted(symbols.items()),
        )
    )


def _plain(expr: sp.Expr, axes: tuple[sp.Symbol, ...]) -> sp.Expr:
    """The expression in functions of SymPy; a parameter with a value a site or an edge is a function of that."""
    places = {"site": axes, "edge": (EDGE,)}
    sited = {
        p: sp.Function(p.name, **_assumed(p))(*places[p.per])
        for p in expr.atoms(Param)
        if p.per in places and not p.is_matrix and (p.per == "edge" or axes)
    }
    values = {f: sp.Symbol(f.func.__name__, **_assumed(f)) for f in expr.atoms(AppliedUndef) if not f.args}
    return _rewritten(expr).xreplace({**sited, **values})


def _rewritten(expr: sp.Basic) -> sp.Basic:
    if not expr.args or isinstance(expr, (AppliedUndef, sp.Derivative)):
        return expr
    if isinstance(expr, learned):
        return _of_learned(expr.head, [_rewritten(a) for a in expr.arguments])
    args = [_rewritten(a) for a in expr.args]
    if isinstance(expr, Quotient):
        return _of_quotient(expr, *args)
    write = _WORDS.get(type(expr))
    return write(*args) if write is not None else expr.func(*args)


def _of_learned(head: Head, args: list[sp.Basic]) -> sp.Basic:
    """V(a), or its derivative at a."""
    function = sp.Function(head.name, real=True)
    if not head.order:
        return function(*args)
    places = [sp.Symbol(f"_{i + 1}", real=True) for i in range(len(args))]
    counts = [(z, n) for z, n in zip(places, head.orders, strict=True) if n]
    return sp.Subs(sp.Derivative(function(*places), *counts), places, args)


def _of_quotient(expr: Quotient, order: sp.Basic, x: sp.Basic) -> sp.Basic:
    """f(x)/x and its derivatives, by their limits at 0."""
    if expr.of is sp.sin and not expr.root and not order:
        return sp.sinc(x)
    z = sp.Symbol("_1", real=True)
    inner = sp.sqrt(z) if expr.root else z
    value = expr.of(inner) / inner
    at = value.xreplace({z: x}) if not order else sp.Subs(sp.Derivative(value, (z, order)), (z,), (x,))
    limit = sp.limit(value if not order else value.diff(z, order), z, 0)
    return sp.Piecewise((at, sp.Ne(x, 0)), (limit, True))


def _at(f: sp.Expr, end: sp.Symbol) -> sp.Expr:
    return f.xreplace({NODE: end})


_WORDS: Mapping[type, Callable[..., sp.Basic]] = {
    choose: lambda c, a, b: sp.Piecewise((a, c > 0), (b, True)),
    whole: sp.floor,
    logcosh: lambda x: sp.log(sp.cosh(x)),
    softplus: lambda x: sp.log(1 + sp.exp(x)),
    sigmoid: lambda x: 1 / (1 + sp.exp(-x)),
    powlog: lambda n, b, e: b**e * sp.log(b) ** n,
    guard: lambda p, x: sp.Piecewise((x, sp.Ne(p, 0)), (1, True)),
    polar: lambda a, b: a / (a**2 + b**2),
    cosatan: lambda x: 1 / sp.sqrt(1 + x**2),
    sinatan: lambda x: x / sp.sqrt(1 + x**2),
    expm1: lambda x: sp.exp(x) - 1,
    hypot: lambda a, b: sp.sqrt(a**2 + b**2),
    bearing: lambda a, b: sp.Piecewise((a / sp.sqrt(a**2 + b**2), sp.Ne(a**2 + b**2, 0)), (0, True)),
    overhypot: lambda a, b: sp.Piecewise((a / (a**2 + b**2), sp.Ne(a**2 + b**2, 0)), (0, True)),
    logmean: lambda a, b: sp.Piecewise(((a - b) / (sp.log(a) - sp.log(b)), sp.Ne(a, b)), (a, True)),
    harmonicmean: lambda a, b: sp.Piecewise((2 * a * b / (a + b), sp.Ne(a + b, 0)), (0, True)),
    difference: lambda f: _at(f, HEAD) - _at(f, TAIL),
    average: lambda f: (_at(f, HEAD) + _at(f, TAIL)) / 2,
}


def _named(expr: sp.Expr, names: Mapping[AppliedUndef, str]) -> sp.Expr:
    """The fields under the names of their arrays."""
    called = {u.func.__name__: name for u, name in names.items()}
    fields = {
        u: sp.Function(called[u.func.__name__], real=True)(*u.args)
        for u in expr.atoms(AppliedUndef)
        if u.func.__name__ in called and not isinstance(u, InputFunction)
    }
    return expr.xreplace(fields)


def _symbols(expr: sp.Expr, layer: Layer) -> dict[str, str]:
    """Name -> what it is, and its sign where one is declared."""
    found: dict[str, str] = {}
    learned_names = {f.head.name for f in layer.source.derivation.hamiltonian.atoms(learned)}
    densities = (layer.source.derivation.hamiltonian, layer.source.spec.system.lagrangian)
    inputs = {f.func.__name__ for e in densities if e is not None for f in e.atoms(InputFunction)}
    if expr.has(contract):
        found["_contract"] = "function"
    for f in expr.atoms(AppliedUndef):
        name = f.func.__name__
        kind = "input" if isinstance(f, InputFunction) else "function" if name in learned_names else "field"
        kind = "site" if name in layer.given.parameters and name not in learned_names else kind
        found[name] = f"{kind}{_sign(f)}"
    for s in expr.atoms(sp.Symbol):
        if isinstance(s, Param) and s.per != "sample":
            found[s.name] = "matrix" if s.is_matrix else s.per
        else:
            found[s.name] = f"{'value' if s.name in inputs else 'symbol'}{_sign(s)}"
    return found


def _sign(x: sp.Expr) -> str:
    return " positive" if x.is_positive else " nonnegative" if x.is_nonnegative else ""


def _assumed(x: sp.Expr) -> dict[str, bool]:
    return {"real": True, **dict.fromkeys(_sign(x).split(), True)}


class _Printer(StrPrinter):
    """Text that SymPy reads back: constants and functions whose names the spec has taken are looked up in SymPy."""

    def __init__(self, taken: set[str]) -> None:
        super().__init__({"full_prec": False})
        self._taken = taken

    def _print_NumberSymbol(self, expr: sp.Expr) -> str:
        return f"sympy.{type(expr).__name__}()" if str(expr) in self._taken else str(expr)

    _print_Pi = _print_Exp1 = _print_EulerGamma = _print_GoldenRatio = _print_Catalan = _print_NumberSymbol

    def _print_Function(self, expr: sp.Expr) -> str:
        name = _COUPLING.get(type(expr), expr.func.__name__)
        if not isinstance(expr, (AppliedUndef, *_COUPLING)) and name in self._taken:
            name = f"sympy.{name}"
        return f"{name}({self.stringify(expr.args, ', ')})"


def _text(expr: sp.Expr, taken: set[str]) -> str:
    return str(_Printer(taken).doprint(expr))


def _lines(name: str, text: str) -> list[str]:
    """A text in the lines of a string of Python, one where it fits, else broken before terms or at blanks."""
    if len(f'{name} = "{text}"') <= PYTHON_WIDTH:
        return [text]
    lines = [""]
    for term in re.split(r"(?<= )(?=[+-] )", text):
        if lines[-1] and len(lines[-1]) + len(term) > WIDTH:
            lines.append("")
        lines[-1] += term
    wrap = textwrap.TextWrapper(WIDTH, break_long_words=False, break_on_hyphens=False, drop_whitespace=False)
    return [part for line in lines for part in wrap.wrap(line) or [""]]
