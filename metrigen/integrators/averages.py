"""The average of a gradient over the segment from z0 to z1, int_0^1 dH(z0 + s (z1 - z0)) ds, term by term of H.

    of degree 1 or 2, or a function of one     the difference quotient (``passes.secant``), which is the average
    affine combination of the state            of a term of this form: in closed form
    a polynomial of degree d > 2               Gauss quadrature with ceil(d/2) nodes, exact for degree d - 1 in s
    anything else                              with 8 nodes, an error of 1.7e-23 |z1 - z0|^16 times a derivative of
                                               order 17 where H is that smooth

What counts is the density of the lattice: a harmonic mean makes a rational function of a polynomial. The average times
z1 - z0 is H(z1) - H(z0).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import sympy as sp
from sympy.integrals.quadrature import gauss_legendre

from metrigen.discretise.dynamics import Builder, Dynamics
from metrigen.errors import SpecError
from metrigen.ir.nodes import ChannelMatmul, ChannelSum, Load, Map, Program, Solve
from metrigen.ir.statement import unknown
from metrigen.passes.pipeline import GRADIENT, PRUNED, apply
from metrigen.passes.quotients import BEGIN, END, MIDDLE, Quotients, at
from metrigen.passes.secant import followed, secant
from metrigen.passes.vary import bar, vary
from metrigen.physics.work_budget import expand

ANALYTIC = 8  # nodes for what is no polynomial


@dataclass(frozen=True)
class Averaged:
    """H = closed + sum of polynomials and of the rest, each the program of a functional; ``nodes`` -> terms."""

    closed: Program | None
    quadrature: Mapping[int, Program]
    rest: tuple[sp.Expr, ...]


def averaged(dynamics: Dynamics, density: sp.Expr) -> Averaged:
    """How every term of the energy of the lattice is averaged."""
    program = dynamics.lowering.functional("H", density)
    state = tuple(a.name for a in dynamics.state)
    rules, degrees = followed(program, state, "hamiltonian"), _degrees(program, state)
    *before, last = program.body
    assert isinstance(last, Map)
    ((output, whole),) = last.stores
    closed: list[sp.Expr] = []
    rest: list[sp.Expr] = []
    by_nodes: dict[int, list[sp.Expr]] = {}
    for term in sp.Add.make_args(whole):
        degree = _degree(term, degrees)
        if (degree is not None and degree <= 2) or _of_one_argument(term, rules):
            closed.append(term)
            continue
        if degree is None:
            rest.append(term)
        by_nodes.setdefault(ANALYTIC if degree is None else -(-degree // 2), []).append(term)

    def of(terms: list[sp.Expr]) -> Program:
        body = (*before, replace(last, stores=((output, sp.Add(*terms)),)))
        return apply(PRUNED, replace(program, body=body))

    parts = {n: of(by_nodes[n]) for n in sorted(by_nodes)}
    return Averaged(of(closed) if closed else None, parts, tuple(rest))


def average(
    builder: Builder,
    parts: Averaged,
    begin: Mapping[str, Load],
    end: Mapping[str, Load],
    middle: Mapping[str, Load],
    time: sp.Expr,
) -> dict[str, Load]:
    """The average of the gradient from ``begin`` to ``end`` at the one moment ``time``, by field."""
    state, rank = tuple(begin), len(builder.dynamics.origin)
    total: dict[str, sp.Expr] = dict.fromkeys(state, sp.S.Zero)
    if parts.closed is not None:
        places = {BEGIN: begin, END: end, MIDDLE: middle}
        ends = {at(name, place): load for place, fields in places.items() for name, load in fields.items()}
        slopes = builder.call(secant(parts.closed, state, rank, "hamiltonian"), ends, time)
        total = {name: total[name] + slopes[bar(name)] for name in state}
    for count, functional in parts.quadrature.items():
        gradient = apply(GRADIENT, vary(functional, state, seed=sp.S.One, rank=rank))
        for x, weight in zip(*gauss_legendre(count, 17), strict=True):
            # From the nearer end, where a rounding of the place is one of the difference.
            s, (near, far) = ((1 + x) / 2, (begin, end)) if x < 0 else ((1 - x) / 2, (end, begin))
            place = {n: builder.map(f"{n}__at", near[n] + s * (far[n] - near[n])) for n in state}
            slopes = builder.call(gradient, place, time)
            total = {name: total[name] + weight / 2 * slopes[bar(name)] for name in state}
    return {name: builder.map(f"{name}__slope", e) for name, e in total.items()}


def _of_one_argument(term: sp.Expr, rules: Quotients) -> bool:
    """Is it a function of one affine combination of the state, with a quotient in closed form?"""
    if len({_direction(e, rules) for e in _arguments(term, rules)}) > 1:
        return False
    try:
        rules.of(term)
    except SpecError:
        return False
    return True


def _arguments(e: sp.Expr, rules: Quotients) -> list[sp.Expr]:
    """The largest subexpressions that are affine in the state."""
    if not rules.moves(e):
        return []
    return [e] if rules.is_affine(e) else [inner for arg in e.args for inner in _arguments(arg, rules)]


def _direction(argument: sp.Expr, rules: Quotients) -> sp.Expr:
    """An affine expression without its constant and up to a factor."""
    moving = [term for term in sp.Add.make_args(argument) if rules.moves(term)]
    first = min(moving, key=sp.default_sort_key)
    scale = sp.Mul(*(f for f in sp.Mul.make_args(first) if not rules.moves(f)))
    return sp.Add(*(term / scale for term in moving))


def _degrees(program: Program, state: tuple[str, ...]) -> dict[str, int | None]:
    """The degree in the state of every array that follows it; None of one that is no polynomial."""
    degrees: dict[str, int | None] = dict.fromkeys(state, 1)
    for statement in program.body:
        if isinstance(statement, Map):
            for name, e in statement.stores:
                degree = _degree(e, degrees)
                if degree != 0:
                    degrees[name] = degree
        elif isinstance(statement, (ChannelMatmul, ChannelSum, Solve)):
            source = statement.rhs if isinstance(statement, Solve) else statement.src
            if source in degrees:
                degrees[statement.out] = degrees[source]
        else:
            raise unknown(statement, "the degree of an energy")
    return degrees


def _degree(e: sp.Expr, degrees: Mapping[str, int | None]) -> int | None:
    """The degree of an expression in the state, None where it is no polynomial."""
    moving = sorted((x for x in e.atoms(Load) if x.array in degrees), key=lambda x: x.name)
    if not moving:
        return 0
    if any(degrees[x.array] is None for x in moving) or not e.is_polynomial(*moving):
        return None
    powers = sp.Poly(expand(e), *moving).monoms()
    found: int = max(sum(n * int(degrees[x.array] or 0) for n, x in zip(p, moving, strict=True)) for p in powers)
    return found
