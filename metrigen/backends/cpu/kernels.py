"""The CPU files of a package: ``kernels.cpp`` and the ``cpu.py`` that compiles and calls it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from metrigen.backends.cpu.group import Points, Printed
from metrigen.backends.cpu.implicit import implicit_group, kept_planes
from metrigen.backends.cpu.minimum import minimum_group
from metrigen.backends.cpu.names import is_taken
from metrigen.backends.cpu.reading import readout_group
from metrigen.backends.cpu.solve import solve_group
from metrigen.backends.cpu.steps import reach, step_group
from metrigen.emit.render import render
from metrigen.ir.implicit import Root, RootAdjoint, SiteSum
from metrigen.ir.nodes import Array, Inside, Kind, Leaf, Map, Mix, Program, Statement, Total, Units
from metrigen.ir.queries import equations_in, learned_in, solves_in
from metrigen.passes.pipeline import AT_A_POINT, apply
from metrigen.passes.vary import bar
from metrigen.physics.derivation import Derivation
from metrigen.programs import Lowered
from metrigen.spec.symbols import Param


@dataclass(frozen=True)
class CpuKernels:
    """What the CPU files of a package are made from.

    groups  text of the namespaces of ``kernels.cpp``; ``halo`` sites around a plane by axis
    block   channels of a unit: 1 where none are coupled, the common block of all channel matrices, or None for all
    fixed, given  what the steps (the solve) and the readout are handed; sums of them those that are summed
    carried, reach  fields that go from step to step, and how many sites a step can carry a value
    kept, solves  fields that a step keeps for the way back and equations that it solves, 0 where it solves none
    points  what lies along the vectors of a system of ODEs at a point; units: whether networks are evaluated
    minimum whether it is a nonlinear steady state that is solved for
    on_request  what of the steps is summed where a call asks for it
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
    reach: int
    fixed: tuple[Array, ...]
    given: tuple[Array, ...]
    sums: tuple[Array, ...]
    readout_sums: tuple[Array, ...]
    components: int
    points: Points
    units: bool = False
    minimum: bool = False
    on_request: tuple[str, ...] = ()
    kept: int = field(default=0, repr=False)
    solves: int = field(default=0, repr=False)

    @property
    def noise(self) -> bool:
        """Whether steps read standard normal numbers."""
        return any(a.noise for a in self.fixed)

    def source(self, header: str, title: str) -> str:
        """The text of ``kernels.cpp``."""
        used = set(re.findall(r"\b([a-z0-9]+_)\(", "\n".join(self.groups)))
        functions, binary = ([f for f in names if f"{f}_" in used] for names in (UNARY, ("pow", "atan2")))
        return render(
            "kernels.cpp.j2", header=header.rstrip("\n"), title=title, rank=len(self.halo), halo=list(self.halo),
            periodic=self.periodic, used=used, functions=functions, binary=binary,
            indicators=self.indicators, coupled=self.coupled, groups=self.groups,
            site_sums=any("site_sum<" in text for text in self.groups), points=self.points,
            vector_math=bool(self.points or self.units) and bool(functions or binary), units=bool(self.units),
            frames=bool(self.points) and any(a.driven for a in self.fixed), noise=self.noise,
            on_request=self.on_request,
        )  # fmt: skip

    def loader(self, header: str, title: str, name: str) -> str:
        """The text of ``cpu.py``."""
        return render(
            "cpu.py.j2", header=header.rstrip("\n"), title=title, name=name, block=self.block, rank=len(self.halo),
            stepping=self.stepping, unknown=self.unknown, separable=self.separable, monotone=self.monotone,
            operator=repr(self.operator), carried=self.carried,
            implicit=self.solves > 0, coupled=self.coupled, kept=self.kept, solves=self.solves, state=self.carried,
            reach=self.reach, fixed=_kinds(self.fixed), given=_kinds(self.given), sums=_kinds(self.sums),
            readout_sums=_kinds(self.readout_sums), components=self.components, points=self.points,
            driven=any(a.driven for a in self.fixed), noise=self.noise, on_request=self.on_request,
            units=self.units, minimum=self.minimum,
            bars=_bars(self.fixed, self.sums), readout_bars=_bars(self.given, self.readout_sums),
        )  # fmt: skip


def _kinds(arrays: Sequence[Array]) -> str:
    return repr(tuple((_spec_name(a.name), _kind(a)) for a in arrays))


def _kind(array: Array) -> str:
    """The kind of an array in Python; of the weights of a network with how many units it has, and numbers of each."""
    return " ".join((array.kind.name.lower(), *map(str, array.units if array.kind is Kind.UNITS else ())))


def _word(array: Array) -> str:
    """The same in C++."""
    return f"Kind(UNITS + {array.units[0] * array.units[1]})" if array.kind is Kind.UNITS else array.kind.name


