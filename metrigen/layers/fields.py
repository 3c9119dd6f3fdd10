"""A layer that steps or solves: fields at the sites of a lattice or at the nodes of a graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import sympy as sp

from metrigen.ir.constraints import Constraint, constraints_of
from metrigen.ir.implicit import Equation
from metrigen.ir.nodes import Kind, Leaf, Program
from metrigen.ir.queries import equations_in, maps_in
from metrigen.layers.layer import Layer
from metrigen.layers.operator import Operator, names_of
from metrigen.passes.cse import count_ops
from metrigen.programs import Lowered, equation_programs
from metrigen.spec.neural import Head, heads
from metrigen.spec.symbols import Param, t

PARTS = ("residual", "tangent", "transposed", "pullback")  # the programs of a nonlinear equation
_KINDS = {Kind.SITE: "field", Kind.EDGE: "edge", Kind.CHANNEL: "channel", Kind.MATRIX: "matrix", Kind.SCALAR: "scalar"}


@dataclass(frozen=True)
class FieldLayer(Layer):
    """Programs before the passes (``lowered``) and after them, with their operations before and after cse."""

    lowered: Lowered
    optimised: Mapping[str, tuple[Program, int, int]]

    @property
    def rank(self) -> int:
        return len(self.lowered.dynamics.origin)

    @property
    def axes(self) -> int:
        return 2 + self.rank

    @property
    def stepping(self) -> bool:
        return self.lowered.body is not None

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
        return {name: s for name, s in found.items() if not (isinstance(s, Param) and s.per == "sample")}

    @cached_property
    def of_samples(self) -> Mapping[str, Param]:
        """The parameters that are handed in, one number a sample."""
        found = {s.name: s for e in self.expressions for s in e.free_symbols if isinstance(s, Param)}
        return {name: found[name] for name in sorted(found) if found[name].per == "sample"}

    @cached_property
    def learned(self) -> tuple[Head, ...]:
        """The learned functions that the layer evaluates."""
        return heads(*(e for program in self.programs.values() for s in program for e in s.expressions))

    @cached_property
    def constraints(self) -> Mapping[Constraint, Program]:
        """The operators of the elliptic constraints that the layer solves."""
        inside = [program for programs in self.solved.values() for program in programs]
        return constraints_of([*self.programs.values(), *inside])

    @cached_property
    def equations(self) -> Mapping[Equation, str]:
        """The nonlinear equations that the layer solves, and their names in it."""
        found: dict[Equation, str] = {}
        if self.lowered.minimum is not None:
            found[self.lowered.minimum] = self.lowered.minimum.name
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
        found = ["gather along edges"] if self.on_edges else []
        if self.learned:
            names = [head.name for head in self.learned]
            found.append(f"call the module{'s' * (len(names) > 1)} {', '.join(names)}")
        if self.constraints:
            names = [psi.func.__name__ for psi in self.derivation.constraints]
            found.append(f"solve the constraint{'s' * (len(names) > 1)} of {', '.join(names)}")
        if self.lowered.minimum is not None:
            found.append("solve a nonlinear steady state")
        elif self.equations:
            found.append("solve the equation of an implicit step")
        return f"cannot {' or '.join(found)}" if found else ""

    @cached_property
    def operators(self) -> tuple[Operator, ...]:
        readout, adjoint = self.programs["readout"], self.programs["readout_adjoint"]
        groups = names_of(readout.inputs), len(readout.outputs)
        reading = Operator("readout", "map", "readout", groups, readout, adjoint)
        return (reading, *(self._steps() if self.stepping else self._solve()))

    def _solve(self) -> list[Operator]:
        programs, steady = self.programs, self.lowered.steady
        if self.lowered.equilibrium is not None:
            return [Operator("solve", "solve", "solve", (), programs["weights"])]
        if steady is None:
            return []
        groups = steady.unknown, names_of(programs["operator"].inputs, (steady.unknown,)), self.class_name
        return [Operator("solve", "solve", "solve", groups, programs["operator"], programs.get("operator_adjoint"))]

    def _steps(self) -> list[Operator]:
        programs = self.programs
        step, adjoint = programs["step"], programs["step_adjoint"]
        fixed = names_of(step.inputs, self.fields)
        driven = [self.lowered.driven] if self.lowered.driven else []
        maker = "implicit" if self.reports else "evolve"
        found = [Operator("evolve", "steps", maker, (self.fields, fixed, *driven), step, adjoint)]
        if not self.reports:
            found.append(Operator("rollout", "steps", "rollout", (self.fields, fixed, *driven), step, adjoint))
        if not self.obstacle and not driven:
            readout = programs["readout"]
            others = names_of(readout.inputs, self.fields)
            groups = self.fields, fixed, others, len(readout.outputs)
            found.append(Operator("evolve_readout", "steps", "evolve_readout", groups, step, adjoint))
        return found

    @property
    def solve_programs(self) -> list[str]:
        """The programs of a linear solve, as the class ``Programs`` of the runtime names them."""
        names = ("operator", "weights", "apply", "gather", "diagonal")
        return [] if self.stepping else [name for name in names if name in self.optimised]

    @property
    def kinds(self) -> Mapping[str, str]:
        programs = [self.programs[n] for n in ("readout", "step", "operator") if n in self.programs]
        arrays = {a.name: a for program in programs for a in program.inputs}
        return {name: _KINDS[arrays[name].kind] for name in sorted(arrays)}

    def statistics(self) -> dict[str, Any]:
        """Operations and bytes per site of every program, float32, each array moved once."""
        return {
            name: {"ops": after, "ops_before_cse": before, "bytes_per_site_float32": bytes_per_site(program)}
            for name, (program, before, after) in self.optimised.items()
        }

    def _solving(self, equation: Equation) -> str:
        """What one evaluation of an equation takes: how often it is evaluated is found by the solution itself."""
        residual, tangent = (count_ops(program) for program in self.solved[equation][:2])
        return f"an equation ({residual} operations for its residual, {tangent} for a product with its Jacobian)"

    def cost(self, name: str) -> str:
        """Operations, bytes and kernels of a program at a site, in words."""
        program, _, after = self.optimised[name]
        solved = equations_in(program)
        if solved:
            each = " and ".join(self._solving(equation) for equation in solved)
            return f"{name} {after} operations beside the solution of {each}"
        kernels = len(maps_in(program, "the count of kernels"))
        text = f"{name} {after} operations, {bytes_per_site(program)} bytes moved in float32"
        return text if self.obstacle else f"{text}, {kernels} kernel{'s' * (kernels != 1)}"


def bytes_per_site(program: Program) -> int:
    """Bytes per site that the kernels of a program read and write in float32: every array once per kernel."""
    total = 0
    for statement in maps_in(program, "bytes_per_site"):
        leaves = {a.array for e in statement.expressions for a in e.free_symbols if isinstance(a, Leaf)}
        total += 4 * (len(leaves) + len(statement.stores))
    return total


def stencil_points(program: Program) -> dict[str, int]:
    """Array -> number of sites of it that the program reads around each site."""
    points: dict[str, set[tuple[int, ...]]] = {}
    for statement in maps_in(program, "stencil_points"):
        for e in statement.expressions:
            for leaf in e.atoms(Leaf):
                points.setdefault(leaf.array, set()).add(leaf.offset)
    return {name: len(offsets) for name, offsets in sorted(points.items())}
