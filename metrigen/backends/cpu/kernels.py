"""The CPU files of a package: ``kernels.cpp`` and the ``cpu.py`` that compiles and calls it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TypeVar

from metrigen.backends.cpu.group import Points, Printed
from metrigen.backends.cpu.implicit import implicit_group, saved_planes
from metrigen.backends.cpu.minimum import minimum_group
from metrigen.backends.cpu.names import is_taken
from metrigen.backends.cpu.reading import readout_group
from metrigen.backends.cpu.solve import solve_group
from metrigen.backends.cpu.steps import stencil_radius, step_group
from metrigen.backends.cpu.vector_math import called
from metrigen.backends.cpu.waves import walls_of_all, why_no_waves
from metrigen.discretise.steady_programs import LinearSteady, NonlinearSteady, StencilSteady
from metrigen.emit.render import render
from metrigen.ir.implicit import Root, RootAdjoint, SiteSum
from metrigen.ir.modes import Walls
from metrigen.ir.nodes import Array, ChannelMatmul, ChannelSum, Inside, Kind, Load, Map, Program, Statement, Units
from metrigen.ir.queries import equations_in, learned_in, solves_in
from metrigen.passes.pipeline import AT_A_POINT, apply
from metrigen.passes.vary import bar
from metrigen.physics.derivation import Derivation
from metrigen.programs import Done, Evolution, Lowered, TimeStep
from metrigen.spec.symbols import Param


@dataclass(frozen=True)
class CpuKernels:
    """What the CPU files of a package are made from.

    groups  text of the namespaces of ``kernels.cpp``; ``halo`` sites around a plane by axis
    block   channels of a tile: 1 where none are coupled, the common block of all channel matrices, or None for all
    fixed, given  what the steps (the solve) and the readout are handed; sums of them those that are summed
    carried, radius fields that go from step to step, and how many sites a step can carry a value
    walls   how the lattice goes on for the waves that constraints are solved by; None where there are none
    saved, solves fields that a step keeps for the adjoint and equations that it solves, 0 where it solves none
    points  what lies along the vectors of a system of ODEs at a point; units: whether networks are evaluated
    minimum whether it is a nonlinear steady state that is solved for
    reads   whether states are read right after the steps that lead to them
    on_request  what of the steps is summed where a call asks for it
    of_samples  coefficients of the steps that every sample may have its own of
    unknown  of a solve; separable: its operator is a stencil per channel; operator: names that the operator takes
    """

    groups: tuple[str, ...]
    halo: tuple[int, ...]
    periodic: bool
    indicators: bool
    coupled: bool
    block: int | None
    stepping: bool
    unknown: str
    separable: bool
    monotone: bool
    operator: tuple[str, ...]
    carried: int
    radius: int
    fixed: tuple[Array, ...]
    given: tuple[Array, ...]
    sums: tuple[Array, ...]
    readout_sums: tuple[Array, ...]
    components: int
    points: Points
    reads: bool
    units: bool = False
    minimum: bool = False
    on_request: tuple[str, ...] = ()
    of_samples: tuple[str, ...] = ()
    saved: int = field(default=0, repr=False)
    solves: int = field(default=0, repr=False)
    walls: Walls | None = field(default=None, repr=False)

    @property
    def noise(self) -> bool:
        """Whether steps read standard normal numbers."""
        return any(a.noise for a in self.fixed)

    def source(self, header: str, title: str) -> str:
        """The text of ``kernels.cpp``."""
        used, functions, binary = called(self.groups)
        return render(
            "kernels.cpp.j2", header=header.rstrip("\n"), title=title, rank=len(self.halo), halo=list(self.halo),
            periodic=self.periodic, used=used, functions=functions, binary=binary,
            indicators=self.indicators, coupled=self.coupled, groups=self.groups,
            site_sums=any("site_sum<" in text for text in self.groups), points=self.points,
            vector_math=bool(self.points or self.units) and bool(functions or binary), units=bool(self.units),
            frames=bool(self.points) and any(a.driven for a in self.fixed), noise=self.noise,
            on_request=self.on_request, walls=self.walls.value if self.walls else "", apart=bool(self.of_samples),
        )  # fmt: skip

    def loader(self, header: str, title: str, name: str) -> str:
        """The text of ``cpu.py``."""
        return render(
            "cpu.py.j2", header=header.rstrip("\n"), title=title, name=name, block=self.block, rank=len(self.halo),
            stepping=self.stepping, unknown=self.unknown, separable=self.separable, monotone=self.monotone,
            operator=repr(self.operator), carried=self.carried,
            implicit=self.solves > 0, coupled=self.coupled, saved=self.saved, solves=self.solves, state=self.carried,
            radius=self.radius, fixed=_kinds(self.fixed), given=_kinds(self.given), sums=_kinds(self.sums),
            readout_sums=_kinds(self.readout_sums), components=self.components, points=self.points,
            driven=any(a.driven for a in self.fixed), noise=self.noise, on_request=self.on_request, reads=self.reads,
            of_samples=_places(self.fixed, self.of_samples),
            units=self.units, minimum=self.minimum,
            matrices=any(a.kind is Kind.MATRIX for a in (*self.sums, *self.readout_sums)),
            overlapped=len(self.halo) == 2 and not any(a.driven for a in self.fixed) and self.walls is None,
            bars=_bars(self.fixed, self.sums), readout_bars=_bars(self.given, self.readout_sums),
        )  # fmt: skip


_AXES = {Kind.SCALAR: 0, Kind.CHANNEL: 1, Kind.MATRIX: 2, Kind.UNITS: 3}


def _places(arrays: Sequence[Array], wanted: Collection[str]) -> dict[str, tuple[int, int]]:
    """Those that are wanted by name, each with its place and the axes that it has where samples share it."""
    named = [(_spec_name(a.name), (i, _AXES.get(a.kind, -1))) for i, a in enumerate(arrays)]
    return {name: place for name, place in named if name in wanted}


def _kinds(arrays: Sequence[Array]) -> str:
    return repr(tuple((_spec_name(a.name), _kind(a)) for a in arrays))


def _kind(array: Array) -> str:
    """The kind of an array in Python; of the weights of a network with how many units it has, and numbers of each."""
    return " ".join((array.kind.name.lower(), *map(str, array.units if array.kind is Kind.UNITS else ())))


def _words(arrays: Sequence[Array], own: Collection[str] = ()) -> list[str]:
    """The same in C++, ``own`` of which every sample may have its own."""
    units = {a.name: f"Kind(UNITS + {a.units[0] * a.units[1]})" for a in arrays if a.kind is Kind.UNITS}
    return [f"own({a.kind.name})" if a.name in own else units.get(a.name, a.kind.name) for a in arrays]


def _bars(arrays: Sequence[Array], sums: Sequence[Array]) -> str:
    """Names of the fields among the arrays, then of the coefficients that are summed."""
    return repr(tuple(_spec_name(a.name) for a in (*(a for a in arrays if a.kind is Kind.SITE), *sums)))


def cpu_kernels(derivation: Derivation, lowered: Lowered, done: Done) -> CpuKernels | None:
    """The CPU kernels of a package; None where a program holds what the fusion groups of the CPU cannot do."""
    if not isinstance(lowered.evolution, TimeStep | LinearSteady | NonlinearSteady):
        return None
    if any(learned_in(program) for program in _all_programs(lowered)) or why_no_solve(lowered):
        return None
    lowered = _renamed(lowered) if lowered.dynamics.origin else _at_a_point(_renamed(lowered))
    evolution = lowered.evolution
    body = evolution.body if isinstance(evolution, TimeStep) else _NOTHING
    steady = evolution if isinstance(evolution, LinearSteady) else _NO_SOLVE
    stepping, solving = isinstance(evolution, TimeStep), bool(equations_in(body))
    points = _points(lowered, solving)
    reading = readout_group(lowered, points, done)
    if solving and not _as_tiles(lowered):
        return None
    if stepping:
        moving = implicit_group(lowered, points, done) if solving else step_group(lowered, points, done)
    elif isinstance(evolution, NonlinearSteady):
        moving = minimum_group(lowered, evolution.equation, done)
    else:
        moving = solve_group(lowered, steady, done)
    if reading is None or moving is None:
        return None
    programs, minimum = _all_programs(lowered), isinstance(evolution, NonlinearSteady)
    atoms = [a for p in programs for s in p.body if isinstance(s, Map) for e in s.expressions
             for a in e.atoms(Load, Inside)]  # fmt: skip
    rank = len(lowered.dynamics.origin)
    return CpuKernels(
        groups=(
            reading.text,
            moving.text,
            *((_joint(reading, moving, lowered, points),) if points or _reads_at_once(lowered) else ()),
        ),
        halo=tuple(max((abs(a.offset[axis]) for a in atoms), default=0) for axis in range(rank)),
        periodic=lowered.dynamics.lowering.periodic,
        indicators=any(isinstance(a, Inside) for a in atoms),
        coupled=_is_coupled(programs),
        block=_block(derivation, programs, evolution),
        stepping=stepping,
        unknown=_spec_name(steady.unknown),
        separable=isinstance(steady, StencilSteady),
        monotone=steady.monotone,
        operator=tuple(_spec_name(a.name) for a in steady.operator.inputs),
        carried=moving.carried,
        radius=stencil_radius(moving.group) if stepping and not solving else 0,
        fixed=moving.group.fixed,
        given=reading.group.fixed,
        sums=moving.group.sums,
        readout_sums=reading.group.sums,
        components=len(lowered.readout.outputs),
        points=points,
        reads=_reads_at_once(lowered),
        units=_has_units(programs),
        minimum=minimum,
        on_request=lowered.on_request,
        of_samples=() if solving else tuple(map(_spec_name, _of_samples(lowered, points))),
        saved=saved_planes(lowered) if solving else 0,
        solves=sum(isinstance(s, Root) for s in body),
        walls=walls_of_all(programs),
    )


def why_no_solve(lowered: Lowered) -> str:
    """Why a constraint has no kernels; empty where it has, and where there is none."""
    programs = _all_programs(lowered)
    if not any(solves_in(p) for p in programs):
        return ""
    if any(equations_in(p) for p in programs):
        return "stands in an equation that is solved"
    return next((f"has an operator that {why}" for p in programs if (why := why_no_waves(p))), "")


_NOTHING = Program("nothing", (), (), ())
_NO_SOLVE = LinearSteady("", _NOTHING, _NOTHING, _NOTHING)
Value = TypeVar("Value")
ELIMINATED = 16  # unknowns of a number up to which its equations are eliminated in a lane


def _points(lowered: Lowered, solving: bool) -> Points:
    """What lies along the vectors: at a point, where every number of a tensor, or every sample, goes on by itself. An
    equation of all channels is one of more unknowns than a lane eliminates."""
    programs = _all_programs(lowered)
    stepping = isinstance(lowered.evolution, TimeStep)
    if lowered.dynamics.origin or not stepping or any(isinstance(s, SiteSum) for p in programs for s in p.body):
        return ""
    if _is_coupled(programs) or _has_units(programs):
        return "" if solving else "samples"
    return "" if solving and len(lowered.dynamics.state) > ELIMINATED else "numbers"


def _at_a_point(lowered: Lowered) -> Lowered:
    evolution = lowered.evolution
    if isinstance(evolution, TimeStep):
        body, adjoint = (apply(AT_A_POINT, p) for p in (evolution.body, evolution.adjoint))
        evolution = replace(evolution, body=body, adjoint=adjoint)
    return replace(lowered, evolution=evolution, values=_read(lowered, lambda p: apply(AT_A_POINT, p)))


def _read(lowered: Lowered, change: Callable[[Program], Program]) -> dict[str, Program]:
    """The programs of the readout, changed: a package has kernels of no other values."""
    return {name: change(lowered.values[name]) for name in ("readout", "readout_adjoint")}


def _as_tiles(lowered: Lowered) -> bool:
    """Whether a tile of coupled channels is what an equation is solved for: a plane of its own would be stopped by the
    others of the tile."""
    return not _is_coupled(_all_programs(lowered)) or all(e.coupled for e in equations_in(lowered.step.body))


def _reads_at_once(lowered: Lowered) -> bool:
    """Whether the readout of a tile can follow its steps."""
    if not isinstance(lowered.evolution, TimeStep):
        return False
    if equations_in(lowered.step.body) or any(solves_in(p) for p in _all_programs(lowered)):
        return False
    return lowered.read_by_step is not None


def _joint(reading: Printed, moving: Printed, lowered: Lowered, points: Points) -> str:
    """``evolve_readout`` and its adjoint, from the routines of both; all entries of a system at a point."""
    names = [a.name for a in reading.group.fixed]
    body = lowered.step.body
    state = [a.name for a in body.inputs[: len(lowered.dynamics.state)]]
    by_step, driven = lowered.read_by_step or {}, moving.group.driven
    fields = [a.name for a in moving.group.fixed if a.kind is Kind.SITE]
    own = () if equations_in(body) else _of_samples(lowered, points)
    sites = [a.name for a in reading.group.fixed if a.kind is Kind.SITE]
    return render(
        "kernels_points.cpp.j2" if points else "kernels_fused_readout.cpp.j2",
        step_fixed=_words(moving.group.fixed, own), read_fixed=_words(reading.group.fixed),
        reads=[names.index(n) if n in names else -1 for n in state], reads_at_once=_reads_at_once(lowered),
        by_step=[{"read": names.index(n), "fixed": i, "place": driven.index(i)} for n, i in by_step.items()],
        read_sites=[{"site": k, "state": n in state, "step": fields.index(n) if n in by_step else -1}
                    for k, n in enumerate(sites)],
        step_imports=bool(moving.group.imported) or any(a.noise for a in moving.group.fixed),
        read_imports=bool(reading.group.imported),
        step_sums=_words(moving.group.sums, own), read_sums=_words(reading.group.sums),
        units=_has_units(_all_programs(lowered)),
        solving=bool(equations_in(body)), calls=moving.calls, coupled=points == "samples",
        given_channels="channels" if points == "samples" else "1",
        driven=_flags([a.driven for a in moving.group.fixed]) if lowered.driven else [],
        site_driven=_flags(moving.group.site_driven),
        noise=_flags([a.noise for a in moving.group.fixed]) if any(a.noise for a in moving.group.fixed) else [],
        site_noise=_flags([a.noise for a in moving.group.fixed if a.kind is Kind.SITE]),
        apart=bool(own),
    )  # fmt: skip


def _flags(values: Sequence[bool]) -> list[str]:
    """Truth values in C++."""
    return [str(value).lower() for value in values]


def _of_samples(lowered: Lowered, points: Points) -> tuple[str, ...]:
    """What of the steps every sample may have its own of: at a point no weights of a network."""
    evolution = lowered.evolution
    found = evolution.of_samples if isinstance(evolution, TimeStep) else ()
    units = points and any(a.kind is Kind.UNITS for a in lowered.step.body.inputs if a.name in found)
    return () if units else found


_OF_SPEC = "__of_spec"
# Names that the C++ around a routine uses itself.
_TAKEN = frozenset(
    "R V G W LANES REST FULL RANK HALO SIDE LEFT STRIDE TILE PERIODIC No Yes Unaligned Lattice Given Sums at c j "
    "row last given work sums load store broadcast masked horizontal_sum columns load_dense store_dense mix "
    "mix_transposed multiply fill add outer_product workspace arrays sample first std solver site_sum frames layout "
    "whole solve_by_waves leading strides".split()
)


def _renamed(lowered: Lowered) -> Lowered:
    """Arrays of the spec whose names the C++ has taken get another one; everything else stays."""
    names_of_spec = {a.name for p in _all_programs(lowered) for a in p.inputs}
    clash = sorted(name for name in names_of_spec if name in _TAKEN or is_taken(name))
    if not clash:
        return lowered
    names = {n: n + _OF_SPEC for n in clash} | {bar(n): bar(n + _OF_SPEC) for n in clash}

    def program(p: Program) -> Program:
        found = tuple(replace(a, name=names.get(a.name, a.name)) for a in p.inputs)
        body = tuple(equation(s.renamed(names)) for s in p.body)
        return replace(p, inputs=found, body=body, outputs=tuple(names.get(n, n) for n in p.outputs))

    def equation(s: Statement) -> Statement:
        if not isinstance(s, (Root, RootAdjoint)):
            return s
        e = s.equation
        inside = replace(
            e, residual=program(e.residual), tangent=program(e.tangent), transposed=program(e.transposed),
            pullback=program(e.pullback),
        )  # fmt: skip
        return replace(s, equation=inside)

    evolution = lowered.evolution
    if isinstance(evolution, TimeStep):
        early, body, adjoint = map(program, (evolution.prologue, evolution.body, evolution.adjoint))
        evolution = replace(evolution, prologue=early, body=body, adjoint=adjoint)
    elif isinstance(evolution, LinearSteady):
        evolution = _renamed_solve(evolution, names.get(evolution.unknown, evolution.unknown), program)
    elif isinstance(evolution, NonlinearSteady):
        e = evolution.equation
        evolution = NonlinearSteady(replace(e, residual=program(e.residual), tangent=program(e.tangent)))
    return replace(lowered, evolution=evolution, values=_read(lowered, program))


def _renamed_solve(steady: LinearSteady, unknown: str, program: Callable[[Program], Program]) -> LinearSteady:
    def changed(value: Value) -> Value:
        parts = {f.name: getattr(value, f.name) for f in fields(value)}  # type: ignore[arg-type]
        found = {name: program(part) for name, part in parts.items() if isinstance(part, Program)}
        return replace(value, **found)  # type: ignore[type-var]

    if isinstance(steady, StencilSteady):
        steady = replace(steady, stencil=changed(steady.stencil))
    return replace(changed(steady), unknown=unknown)


def _spec_name(name: str) -> str:
    """The name that the rest of the package knows an array by."""
    return name.removesuffix(_OF_SPEC)


def _is_coupled(programs: Sequence[Program]) -> bool:
    return any(isinstance(s, (ChannelMatmul, ChannelSum)) or _sums_channels(s) for p in programs for s in p.body)


def _has_units(programs: Sequence[Program]) -> bool:
    return any(isinstance(s, Units) for p in programs for s in p.body)


def _sums_channels(statement: Statement) -> bool:
    return isinstance(statement, SiteSum) and statement.channels


def _block(derivation: Derivation, programs: Sequence[Program], evolution: Evolution) -> int | None:
    if isinstance(evolution, NonlinearSteady) and evolution.equation.coupled:
        return None
    if not _is_coupled(programs):
        return 1
    if any(isinstance(s, ChannelSum) or _sums_channels(s) for p in programs for s in p.body):
        return None
    blocks = {s.block for e in derivation.densities for s in e.free_symbols if isinstance(s, Param) and s.is_matrix}
    return blocks.pop() if len(blocks) == 1 else None


def _all_programs(lowered: Lowered) -> list[Program]:
    evolution, values = lowered.evolution, lowered.values
    found = [values["readout"], values["readout_adjoint"]]
    if isinstance(evolution, TimeStep):
        found += [evolution.body, evolution.adjoint]
    elif isinstance(evolution, LinearSteady):
        found += [evolution.operator, evolution.adjoint]
    elif isinstance(evolution, NonlinearSteady):
        found += [evolution.equation.residual, evolution.equation.tangent]
    return [*found, *(part for p in found for e in equations_in(p) for part in e.programs)]
