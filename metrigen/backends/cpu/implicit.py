"""Steps that solve equations, and their adjoint, on the CPU: ``evolve`` and ``evolve_adjoint`` of ``kernels.cpp``.

A step gives the fields after it and every solution that is none of them. The adjoint is handed these: it solves one
linear equation for each, and nothing again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from metrigen.backends.cpu.group import Group, Points, Printed, group, printed
from metrigen.backends.cpu.printer import Layout, Routine, call, print_routine
from metrigen.ir.implicit import Equation, Root, RootAdjoint, SiteSum
from metrigen.ir.nodes import Accumulate, Array, Kind, Load, Map, Program, Statement
from metrigen.ir.queries import equations_in
from metrigen.layers.docs import field_docs
from metrigen.passes.points import jacobian
from metrigen.passes.vary import bar, vary
from metrigen.programs import Done, Lowered

PARTS, AT_A_POINT = ("residual", "tangent", "transposed"), ("residual", "jacobian")


def implicit_group(lowered: Lowered, points: Points, done: Done) -> Printed | None:
    """``evolve`` and ``evolve_adjoint``; None where what an equation is given has no name in the step."""
    evolution, rank = lowered.step, len(lowered.dynamics.origin)
    body = evolution.body
    state = [a.name for a in body.inputs[: len(lowered.dynamics.state)]]
    fixed = [a for a in body.inputs if a.name not in state]
    named = _named(body, {a.name for a in fixed})
    if named is None:
        return None
    step = _step(body)
    adjoint = vary(body, [a.name for a in body.inputs], rank=rank, constants=evolution.constants)
    programs = {
        f"{name}_{part}": _given_names(program, body, e)
        for e, name in named.items()
        for part, program in _parts(e, points).items()
    }
    programs |= {"step": step, "step_adjoint": _with_solutions(adjoint, _solutions(body))}
    found = group("steps", fixed, programs, field_docs(lowered), done=done)
    if found is None or any(_sums_a_tensor(p, found) for p in found.programs.values()):
        return None
    return _print(replace(found, on_request=frozenset(evolution.on_request)), named, body, step, state, points)


def saved_planes(lowered: Lowered) -> int:
    """Fields that a step keeps for the adjoint: those after it, and the solutions that are none of them."""
    return len(_step(lowered.step.body).outputs)


def _named(body: Program, fixed: set[str]) -> dict[Equation, str] | None:
    """The C++ type of every equation; None where two solutions of one are given different fixed arrays."""
    found: dict[Equation, str] = {}
    for equation in equations_in(body):
        numbered = (equation.name, *(f"{equation.name}_{k}" for k in range(2, 2 + len(found))))
        found[equation] = next(n for n in numbered if n not in found.values())
        roots = [s for s in body.body if isinstance(s, Root) and s.equation == equation]
        if len({tuple(n if n in fixed else "" for n in s.given) for s in roots}) > 1:
            return None
    return found


def _parts(equation: Equation, points: Points) -> dict[str, Program]:
    """The programs of an equation that its solver calls."""
    if points:
        return {"residual": equation.residual, "jacobian": jacobian(equation.tangent, equation.unknowns)}
    return {name: getattr(equation, name) for name in PARTS}


def _given_names(program: Program, body: Program, equation: Equation) -> Program:
    """What is fixed over the steps goes by its name in the step."""
    root = next(s for s in body.body if isinstance(s, Root) and s.equation == equation)
    made = {name for s in body.body for name, _ in s.defines} | set(root.starts)
    pairs = zip(equation.residual.inputs[equation.unknowns :], root.given, strict=True)
    names = {a.name: name for a, name in pairs if name not in made and a.name != name}
    inputs = tuple(replace(a, name=names.get(a.name, a.name)) for a in program.inputs)
    return replace(program, inputs=inputs, body=tuple(s.renamed(names) for s in program.body))


def _solutions(body: Program) -> list[str]:
    return [name for s in body.body if isinstance(s, Root) for name in s.outs]


def _step(body: Program) -> Program:
    """The step with its solutions among the outputs, each once."""
    solutions = _solutions(body)
    same = {
        name: expr.array
        for s in body.body if isinstance(s, Map)
        for name, expr in s.stores
        if isinstance(expr, Load) and expr.array in solutions and not any(expr.offset)
    }  # fmt: skip
    outputs = [same.get(name, name) for name in body.outputs]
    return replace(body, name="step", outputs=tuple(dict.fromkeys((*outputs, *solutions))))


def _with_solutions(adjoint: Program, solutions: Sequence[str]) -> Program:
    """The adjoint of the step with the solutions of its equations handed in, and each sum in one piece."""
    body: list[Statement] = [s for s in adjoint.body if not isinstance(s, Root)]
    parts = {s.out: s.terms for s in body if isinstance(s, Accumulate)}

    def flat(terms: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(t for term in terms for t in (flat(parts[term]) if term in parts else (term,)))

    body = [replace(s, terms=flat(s.terms)) if isinstance(s, Accumulate) else s for s in body]
    inputs = (*adjoint.inputs, *(Array(name, Kind.SITE) for name in solutions))
    return replace(adjoint, name="step_adjoint", inputs=inputs, body=tuple(body))


def _sums_a_tensor(program: Program, group: Group) -> bool:
    """Whether a sum over the sites reads what lies in memory as in its tensor."""
    return any(isinstance(s, SiteSum) and s.src in group.layout_base for s in program.body)


def _print(
    group: Group, named: Mapping[Equation, str], body: Program, step: Program, state: list[str], points: Points
) -> Printed:
    given, solutions = frozenset(a.name for a in group.fixed), _solutions(body)
    programs, outputs = group.programs, list(step.outputs)
    back = dict(zip((bar(a.name) for a in body.inputs), programs["step_adjoint"].outputs, strict=True))
    filled = {
        "step": {*programs["step"].outputs, *_solved_from(programs["step"])},
        "step_adjoint": {*(back[bar(n)] for n in state), *_solved_from(programs["step_adjoint"])},
    }
    types = {e: f"{name}__equation" for e, name in named.items()}
    routines: dict[str, Routine] = {
        n: print_routine(
            n, p, group.partitions[n],
            Layout(
                group.layout_base, given, frozenset(filled.get(n, ())), flat=points == "numbers",
                on_request=group.on_request,
            ),
            types,
        )
        for n, p in programs.items()
    }  # fmt: skip
    sites = [a.name for a in group.fixed if a.kind is Kind.SITE]
    before = {n: f"before[{i}]" for i, n in enumerate(state)}
    after = {n: f"after[{outputs.index(n)}]" for n in solutions}
    cotangents = {bar(n): f"flow[{i}]" for i, n in enumerate(body.outputs)}
    pulled = {back[bar(n)]: f"back[{i}]" for i, n in enumerate(state)}
    pulled |= {back[bar(n)]: f"bars[{i}]" for i, n in enumerate(sites)}
    calls = {
        "step": call(routines["step"], before, {n: f"after[{i}]" for i, n in enumerate(programs["step"].outputs)}),
        "step_adjoint": call(routines["step_adjoint"], before | after | cotangents, pulled),
    }
    own = {name: routine for name, routine in routines.items() if name not in calls}
    moving = [routines[name] for name in calls]
    return printed(
        group, own, "kernels_lanes.cpp.j2" if points else "kernels_implicit.cpp.j2", points=points,
        carried=len(state), calls=calls, state=state, site_fixed=sites, after=len(outputs),
        solves=sum(isinstance(s, Root) for s in body.body),
        local=max(r.buffers for r in moving), steps=[f for r in moving for f in group.documented(r)],
        equations=[_equation(name, e, group, own, AT_A_POINT if points else PARTS) for e, name in named.items()],
    )  # fmt: skip


def _solved_from(program: Program) -> set[str]:
    """What the equations of a program are given."""
    return {n for s in program.body if isinstance(s, (Root, RootAdjoint)) for n in s.reads}


def _equation(
    name: str, equation: Equation, group: Group, routines: Mapping[str, Routine], parts: tuple[str, ...]
) -> dict[str, object]:
    """The calls of the programs of an equation, with vectors z, v and out of all unknowns."""
    given = {a.name for a in group.fixed}
    programs = {part: group.programs[f"{name}_{part}"] for part in parts}
    unknown = [a.name for a in equation.residual.inputs[: equation.unknowns]]
    arrays = programs["residual"].inputs[equation.unknowns :]
    begin = [a.name for a in arrays if a.kind is Kind.SITE and a.name not in given]
    places = {n: f"z + {i} * at.block" for i, n in enumerate(unknown)}
    places |= {n: f"begin[{i}]" for i, n in enumerate(begin)}
    calls = {}
    for part, program in programs.items():
        along = [a.name for a in program.inputs[-equation.unknowns :]] if part in ("tangent", "transposed") else []
        read = places | {n: f"v + {i} * at.block" for i, n in enumerate(along)}
        calls[part] = call(routines[f"{name}_{part}"], read, {n: f"out + {i} * at.block"
                                                             for i, n in enumerate(program.outputs)})  # fmt: skip
    return {"name": name, "begin": len(begin), "calls": calls}
