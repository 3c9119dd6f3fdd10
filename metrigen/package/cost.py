"""What a layer costs: operations and bytes per site, what is stored and what is recomputed, and the floor of memory.

Bytes are those of float32 and of arrays that are longer than any cache. "step by step" runs the kernels as they stand,
every array once per kernel; "fused" is what any kernel has to move that keeps a plane on chip for all steps: the state
in and out, inputs once. The floor in time is bytes / bandwidth.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import sympy as sp

from metrigen.ir.edges import EdgeMap
from metrigen.ir.implicit import Equation, Root, RootAdjoint, SiteSum
from metrigen.ir.nodes import (
    Accumulate,
    Cayley,
    CayleyAdjoint,
    ChannelMatmul,
    ChannelSum,
    Kind,
    Map,
    Outer,
    ParameterExpression,
    Program,
    Reduction,
    Solve,
    Units,
)
from metrigen.ir.queries import equations_in, known, solves_in
from metrigen.ir.statement import unknown
from metrigen.layers.counts import bytes_per_site
from metrigen.programs import Lowered, equation_programs
from metrigen.spec.contracts import Solver, Stepper
from metrigen.spec.symbols import Param

WORD = 4  # bytes of a float32
BANDWIDTH = 20.0  # GB/s, two cores of a server
BATCH, CHANNELS, SIDE = 32, 64, 32
# Arrays moved by the vector updates of an iteration of conjugate gradient:
# p.Ap, x += a p, r -= a Ap, r.r, p = r + b p.
_CG_ARRAYS = 2 + 3 + 3 + 1 + 3
_OF_PARAMETERS = (ParameterExpression, Reduction, Accumulate, Cayley, CayleyAdjoint)  # nothing at a site
_IN_WORDS = (EdgeMap, SiteSum, Solve, Root, RootAdjoint)  # a note says what they take


@dataclass(frozen=True)
class Ops:
    """Operations at one site: additions (comparisons among them), products, quotients, roots and functions."""

    adds: int = 0
    muls: int = 0
    divs: int = 0
    special: int = 0

    def __add__(self, other: Ops) -> Ops:
        return Ops(self.adds + other.adds, self.muls + other.muls, self.divs + other.divs, self.special + other.special)

    @property
    def total(self) -> int:
        return self.adds + self.muls + self.divs + self.special


@dataclass(frozen=True)
class ProgramCost:
    """One program per site: its kernels, channel maps (``maps``, 2C operations each), operations and bytes."""

    name: str
    kernels: int
    maps: int
    ops: Ops
    bytes: int
    flops: int

    @property
    def intensity(self) -> float:
        return self.flops / self.bytes if self.bytes else 0.0


@dataclass(frozen=True)
class LoopCost:
    """A whole call: operations and bytes per site, and the shortest time that the bytes take, in ms."""

    name: str
    flops: int
    bytes: int
    floor_ms: float

    @property
    def intensity(self) -> float:
        return self.flops / self.bytes if self.bytes else 0.0


@dataclass(frozen=True)
class Cost:
    """programs one by one, loops as a whole, sentences on memory and recomputation; for ``shape`` = (B, C, *S)."""

    shape: tuple[int, ...]
    bandwidth: float
    programs: tuple[ProgramCost, ...]
    loops: tuple[LoopCost, ...]
    notes: tuple[str, ...]


def default_shape(rank: int) -> tuple[int, ...]:
    return (BATCH, CHANNELS, *(SIDE,) * rank)


def cost_of(
    lowered: Lowered,
    optimised: Mapping[str, Program],
    shape: tuple[int, ...],
    bandwidth: float = BANDWIDTH,
    solved: Callable[[Equation], Sequence[Program]] = equation_programs,
) -> Cost:
    """The cost of every program of a package, and of its loops over steps or iterations. ``solved`` gives the programs
    of a nonlinear equation after the passes."""
    programs = tuple(program_cost(name, program, shape[1]) for name, program in optimised.items())
    by_name = {p.name: p for p in programs}
    integrator = lowered.dynamics.derivation.system.integrator
    sites = math.prod(shape)

    def loop(name: str, flops: int, moved: int) -> LoopCost:
        return LoopCost(name, flops, moved, moved * sites / (bandwidth * 1e9) * 1e3)

    loops: Rows = []
    solves = len(solves_in(optimised["step"])) if "step" in optimised else 0
    if "step" in optimised and equations_in(optimised["step"]):
        notes = _implicit(lowered, {e: solved(e) for e in equations_in(optimised["step"])}, shape)
    elif solves:
        notes = [
            f"Whole calls are not counted: a step solves {solves} linear equation{'s' * (solves > 1)}, its reverse "
            "more, each at the cost of its iterations of conjugate gradient: one product with the operator and five "
            "sums or updates of a plane."
        ]
    elif isinstance(integrator, Stepper) and {"step", "step_adjoint"} <= by_name.keys():
        loops, notes = _stepping(lowered, by_name, integrator.steps, shape)
    elif isinstance(integrator, Solver) and "operator" in by_name:
        loops, notes = _steady(lowered, by_name, integrator)
    else:
        notes = ["Whole calls are not counted: the integrator runs programs of its own."]
    return Cost(shape, bandwidth, programs, tuple(loop(*row) for row in loops), tuple(notes))


def program_cost(name: str, program: Program, channels: int) -> ProgramCost:
    """Operations and bytes of one program; a channel map reads its array and writes its image."""
    ops, kernels, maps, totals = Ops(), 0, 0, 0
    for statement in program:
        if isinstance(statement, Map):
            kernels += 1
            for e in statement.expressions:
                ops += operations(e)
            ops += Ops(adds=len(statement.sums))
        elif isinstance(statement, (ChannelMatmul, Outer)):
            maps += 1
        elif isinstance(statement, ChannelSum):
            totals += 1
        elif isinstance(statement, Units):
            ops += unit_operations(statement)
        elif not isinstance(statement, (*_OF_PARAMETERS, *_IN_WORDS)):
            raise unknown(statement, "the cost model")
    moved = bytes_per_site(program) + 2 * WORD * (maps + totals)
    return ProgramCost(name, kernels, maps, ops, moved, ops.total + 2 * channels * maps + totals)


def unit_operations(statement: Units) -> Ops:
    """What all units cost at a site, every value that they share once."""
    expressions = statement.expressions[len(statement.columns) :]
    shared, reduced = sp.cse(expressions, optimizations=[])
    one = Ops(adds=len(reduced))
    for e in (*(e for _, e in shared), *reduced):
        one += operations(e)
    n = statement.count
    return Ops(n * one.adds, n * one.muls, n * one.divs, n * one.special)


def operations(e: sp.Expr) -> Ops:
    """Operations of an expression as the kernels write it: powers as products, a sign for free."""
    if not e.args:
        return Ops()
    inner = Ops()
    if e.is_Add:
        for term in e.args:
            inner += operations(term)
        return inner + Ops(adds=len(e.args) - 1)
    if e.is_Mul:
        return _product(e)
    if e.is_Pow:
        base, exponent = e.as_base_exp()
        if exponent.is_Integer:
            return operations(base) + Ops(muls=abs(int(exponent)) - 1, divs=int(bool(exponent.is_negative)))
        if exponent.is_Rational and exponent.q == 2 and exponent.is_negative:
            return operations(base**-exponent) + Ops(divs=1)
        return operations(base) + operations(exponent) + Ops(special=1)
    for argument in e.args:
        inner += operations(argument)
    if isinstance(e, (sp.Max, sp.Min)):
        return inner + Ops(adds=len(e.args) - 1)
    return inner + (Ops(adds=1) if isinstance(e, (sp.Abs, sp.sign)) else Ops(special=1))


def _product(e: sp.Expr) -> Ops:
    coefficient, rest = e.as_coeff_Mul()
    over, under, inner = int(abs(coefficient) != 1), 0, Ops()
    for factor in sp.Mul.make_args(rest):
        base, exponent = factor.as_base_exp()
        if exponent.is_Rational and exponent.is_negative:
            under += 1
            inner += operations(base**-exponent)
        else:
            over += 1
            inner += operations(factor)
    return inner + Ops(muls=max(over - 1, 0), divs=under)


Rows = list[tuple[str, int, int]]
_NOISE = (
    " Noise is made step by step, of a hash for each sample, channel and step, and once more in the adjoint; the "
    "operations are those beside it."
)


def _stepping(
    lowered: Lowered, by_name: Mapping[str, ProgramCost], steps: int, shape: Sequence[int]
) -> tuple[Rows, list[str]]:
    step, adjoint, derivation = by_name["step"], by_name["step_adjoint"], lowered.dynamics.derivation
    state, inputs = len(lowered.dynamics.state), _site_inputs(lowered)
    again = max(steps - 1, 0)
    forward, backward = steps * step.flops, again * step.flops + steps * adjoint.flops
    rows = [
        (f"forward, {steps} steps one by one", forward, steps * step.bytes),
        (f"forward, {steps} steps fused", forward, WORD * (2 * state + inputs)),
        (f"backward, {steps} steps one by one", backward, again * step.bytes + steps * adjoint.bytes),
        (f"backward, {steps} steps fused", backward, WORD * (3 * state + 2 * inputs)),
    ]
    sites = math.prod(shape[2:])
    planes, word = _planes(lowered, shape[1])
    chip = planes * sites * WORD / 1024
    notes = [
        f"Stored for the backward pass: the first state ({_arrays(state)})"
        + (f" and the inputs ({_arrays(inputs)})" if inputs else "")
        + f", {WORD * (state + inputs)} bytes per site, whatever the number of steps."
        + (_NOISE if lowered.dynamics.noise else ""),
        f"Recomputed: the {again} states between, from the first. Storing them would cost {WORD * state * again} bytes "
        f"per site written and read again; recomputing costs {again * step.flops} operations per site. "
        + (
            "The step is reversible; recomputing adds no rounding, where running it backwards would."
            if derivation.system.stepper.is_reversible(derivation)
            else "A step is not run backwards: undoing friction or diffusion amplifies rounding."
        ),
        "Recomputed: the intermediates of a step, by step_adjoint from the state before it. One by one they pass "
        "through memory between its kernels; fused they stay on chip.",
        f"On chip a fused kernel holds {word}: {_kib(chip * (state + inputs))} forward, "
        f"{_kib(chip * (state * (max(steps, 1) + 1) + inputs))} backward with all states of the {steps} steps.",
    ]
    return rows, notes


def _implicit(lowered: Lowered, equations: Mapping[Equation, Sequence[Program]], shape: Sequence[int]) -> list[str]:
    state, channels = len(lowered.dynamics.state), shape[1]
    planes, word = _planes(lowered, channels)
    vector = _kib(planes * state * math.prod(shape[2:]) * WORD / 1024)
    notes = []
    for equation, programs in equations.items():
        residual, tangent, *_ = (program_cost(p.name, p, channels).flops for p in programs)
        notes.append(
            f"Whole calls are not counted: a step solves an equation ({equation.name}) by Newton's method. An "
            f"iteration costs {residual} operations per site for the residual and {tangent} for every product with its "
            "Jacobian, one per dimension of a Krylov space."
        )
    return [
        *notes,
        f"Stored for the backward pass: the states of all steps ({_arrays(state)} each) and the solution of every "
        "equation. No iteration is stored or differentiated: the reverse of a solution is one linear solve with the "
        "transposed Jacobian.",
        f"On chip a fused kernel holds {word}: a vector of all unknowns takes {vector}, and a solve needs six and one "
        "more for every dimension of its Krylov space.",
    ]


def _steady(lowered: Lowered, by_name: Mapping[str, ProgramCost], integrator: Solver) -> tuple[Rows, list[str]]:
    name = "apply" if "apply" in by_name else "operator"
    apply, adjoint = by_name[name], by_name.get("operator_adjoint")
    varied = f"operator_adjoint once ({adjoint.flops} operations) and " if adjoint is not None else ""
    inputs = _site_inputs(lowered)
    if integrator.solver == "monotone" and "gather" in by_name:
        one = (by_name["gather"].flops + 2, by_name["gather"].bytes + 3 * WORD)
    else:
        one = (apply.flops + 10, apply.bytes + _CG_ARRAYS * WORD)
    rows = [
        ("one iteration, array by array", *one),
        ("whole solve on chip, forward", 0, WORD * (inputs + 1)),
        ("whole solve on chip, backward", 0, WORD * (2 * inputs + 2)),
    ]
    notes = [
        "Stored for the backward pass: the solution and the inputs. No iteration is stored or differentiated.",
        "Solved again: A lambda = cotangent with the same symmetric operator (implicit function theorem); then "
        f"{varied}the variation of the source.",
        f"A solve costs its iterations (at most {integrator.max_iter}) times the first row; how many it takes depends "
        "on the input, so the last two rows count bytes alone.",
    ]
    return rows, notes


def _site_inputs(lowered: Lowered) -> int:
    """Site arrays beside the state that the layer reads."""
    programs = lowered.programs()
    read = {name for p in programs.values() for s in p for name in s.reads}
    return sum(a.kind is Kind.SITE and a.name in read for a in lowered.dynamics.inputs)


def _planes(lowered: Lowered, channels: int) -> tuple[int, str]:
    """Planes that a fused kernel needs at once: one, or those that channel matrices couple inside a step."""
    step = lowered.step
    rotations = {s.out: s.matrix for s in step.prologue if isinstance(s, Cayley)}
    inside = [s for e in equations_in(step.body) for p in e.programs for s in p]
    body = known([*step.body, *inside], "the cost model")
    across = any(isinstance(s, ChannelSum) or (isinstance(s, SiteSum) and s.channels) for s in body)
    matrices = sorted({rotations.get(s.matrix, s.matrix) for s in body if isinstance(s, ChannelMatmul)})
    if not matrices and not across:
        return 1, "one plane"
    blocks = {s.name: s.block for s in _symbols(lowered) if isinstance(s, Param)}
    sizes = [blocks.get(name) for name in matrices]
    given = [size for size in sizes if size is not None]
    if len(given) == len(sizes) and given and not across:
        return max(given), f"the {max(given)} planes of a block of channels"
    return channels, f"all {channels} channels of a sample (a channel map without block= couples them in every step)"


def _symbols(lowered: Lowered) -> list[sp.Symbol]:
    return sorted({s for e in lowered.dynamics.derivation.densities for s in e.free_symbols}, key=lambda s: s.name)


def _arrays(n: int) -> str:
    return f"{n} array" + "s" * (n != 1)


def _kib(value: float) -> str:
    return f"{value / 1024:.1f} MiB" if value >= 1024 else f"{value:.4g} KiB"
