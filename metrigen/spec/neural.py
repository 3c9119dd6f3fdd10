"""``NeuralFunction``: a function inside a spec that is learned: a network that the spec declares, whose weights are
parameters of the layer, or a torch module that is given when the layer is made.

In a spec it is one SymPy expression V(phi), and derivatives stay symbolic: V'(phi), V''(phi), or by argument
V^(1,0)(u, v). What is derived holds for every smooth V that acts elementwise: the value at a channel and a site is the
same function of the arguments there.
"""

from __future__ import annotations

from typing import Any

import sympy as sp
from sympy.core.basic import Atom
from sympy.core.function import AppliedUndef

from metrigen.errors import SpecError
from metrigen.spec.names import check_name
from metrigen.spec.network import Network, network

_PRIMES = 3  # derivatives written with primes
_OWN = ("dt",)  # arguments of every emitted layer that a parameter may set, and a module may not


class Head(Atom):
    """Which function stands in a ``learned`` expression, and how often it is differentiated in each argument.

    sign    "positive" or "nonnegative": kept by the emitted code; "" otherwise
    convex  declared: kept by the gains of a network, a condition on a module
    network the network that the spec declares; None where a module is given
    """

    __slots__ = ("convex", "name", "network", "orders", "sign")
    is_commutative = True

    name: str
    orders: tuple[int, ...]
    sign: str
    convex: bool
    network: Network | None

    def __new__(
        cls, name: str, orders: tuple[int, ...], sign: str = "", convex: bool = False, network: Network | None = None
    ) -> Head:
        self: Head = Atom.__new__(cls)
        self.name, self.orders, self.sign, self.convex = name, tuple(orders), sign, convex
        self.network = network
        return self

    def _hashable_content(self) -> tuple[Any, ...]:
        own = (self.name, self.orders, self.sign, self.convex)
        return own if self.network is None else (*own, self.network)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return Head, self._hashable_content()

    @property
    def order(self) -> int:
        """The number of derivatives."""
        return sum(self.orders)

    @property
    def function(self) -> Head:
        """The function itself, not differentiated."""
        return self.raised(None)

    def raised(self, place: int | None) -> Head:
        """Once more differentiated in the argument at ``place``; None: not differentiated at all."""
        orders = (n + (i == place) if place is not None else 0 for i, n in enumerate(self.orders))
        return Head(self.name, tuple(orders), self.sign, self.convex, self.network)

    @property
    def superscript(self) -> str:
        """How the derivative is marked: '' for V'', (4) or, with several arguments, (1,0)."""
        if not self.order:
            return ""
        if len(self.orders) == 1 and self.order <= _PRIMES:
            return "'" * self.order
        return f"({','.join(map(str, self.orders))})"

    def _sympyrepr(self, printer: Any) -> str:
        return f"Head{self._hashable_content()}"

    def _sympystr(self, printer: Any) -> str:
        mark = self.superscript
        return self.name + (f"^{mark}" if mark.startswith("(") else mark)

    def _latex(self, printer: Any) -> str:
        name, mark = printer._print(sp.Symbol(self.name)), self.superscript
        return f"{name}^{{{mark}}}" if mark.startswith("(") else name + mark


class learned(sp.Function):
    """A learned function applied to its arguments: ``learned(head, *arguments)``; elementwise, real and smooth."""

    is_real = True

    @property
    def head(self) -> Head:
        head: Head = self.args[0]
        return head

    @property
    def arguments(self) -> tuple[sp.Expr, ...]:
        return tuple(self.args[1:])

    def _eval_is_positive(self) -> bool | None:
        return True if self.head.sign == "positive" and not self.head.order else None

    def _eval_is_nonnegative(self) -> bool | None:
        head = self.head
        kept = head.convex and head.network is not None and head.order == 2
        return True if kept or (head.sign and not head.order) else None

    def _eval_derivative(self, s: sp.Symbol) -> sp.Expr:
        """The chain rule, one argument after the other."""
        slopes = ((place, argument.diff(s)) for place, argument in enumerate(self.arguments))
        return sp.Add(
            *(learned(self.head.raised(place), *self.arguments) * slope for place, slope in slopes if not slope.is_zero)
        )

    def _sympystr(self, printer: Any) -> str:
        return f"{printer._print(self.head)}({', '.join(printer._print(a) for a in self.arguments)})"

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        inside = ", ".join(printer._print(a) for a in self.arguments)
        text = rf"{printer._print(self.head)}\left({inside}\right)"
        return text if exp is None else rf"\left({text}\right)^{{{exp}}}"


def NeuralFunction(
    name: str,
    *arguments: sp.Expr,
    hidden: tuple[int] | int | None = None,
    activation: str | None = None,
    per: str | None = None,
    positive: bool = False,
    nonnegative: bool = False,
    convex: bool = False,
) -> sp.Expr:
    """A learned scalar function of one or more expressions in the fields, as in a learned potential V(phi).

    With ``hidden``, the number of units, it is a network of one hidden layer (``spec.network``), evaluated inside the
    kernels; its weights are parameters of the layer, those of each channel apart (``per="channel"``) or the same for
    all ("shared"). ``activation``: "tanh", "sigmoid", "softplus", "sin", "cos", "atan", "asinh", "erf", "logcosh".

    Without it the emitted layer takes a torch module as the keyword ``name``; it maps tensors to one of their shape,
    elementwise. ``positive`` and ``nonnegative`` are kept for all weights: the layer takes softplus of the output.
    ``convex`` (of one argument) is kept as well for a network, by gains above 0 and a convex activation, "softplus" or
    "logcosh"; of a module it is a condition, stated in the laws that rest on it.

    Raises SpecError for arguments that are no expressions in fields or inputs, and for a network that has no kernels.
    """
    check_name(name, "learned function")

    def refuse(what: str, fix: str, why: str | None = None) -> SpecError:
        return SpecError(f"learned function {name!r}: {what}", part=name, why=why, fix=fix, see="learned-function")

    if name in _OWN:
        raise refuse("the layer has an argument of that name", f"rename it, for instance to {name + '_'!r}")
    if not arguments:
        raise refuse("it has no argument", f'{name} = NeuralFunction("{name}", phi)')
    values = tuple(_expression(name, a) for a in arguments)
    if convex and len(values) > 1:
        raise refuse("convex= speaks of a function of one argument", "drop convex=")
    if not any(value.has(AppliedUndef) for value in values):
        raise refuse(
            f"{', '.join(map(str, values))} holds no field and no input",
            "make the number a Param, or apply the function to a field",
            "it is evaluated at every site",
        )
    sign = "positive" if positive else "nonnegative" if nonnegative else ""
    declared = network(name, len(values), hidden, activation, per, convex)
    return learned(Head(name, (0,) * len(values), sign, convex, declared), *values)


def _expression(name: str, argument: object) -> sp.Expr:
    try:
        value = sp.sympify(argument)
    except (sp.SympifyError, TypeError):
        value = None
    if not isinstance(value, sp.Expr) or value.has(sp.I):
        raise SpecError(
            f"learned function {name!r}: {argument!r} is not a real scalar expression",
            part=name,
            why="it is a function of numbers at a site",
            fix="for a gradient, apply it to grad(phi).square or to its components one by one",
            see="learned-function",
        )
    return value


def learned_functions(*expressions: sp.Basic) -> tuple[Head, ...]:
    """The learned functions in expressions, not differentiated, by name."""
    found = {f.head.function for e in expressions for f in e.atoms(learned)}
    return tuple(sorted(found, key=lambda head: (head.name, repr(head._hashable_content()))))
