"""From a density in the continuum to a program of stored arrays.

Applied functions become arrays, their derivatives jets; ``mix`` and ``total`` become statements. A linear map between
channels commutes with every derivative, so it is applied to the array and differentiated after.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar

import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.discretise.base import Discretisation
from metrigen.discretise.constraint import equations_of
from metrigen.discretise.elliptic import Equation
from metrigen.discretise.jets import Jet
from metrigen.discretise.lattice import Stencils, functional_density, site_density
from metrigen.discretise.lattice_laws import lattice_laws
from metrigen.discretise.lattice_volume import lattice_volume
from metrigen.discretise.readout import current_densities, tensor_densities
from metrigen.discretise.steady_programs import linear_steady, nonlinear_steady
from metrigen.errors import InternalError, SpecError
from metrigen.ir.evaluate import almost_everywhere, check_functions
from metrigen.ir.functions.normal import normal
from metrigen.ir.nodes import Array, ChannelMatmul, ChannelSum, Kind, Load, Map, Offset, Program, Solve, Statement, stem
from metrigen.passes.pipeline import GRADIENT, WRITTEN, apply
from metrigen.passes.vary import bar, vary
from metrigen.physics.derivation import Derivation, Law
from metrigen.spec.domain import Domain, Lattice
from metrigen.spec.symbols import Param, mix, t, total, transposed

if TYPE_CHECKING:
    from metrigen.discretise.base import Made
    from metrigen.discretise.dynamics import Dynamics


@dataclass(frozen=True)
class Lowering(Discretisation):
    """On a lattice, by its ``stencils``."""

    stencils: Stencils

    domain: ClassVar[type[Domain]] = Lattice

    @classmethod
    def of(
        cls, derivation: Derivation, arrays: Mapping[sp.Basic, Array], given: Iterable[Array], params: tuple[Array, ...]
    ) -> Discretisation:
        nonnegative = frozenset(a.name for u, a in arrays.items() if u.is_nonnegative)
        coefficients = frozenset(a.name for a in given)
        stencils = Stencils(derivation.system.lattice, coefficients=coefficients, nonnegative=nonnegative)
        plain = cls(arrays, params, stencils)
        return replace(
            plain, equations=equations_of(plain, derivation.structure.constraints, derivation.structure.fields)
        )

    @property
    def origin(self) -> Offset:
        return self.stencils.origin

    @property
    def periodic(self) -> bool:
        return self.stencils.domain.boundary == "periodic"

    def with_covectors(self, arrays: Mapping[sp.Basic, Array]) -> Lowering:
        names = {a.name for a in arrays.values()}
        stencils = replace(self.stencils, covectors=self.stencils.covectors | names)
        return replace(self, arrays={**self.arrays, **arrays}, stencils=stencils)

    def solve(self, dynamics: Dynamics, solver: str) -> Made:
        return nonlinear_steady(dynamics) if solver == "newton" else linear_steady(dynamics, solver)

    def laws(self, dynamics: Dynamics, made: Made) -> tuple[Law, ...]:
        if not (dynamics.derivation.system.volume_preserving and isinstance(made, Program)):
            return lattice_laws(dynamics)
        return (*lattice_laws(dynamics), lattice_volume(dynamics, made))

    def diagnostics(self, derivation: Derivation) -> dict[str, Program]:
        """``stress_energy`` and ``currents`` at the sites, as far as there are such."""
        tensor = tensor_densities(derivation) if derivation.stress_energy else {}
        coordinates = ("t", *(axis.name for axis in derivation.system.domain.axes))
        currents = {
            f"{name}__{coordinate}": j
            for name, current in current_densities(derivation).items()
            for coordinate, j in zip(coordinates, current, strict=True)
        }
        found = {"stress_energy": {f"{name}__density": e for name, e in tensor.items()}, "currents": currents}
        return {name: self.sites(name, densities) for name, densities in found.items() if densities}

    def functional(self, name: str, density: sp.Expr, part: str = "hamiltonian") -> Program:
        """The density of a functional, to be varied: output ``density__``."""
        return self._program(name, {"density__": density}, functional_density, part)

    def sites(self, name: str, densities: Mapping[str, sp.Expr], part: str = "readout") -> Program:
        """Values at the sites: one output per density. A flux holds derivatives of the energy, and those of a step hold
        impulses, which are nothing almost everywhere."""
        seen = {output: almost_everywhere(e) if e.has(sp.DiracDelta) else e for output, e in densities.items()}
        return self._program(name, seen, site_density, part)

    def gradient(self, name: str, density: sp.Expr, wrt: tuple[str, ...], part: str = "hamiltonian") -> Program:
        """The functional derivatives of int density: outputs ``bar(array)``, in units of density over field."""
        varied = vary(self.functional(name, density, part), wrt, seed=sp.S.One, rank=self.stencils.rank)
        for statement in varied.body:
            for expr in statement.expressions if isinstance(statement, Map) else ():
                check_functions(expr, part)
        return apply(GRADIENT, varied)

    def _program(self, name: str, densities: Mapping[str, sp.Expr], discretise: object, part: str) -> Program:
        body: list[Statement] = []
        for output, density in densities.items():
            writer = Writer(self, f"{name}__{output}", part, body)
            jets = writer.jets(normal(density))
            stencils = replace(self.stencils, covectors=self.stencils.covectors | writer.covectors, part=part)
            expr = normal(discretise(jets, stencils))  # type: ignore[operator]
            check_functions(expr, part)
            body.append(Map(stores=((output, expr),)))
        return apply(WRITTEN, Program(name, self.inputs, tuple(body), tuple(densities), self.periodic))


@dataclass
class Writer:
    """Writes the statements that one density needs before its own."""

    lowering: Lowering
    name: str
    part: str
    body: list[Statement]
    made: dict[sp.Basic, Jet] = field(default_factory=dict)
    stored: dict[sp.Basic, str] = field(default_factory=dict)
    covectors: set[str] = field(default_factory=set)

    def jets(self, expr: sp.Expr) -> sp.Expr:
        """The expression over jets and parameters."""
        expr = sp.sympify(expr)
        swap: dict[sp.Basic, sp.Basic] = {}
        for atom in _outermost(expr):
            swap[atom] = self._jet(atom)
        out = expr.xreplace(swap)
        for symbol in sorted(out.free_symbols, key=lambda s: s.name):
            if symbol == t and t.name not in {a.name for a in self.lowering.params}:
                raise SpecError(
                    f"the time in {expr} is not known here",
                    part=self.part,
                    why="energy, brackets and metric do not depend on t, so the layer is not told the time",
                    fix="leave it out, or work it out from what the layer gives",
                    see="derivative",
                )
            if symbol in self.lowering.arrays:
                out = out.xreplace({symbol: self._array(symbol, self.lowering.stencils.origin)})
        return out

    def _jet(self, atom: sp.Basic) -> sp.Expr:
        if atom in self.made:
            return self.made[atom]
        if isinstance(atom, sp.Derivative):
            base, orders = atom.args[0], self._orders(atom)
            if isinstance(base, (mix, total)):
                inner = self._jet(base)
                if isinstance(inner, Jet):
                    return Jet(inner.array, tuple(a + b for a, b in zip(inner.orders, orders, strict=True)))
            if isinstance(base, AppliedUndef):
                return self._array(base, orders)
            return self._composite(base, orders)
        if isinstance(atom, AppliedUndef):
            return self._array(atom, self.lowering.stencils.origin)
        jet = self._channel_map(atom)
        self.made[atom] = jet
        return jet

    def _composite(self, base: sp.Expr, orders: Offset) -> Jet:
        """An indicated derivative of a function of fields: the function is stored, and its differences are taken, so
        that D(f/f) is zero on the lattice where the product rule would leave an error."""
        if base not in self.stored:
            inner = self.jets(base)
            if any(j.order for j in inner.atoms(Jet)):
                raise SpecError(
                    f"cannot discretise the derivative of {base}, which contains derivatives",
                    part=self.part,
                    fix="carry the outer derivative out, (...).diff(x)",
                    see="derivative",
                )
            name = f"{self.name}__g{len(self.body)}"
            self._store(name, inner)
            self.stored[base] = name
        return Jet(self.stored[base], orders)

    def _store(self, name: str, value: sp.Expr) -> None:
        """A function of the values at the site as an array; one that is linear in a covector is a covector."""
        read = {j: Load(j.array, self.lowering.stencils.origin, bool(j.is_positive)) for j in value.atoms(Jet)}
        self.body.append(Map(stores=((name, value.xreplace(read)),)))
        self._inherit(name, {j.array for j in read})

    def _inherit(self, name: str, arrays: set[str]) -> None:
        if arrays & (self.covectors | self.lowering.stencils.covectors):
            self.covectors.add(name)

    def _channel_map(self, atom: sp.Expr) -> sp.Expr:
        """mix(K, f) or total(f): linear, so sum over the terms c D^s u of f; a nonlinear f is stored first."""
        inner = self.jets(atom.args[-1])
        whole = sp.S.Zero
        rest = sp.S.Zero
        for term in sp.Add.make_args(sp.expand(inner)):
            coefficient, jet = term.as_independent(Jet, as_Add=False)
            if isinstance(jet, Jet) and self._constant(coefficient):
                whole += coefficient * self._apply(atom, jet.array, jet.orders)
            else:
                rest += term
        if rest != 0:
            if any(j.order for j in rest.atoms(Jet)):
                raise SpecError(
                    f"{atom} applies a channel map to a nonlinear function of derivatives",
                    part=self.part,
                    fix="apply it to the field and differentiate after",
                    see="derivative",
                )
            stored = f"{self.name}__f{len(self.body)}"
            self._store(stored, rest)
            whole += self._apply(atom, stored, self.lowering.stencils.origin)
        return whole

    def _apply(self, atom: sp.Expr, array: str, orders: Offset) -> Jet:
        if isinstance(atom, total):
            statement: ChannelMatmul | ChannelSum = ChannelSum(
                f"total_{stem(array)}__{self.name}_{len(self.body)}", array
            )
        else:
            matrix, flipped = atom.args[0], isinstance(atom.args[0], transposed)
            symbol = matrix.args[0] if flipped else matrix
            out = f"{symbol.name}{'_t' if flipped else ''}_{stem(array)}__{self.name}_{len(self.body)}"
            statement = ChannelMatmul(out, symbol.name, array, flipped)
        for made in self.body:
            if (
                isinstance(made, type(statement))
                and made.reads == statement.reads
                and _transposed(made) == _transposed(statement)
            ):
                self._inherit(made.out, {array})
                return Jet(made.out, orders)
        self.body.append(statement)
        self._inherit(statement.out, {array})
        return Jet(statement.out, orders)

    def _constant(self, coefficient: sp.Expr) -> bool:
        kinds = {array.name: array.kind for array in self.lowering.params}
        return all(kinds.get(s.name) is Kind.SCALAR for s in coefficient.free_symbols)

    def _solved(self, equation: Equation) -> str:
        """The auxiliary field, its equation written once."""
        out = equation.out
        if not any(isinstance(s, Solve) and s.out == out for s in self.body):
            test, source = Array(f"{out}__test", Kind.SITE), f"source_{out}__{len(self.body)}"
            lowering = self.lowering.with_covectors({equation.test: test})
            program = lowering.gradient(f"source_{out}", equation.source, (test.name,), "constraints")
            names = {name: f"{name}__{out}" for s in program.body for name, _ in s.defines} | {bar(test.name): source}
            self.body.extend(s.renamed(names) for s in program.body)
            self.body.append(Solve(out, equation.operator, source, equation.singular))
        return out

    def _array(self, function: sp.Basic, orders: Offset) -> Jet:
        if function in self.lowering.equations:
            return Jet(self._solved(self.lowering.equations[function]), orders)
        array = self.lowering.arrays.get(function)
        if array is None:
            raise SpecError(
                f"{function} is neither a field nor an input of this system",
                part=self.part,
                fix=f"declare Input({getattr(function, 'name', str(function.func))!r}, domain), or add it to fields=",
                see="fields",
            )
        return Jet(array.name, orders, array.positive and not any(orders))

    def _orders(self, derivative: sp.Derivative) -> Offset:
        axes = self.lowering.stencils.domain.axes
        orders = [0] * len(axes)
        for symbol, count in derivative.variable_count:
            if symbol not in axes:
                raise SpecError(
                    f"cannot discretise {derivative}: {symbol} is no axis of the lattice",
                    part=self.part,
                    fix="differentiate along " + (", ".join(map(str, axes)) or "no axis: the lattice has none"),
                    see="derivative",
                )
            orders[axes.index(symbol)] += int(count)
        return tuple(orders)


def _transposed(statement: ChannelMatmul | ChannelSum) -> bool:
    return isinstance(statement, ChannelMatmul) and statement.transpose


def _outermost(expr: sp.Expr) -> list[sp.Basic]:
    """Derivatives, channel maps and applied functions of an expression, not those inside one another."""
    if isinstance(expr, (sp.Derivative, AppliedUndef, mix, total)):
        return [expr]
    found: dict[sp.Basic, None] = {}
    for arg in expr.args:
        for atom in _outermost(arg):
            found.setdefault(atom)
    return list(found)


def param_array(symbol: sp.Symbol) -> Array:
    """The array of a parameter; a plain SymPy symbol is a scalar. InternalError for a symbol of the compiler's own."""
    if not isinstance(symbol, Param) and type(symbol) not in (sp.Symbol, sp.Dummy):
        raise InternalError(f"{symbol}, a {type(symbol).__name__}, is left in what is to be put on the domain")
    if isinstance(symbol, Param) and symbol.is_matrix:
        return Array(symbol.name, Kind.MATRIX, symmetry=int(symbol.symmetric) - int(symbol.antisymmetric))
    per = symbol.per if isinstance(symbol, Param) else "scalar"
    kind = {"scalar": Kind.SCALAR, "channel": Kind.CHANNEL, "site": Kind.SITE, "edge": Kind.EDGE, "sample": Kind.SITE}[
        per
    ]
    return Array(symbol.name, kind, bool(symbol.is_positive))
