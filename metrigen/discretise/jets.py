"""Derivatives of arrays before they are discretised: ``Jet(array, orders)`` stands for D^orders array."""

from __future__ import annotations

from typing import Any

import sympy as sp

from metrigen.ir.nodes import Offset


class Jet(sp.Symbol):
    """The derivative of an array, ``orders[i]`` times along axis i."""

    __slots__ = ("array", "orders")
    array: str
    orders: Offset

    def __new__(cls, array: str, orders: Offset, positive: bool = False) -> Jet:
        signs = {"positive": True} if positive else {}
        self: Jet = sp.Symbol.__xnew__(cls, f"{array}__d{''.join(map(str, orders))}", real=True, **signs)
        self.array, self.orders = array, orders
        return self

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return Jet, (self.array, self.orders, bool(self.is_positive))

    @property
    def order(self) -> int:
        return sum(self.orders)

    def axes(self) -> frozenset[int]:
        return frozenset(i for i, k in enumerate(self.orders) if k)
