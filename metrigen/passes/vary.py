"""The one variation operator.

``vary`` runs a program in reverse. A stencil y[n] = f(x[n + s], ...) sends the cotangent of y back as

    x_bar[n] += sum_s ( y_bar df/dx[s] )[n - s]

where the whole product moves, coefficients included; any other linear map is reversed by its transpose. The solution of
A psi = r with A = A^T sends r_bar = A^-1 psi_bar back, and -r_bar dA psi to the coefficients of A. Seeded with 1
on an energy density it gives the gradient of the functional (the equation of motion of the lattice); seeded with
cotangents on the outputs of a step it gives the adjoint of the step; on a readout, its gradient. The solution of a
nonlinear equation is reversed by the implicit function theorem (``ir.implicit``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import sympy as sp

from metrigen.budget import spend, work
from metrigen.ir.edges import EdgeMap
from metrigen.ir.evaluate import partial_derivative
from metrigen.ir.functions.partial_derivatives import PartialDerivatives
from metrigen.ir.implicit import Equation, Root, RootAdjoint, SiteSum
from metrigen.ir.nodes import (
    Accumulate,
    Array,
    Cayley,
    CayleyAdjoint,
    ChannelMatmul,
    ChannelSum,
    Inside,
    Kind,
    Load,
    Map,
    Offset,
    Outer,
    ParameterExpression,
    Program,
    Reduction,
    Solve,
    Statement,
    Units,
    at_site,
    loads,
    negate,
    shift,
)
from metrigen.ir.queries import maps_in
from metrigen.ir.statement import unknown
from metrigen.ir.unit_rules import unit_partial_derivative
from metrigen.passes.lets import Lets, is_large, let_form
from metrigen.passes.prune import prune, prune_lets
from metrigen.passes.tidy import tidy

_PLACES = (Kind.SITE, Kind.EDGE)


def bar(name: str) -> str:
    """Name of the cotangent of an array."""
    return f"{name}__bar"


def vary(
    program: Program, wrt: Sequence[str], *, seed: sp.Expr | None = None, rank: int, constants: Sequence[str] = ()
) -> Program:
    """The reverse of ``program``: outputs ``bar(x)`` for every x in ``wrt``, zero for the parameters ``constants``.

    With ``seed`` (a number) each output is seeded with it on the whole of Z^rank, as for a functional; otherwise each
    output y has a cotangent input ``bar(y)``. Primal statements are kept where the reverse reads their values.
    """
    reversal = Reversal(program, rank, seed, frozenset(constants))
    for statement in reversed(program.body):
        reversal.reverse(statement)
    body = (*program.body, *reversal.statements, *reversal.finish(wrt))
    cotangents = () if seed is not None else reversal.cotangents
    inputs = (*program.inputs, *cotangents)
    return prune(Program(f"{program.name}_adjoint", inputs, body, tuple(bar(x) for x in wrt), program.periodic))


def equation(residual: Program, unknowns: int, coupled: bool, rank: int) -> Equation:
    """residual(z, given) = 0 with the products of its Jacobian; the first inputs of ``residual`` are z. J v is the
    variation of w . J^T w' in w', which is linear."""
    z, given = residual.inputs[:unknowns], residual.inputs[unknowns:]
    transposed = vary(residual, [a.name for a in z], rank=rank)
    made = [name for s in transposed.body for name, _ in s.defines if name not in transposed.outputs]
    inside = {name: f"{name}__reverse" for name in made}
    apart = replace(transposed, body=tuple(s.renamed(inside) for s in transposed.body))
    tangent = vary(apart, [bar(out) for out in residual.outputs], rank=rank)
    kept = (*residual.inputs, *(a for a in tangent.inputs if a.name in {bar(out) for out in transposed.outputs}))
    pullback = vary(residual, [a.name for a in given], rank=rank)
    return Equation(
        residual.name, unknowns, residual, replace(tangent, name=f"{residual.name}_tangent", inputs=kept),
        replace(transposed, name=f"{residual.name}_transposed"), replace(pullback, name=f"{residual.name}_pullback"),
        coupled,
    )  # fmt: skip


class Reversal:
    """State of one reverse pass: what has flowed into each array so far, and the statements written."""

    def __init__(self, program: Program, rank: int, seed: sp.Expr | None, constants: frozenset[str]) -> None:
        self.program, self.kinds, self.origin = program, program.kinds(), (0,) * rank
        self.constants = constants
        self.statements: list[Statement] = []
        self.site: dict[str, list[sp.Expr]] = {}
        self.param: dict[str, list[str]] = {}
        self.count = 0
        self.values = {symbol.name for s in maps_in(program, "vary") for symbol, _ in s.lets}
        self.cotangents = tuple(Array(bar(y), self.kinds[y]) for y in program.outputs) if seed is None else ()
        for y in program.outputs:
            if self.kinds[y] in _PLACES:
                self.site[y] = [Load(bar(y), self.origin) if seed is None else sp.sympify(seed)]
            else:
                self.param[y] = [bar(y)]

    def reverse(self, statement: Statement) -> None:
        if isinstance(statement, Map):
            self._map(statement)
        elif isinstance(statement, ParameterExpression):
            self._local(statement)
        elif isinstance(statement, ChannelMatmul):
            source = self._stored(statement.out)
            if source is not None:
                self._flow(statement.src, ChannelMatmul(self._fresh(statement.src), statement.matrix, source,
                                              not statement.transpose))  # fmt: skip
                pair = (statement.src, source) if statement.transpose else (source, statement.src)
                self._collect(statement.matrix, Outer(self._fresh(statement.matrix), *pair))
        elif isinstance(statement, ChannelSum):
            source = self._stored(statement.out)
            if source is not None:
                self._flow(statement.src, ChannelSum(self._fresh(statement.src), source))
        elif isinstance(statement, EdgeMap):
            source = self._stored(statement.out)
            if source is not None:
                self._flow(statement.src, EdgeMap(self._fresh(statement.src), statement.along.transpose, source))
        elif isinstance(statement, Cayley):
            gathered = self._gathered(statement.out)
            if gathered is not None:
                m, s = self._fresh(statement.matrix), self._fresh(statement.scale)
                adjoint = CayleyAdjoint(m, s, statement.matrix, statement.scale, statement.out, gathered)
                self.statements.append(adjoint)
                self.param.setdefault(statement.matrix, []).append(m)
                self.param.setdefault(statement.scale, []).append(s)
        elif isinstance(statement, Solve):
            source = self._stored(statement.out)
            if source is not None:
                back = self._fresh(statement.out)
                self._flow(statement.rhs, Solve(back, statement.acting_on(back), source, statement.singular))
                self._stencil(-Load(back, self.origin), statement.operator, held=statement.out)
        elif isinstance(statement, SiteSum):
            source = self._stored(statement.out)
            if source is not None:
                self._flow(statement.src, SiteSum(self._fresh(statement.src), source, statement.channels))
        elif isinstance(statement, Root):
            self._root(statement)
        elif isinstance(statement, Units):
            self._units(statement)
        else:
            raise unknown(statement, "vary, which reverses no statement that it alone writes,")

    def cotangent(self, name: str) -> sp.Expr | None:
        """Cotangent of a site array as one load (stored first if it is more than that) or as a number."""
        terms = self.site.get(name)
        if not terms:
            return None
        if len(terms) == 1 and (terms[0].is_number or (isinstance(terms[0], Load) and not any(terms[0].offset))):
            return terms[0]
        stored = self._fresh(name)
        self.statements.append(Map(stores=((stored, self._sum(terms)),), over=self.kinds[name]))
        self.site[name] = [Load(stored, self.origin)]
        return self.site[name][0]

    def finish(self, wrt: Sequence[str]) -> list[Statement]:
        """The statements that define ``bar(x)`` for every x in ``wrt``, zero where nothing flowed."""
        out: list[Statement] = []
        for name in wrt:
            kind = self.kinds[name]
            if kind in _PLACES:
                out.append(Map(stores=((bar(name), self._sum(self.site.get(name, []))),), over=kind))
            else:
                out.append(Accumulate(bar(name), kind, tuple(self.param.get(name, []))))
        return out

    def _map(self, statement: Map) -> None:
        if any(self.param.get(name) for name, _, _ in statement.sums):
            raise unknown(statement, "vary, which reverses no sum over the sites,")
        size = sum(work(e) for e in statement.expressions)
        spend(size, f"the variation of {size} operations of {self.program.name}")
        stores = [(c, e) for name, e in statement.stores if (c := self.cotangent(name)) is not None]
        if stores and self._by_values(statement, stores):
            self._in_lets(statement, stores)
            return
        for cotangent, expr in stores:
            self._stencil(cotangent, expr, over=statement.over)

    def _by_values(self, statement: Map, stores: list[tuple[sp.Expr, sp.Expr]]) -> bool:
        """Whether a statement is reversed value by value."""
        return bool(statement.lets) or any(is_large(e) for _, e in stores)

    def _in_lets(self, statement: Map, stores: list[tuple[sp.Expr, sp.Expr]]) -> None:
        """The reverse of a long statement, value by value. What goes to a neighbour is stored before it moves, where
        nothing flows from outside the lattice; else the values are worked out once more at the neighbour."""
        lets, exprs = let_form([e for _, e in stores], self._value)
        backwards = _Backwards((*statement.lets, *lets), self._value, self.constants)
        flowed = backwards.reverse([(c, e) for (c, _), e in zip(stores, exprs, strict=True)])
        values = tuple((symbol, at_site(e, self.origin)) for symbol, e in backwards.lets)
        still = self.program.periodic or all(isinstance(c, Load) for c, _ in stores)
        here: list[tuple[str, sp.Expr]] = []
        sums: list[tuple[str, Kind, sp.Expr]] = []
        for atom, value in flowed:
            name = self._fresh(atom.array if isinstance(atom, Load) else atom.name)
            if not isinstance(atom, Load):
                kind = self.kinds[atom.name]
                sums.append((name, kind, at_site(value, self.origin)))
                self.param.setdefault(atom.name, []).append(name)
                continue
            back = negate(atom.offset)
            if still or not any(back):
                here.append((name, at_site(value, self.origin)))
                self.site.setdefault(atom.array, []).append(Load(name, back))
            else:
                there = tuple((symbol, at_site(shift(e, back), self.origin)) for symbol, e in backwards.lets)
                moved = Map(stores=((name, at_site(shift(value, back), self.origin)),), lets=there, over=statement.over)
                self.statements.append(prune_lets(moved))
                self.site.setdefault(atom.array, []).append(Load(name, self.origin))
        self.statements.append(prune_lets(Map(tuple(here), tuple(sums), values, statement.over)))

    def _value(self) -> sp.Symbol:
        self.count += 1
        while f"w__{self.count}" in self.values:  # of a program that has values of its own
            self.count += 1
        return sp.Symbol(f"w__{self.count}", real=True)

    def _stencil(self, cotangent: sp.Expr, expr: sp.Expr, held: str = "", over: Kind = Kind.SITE) -> None:
        """The reverse of y = expr at the sites; nothing flows into the array ``held``."""
        partials = _PartialDerivatives(expr)
        by_offset: dict[tuple[str, Offset], sp.Expr] = {}
        for load in (x for x in loads(expr) if x.array != held):
            by_offset[load.array, load.offset] = cotangent * partials.along(load)
        for (array, offset), product in by_offset.items():
            self.site.setdefault(array, []).append(shift(product, negate(offset)))
        for symbol in self._parameters(expr):
            kind, name = self.kinds[symbol.name], self._fresh(symbol.name)
            product = cotangent * partials.along(symbol)
            self.statements.append(Map(sums=((name, kind, at_site(product, self.origin)),), over=over))
            self.param.setdefault(symbol.name, []).append(name)

    def _local(self, statement: ParameterExpression) -> None:
        gathered = self._gathered(statement.out)
        if gathered is None:
            return
        for symbol in self._parameters(statement.expr):
            product = sp.Symbol(gathered, real=True) * partial_derivative(statement.expr, symbol)
            name = self._fresh(symbol.name)
            self.statements.append(ParameterExpression(name, statement.kind, product))
            if statement.kind is Kind.CHANNEL and self.kinds[symbol.name] is Kind.SCALAR:
                folded = self._fresh(symbol.name)
                self.statements.append(Reduction(folded, name))
                name = folded
            self.param.setdefault(symbol.name, []).append(name)

    def _root(self, statement: Root) -> None:
        """J^T w = cotangents, then the variation of the residual with the cotangent -w."""
        if not any(self.site.get(out) for out in statement.outs):
            return
        equation, sources = statement.equation, []
        for out in statement.outs:
            self.site.setdefault(out, [sp.S.Zero])
            sources.append(str(self._stored(out)))
        back = tuple(self._fresh(out) for out in statement.outs)
        self.statements.append(RootAdjoint(back, equation, statement.outs, statement.given, tuple(sources)))
        pull, negated = equation.pullback, []
        for name in back:
            negated.append(self._fresh(name))
            self.statements.append(Map(stores=((negated[-1], -Load(name, self.origin)),)))
        given = (*statement.outs, *statement.given, *negated)
        names = {a.name: name for a, name in zip(pull.inputs, given, strict=True)}
        names |= {name: self._fresh(name) for s in pull.body for name, _ in s.defines}
        self.statements.extend(s.renamed(names) for s in pull.body)
        for name, flowed in zip(statement.given, pull.outputs, strict=True):
            if self.kinds[name] is Kind.SITE:
                self.site.setdefault(name, []).append(Load(names[flowed], self.origin))
            elif name not in self.constants:
                self.param.setdefault(name, []).append(names[flowed])

    def _units(self, statement: Units) -> None:
        """x_bar = c sum_j de/dx, the sum a value of its own; w_bar_j = the sum of c de/dw_j over the sites."""
        if any(self.param.get(name) for name, _ in statement.sums):
            raise unknown(statement, "vary, which reverses no sum over the sites,")
        flowing = [(source, e) for name, e in statement.stores if (source := self._stored(name)) is not None]
        stores: list[tuple[str, sp.Expr]] = []
        row = [sp.S.Zero] * len(statement.columns)
        for source, e in flowing:
            for load in loads(e):
                name = self._fresh(f"d{statement.table}")
                stores.append((name, unit_partial_derivative(e, load)))
                product = Load(source, self.origin) * Load(name, self.origin)
                self.site.setdefault(load.array, []).append(product)
            for i, (symbol, _) in enumerate(statement.columns):
                row[i] += Load(source, self.origin) * unit_partial_derivative(e, symbol)
        if not flowing:
            return
        summed = self._fresh(statement.table)
        varied = statement.table not in self.constants
        sums = ((summed, tuple(row)),) if varied else ()
        self.statements.append(replace(statement, stores=tuple(stores), sums=sums))
        if varied:
            self.param.setdefault(statement.table, []).append(summed)

    def _stored(self, name: str) -> str | None:
        cotangent = self.cotangent(name)
        if cotangent is None:
            return None
        if isinstance(cotangent, Load):
            return cotangent.array
        stored = self._fresh(name)
        self.statements.append(Map(stores=((stored, cotangent),), over=self.kinds[name]))
        return stored

    def _gathered(self, name: str) -> str | None:
        terms = self.param.get(name)
        if not terms:
            return None
        if len(terms) == 1:
            return terms[0]
        total = self._fresh(name)
        self.statements.append(Accumulate(total, self.kinds[name], tuple(terms)))
        return total

    def _flow(self, array: str, statement: ChannelMatmul | ChannelSum | Solve | SiteSum | EdgeMap) -> None:
        self.statements.append(statement)
        self.site.setdefault(array, []).append(Load(statement.out, self.origin))

    def _collect(self, name: str, statement: Outer) -> None:
        self.statements.append(statement)
        self.param.setdefault(name, []).append(statement.out)

    def _sum(self, terms: list[sp.Expr]) -> sp.Expr:
        return tidy(at_site(sp.Add(*terms), self.origin))

    def _parameters(self, expr: sp.Expr) -> list[sp.Symbol]:
        free = (s for s in expr.free_symbols if not isinstance(s, (Load, Inside)) and s.name not in self.constants)
        return sorted(free, key=lambda s: s.name)

    def _fresh(self, name: str) -> str:
        self.count += 1
        return f"{name}__bar{self.count}"


class _Backwards:
    """The reverse of expressions in let-form; ``lets`` are the values and then their cotangents."""

    def __init__(self, lets: Lets, fresh: Callable[[], sp.Symbol], constants: frozenset[str]) -> None:
        self.lets: list[tuple[sp.Symbol, sp.Expr]] = list(lets)
        self.values, self.fresh, self.constants = lets, fresh, constants
        self.flowed: dict[sp.Symbol, list[sp.Expr]] = {}

    def reverse(self, stores: Sequence[tuple[sp.Expr, sp.Expr]]) -> list[tuple[sp.Symbol, sp.Expr]]:
        """Cotangent of every load and parameter from (cotangent, expression) of the stores, in a fixed order."""
        for cotangent, expr in stores:
            self._through(cotangent, expr)
        for symbol, expr in reversed(self.values):
            terms = self.flowed.pop(symbol, None)
            if terms is not None:
                self._through(self._named(sp.Add(*terms)), expr)
        order = sorted(self.flowed, key=lambda s: (not isinstance(s, Load), s.name, getattr(s, "offset", ())))
        return [(s, self._named(sp.Add(*self.flowed[s]))) for s in order]

    def _through(self, cotangent: sp.Expr, expr: sp.Expr) -> None:
        partials = _PartialDerivatives(expr)
        for s in sorted(expr.free_symbols, key=lambda s: (s.name, getattr(s, "offset", ()))):
            if (isinstance(s, Inside) and not isinstance(s, Load)) or s.name in self.constants:
                continue
            product = cotangent * partials.along(s)
            if product is not sp.S.Zero:
                self.flowed.setdefault(s, []).append(product)

    def _named(self, expr: sp.Expr) -> sp.Expr:
        """A sum as a value of its own, so that a product with it is as short as one with a symbol."""
        if expr.is_Symbol or expr.is_number:
            return expr
        self.lets.append((self.fresh(), expr))
        return self.lets[-1][0]


class _PartialDerivatives:
    """Partial derivatives of a sum, each from the terms that hold the variable alone."""

    def __init__(self, expr: sp.Expr) -> None:
        self.terms = [(PartialDerivatives(term), term.free_symbols) for term in sp.Add.make_args(expr)]

    def along(self, symbol: sp.Symbol) -> sp.Expr:
        return sp.Add(*(partials.along(symbol) for partials, free in self.terms if symbol in free))
