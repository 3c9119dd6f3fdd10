"""Jets: every derivative of a function of the coordinates as one symbol.

``u_alpha = D_alpha u`` becomes the symbol ``Jet(u, alpha)``, so that a density is an ordinary expression in symbols:
differentiate it, then map back. SymPy's own derivative atoms are slow to differentiate by and their substitution
depends on order.
"""

from __future__ import annotations

from functools import lru_cache

import sympy as sp
from sympy.core.function import AppliedUndef, UndefinedFunction

from metrigen.errors import SpecError
from metrigen.spec.domain import EDGE
from metrigen.spec.symbols import Param, t

_SIGNS = ("positive", "nonnegative", "negative", "nonpositive", "nonzero")


class SiteFunction(AppliedUndef):
    """A ``per="site"`` parameter as the function of the axes that it is; ``parameter`` is its symbol."""


class Jet(sp.Symbol):
    """The derivative of ``base`` of order ``orders[i]`` in its i-th argument, as a real symbol."""

    __slots__ = ("base", "orders")

    base: AppliedUndef
    orders: tuple[int, ...]

    def __new__(cls, base: AppliedUndef, orders: tuple[int, ...]) -> Jet:
        return _jet(base, tuple(orders))

    def _hashable_content(self) -> tuple[object, ...]:
        return (*super()._hashable_content(), self.base, self.orders)

    def __reduce_ex__(self, protocol: object) -> tuple[object, ...]:
        return Jet, (self.base, self.orders)

    @property
    def order(self) -> int:
        """|alpha|, the number of derivatives."""
        return sum(self.orders)

    def order_in(self, coordinate: sp.Symbol) -> int:
        """The number of derivatives along one coordinate."""
        return self.orders[self.base.args.index(coordinate)] if coordinate in self.base.args else 0

    def shift(self, coordinate: sp.Symbol, by: int = 1) -> sp.Expr:
        """D_coordinate of this jet: the next jet, or zero if the function does not depend on the coordinate."""
        if coordinate not in self.base.args:
            return sp.S.Zero
        place = self.base.args.index(coordinate)
        return Jet(self.base, tuple(n + by if i == place else n for i, n in enumerate(self.orders)))

    def directions(self) -> tuple[sp.Symbol, ...]:
        """The coordinates of alpha, each as often as it occurs."""
        return tuple(x for x, n in zip(self.base.args, self.orders, strict=True) for _ in range(n))

    def function(self) -> sp.Expr:
        """The derivative as SymPy writes it; a parameter that is not differentiated is its own symbol."""
        directions = self.directions()
        if not directions and isinstance(self.base, SiteFunction):
            return self.base.func.parameter
        return self.base.diff(*directions) if directions else self.base


@lru_cache(maxsize=4096)
def _jet(base: AppliedUndef, orders: tuple[int, ...]) -> Jet:
    signs = {s: True for s in _SIGNS if getattr(base, f"is_{s}")} if not any(orders) else {}
    # Brackets are not part of any identifier, so a jet never shares its name with a symbol of the user.
    name = f"{base.func.__name__}[{','.join(map(str, orders))}]"
    self: Jet = sp.Symbol.__xnew__(Jet, name, real=True, **signs)
    self.base, self.orders = base, orders
    return self


def jet(u: AppliedUndef, *directions: sp.Symbol) -> Jet:
    """The jet of ``u`` along the given coordinates."""
    return Jet(u, tuple(sum(1 for d in directions if d == x) for x in u.args))


def to_jets(expr: sp.Expr) -> sp.Expr:
    """Replace every derivative and every function of coordinates by its jet."""
    expr = sp.sympify(expr)
    if expr.has(sp.Derivative):
        expr = expr.doit(deep=True) if has_unevaluated(expr) else expr
    table: dict[sp.Basic, sp.Basic] = {}
    for atom in sorted(expr.atoms(sp.Derivative), key=sp.default_sort_key):
        if not isinstance(atom.expr, AppliedUndef):
            raise SpecError(
                f"{atom} is not a derivative of a field",
                why="only fields and inputs are differentiated",
                fix="carry the derivative out with .doit()",
                see="derivative",
            )
        directions = [x for x, n in atom.variable_count for _ in range(_count(atom, n))]
        if any(x not in atom.expr.args for x in directions):
            raise SpecError(
                f"{atom}: derivatives act along the coordinates {atom.expr.args}",
                fix="differentiate by t or by an axis of the domain, the symbols the field was made with",
                see="derivative",
            )
        table[atom] = jet(atom.expr, *directions)
    for atom in sorted(expr.atoms(AppliedUndef), key=sp.default_sort_key):
        _check_arguments(atom)
        table[atom] = jet(atom)
    sites = [u for u in table if isinstance(u, AppliedUndef) and u.args[:1] == (t,) and EDGE not in u.args]
    axes = sites[0].args[1:] if sites else ()
    for symbol in sorted(expr.free_symbols, key=lambda s: (s.name, str(type(s)))):
        if isinstance(symbol, Param) and symbol.per == "site" and axes:
            table[symbol] = jet(site_function(symbol, axes))
    return expr.xreplace(table)


def site_function(parameter: Param, axes: tuple[sp.Symbol, ...]) -> AppliedUndef:
    """The function of the axes that a ``per="site"`` parameter stands for: its derivatives do not vanish."""
    signs = {sign: True for sign in ("positive", "nonnegative") if getattr(parameter, f"is_{sign}")}
    function = UndefinedFunction(parameter.name, bases=(SiteFunction,), parameter=parameter, real=True, **signs)
    return function(*axes)


def has_unevaluated(expr: sp.Expr) -> bool:
    """Does an expression hold the indicated derivative of something that is no function?"""
    return any(not isinstance(atom.expr, AppliedUndef) for atom in expr.atoms(sp.Derivative))


def _count(atom: sp.Derivative, n: sp.Expr) -> int:
    if not n.is_Integer:
        raise SpecError(f"{atom}: the order of a derivative must be a number", fix="u.diff(x, 2)", see="derivative")
    return int(n)


def _check_arguments(atom: AppliedUndef) -> None:
    if not all(isinstance(x, sp.Symbol) for x in atom.args) or len(set(atom.args)) != len(atom.args):
        raise SpecError(
            f"{atom} is not a function of the coordinates",
            part=atom.func.__name__,
            why="a field or an input takes the coordinate symbols themselves",
            fix="write an arbitrary function of a field out, for instance lam*phi**4/4 for V(phi)",
            see="derivative",
        )


def from_jets(expr: sp.Expr) -> sp.Expr:
    """The inverse of ``to_jets``."""
    return expr.xreplace({j: j.function() for j in jets_of(expr)})


def jets_of(expr: sp.Expr, *bases: AppliedUndef) -> list[Jet]:
    """The jets in an expression (of the given functions if any), in a fixed order."""
    found = [j for j in expr.free_symbols if isinstance(j, Jet) and (not bases or j.base in bases)]
    return sorted(found, key=_jet_key)


def _jet_key(j: Jet) -> tuple[str, int, tuple[int, ...], str]:
    return j.base.func.__name__, j.order, tuple(-n for n in j.orders), str(j.base.args)


def label(symbol: sp.Symbol) -> str:
    """phi_xx for a jet, the name for a symbol."""
    if not isinstance(symbol, Jet):
        return str(symbol.name)
    suffix = "".join(x.name for x in symbol.directions())
    return str(symbol.base.func.__name__) + (f"_{suffix}" if suffix else "")
