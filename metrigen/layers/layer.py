"""A layer: what every part of a package is made from, said once and without a target."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from metrigen.discretise.steady_programs import NonlinearSteady
from metrigen.layers.given import Given
from metrigen.layers.operator import Operator
from metrigen.layers.operators import operators_of
from metrigen.layers.programs import Programs
from metrigen.layers.shape import Shape, shape_of
from metrigen.layers.source import Source
from metrigen.passes.pipeline import BUILT, SHARED, apply
from metrigen.programs import Done, Lowered, passes_of


@dataclass(frozen=True)
class Layer:
    """A compiled spec on its way to text, in parts; who needs one part is handed that.

    source    what was given, derived and proved
    lowered   programs before the passes: what it runs (``evolution``), and what is read of its states
    programs  programs after the passes, and what they call and solve
    """

    source: Source
    lowered: Lowered
    programs: Programs

    @cached_property
    def shape(self) -> Shape:
        return shape_of(self.lowered)

    @cached_property
    def given(self) -> Given:
        return Given(self.source.derivation, self.lowered.dynamics)

    @cached_property
    def done(self) -> Done:
        """What the passes have made: of the programs, and of those of the nonlinear equations."""
        found = {(passes_of(n), replace(p, name="")): self.programs[n] for n, p in self.lowered.programs().items()}
        for equation, programs in self.programs.solved.items():
            built = (replace(apply(BUILT, p), name="") for p in equation.programs)
            found |= {(SHARED, p): after for p, after in zip(built, programs, strict=True)}
        return found

    @cached_property
    def obstacle(self) -> str:
        """What no operator of torch can do that the layer does, to follow the name of a backend; empty for none."""
        programs = self.programs
        found = ["gather along edges"] if self.shape.on_edges else []
        if programs.learned:
            names = [head.name for head in programs.learned]
            found.append(f"call the module{'s' * (len(names) > 1)} {', '.join(names)}")
        if programs.constraints:
            names = [psi.func.__name__ for psi in self.source.derivation.constraints]
            found.append(f"solve the constraint{'s' * (len(names) > 1)} of {', '.join(names)}")
        if isinstance(self.lowered.evolution, NonlinearSteady):
            found.append("solve a nonlinear steady state")
        elif programs.equations:
            found.append("solve the equation of an implicit step")
        return f"cannot {' or '.join(found)}" if found else ""

    @property
    def reports(self) -> bool:
        """Whether a state says how its solve ended: that of a steady state, or of the equation of a step."""
        shape = self.shape
        return not (shape.on_tokens or shape.remembers) and (not shape.stepping or self.programs.implicit)

    @property
    def uncompiled(self) -> str:
        """Why torch.compile takes no step of the reference, to follow ``backend="compile"``; empty where it does."""
        if not self.shape.stepping:
            return "cannot compile a step: the layer takes none"
        if self.programs.learned:
            names = ", ".join(head.name for head in self.programs.learned)
            return f"cannot compile a step around a module that is handed in, {names}: compile that by itself"
        if self.programs.equations or self.programs.constraints:
            return "cannot compile a step that solves an equation: its iterations look at their residual"
        return ""

    @cached_property
    def operators(self) -> tuple[Operator, ...]:
        """What torch takes as one call each, where a backend has kernels for it."""
        return operators_of(self)
