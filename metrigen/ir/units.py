"""Sums over the hidden units of a network, at every site.

    y[n] = sum_j e(x[n], w_j)                 a value, or a derivative of one in x
    w_bar_j += sum_n (de/dw)(x[n], c[n], w_j)    its variation in the weights, c the cotangent of y

A unit has one row of numbers; the expressions are the same for all units, so a program is as long for 64 as for one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import sympy as sp

from metrigen.ir.kinds import Kind
from metrigen.ir.loads import Load
from metrigen.ir.statement import DATA, OWN, Statement, defines, reads


@dataclass(frozen=True)
class Units(Statement):
    """stores: (y, e), sums over the units at a site; sums: (w_bar, (e_0, e_1, ...)), for each number of a row its sum
    over samples and sites. Both read site arrays at the site, and the numbers of a unit by the symbols of ``columns``,
    (symbol, its place in the row). ``count`` units a channel are the rows of ``table``."""

    table: Annotated[str, reads(Kind.UNITS)]
    count: Annotated[int, DATA]
    columns: Annotated[tuple[tuple[sp.Symbol, sp.Expr], ...], OWN]
    stores: Annotated[tuple[tuple[str, sp.Expr], ...], defines(Kind.SITE)] = ()
    sums: Annotated[tuple[tuple[str, tuple[sp.Expr, ...]], ...], defines(Kind.UNITS)] = ()

    @property
    def loads(self) -> tuple[Load, ...]:
        """What it reads at the site, by name."""
        return tuple(sorted({a for e in self.expressions for a in e.atoms(Load)}, key=lambda a: a.name))


def columns(arguments: int) -> tuple[tuple[sp.Symbol, sp.Expr], ...]:
    """The numbers of a unit: a weight for each argument, the bias, and what its value is multiplied by."""
    names = (*(f"weight__{i}" for i in range(arguments)), "bias__", "gain__")
    return tuple((sp.Symbol(name, real=True), sp.Integer(i)) for i, name in enumerate(names))
