"""A layer: what every part of a package is made from, said once and without a target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import sympy as sp

from metrigen.discretise.steady_programs import NonlinearSteady
from metrigen.integrators.memory import Memory
from metrigen.integrators.scan import Scan
from metrigen.ir.constraints import Constraint, constraints_of, eigenvalues_of
from metrigen.ir.implicit import Equation
from metrigen.ir.nodes import Program
from metrigen.ir.queries import equations_in
from metrigen.layers.operator import Operator
from metrigen.layers.operators import operators_of
from metrigen.passes.pipeline import BUILT, SHARED, apply
from metrigen.physics.derivation import Derivation, Law
from metrigen.programs import Done, Evolution, Lowered, TimeStep, equation_programs, passes_of
from metrigen.spec.load import Spec
from metrigen.spec.names import class_name
from metrigen.spec.network import OFFSET, Offset, Weights
from metrigen.spec.neural import Head, learned_functions
from metrigen.spec.symbols import Param, t

PARTS = ("residual", "tangent", "transposed", "pullback")  # the programs of a nonlinear equation


@dataclass(frozen=True)
class Layer:
    """A compiled spec on its way to text.

    spec, derivation, laws  what was given, derived and proved
    lowered    programs before the passes: what it runs (``evolution``), and what is read of its states
    optimised  programs after the passes, with their operations before and after cse
    """

    spec: Spec
    derivation: Derivation
    laws: tuple[Law, ...]
    lowered: Lowered
    optimised: Mapping[str, tuple[Program, int, int]]

    @property
    def name(self) -> str:
        return self.spec.system.name

    @property
    def class_name(self) -> str:
        return class_name(self.name)

    @property
    def evolution(self) -> Evolution:
        return self.lowered.evolution

    @property
    def scan(self) -> Scan:
        """The evolution of a layer on a sequence."""
        assert isinstance(self.evolution, Scan), self.evolution
        return self.evolution

    @property
    def on_tokens(self) -> bool:
        """Whether its time is the token axis."""
        return isinstance(self.evolution, Scan)

    @property
    def memory(self) -> Memory:
        """The evolution of a matrix memory."""
        assert isinstance(self.evolution, Memory), self.evolution
        return self.evolution

    @property
    def remembers(self) -> bool:
        """Whether it is a matrix memory on a sequence."""
        return isinstance(self.evolution, Memory)

    @property
    def rank(self) -> int:
        return len(self.lowered.dynamics.origin)

    @property
    def axes(self) -> int:
        """Axes of what an operator is handed: batch, channels, and those of the sites, or the tokens."""
        return 2 + self.rank + self.on_tokens

    @property
    def stepping(self) -> bool:
        return isinstance(self.evolution, TimeStep)

    @property
    def fields(self) -> tuple[str, ...]:
        return tuple(a.name for a in self.lowered.dynamics.state)

    @cached_property
    def programs(self) -> Mapping[str, Program]:
        """The programs after the passes."""
        return {name: program for name, (program, _, _) in self.optimised.items()}

    @property
    def expressions(self) -> list[sp.Expr]:
        """What the spec says, as far as parameters and inputs may stand in it."""
        derivation = self.derivation
        system = derivation.system
        found = [derivation.hamiltonian, system.entropy, system.temperature, system.dt]
        found += [b.form for b in (derivation.bracket, derivation.metric) if b is not None]
        found += derivation.constraints.values()
        return [e for e in found if e is not None]

    @cached_property
    def parameters(self) -> Mapping[str, sp.Symbol]:
        """Every parameter of the dynamics but a numeric time step and the time."""
        named = {s.name: s for e in self.expressions for s in e.free_symbols}
        dynamics = self.lowered.dynamics
        wanted = [a.name for a in dynamics.params if a.name != t.name]
        wanted += [a.name for a in dynamics.inputs if isinstance(named.get(a.name), Param)]
        found = {name: named[name] for name in sorted(wanted) if name in named}
        for head in self.networks:
            assert head.network is not None
            found[head.name] = Weights(head.name, head.network, len(head.orders))
            found[head.name + OFFSET] = Offset(head.name + OFFSET, head.network)
        return {name: s for name, s in found.items() if not (isinstance(s, Param) and s.per == "sample")}

    @cached_property
    def of_samples(self) -> Mapping[str, Param]:
        """The parameters that are handed in, one number a sample."""
        found = {s.name: s for e in self.expressions for s in e.free_symbols if isinstance(s, Param)}
        return {name: found[name] for name in sorted(found) if found[name].per == "sample"}

    @cached_property
    def networks(self) -> tuple[Head, ...]:
        """The learned functions that the spec declares: their weights are parameters."""
        return tuple(head for head in learned_functions(*self.expressions) if head.network is not None)

    @cached_property
    def learned(self) -> tuple[Head, ...]:
        """The learned functions that the layer evaluates by a module."""
        return learned_functions(*(e for program in self.programs.values() for s in program for e in s.expressions))

    @cached_property
    def constraints(self) -> Mapping[Constraint, Program]:
        """The operators of the elliptic constraints that the layer solves."""
        inside = [program for programs in self.solved.values() for program in programs]
        return constraints_of([*self.programs.values(), *inside])

    @cached_property
    def eigenvalues(self) -> Mapping[Constraint, Program]:
        """Of those of the constraints that are solved by waves."""
        return eigenvalues_of(self.constraints)

    @cached_property
    def equations(self) -> Mapping[Equation, str]:
        """The nonlinear equations that the layer solves, and their names in it."""
        found: dict[Equation, str] = {}
        if isinstance(self.evolution, NonlinearSteady):
            found[self.evolution.equation] = self.evolution.equation.name
        for program in self.programs.values():
            for equation in equations_in(program):
                taken = found.values()
                numbered = (equation.name, *(f"{equation.name}_{k}" for k in range(2, 2 + len(found))))
                found.setdefault(equation, next(name for name in numbered if name not in taken))
        return found

    @cached_property
    def solved(self) -> Mapping[Equation, tuple[Program, ...]]:
        """The programs of every nonlinear equation after the passes, in the order of ``PARTS``."""
        return {equation: equation_programs(equation) for equation in self.equations}

    @cached_property
    def done(self) -> Done:
        """What the passes have made: of the programs, and of those of the nonlinear equations."""
        found = {(passes_of(n), replace(p, name="")): self.programs[n] for n, p in self.lowered.programs().items()}
        for equation, programs in self.solved.items():
            built = (replace(apply(BUILT, p), name="") for p in equation.programs)
            found |= {(SHARED, p): after for p, after in zip(built, programs, strict=True)}
        return found

    @property
    def reports(self) -> bool:
        """Whether a step solves an equation, whose end every sample is told of."""
        return self.stepping and bool(equations_in(self.programs["step"]))

    @property
    def on_edges(self) -> bool:
        """Whether its programs run along the edges of a graph."""
        return self.lowered.dynamics.lowering.along_edges

    @cached_property
    def obstacle(self) -> str:
        """What no operator of torch can do that the layer does, to follow the name of a backend; empty for none."""
        found = ["gather along edges"] if self.on_edges else []
        if self.learned:
            names = [head.name for head in self.learned]
            found.append(f"call the module{'s' * (len(names) > 1)} {', '.join(names)}")
        if self.constraints:
            names = [psi.func.__name__ for psi in self.derivation.constraints]
            found.append(f"solve the constraint{'s' * (len(names) > 1)} of {', '.join(names)}")
        if isinstance(self.evolution, NonlinearSteady):
            found.append("solve a nonlinear steady state")
        elif self.equations:
            found.append("solve the equation of an implicit step")
        return f"cannot {' or '.join(found)}" if found else ""

    @property
    def uncompiled(self) -> str:
        """Why torch.compile takes no step of the reference, to follow ``backend="compile"``; empty where it does."""
        if not self.stepping:
            return "cannot compile a step: the layer takes none"
        if self.learned:
            names = ", ".join(head.name for head in self.learned)
            return f"cannot compile a step around a module that is handed in, {names}: compile that by itself"
        if self.equations or self.constraints:
            return "cannot compile a step that solves an equation: its iterations look at their residual"
        return ""

    @cached_property
    def operators(self) -> tuple[Operator, ...]:
        """What torch takes as one call each, where a backend has kernels for it."""
        return operators_of(self)