def _bars(arrays: Sequence[Array], sums: Sequence[Array]) -> str:
    """Names of the fields among the arrays, then of the coefficients that are summed."""
    return repr(tuple(_spec_name(a.name) for a in (*(a for a in arrays if a.kind is Kind.SITE), *sums)))


UNARY = ("sqrt", "exp", "log", "sin", "cos", "tan", "tanh", "sinh", "cosh", "asinh", "atan", "asin", "acos")


def cpu_kernels(derivation: Derivation, lowered: Lowered) -> CpuKernels | None:
    """The CPU kernels of a package; None where a program does not fit the sweeps of the CPU, or calls a module,
    or solves a constraint."""
    if any(learned_in(program) or solves_in(program) for program in _all_programs(lowered)):
        return None
    lowered = _renamed(lowered) if lowered.dynamics.origin else _at_a_point(_renamed(lowered))
    solving = lowered.body is not None and bool(equations_in(lowered.body))
    points = _points(lowered, solving)
    reading = readout_group(lowered, points)
    if solving and not _as_units(lowered):
        return None
    if lowered.minimum is not None:
        moving = minimum_group(lowered)
    elif lowered.body is None:
        moving = solve_group(lowered)
    else:
        moving = implicit_group(lowered, points) if solving else step_group(lowered, points)
    if reading is None or moving is None:
        return None
    programs = _all_programs(lowered)
    atoms = [a for p in programs for s in p.body if isinstance(s, Map) for e in s.expressions
             for a in e.atoms(Leaf, Inside)]  # fmt: skip
    rank = len(lowered.dynamics.origin)
    return CpuKernels(
        groups=(
            reading.text,
            moving.text,
            *((_joint(reading, moving, lowered, points),) if points or _reads_at_once(lowered, solving) else ()),
        ),
        halo=tuple(max((abs(a.offset[axis]) for a in atoms), default=0) for axis in range(rank)),
        periodic=lowered.dynamics.lowering.periodic,
        indicators=any(isinstance(a, Inside) for a in atoms),
        coupled=_is_coupled(programs),
        block=_block(derivation, programs) if lowered.minimum is None or not lowered.minimum.coupled else None,
        stepping=lowered.body is not None,
        unknown=_spec_name(lowered.steady.unknown) if lowered.steady else "",
        separable=lowered.steady is not None and lowered.steady.stencil is not None,
        monotone=lowered.steady is not None and lowered.steady.stencil is not None and lowered.steady.stencil.monotone,
        operator=tuple(_spec_name(a.name) for a in lowered.steady.operator.inputs) if lowered.steady else (),
        carried=moving.carried,
        reach=reach(moving.group) if lowered.body is not None and not solving else 0,
        fixed=moving.group.fixed,
        given=reading.group.fixed,
        sums=moving.group.sums,
        readout_sums=reading.group.sums,
        components=len(lowered.readout.outputs),
        points=points,
        units=_has_units(programs),
        minimum=lowered.minimum is not None,
        on_request=lowered.on_request,
        kept=kept_planes(lowered) if solving else 0,
        solves=sum(isinstance(s, Root) for s in lowered.body or ()),
    )


ELIMINATED = 16  # unknowns of a number up to which its equations are eliminated in a lane


def _points(lowered: Lowered, solving: bool) -> Points:
    """What lies along the vectors: at a point, where every number of a tensor, or every sample, goes on by itself. An
    equation of all channels is one of more unknowns than a lane eliminates."""
    programs = _all_programs(lowered)
    if lowered.dynamics.origin or lowered.body is None or any(isinstance(s, SiteSum) for p in programs for s in p.body):
        return ""
    if _is_coupled(programs) or _has_units(programs):
        return "" if solving else "samples"
    return "" if solving and len(lowered.dynamics.state) > ELIMINATED else "numbers"


def _at_a_point(lowered: Lowered) -> Lowered:
    steps = {n: None if p is None else apply(AT_A_POINT, p) for n, p in
             (("body", lowered.body), ("body_adjoint", lowered.body_adjoint))}  # fmt: skip
    return replace(
        lowered, body=steps["body"], body_adjoint=steps["body_adjoint"], readout=apply(AT_A_POINT, lowered.readout),
        readout_adjoint=apply(AT_A_POINT, lowered.readout_adjoint),
    )  # fmt: skip


def _as_units(lowered: Lowered) -> bool:
    """Whether a unit of coupled channels is what an equation is solved for: a plane of its own would be stopped by the
    others of the unit."""
    assert lowered.body is not None
    return not _is_coupled(_all_programs(lowered)) or all(e.coupled for e in equations_in(lowered.body))


