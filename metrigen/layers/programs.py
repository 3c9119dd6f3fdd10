"""The programs of a layer after the passes, and what they call and solve."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from metrigen.discretise.steady_programs import NonlinearSteady
from metrigen.ir.constraints import Constraint, constraints_of, eigenvalues_of
from metrigen.ir.implicit import Equation
from metrigen.ir.nodes import Program
from metrigen.ir.queries import equations_in
from metrigen.programs import Evolution, equation_programs
from metrigen.spec.neural import Head, learned_functions

PARTS = ("residual", "tangent", "transposed", "pullback")  # the programs of a nonlinear equation


@dataclass(frozen=True)
class Programs(Mapping[str, Program]):
    """Name -> program.

    optimised  with their operations before and after cse
    evolution  what the layer runs
    """

    optimised: Mapping[str, tuple[Program, int, int]]
    evolution: Evolution

    def __getitem__(self, name: str) -> Program:
        return self.optimised[name][0]

    def __iter__(self) -> Iterator[str]:
        return iter(self.optimised)

    def __len__(self) -> int:
        return len(self.optimised)

    @cached_property
    def learned(self) -> tuple[Head, ...]:
        """The learned functions that are evaluated by a module."""
        return learned_functions(*(e for program in self.values() for s in program for e in s.expressions))

    @cached_property
    def constraints(self) -> Mapping[Constraint, Program]:
        """The operators of the elliptic constraints that are solved."""
        inside = [program for programs in self.solved.values() for program in programs]
        return constraints_of([*self.values(), *inside])

    @cached_property
    def eigenvalues(self) -> Mapping[Constraint, Program]:
        """Of those of the constraints that are solved by waves."""
        return eigenvalues_of(self.constraints)

    @cached_property
    def equations(self) -> Mapping[Equation, str]:
        """The nonlinear equations that are solved, and their names in the layer."""
        found: dict[Equation, str] = {}
        if isinstance(self.evolution, NonlinearSteady):
            found[self.evolution.equation] = self.evolution.equation.name
        for program in self.values():
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
    def implicit(self) -> bool:
        """Whether a step solves an equation."""
        return "step" in self and bool(equations_in(self["step"]))
