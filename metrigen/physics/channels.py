"""The linear maps between channels, ``mix`` and ``total``, and the sum over a named axis, ``contract``: normal form,
lifting, transpose, explicit channels.

Every field is a multiplet and a product is elementwise in the channel, so a map is opaque to ordinary
differentiation. Lifting names each outermost map by a symbol; the chain rule then passes through it by linearity
(forward) or by its transpose (reverse).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.physics.jets import Jet
from metrigen.physics.size import expanded_terms
from metrigen.physics.work_budget import expand, spend_on
from metrigen.spec.contract import contract
from metrigen.spec.symbols import Param, mix, mix_transposed, total, transposed

MAPS = (mix, total, contract)
LARGE = 1000  # terms beyond which the argument of a map is not expanded


class Lifted(sp.Symbol):
    """The symbol that stands for a map inside an expression; ``of`` is that map."""

    __slots__ = ("of",)
    of: sp.Expr

    def __new__(cls, name: str, of: sp.Expr) -> Lifted:
        self: Lifted = sp.Symbol.__xnew__(cls, name, real=True)
        self.of = of
        return self

    def _hashable_content(self) -> tuple[object, ...]:
        return (*super()._hashable_content(), self.of)

    def __reduce_ex__(self, protocol: object) -> tuple[object, ...]:
        return Lifted, (self.name, self.of)


def has_maps(expr: sp.Expr) -> bool:
    return bool(expr.has(*MAPS))


def lift(expr: sp.Expr) -> tuple[sp.Expr, dict[sp.Symbol, sp.Expr]]:
    """(flat, maps): ``expr`` with each outermost map replaced by a symbol, and what the symbols stand for."""
    if not has_maps(expr):
        return expr, {}
    found: dict[sp.Expr, None] = {}
    _outermost(expr, found)
    atoms = sorted(found, key=sp.default_sort_key)
    names = {atom: Lifted(f"map[{i}]", atom) for i, atom in enumerate(atoms)}
    return expr.xreplace(names), {symbol: atom for atom, symbol in names.items()}


def _outermost(expr: sp.Expr, found: dict[sp.Expr, None]) -> None:
    if isinstance(expr, MAPS):
        found[expr] = None
        return
    for argument in expr.args:
        _outermost(argument, found)


def argument(atom: sp.Expr) -> sp.Expr:
    """What a map acts on."""
    return atom.args[-1]


def apply(atom: sp.Expr, f: sp.Expr) -> sp.Expr:
    """The map of ``atom`` applied to ``f``, in normal form."""
    if isinstance(atom, total):
        return _linear(f, lambda g: total(g))
    if isinstance(atom, contract):
        return _linear(f, lambda g: contract(atom.args[0], g), _is_number)
    return _linear(f, lambda g: _mix(atom.args[0], g))


def apply_transposed(atom: sp.Expr, f: sp.Expr) -> sp.Expr:
    """The transpose of the map of ``atom`` applied to ``f``, in normal form."""
    if isinstance(atom, total):
        return _linear(f, lambda g: total(g))
    if isinstance(atom, contract):
        return atom.args[0] * f  # <w, k.S> = <k w, S>, k and w broadcast over the axes of S
    return _linear(f, lambda g: mix_transposed(atom.args[0], g))


def _mix(matrix: sp.Expr, f: sp.Expr) -> sp.Expr:
    return mix_transposed(matrix.args[0], f) if isinstance(matrix, transposed) else mix(matrix, f)


def _is_number(expr: sp.Expr) -> bool:
    return bool(expr.is_number)


def _linear(f: sp.Expr, act: Callable[[sp.Expr], sp.Expr], outside: Callable[[sp.Expr], bool] | None = None) -> sp.Expr:
    """A linear map term by term, with factors that it does not see moved ``outside``: by default those that are the
    same in every channel."""
    outside = outside or is_scalar
    out = []
    # Splitting is for comparison only; what is too large to expand stays one argument.
    for term in sp.Add.make_args(expand(f) if expanded_terms(f) < LARGE else f):
        scalars: list[sp.Expr] = []
        rest: list[sp.Expr] = []
        for factor in sp.Mul.make_args(term):
            (scalars if outside(factor) else rest).append(factor)
        out.append(sp.Mul(*scalars) * act(sp.Mul(*rest)))
    return sp.Add(*out)


def is_scalar(expr: sp.Expr) -> bool:
    """Is the value the same in every channel? Numbers, coordinates, per="scalar" parameters and channel sums are."""
    if isinstance(expr, total):
        return True
    if isinstance(expr, (Jet, AppliedUndef, mix, contract)):
        return False
    if isinstance(expr, Param):
        return expr.per == "scalar" and not expr.is_matrix
    return all(is_scalar(a) for a in expr.args)


def canonical(expr: sp.Expr) -> sp.Expr:
    """The normal form of the maps in an expression: linear combinations split, scalars outside, sorted transposes."""
    flat, maps = lift(expr)
    if not maps:
        return expr
    return flat.xreplace({symbol: apply(atom, canonical(argument(atom))) for symbol, atom in maps.items()})


def summed(expr: sp.Expr) -> sp.Expr:
    """The sum over the channels of an expression in normal form, with transposed maps moved over: sum a K^T b =
    sum b K a. Where it is zero for independent values of its maps, the sum vanishes for any number of channels."""
    terms = [_moved(term) for term in sp.Add.make_args(expand(expr))]
    return canonical(_linear(canonical(sp.Add(*terms)), lambda g: total(g)))


def _moved(term: sp.Expr) -> sp.Expr:
    transposes = [f for f in sp.Mul.make_args(term) if isinstance(f, mix) and isinstance(f.args[0], transposed)]
    if len(transposes) != 1:
        return term
    rest = sp.Mul(*(f for f in sp.Mul.make_args(term) if f is not transposes[0]))
    return argument(transposes[0]) * apply_transposed(transposes[0], rest)


def degree(expr: sp.Expr) -> int:
    """The largest number of maps that one term can hold, nested ones included."""
    if isinstance(expr, MAPS):
        return 1 + degree(argument(expr))
    if not expr.args or not has_maps(expr):
        return 0
    parts = [degree(a) for a in expr.args]
    if expr.is_Add:
        return max(parts)
    if expr.is_Mul:
        return sum(parts)
    if expr.is_Pow and expr.exp.is_Integer and expr.exp > 0:
        return parts[0] * int(expr.exp)
    return 1 + sum(parts)


def explicit(expr: sp.Expr, channels: int) -> list[sp.Expr]:
    """The components of an expression, every field and parameter written with its channel index."""
    flat, maps = lift(expr)
    spend_on(flat, channels / 10, "writing out the channels of")
    inner = {symbol: explicit(argument(atom), channels) for symbol, atom in maps.items()}
    out = []
    for c in range(channels):
        table: dict[sp.Basic, sp.Basic] = {
            s: indexed(s, c) for s in sorted(flat.free_symbols, key=sp.default_sort_key) if not is_scalar(s)
        }
        for symbol, atom in maps.items():
            values = inner[symbol]
            table[symbol] = (
                sp.Add(*values)
                if isinstance(atom, total)
                else sp.Add(*(entry(atom.args[0], c, d) * values[d] for d in range(channels)))
            )
        out.append(flat.xreplace(table))
    return out


def indexed(symbol: sp.Symbol, c: int) -> sp.Symbol:
    """The component of a multiplet symbol in channel c."""
    return sp.Symbol(f"{symbol.name}#{c}", real=True, **_sign(symbol))


def _sign(symbol: sp.Symbol) -> Mapping[str, bool]:
    if symbol.is_positive:
        return {"positive": True}
    return {"nonnegative": True} if symbol.is_nonnegative else {}


def entry(matrix: sp.Expr, c: int, d: int) -> sp.Expr:
    """The entry of a channel matrix as a symbol."""
    if isinstance(matrix, transposed):
        matrix, c, d = matrix.args[0], d, c
    if matrix.symmetric and c > d:
        c, d = d, c
    if matrix.antisymmetric:
        if c == d:
            return sp.S.Zero
        if c > d:
            return -entry(matrix, d, c)
    return sp.Symbol(f"{matrix.name}#{c}#{d}", real=True, **_sign(matrix))
