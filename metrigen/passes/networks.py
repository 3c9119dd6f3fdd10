"""Write declared learned functions out: every value V(a), V'(a), ... becomes a sum over the units of its network.

    y[n] = c[n] V'(phi[n])    ->    dV[n] = sum_j weight_j gain_j act'(bias_j + weight_j phi[n]);  y[n] = c[n] dV[n]

Until then V is a function like any other, and what is derived holds for every one; from here on ``vary`` reaches the
weights. An argument is stored where it is no array already. A value at a neighbour is read there: outside the lattice,
where every array is zero, it is V(0). Invariant: the value of every output.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import sympy as sp

from metrigen.ir.functions.partial_derivatives import partial_derivative
from metrigen.ir.implicit import Equation, Root
from metrigen.ir.loads import Inside, Load, Offset, Outside, negate, shift
from metrigen.ir.nodes import Array, Kind, Map, Program, Statement
from metrigen.ir.unit_rules import unit_partial_derivative
from metrigen.ir.units import Units, columns
from metrigen.passes.vary import equation
from metrigen.spec.functions import softplus
from metrigen.spec.network import OFFSET
from metrigen.spec.neural import Head, learned

_LEAST = sp.Rational(1, 2**126)  # the least normal number of float32: what is declared positive is no zero by rounding


def network_arrays(program: Program) -> tuple[Array, ...]:
    """The weights and offsets of the networks that a program calls for, by name."""
    functions = {f.head.function for s in program for e in s.expressions for f in e.atoms(learned) if f.head.network}
    found: list[Array] = []
    for head in sorted(functions, key=lambda h: h.name):
        found += head_arrays(head)
    for s in program:
        if isinstance(s, Root):
            inside = network_arrays(s.equation.residual)
            found += [a for a in inside if a not in found]
    return tuple(found)


def head_arrays(head: Head) -> tuple[Array, Array]:
    """The weights of a network and its offset."""
    assert head.network is not None
    size = head.network.hidden, len(head.orders) + 2
    return Array(head.name, Kind.UNITS, units=size), Array(head.name + OFFSET, Kind.CHANNEL)


def lower_networks(program: Program) -> Program:
    """The program with its networks as statements, and their arrays among its inputs."""
    arrays = network_arrays(program)
    if not arrays:
        return program
    writer = _Writer(program)
    for statement in program.body:
        writer.write(statement)
    known = {a.name for a in program.inputs}
    inputs = (*program.inputs, *(a for a in arrays if a.name not in known))
    return replace(program, inputs=inputs, body=tuple(writer.body))


def lower_equation(given: Equation, rank: int) -> Equation:
    """An equation with its networks written out, and with their weights behind what it is given."""
    if not network_arrays(given.residual):
        return given
    return equation(lower_networks(given.residual), given.unknowns, given.coupled, rank)


class _Writer:
    """The statements written so far, and which values they hold."""

    def __init__(self, program: Program) -> None:
        self.body: list[Statement] = []
        self.periodic = program.periodic
        atoms = (a for s in program for e in s.expressions for a in e.atoms(Load, Inside))
        self.rank = next((len(a.offset) for a in atoms), 0)
        self.origin: Offset = (0,) * self.rank
        self.stored: dict[sp.Expr, Load] = {}
        self.values: dict[tuple[Head, tuple[sp.Expr, ...]], Load] = {}
        self.taken = set(program.kinds())

    def write(self, statement: Statement) -> None:
        if isinstance(statement, Root):
            made = lower_equation(statement.equation, self.rank)
            more = made.residual.inputs[len(statement.equation.residual.inputs) :]
            given = (*statement.given, *(a.name for a in more))
            self.body.append(replace(statement, equation=made, given=given))
        elif isinstance(statement, Map) and any(e.has(learned) for e in statement.expressions):
            lets = dict(statement.lets)
            self.body.append(statement.with_expressions(lambda e: self._written(e, lets)))
        else:
            self.body.append(statement)

    def _written(self, expr: sp.Expr, lets: Mapping[sp.Symbol, sp.Expr]) -> sp.Expr:
        """The expression with every value of a network read from an array."""
        found = {f for f in expr.atoms(learned) if f.head.network is not None}
        if not found:
            return expr
        inner = {a for f in found for x in f.arguments for a in x.atoms(learned)}
        swap = {f: self._value(f, lets) for f in sorted(found - inner, key=sp.default_sort_key)}
        return expr.xreplace(swap)

    def _value(self, f: learned, lets: Mapping[sp.Symbol, sp.Expr]) -> sp.Expr:
        return self._anywhere(f.head, tuple(self._written(_without(a, lets), lets) for a in f.arguments))

    def _anywhere(self, head: Head, arguments: tuple[sp.Expr, ...], inside: frozenset[Offset] = frozenset()) -> sp.Expr:
        """The value for arguments at other sites, ``inside`` of which are known to lie on the lattice."""
        marks = {a.offset for x in arguments for a in x.atoms(Inside)}
        if len(marks) == 1:  # what a wall does to an argument: one value on its inner side, another beyond it
            (at,) = marks
            within, beyond = (tuple(a.xreplace({Inside(at): i, Outside(at): 1 - i}) for a in arguments) for i in (1, 0))
            return Inside(at) * self._anywhere(head, within, inside | marks) + Outside(at) * self._anywhere(
                head, beyond
            )
        places = sorted({a.offset for x in arguments for a in x.atoms(Load)})
        if marks or not places or (not self.periodic and len(places) > 1):
            return self._at_site(head, arguments)
        by = places[0]
        moved = shift(self._at_site(head, tuple(shift(a, negate(by)) for a in arguments)), by)
        if self.periodic or not any(by) or by in inside:
            return moved
        zero = dict.fromkeys((a for x in arguments for a in x.atoms(Load)), sp.S.Zero)
        outside = self._at_site(head, tuple(a.xreplace(zero) for a in arguments))
        return Inside(by) * moved + Outside(by) * outside

    def _at_site(self, head: Head, arguments: tuple[sp.Expr, ...]) -> sp.Expr:
        if not head.sign:
            value = self._unit_sum(head, arguments)
            return value if head.order else value + sp.Symbol(head.name + OFFSET, real=True)
        if (head, arguments) not in self.values:
            name = self._fresh(("d" * bool(head.order)) + head.name)
            self.body.append(Map(stores=((name, self._signed(head, arguments)),)))
            self.values[head, arguments] = Load(name, self.origin)
        return self.values[head, arguments]

    def _signed(self, head: Head, arguments: tuple[sp.Expr, ...]) -> sp.Expr:
        """softplus of the network, or a derivative of it."""
        raw = Head(head.name, (0,) * len(head.orders), network=head.network)
        at = [sp.Dummy(real=True) for _ in arguments]
        value: sp.Expr = softplus(learned(raw, *at)) + (_LEAST if head.sign == "positive" else sp.S.Zero)
        for symbol, order in zip(at, head.orders, strict=True):
            for _ in range(order):
                value = partial_derivative(value, symbol)
        found = sorted(value.atoms(learned), key=sp.default_sort_key)
        return value.xreplace({f: self._at_site(f.head, arguments) for f in found})

    def _unit_sum(self, head: Head, arguments: tuple[sp.Expr, ...]) -> Load:
        key = (head, arguments)
        if key not in self.values:
            assert head.network is not None
            given = [self._argument(head, a) for a in arguments]
            row = columns(len(arguments))
            symbols = [symbol for symbol, _ in row]
            at = [sp.Dummy(real=True) for _ in arguments]
            inside = sp.Add(symbols[-2], *(w * x for w, x in zip(symbols, at, strict=False)))
            e = symbols[-1] * head.network.function(inside)
            for x, order in zip(at, head.orders, strict=True):
                for _ in range(order):
                    e = unit_partial_derivative(e, x)
            out = self._fresh(("d" * bool(head.order)) + head.name)
            e = e.xreplace(dict(zip(at, given, strict=True)))
            self.body.append(Units(head.name, head.network.hidden, row, ((out, e),)))
            self.values[key] = Load(out, self.origin)
        return self.values[key]

    def _argument(self, head: Head, argument: sp.Expr) -> sp.Expr:
        """An argument as an array, or zero."""
        if argument == 0 or (isinstance(argument, Load) and not any(argument.offset)):
            return argument
        if argument not in self.stored:
            name = self._fresh(f"{head.name}_at")
            self.body.append(Map(stores=((name, argument),)))
            self.stored[argument] = Load(name, self.origin)
        return self.stored[argument]

    def _fresh(self, name: str) -> str:
        count = 1
        while f"{name}__{count}" in self.taken:
            count += 1
        self.taken.add(f"{name}__{count}")
        return f"{name}__{count}"


def _without(expr: sp.Expr, lets: Mapping[sp.Symbol, sp.Expr]) -> sp.Expr:
    """The expression without the values of its statement."""
    while own := expr.free_symbols & lets.keys():
        expr = expr.xreplace({s: lets[s] for s in own})
    return expr
