"""Newton's method for a nonlinear steady state on the CPU: ``newton`` and ``curvature`` of ``kernels.cpp``.

A tile is solved by itself in cache. The gradient of a solution is one linear equation more, ``curvature``, and the
variation of dF in what is given, which torch takes.
"""

from __future__ import annotations

from metrigen.backends.cpu.group import Printed, group, printed
from metrigen.backends.cpu.printer import Layout, call, print_routine
from metrigen.ir.implicit import Equation
from metrigen.layers.docs import field_docs
from metrigen.programs import Done, Lowered

PARTS = ("residual", "tangent")


def minimum_group(lowered: Lowered, equation: Equation, done: Done) -> Printed | None:
    """``newton`` and ``curvature``; None where a fusion group cannot hold what the equation does."""
    programs = {part: getattr(equation, part) for part in PARTS}
    fixed = equation.residual.inputs[equation.unknowns :]
    found = group("steady", fixed, programs, field_docs(lowered), done=done)
    if found is None:
        return None
    given = frozenset(a.name for a in fixed)
    layout = Layout(found.layout_base, given, frozenset())
    routines = {part: print_routine(part, found.programs[part], found.partitions[part], layout) for part in PARTS}
    calls = {part: call(routines[part], _places(equation, part), {_output(found.programs[part].outputs): "out"})
             for part in PARTS}  # fmt: skip
    return printed(found, routines, "kernels_minimum.cpp.j2", calls=calls)


def _places(equation: Equation, part: str) -> dict[str, str]:
    (unknown,) = (a.name for a in equation.residual.inputs[: equation.unknowns])
    along = {equation.tangent.inputs[-1].name: "v"} if part == "tangent" else {}
    return {unknown: "z", **along}


def _output(names: tuple[str, ...]) -> str:
    (name,) = names
    return name
