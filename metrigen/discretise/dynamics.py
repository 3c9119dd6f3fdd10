"""The discretised dynamics of a derivation, as an integrator sees it, and the builder it writes its step with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.discretise.base import Discretisation
from metrigen.errors import SpecError
from metrigen.ir.nodes import Array, Cayley, Kind, Load, Map, ParameterExpression, Program, Statement, stem
from metrigen.passes.tidy import tidy
from metrigen.passes.vary import bar
from metrigen.physics.clock import is_timed
from metrigen.physics.derivation import Bilinear, Derivation
from metrigen.spec.symbols import t


@dataclass(frozen=True)
class Dynamics:
    """Arrays of the state, the inputs and the parameters of a derivation on its domain.

    Where a density, a bracket or a metric depends on the time, ``params`` holds the scalar ``t``: in a step the time at
    which it begins. ``time`` is the beginning of the step that is written: t, or later for a part of another step.

    noise  at a temperature: name of a field with noise -> the array of the standard normal numbers of a step
    """

    derivation: Derivation
    lowering: Discretisation
    state: tuple[Array, ...]
    inputs: tuple[Array, ...]
    params: tuple[Array, ...]
    time: sp.Expr = t
    noise: Mapping[str, Array] = field(default_factory=dict)

    @property
    def timed(self) -> bool:
        """Whether its programs are told the time."""
        return any(a.name == t.name for a in self.params)

    def later(self, h: sp.Expr) -> Dynamics:
        """The same for a part of a step that begins h after the step."""
        return replace(self, time=self.time + h) if self.timed else self

    @property
    def origin(self) -> tuple[int, ...]:
        return self.lowering.origin

    def load(self, name: str) -> Load:
        return Load(name, self.origin)

    @property
    def sites(self) -> dict[AppliedUndef, Load]:
        """Field or input -> its value at a site, with the sign that it was declared with: a value has one symbol."""
        return {f: Load(a.name, self.origin, a.positive) for f, a in self.lowering.arrays.items()}

    @property
    def values(self) -> dict[str, Load]:
        """Name of an array of the state -> its value at a site."""
        return {a.name: self.load(a.name) for a in self.state}

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

    def covectors(self, bilinear: Bilinear) -> tuple[Discretisation, tuple[str, ...], tuple[str, ...]]:
        """The lowering with the covectors of a bracket added, and the names of the left and right ones."""
        arrays: dict[sp.Basic, Array] = {}
        names: list[tuple[str, ...]] = []
        for side, functions in (("left", bilinear.left), ("right", bilinear.right)):
            row = tuple(f"{a.name}__{side}" for a in self.state)
            arrays.update({f: Array(n, Kind.SITE) for f, n in zip(functions, row, strict=True)})
            names.append(row)
        return self.lowering.with_covectors(arrays), names[0], names[1]

    def operator(self, bilinear: Bilinear, part: str) -> Program:
        """The operator of a bracket on the lattice, exactly skew or symmetric: b -> (b(f, g) -+ b(g, f))/2 where
        derivatives occur, then one variation in f. Inputs ``u__right``, outputs ``bar(u__left)``."""
        lowering, left, _ = self.covectors(bilinear)
        form = bilinear.form
        if form.has(sp.Derivative):
            both = (*bilinear.left, *bilinear.right)
            swapped = form.xreplace(dict(zip(both, (*bilinear.right, *bilinear.left), strict=True)))
            form = (form - swapped if part == "bracket" else form + swapped) / 2
        return lowering.gradient(part, form, left, part)


@dataclass
class Builder:
    """Writes a program statement by statement; every definition gets a name of its own."""

    dynamics: Dynamics
    body: list[Statement] = field(default_factory=list)
    count: int = 0

    def fresh(self, name: str) -> str:
        self.count += 1
        return f"{name}__{self.count}"

    def map(self, name: str, expr: sp.Expr) -> Load:
        """Store a site array; returns it as a load. Loads and zero are not stored again."""
        expr = tidy(expr)
        if isinstance(expr, Load) and not any(expr.offset):
            return expr
        out = self.fresh(name)
        self.body.append(Map(stores=((out, expr),)))
        return self.dynamics.load(out)

    def local(self, name: str, expr: sp.Expr) -> sp.Symbol:
        """A value of the parameters alone."""
        kinds = {a.name: a.kind for a in self.dynamics.params}
        for s in self.body:
            kinds.update(dict(s.defines))
        kind = Kind.CHANNEL if any(kinds[s.name] is Kind.CHANNEL for s in expr.free_symbols) else Kind.SCALAR
        made = next((s.out for s in self.body if isinstance(s, ParameterExpression) and s.expr == expr), None)
        if made is None:
            made = self.fresh(name)
            self.body.append(ParameterExpression(made, kind, expr))
        return sp.Symbol(made, real=True)

    def coefficient(self, name: str, value: sp.Expr, state: Mapping[str, Load], time: sp.Expr) -> sp.Expr:
        """A coefficient of a step, in the fields: worked out once where it is one of the parameters alone; else at
        every site, from the time, the inputs, the parameters that differ from site to site, the axes and the state."""
        if not value.has(*self.dynamics.sites) and not is_timed(value):
            return self.local(name, value)
        return value.xreplace(self.places(state, time))

    def places(self, state: Mapping[str, Load], time: sp.Expr) -> dict[sp.Basic, sp.Expr]:
        """Field, input or t -> its value at a site: of a field that in ``state``."""
        dynamics = self.dynamics
        fields = {u: state[dynamics.array(u)] for u in dynamics.derivation.structure.fields}
        return {**dynamics.sites, **fields, t: time}

    def rotation(self, matrix: str, scale: sp.Expr) -> str:
        s = self.local("angle", scale)
        out = self.fresh("rotation")
        self.body.append(Cayley(out, matrix, s.name))
        return out

    def call(self, program: Program, bind: Mapping[str, Load], time: sp.Expr | None = None) -> dict[str, Load]:
        """Write the statements of a program with its inputs bound to loads and its t to ``time``; returns its outputs,
        which are named after the program: the derivative of V with respect to q is dV_dq. Raises SpecError where a
        program reads the time and nobody says which."""
        if time is None and any(t.name in s.reads for s in program):
            raise self._timeless()
        names = {name: load.array for name, load in bind.items()}
        for statement in program.body:
            for name, _ in statement.defines:
                field = stem(name)
                names[name] = self.fresh(f"d{program.name.split('_')[0]}_d{field}" if name == bar(field) else name)
        body = [statement.renamed(names) for statement in program.body]
        if time is not None and time != t:
            body = [statement.with_expressions(lambda e: e.xreplace({t: time})) for statement in body]
        self.body.extend(body)
        return {name: self.dynamics.load(names.get(name, name)) for name in program.outputs}

    def _timeless(self) -> SpecError:
        name = type(self.dynamics.derivation.system.integrator).__name__
        return SpecError(
            f"{name} does not say at which time it evaluates a system that depends on t",
            part="integrator",
            why="a stage that is taken at the wrong time costs the method its order, and no one would be told",
            fix=f"in the step of {name}, equations.at(builder, state, dynamics.time + self.dt / 2) for a stage at half "
            "of the step, likewise builder.call(program, state, dynamics.time)",
            see="own-method",
        )

    def finish(self, values: Mapping[str, sp.Expr]) -> Program:
        """The step: one output ``next(u)`` per field of the state."""
        dynamics = self.dynamics
        for name, expr in values.items():
            self.body.append(Map(stores=((after(name), expr),)))
        inputs = (*dynamics.state, *dynamics.inputs, *dynamics.noise.values(), *dynamics.params)
        outputs = tuple(after(a.name) for a in dynamics.state)
        return Program("step", inputs, tuple(self.body), outputs, dynamics.lowering.periodic)


def after(name: str) -> str:
    """Name of a field after one step."""
    return f"{name}__next"


@dataclass(frozen=True)
class RightHandSide:
    """z_t = J dH - M dH, or J dH + M dS: the programs of its parts, made once for all stages of a step.

    gradients  name of a generator (H or S) -> program of its functional derivatives
    parts      (program of a bracket, the generator it acts on, sign)
    """

    dynamics: Dynamics
    gradients: Mapping[str, Program]
    parts: tuple[tuple[Program, str, int], ...]

    @classmethod
    def of(cls, dynamics: Dynamics) -> RightHandSide:
        derivation, entropy = dynamics.derivation, dynamics.derivation.system.entropy
        gradients = {"H": dynamics.gradient(derivation.structure.hamiltonian)}
        moved = {"bracket": ("H", 1), "metric": ("H", -1) if entropy is None else ("S", 1)}
        forms = derivation.structure.forms.items()
        parts = [(dynamics.operator(form, part), *moved[part]) for part, form in forms]
        if entropy is not None:
            gradients["S"] = dynamics.gradient(entropy, "S", "entropy")
        return cls(dynamics, gradients, tuple(parts))

    def at(self, builder: Builder, state: Mapping[str, Load], time: sp.Expr | None = None) -> dict[str, sp.Expr]:
        """The rate of every field at the given state and time, which a system without t does not need."""
        names = [a.name for a in self.dynamics.state]
        gradients = {generator: builder.call(program, state, time) for generator, program in self.gradients.items()}
        rates: dict[str, sp.Expr] = dict.fromkeys(names, sp.S.Zero)
        for program, generator, sign in self.parts:
            covector = {name: gradients[generator][bar(name)] for name in names}
            rows = self.image(builder, program, state, covector, time)
            for name in names:
                rates[name] += sign * rows[name]
        return rates

    def image(
        self,
        builder: Builder,
        operator: Program,
        state: Mapping[str, Load],
        covector: Mapping[str, Load],
        time: sp.Expr | None = None,
    ) -> dict[str, Load]:
        """J g or M g at the given state and time, by field."""
        rows = builder.call(operator, {**state, **{f"{name}__right": load for name, load in covector.items()}}, time)
        return {name: rows[bar(f"{name}__left")] for name in covector}
