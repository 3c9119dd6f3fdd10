"""A learned function that is declared: a network of one hidden layer, whose weights are parameters of the layer.

    N(x) = offset + sum_j gain_j act(bias_j + sum_i weight_ij x_i)        j over the hidden units

A derivative of N in its arguments is a sum over the same units, and so is a derivative of that in the weights: the
kernels take the units in a loop, whatever the order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sympy as sp

from metrigen.errors import SpecError
from metrigen.spec.functions import logcosh, sigmoid, softplus

CONVEX = ("softplus", "logcosh")  # activations
MOST_UNITS, MOST_ARGUMENTS = 64, 8
OFFSET = "_offset"  # behind the name of a function: the parameter that is added to the sum
PER = ("channel", "shared")
ACTIVATIONS: Mapping[str, type[sp.Function]] = {
    "tanh": sp.tanh, "sigmoid": sigmoid, "softplus": softplus, "sin": sp.sin, "cos": sp.cos, "atan": sp.atan,
    "asinh": sp.asinh, "erf": sp.erf, "logcosh": logcosh,
}  # fmt: skip


@dataclass(frozen=True, order=True)  # expressions are put in an order
class Network:
    """hidden: how many units; activation: its name; per: "channel", weights of its own for each, or "shared"; convex:
    whether gains are kept above 0, which makes a sum of convex functions of one."""

    hidden: int
    activation: str
    per: str
    convex: bool = False

    @property
    def function(self) -> type[sp.Function]:
        return ACTIVATIONS[self.activation]

    def words(self, name: str, arguments: int) -> str:
        """The network as a formula in plain text."""
        inside = " + ".join(["bias_j", *(f"weight_{i + 1}j x_{i + 1}" for i in range(arguments))])
        return f"{name}{OFFSET} + sum_j gain_j {self.activation}({inside}), j = 1..{self.hidden}"


def network(name: str, arguments: int, hidden: object, activation: object, per: object, convex: bool) -> Network | None:
    """What ``hidden``, ``activation`` and ``per`` of a learned function declare; None where a module is to be given.
    Raises SpecError for what has no kernels."""

    def refuse(what: str, fix: str, why: str | None = None) -> SpecError:
        return SpecError(f"learned function {name!r}: {what}", part=name, why=why, fix=fix, see="learned-function")

    if hidden is None:
        if activation is None and per is None:
            return None
        raise refuse("activation= and per= speak of a network", "say how many units it has, hidden=(16,)")
    sizes = hidden if isinstance(hidden, (tuple, list)) else (hidden,)
    if not sizes or any(isinstance(n, bool) or not isinstance(n, int) or n < 1 for n in sizes):
        raise refuse(f"hidden={hidden!r} is no number of units", "hidden=(16,)")
    if len(sizes) > 1:
        raise refuse(
            f"hidden={tuple(sizes)} has {len(sizes)} hidden layers",
            f"hidden=({min(max(sizes), MOST_UNITS)},), or leave hidden= out and hand the layer a torch module",
            "kernels evaluate one: a second would need all units of the first at every site, and for each derivative",
        )
    if sizes[0] > MOST_UNITS:
        raise refuse(
            f"{sizes[0]} hidden units are more than {MOST_UNITS}",
            f"hidden=({MOST_UNITS},), or leave hidden= out and hand the layer a torch module",
            "every unit is evaluated at every site and step",
        )
    if arguments > MOST_ARGUMENTS:
        raise refuse(
            f"{arguments} arguments are more than {MOST_ARGUMENTS}",
            "fewer arguments, or leave hidden= out and hand the layer a torch module",
        )
    chosen, whose = activation or ("softplus" if convex else "tanh"), per or "channel"
    if chosen not in ACTIVATIONS:
        raise refuse(f"activation={activation!r} is not known", "one of " + ", ".join(map(repr, ACTIVATIONS)))
    if whose not in PER:
        raise refuse(f"per={per!r} is not known", "one of " + ", ".join(map(repr, PER)))
    if convex and chosen not in CONVEX:
        raise refuse(f"convex=True is not kept by activation={chosen!r}", "one of " + ", ".join(map(repr, CONVEX)))
    return Network(sizes[0], str(chosen), str(whose), convex)


class Offset(sp.Symbol):
    """The offset of a network, one number a channel: a parameter of the layer."""

    __slots__ = ("network",)
    network: Network

    def __new__(cls, name: str, network: Network) -> Offset:
        self: Offset = sp.Symbol.__xnew__(cls, name, real=True)
        self.network = network
        return self

    def __reduce_ex__(self, protocol: object) -> tuple[object, ...]:
        return Offset, (self.name, self.network)


class Weights(sp.Symbol):
    """The weights of a network as one symbol, (C, units, arguments + 2): a parameter of the layer."""

    __slots__ = ("arguments", "network")
    network: Network
    arguments: int

    def __new__(cls, name: str, network: Network, arguments: int) -> Weights:
        self: Weights = sp.Symbol.__xnew__(cls, name, real=True)
        self.network, self.arguments = network, arguments
        return self

    def __reduce_ex__(self, protocol: object) -> tuple[object, ...]:
        return Weights, (self.name, self.network, self.arguments)