def _reads_at_once(lowered: Lowered, solving: bool) -> bool:
    """Whether the readout of a unit can follow its steps."""
    return lowered.body is not None and not solving and not lowered.driven


def _joint(reading: Printed, moving: Printed, lowered: Lowered, points: Points) -> str:
    """``evolve_readout`` and its adjoint, from the routines of both; all entries of a system at a point."""
    names = [a.name for a in reading.group.fixed]
    assert lowered.body is not None
    state = [a.name for a in lowered.body.inputs[: len(lowered.dynamics.state)]]
    return render(
        "kernels_points.cpp.j2" if points else "kernels_joint.cpp.j2",
        step_fixed=[_word(a) for a in moving.group.fixed], read_fixed=[_word(a) for a in reading.group.fixed],
        reads=[names.index(n) if n in names else -1 for n in state],
        step_imports=bool(moving.group.imported), read_imports=bool(reading.group.imported),
        step_sums=[_word(a) for a in moving.group.sums], read_sums=[_word(a) for a in reading.group.sums],
        units=_has_units(_all_programs(lowered)),
        solving=bool(equations_in(lowered.body)), calls=moving.calls, coupled=points == "samples",
        given_channels="channels" if points == "samples" else "1",
        driven=_flags([a.driven for a in moving.group.fixed]) if lowered.driven else [],
        site_driven=_flags(moving.group.site_driven),
        noise=_flags([a.noise for a in moving.group.fixed]) if any(a.noise for a in moving.group.fixed) else [],
        site_noise=_flags([a.noise for a in moving.group.fixed if a.kind is Kind.SITE]),
    )  # fmt: skip


def _flags(values: Sequence[bool]) -> list[str]:
    """Truth values in C++."""
    return [str(value).lower() for value in values]


_OF_SPEC = "__of_spec"
# Names that the C++ around a routine uses itself.
_TAKEN = frozenset(
    "R V G W LANES REST FULL RANK HALO SIDE LEFT STRIDE TILE PERIODIC No Yes Unaligned Lattice Given Sums at c j "
    "row last given work sums load store spread valid across columns load_dense store_dense mix mix_transposed "
    "multiply fill add outer_product workspace arrays sample first std solver site_sum".split()
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

    def maybe(p: Program | None) -> Program | None:
        return None if p is None else program(p)

    steady = lowered.steady
    if steady is not None:
        steady = replace(
            steady, unknown=names.get(steady.unknown, steady.unknown), operator=program(steady.operator),
            source=program(steady.source), adjoint=program(steady.adjoint),
            stencil=None if steady.stencil is None else replace(
                steady.stencil, weights=program(steady.stencil.weights), apply=program(steady.stencil.apply),
                gather=program(steady.stencil.gather), diagonal=program(steady.stencil.diagonal),
            ),
        )  # fmt: skip
    minimum = lowered.minimum
    if minimum is not None:
        minimum = replace(minimum, residual=program(minimum.residual), tangent=program(minimum.tangent))
    return replace(
        lowered, steady=steady, minimum=minimum, body=maybe(lowered.body), body_adjoint=maybe(lowered.body_adjoint),
        readout=program(lowered.readout), readout_adjoint=program(lowered.readout_adjoint),
    )  # fmt: skip


def _spec_name(name: str) -> str:
    """The name that the rest of the package knows an array by."""
    return name.removesuffix(_OF_SPEC)


def _is_coupled(programs: Sequence[Program]) -> bool:
    return any(isinstance(s, (Mix, Total)) or _sums_channels(s) for p in programs for s in p.body)


def _has_units(programs: Sequence[Program]) -> bool:
    return any(isinstance(s, Units) for p in programs for s in p.body)


def _sums_channels(statement: Statement) -> bool:
    return isinstance(statement, SiteSum) and statement.channels


def _block(derivation: Derivation, programs: Sequence[Program]) -> int | None:
    if not _is_coupled(programs):
        return 1
    if any(isinstance(s, Total) or _sums_channels(s) for p in programs for s in p.body):
        return None
    forms = [derivation.hamiltonian, *(b.form for b in (derivation.bracket, derivation.metric) if b is not None)]
    blocks = {s.block for e in forms for s in e.free_symbols if isinstance(s, Param) and s.is_matrix}
    return blocks.pop() if len(blocks) == 1 else None


def _all_programs(lowered: Lowered) -> list[Program]:
    steady = [lowered.steady.operator, lowered.steady.adjoint] if lowered.steady else []
    steps = [lowered.body, lowered.body_adjoint]
    found = [p for p in (lowered.readout, lowered.readout_adjoint, *steps, *steady) if p is not None]
    found += [] if lowered.minimum is None else [lowered.minimum.residual, lowered.minimum.tangent]
    return [*found, *(part for p in found for e in equations_in(p) for part in e.programs)]
