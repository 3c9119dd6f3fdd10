"""Everything that the files of one package are made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from metrigen.backends.cpu.kernels import CpuKernels
from metrigen.backends.torch.printer import Function, Operator, operators_of, print_function
from metrigen.backends.triton.printer import Driver, Kernel, print_kernels
from metrigen.ir.implicit import Equation
from metrigen.ir.nodes import Leaf, Program
from metrigen.ir.queries import equations_in, maps_in
from metrigen.passes.cse import count_ops
from metrigen.physics.derivation import Derivation, Law
from metrigen.programs import Lowered, equation_programs
from metrigen.spec.load import Spec
from metrigen.spec.names import class_name
from metrigen.spec.neural import Head, heads

# Loops over steps and iterations are torch in every backend; these are the programs they call.
_KERNEL_PROGRAMS = (
    "step", "step_adjoint", "readout", "readout_adjoint", "operator", "operator_adjoint", "weights", "apply", "gather",
    "diagonal",
)  # fmt: skip
PARTS = ("residual", "tangent", "transposed", "pullback")  # the programs of a nonlinear equation


@dataclass(frozen=True)
class Emission:
    """A compiled spec on its way to text."""

    spec: Spec
    derivation: Derivation
    laws: tuple[Law, ...]
    lowered: Lowered
    optimised: Mapping[str, tuple[Program, int, int]]
    cpu: CpuKernels | None

    @property
    def rank(self) -> int:
        return len(self.lowered.dynamics.origin)

    @property
    def name(self) -> str:
        return self.spec.system.name

    @property
    def class_name(self) -> str:
        return class_name(self.name)

    @property
    def stepping(self) -> bool:
        return self.lowered.body is not None

    @property
    def fields(self) -> tuple[str, ...]:
        return tuple(a.name for a in self.lowered.dynamics.state)

    @cached_property
    def learned(self) -> tuple[Head, ...]:
        """The learned functions that the package evaluates."""
        return heads(*(e for program, _, _ in self.optimised.values() for s in program for e in s.expressions))

    @cached_property
    def operators(self) -> Mapping[Operator, Program]:
        """The operators of the elliptic constraints that the package solves."""
        inside = [program for programs in self.solved.values() for program in programs]
        return operators_of([*(program for program, _, _ in self.optimised.values()), *inside])

    @cached_property
    def equations(self) -> Mapping[Equation, str]:
        """The nonlinear equations that the package solves, and their names in it."""
        found: dict[Equation, str] = {}
        if self.lowered.minimum is not None:
            found[self.lowered.minimum] = self.lowered.minimum.name
        for program, _, _ in self.optimised.values():
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
    def without_triton(self) -> bool:
        """Whether the package has no Triton kernels: it calls a module or solves in the midst of a step. On the CPU it
        may have some (``cpu``)."""
        return bool(self.learned or self.operators or self.equations)

    @property
    def has_operators(self) -> bool:
        """Whether torch is given operators of the package, which its kernels compute."""
        return not self.without_triton or self.cpu is not None

    @cached_property
    def elliptic(self) -> tuple[Function, ...]:
        return tuple(print_function(program, self.rank) for program in self.operators.values())

    @cached_property
    def implicit(self) -> Mapping[str, tuple[Function, ...]]:
        """The functions of every nonlinear equation, by its name."""
        return {
            name: tuple(
                print_function(program, self.rank, f"{name}_{part}", self.operators)
                for part, program in zip(PARTS, self.solved[equation], strict=True)
            )
            for equation, name in self.equations.items()
        }

    @cached_property
    def functions(self) -> tuple[Function, ...]:
        printed = [
            print_function(program, self.rank, name, self.operators, self.equations)
            for name, (program, _, _) in self.optimised.items()
        ]
        prologue = self.lowered.prologue
        return (*((print_function(prologue, self.rank),) if prologue and prologue.body else ()), *printed)

    @cached_property
    def kernels(self) -> tuple[tuple[tuple[Kernel, ...], Driver], ...]:
        if self.without_triton:  # a kernel can neither call a module nor solve
            return ()
        return tuple(
            print_kernels(program, self.rank, name)
            for name, (program, _, _) in self.optimised.items()
            if name in _KERNEL_PROGRAMS
        )

    def statistics(self) -> dict[str, Any]:
        """Operations and bytes per site of every program, float32, each array moved once."""
        return {
            name: {"ops": after, "ops_before_cse": before, "bytes_per_site_float32": bytes_per_site(program)}
            for name, (program, before, after) in self.optimised.items()
        }

    def _solved(self, equation: Equation) -> str:
        """What one evaluation of an equation takes: how often it is evaluated is found by the solution itself."""
        residual, tangent = (count_ops(program) for program in self.solved[equation][:2])
        return f"an equation ({residual} operations for its residual, {tangent} for a product with its Jacobian)"

    def cost(self, name: str) -> str:
        program, _, after = self.optimised[name]
        solved = equations_in(program)
        if solved:
            each = " and ".join(self._solved(equation) for equation in solved)
            return f"{name} {after} operations beside the solution of {each}"
        kernels = len(maps_in(program, "the count of kernels"))
        text = f"{name} {after} operations, {bytes_per_site(program)} bytes moved in float32"
        return text if self.without_triton else f"{text}, {kernels} kernel{'s' * (kernels != 1)}"


class GraphEmission(Emission):
    """A compiled spec whose programs run along the edges of a graph, which no kernel does."""

    @property
    def without_triton(self) -> bool:
        return True


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
