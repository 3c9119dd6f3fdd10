"""The lattice dynamics of a derivation, as an integrator sees it, and the builder it writes its step with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.domains.constraint import equations_of
from metrigen.domains.graph import GraphLowering
from metrigen.domains.lattice import Stencils
from metrigen.domains.lower import Lowering, bar, bracket_program, param_array
from metrigen.domains.readout import explicit_symbols
from metrigen.errors import SpecError
from metrigen.ir.nodes import Array, Cayley, Kind, Leaf, Local, Map, Program, Statement, renamed, stem
from metrigen.passes.tidy import tidy
from metrigen.physics.derivation import Bilinear, Derivation
from metrigen.spec.domain import EDGE, Graph, Lattice
from metrigen.spec.neural import heads
from metrigen.spec.symbols import t


@dataclass(frozen=True)
class Dynamics:
    """Arrays of the state, the inputs and the parameters of a derivation on its lattice."""

    derivation: Derivation
    lowering: Lowering
    state: tuple[Array, ...]
    inputs: tuple[Array, ...]
    params: tuple[Array, ...]

    @property
    def origin(self) -> tuple[int, ...]:
        return self.lowering.stencils.origin

    def leaf(self, name: str) -> Leaf:
        return Leaf(name, self.origin)

    def array(self, u: AppliedUndef) -> str:
        return self.lowering.arrays[u].name

    def gradient(self, density: sp.Expr, name: str = "H", part: str = "hamiltonian") -> Program:
        """dE/du for every field u of the state: outputs ``bar(u)``. Step, laws, waves and readouts ask for the same."""
        key = (density, name, part)
        if key not in self._gradients:
            self._gradients[key] = self.lowering.gradient(name, density, tuple(a.name for a in self.state), part)
        return self._gradients[key]

    @cached_property
    def _gradients(self) -> dict[tuple[sp.Expr, str, str], Program]:
        return {}

    def covectors(self, bilinear: Bilinear) -> tuple[Lowering, tuple[str, ...], tuple[str, ...]]:
        """The lowering with the covectors of a bracket added, and the names of the left and right ones."""
        arrays = dict(self.lowering.arrays)
        names: list[tuple[str, ...]] = []
        for side, functions in (("left", bilinear.left), ("right", bilinear.right)):
            row = tuple(f"{a.name}__{side}" for a in self.state)
            arrays.update({f: Array(n, Kind.SITE) for f, n in zip(functions, row, strict=True)})
            names.append(row)
        lowering = replace(self.lowering, arrays=arrays).with_covectors((*names[0], *names[1]))
        return lowering, names[0], names[1]

    def operator(self, bilinear: Bilinear, part: str) -> Program:
        """The operator of a bracket on the lattice, exactly skew or symmetric: b -> (b(f, g) -+ b(g, f))/2 where
        derivatives occur, then one variation in f. Inputs ``u__right``, outputs ``bar(u__left)``."""
        lowering, left, _ = self.covectors(bilinear)
        form = bilinear.form
        if form.has(sp.Derivative):
            both = (*bilinear.left, *bilinear.right)
            swapped = form.xreplace(dict(zip(both, (*bilinear.right, *bilinear.left), strict=True)))
            form = (form - swapped if part == "bracket" else form + swapped) / 2
        return bracket_program(lowering, part, form, left, part)


def dynamics(derivation: Derivation) -> Dynamics:
    """Name the arrays: fields by their function, momenta ``pi`` when there is one, inputs and axes by their name."""
    system = derivation.system
    expressions = [derivation.hamiltonian, *(e for e in (system.entropy,) if e is not None)]
    expressions += [b.form for b in (derivation.bracket, derivation.metric) if b is not None]
    expressions += derivation.constraints.values()
    dt = system.dt
    fields = _field_arrays(derivation, [*expressions, *(() if dt is None else (dt,))])
    covectors = {c for b in (derivation.bracket, derivation.metric) if b is not None for c in (*b.left, *b.right)}
    inputs: dict[sp.Basic, Array] = {}
    symbols: dict[str, sp.Symbol] = {}
    for e in expressions:
        for f in e.atoms(AppliedUndef):
            if f not in fields and f not in covectors and f not in derivation.constraints:
                inputs[f] = Array(f.func.__name__, Kind.EDGE if EDGE in f.args else Kind.SITE, bool(f.is_positive))
        symbols.update({s.name: s for s in explicit_symbols(e)})
    if dt is not None:
        symbols.update({s.name: s for s in dt.free_symbols})
    for f in inputs:
        if t in f.args:
            raise SpecError(
                f"the input {f} depends on the time",
                part=f.func.__name__,
                why="a step reads inputs that are constant over the steps of one call",
                fix="drop time_dependent=, and call forward once per interval",
            )
    axes = {s: Array(s.name, Kind.SITE) for s in system.domain.axes if s.name in symbols and symbols[s.name] == s}
    params = [param_array(symbols[n]) for n in sorted(symbols) if symbols[n] != t and symbols[n] not in axes]
    ordered = {f: inputs[f] for f in sorted(inputs, key=lambda f: inputs[f].name)}
    sites = [p for p in params if p.kind in (Kind.SITE, Kind.EDGE)]
    arrays: dict[sp.Basic, Array] = {**fields, **ordered, **axes, **{symbols[p.name]: p for p in sites}}
    coefficients = tuple(p for p in params if p not in sites)
    if isinstance(system.domain, Graph):
        lowering: Lowering = GraphLowering(Stencils(Lattice()), arrays, coefficients)
    else:
        given = frozenset(a.name for a in (*ordered.values(), *axes.values(), *sites))
        nonnegative = frozenset(a.name for u, a in arrays.items() if u.is_nonnegative)
        stencils = Stencils(system.lattice, coefficients=given, nonnegative=nonnegative)
        lowering = Lowering(stencils, arrays, coefficients)
        lowering = replace(lowering, equations=equations_of(lowering, derivation.constraints, derivation.fields))
    outside = (*ordered.values(), *axes.values(), *sites)
    return Dynamics(derivation, lowering, tuple(fields.values()), outside, coefficients)


def _field_arrays(derivation: Derivation, expressions: Sequence[sp.Expr]) -> dict[sp.Basic, Array]:
    """The arrays of the fields; a single momentum is ``pi`` where nothing else in ``expressions`` has that name."""
    momenta = set(derivation.momenta.values())
    taken = {u.func.__name__ for u in derivation.fields if u not in momenta}
    taken |= {f.func.__name__ for e in expressions for f in e.atoms(AppliedUndef) if f not in momenta}
    taken |= {s.name for e in expressions for s in e.free_symbols} | {head.name for head in heads(*expressions)}
    arrays: dict[sp.Basic, Array] = {}
    for u in derivation.fields:
        name = u.func.__name__
        if u in momenta and len(momenta) == 1 and "pi" not in taken:
            name = "pi"
        arrays[u] = Array(name, Kind.SITE)
    return arrays


@dataclass
class Builder:
    """Writes a program statement by statement; every definition gets a name of its own."""

    dynamics: Dynamics
    body: list[Statement] = field(default_factory=list)
    count: int = 0

    def fresh(self, name: str) -> str:
        self.count += 1
        return f"{name}__{self.count}"

    def map(self, name: str, expr: sp.Expr) -> Leaf:
        """Store a site array; returns it as a leaf. Leaves and zero are not stored again."""
        expr = tidy(expr)
        if isinstance(expr, Leaf) and not any(expr.offset):
            return expr
        out = self.fresh(name)
        self.body.append(Map(stores=((out, expr),)))
        return self.dynamics.leaf(out)

    def local(self, name: str, expr: sp.Expr) -> sp.Symbol:
        """A value of the parameters alone."""
        kinds = {a.name: a.kind for a in self.dynamics.params}
        for s in self.body:
            kinds.update(dict(s.defines))
        kind = Kind.CHANNEL if any(kinds[s.name] is Kind.CHANNEL for s in expr.free_symbols) else Kind.SCALAR
        made = next((s.out for s in self.body if isinstance(s, Local) and s.expr == expr), None)
        if made is None:
            made = self.fresh(name)
            self.body.append(Local(made, kind, expr))
        return sp.Symbol(made, real=True)

    def rotation(self, matrix: str, scale: sp.Expr) -> str:
        s = self.local("angle", scale)
        out = self.fresh("rotation")
        self.body.append(Cayley(out, matrix, s.name))
        return out

    def call(self, program: Program, bind: Mapping[str, Leaf]) -> dict[str, Leaf]:
        """Write the statements of a program with its inputs bound to leaves; returns its outputs, which are named
        after the program: the derivative of V with respect to q is dV_dq."""
        names = {name: leaf.array for name, leaf in bind.items()}
        for statement in program.body:
            for name, _ in statement.defines:
                field = stem(name)
                names[name] = self.fresh(f"d{program.name.split('_')[0]}_d{field}" if name == bar(field) else name)
        self.body.extend(renamed(statement, names) for statement in program.body)
        return {name: self.dynamics.leaf(names.get(name, name)) for name in program.outputs}

    def finish(self, values: Mapping[str, sp.Expr]) -> Program:
        """The step: one output ``next(u)`` per field of the state."""
        dynamics = self.dynamics
        for name, expr in values.items():
            self.body.append(Map(stores=((after(name), expr),)))
        inputs = (*dynamics.state, *dynamics.inputs, *dynamics.params)
        outputs = tuple(after(a.name) for a in dynamics.state)
        return Program("step", inputs, tuple(self.body), outputs, dynamics.lowering.periodic)


def after(name: str) -> str:
    """Name of a field after one step."""
    return f"{name}__next"


@dataclass(frozen=True)
class RightHandSide:
    """z_t = J dH - M dH, or J dH + M dS: the programs of its parts, made once for all stages of a step.

    slopes   name of a generator (H or S) -> program of its functional derivatives
    parts    (program of a bracket, the generator it acts on, sign)
    """

    dynamics: Dynamics
    slopes: Mapping[str, Program]
    parts: tuple[tuple[Program, str, int], ...]

    @classmethod
    def of(cls, dynamics: Dynamics) -> RightHandSide:
        derivation, entropy = dynamics.derivation, dynamics.derivation.system.entropy
        slopes = {"H": dynamics.gradient(derivation.hamiltonian)}
        parts: list[tuple[Program, str, int]] = []
        if derivation.bracket is not None:
            parts.append((dynamics.operator(derivation.bracket, "bracket"), "H", 1))
        if derivation.metric is not None:
            parts.append(
                (dynamics.operator(derivation.metric, "metric"), *(("H", -1) if entropy is None else ("S", 1)))
            )
        if entropy is not None:
            slopes["S"] = dynamics.gradient(entropy, "S", "entropy")
        return cls(dynamics, slopes, tuple(parts))

    def at(self, builder: Builder, state: Mapping[str, Leaf]) -> dict[str, sp.Expr]:
        """The rate of every field at the given state."""
        names = [a.name for a in self.dynamics.state]
        slopes = {generator: builder.call(program, state) for generator, program in self.slopes.items()}
        rates: dict[str, sp.Expr] = dict.fromkeys(names, sp.S.Zero)
        for program, generator, sign in self.parts:
            rows = self.image(builder, program, state, {name: slopes[generator][bar(name)] for name in names})
            for name in names:
                rates[name] += sign * rows[name]
        return rates

    def image(
        self, builder: Builder, operator: Program, state: Mapping[str, Leaf], covector: Mapping[str, Leaf]
    ) -> dict[str, Leaf]:
        """J g or M g at the given state, by field."""
        rows = builder.call(operator, {**state, **{f"{name}__right": leaf for name, leaf in covector.items()}})
        return {name: rows[bar(f"{name}__left")] for name in covector}
