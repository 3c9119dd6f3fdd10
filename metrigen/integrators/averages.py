"""The average of a gradient over the segment from z0 to z1, int_0^1 dH(z0 + s (z1 - z0)) ds, by Gauss quadrature.

n nodes integrate a polynomial of degree 2n - 1 in s exactly, so an H of degree d takes ceil(d/2) of them; an analytic
H that is no polynomial takes 8, with an error of 1.7e-23 |z1 - z0|^16 times a derivative of order 17 of H.
The average times z1 - z0 is H(z1) - H(z0).
"""

from __future__ import annotations

from collections.abc import Mapping

import sympy as sp
from sympy.integrals.quadrature import gauss_legendre

from metrigen.integrators.dynamics import Builder
from metrigen.ir.nodes import Leaf, Program
from metrigen.passes.vary import bar
from metrigen.physics import channels
from metrigen.physics.derivation import Derivation
from metrigen.physics.effort import expand
from metrigen.physics.jets import jets_of, to_jets

ANALYTIC = 8  # nodes for what is no polynomial


def degree(density: sp.Expr, derivation: Derivation) -> int | None:
    """The degree of a density in the fields; None where it is no polynomial, or holds an auxiliary field."""
    if any(density.has(psi) for psi in derivation.constraints):
        return None
    flat, maps = channels.lift(channels.canonical(to_jets(density)))
    fields = jets_of(flat, *derivation.fields)
    linear = all(_is_linear(channels.argument(atom), derivation) for atom in maps.values())
    symbols = [*fields, *(s for s, atom in maps.items() if jets_of(channels.argument(atom), *derivation.fields))]
    if not linear or not symbols or not flat.is_polynomial(*symbols):
        return None if symbols else 0
    return max(sum(powers) for powers in sp.Poly(expand(flat), *symbols).monoms())


def _is_linear(argument: sp.Expr, derivation: Derivation) -> bool:
    fields = jets_of(argument, *derivation.fields)
    return not channels.has_maps(argument) and all(not jets_of(argument.diff(j), *derivation.fields) for j in fields)


def nodes(degree: int | None) -> int:
    """How many nodes average the gradient of an H of that degree."""
    return ANALYTIC if degree is None else max(1, -(-degree // 2))


def averaged(
    builder: Builder, gradient: Program, begin: Mapping[str, Leaf], end: Mapping[str, Leaf], count: int
) -> dict[str, sp.Expr]:
    """The average of ``gradient`` from ``begin`` to ``end``, by field."""
    total: dict[str, sp.Expr] = dict.fromkeys(begin, sp.S.Zero)
    for x, weight in zip(*gauss_legendre(count, 17), strict=True):
        s = sp.Rational(1, 2) if count == 1 else (1 + x) / 2
        at = {n: builder.map(f"{n}__at", begin[n] + s * (end[n] - begin[n])) for n in begin}
        slopes = builder.call(gradient, at)
        share = sp.S.One if count == 1 else weight / 2
        total = {name: total[name] + share * slopes[bar(name)] for name in begin}
    return total
