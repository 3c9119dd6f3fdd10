"""Every program of a sequence layer: the step of one token, its variation, and what a parallel scan composes.

    x_t = f_t + E_t (x_(t-1) - f_t),   E_t = exp(h A_t)                       (the step, pointwise in token and channel)
    g_t = y_t + E_(t+1)^T g_(t+1)                                             (its variation, backward in time)

y is the cotangent of the states; what flows into inputs and parameters at token t is the variation of the step there,
seeded with g_t. All programs are pointwise: a token, a sample and a channel are one site. Where channels are coupled a
step ends with their rotation about f, x_t = f_t + R E_t (x_(t-1) - f_t), and is pointwise in token and sample alone.

A slow token hardly moves: 1 - E on the diagonal, and a step where it is small, are in ``exponential_gap``. Where
channels are coupled a step is as written above.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import sympy as sp

from metrigen.discretise.dynamics import after
from metrigen.discretise.readout import AMPLITUDE_FLOOR
from metrigen.discretise.sequence import Cell, cell_of
from metrigen.integrators.exponential_cell import Propagator, propagator
from metrigen.integrators.exponential_gap import slide, written
from metrigen.integrators.exponential_rotation import rotation_of
from metrigen.ir.damped_stumpff import damped_stumpff
from metrigen.ir.nodes import Array, Cayley, ChannelMatmul, Kind, Load, Map, ParameterExpression, Program, Statement
from metrigen.passes.cse import count_ops
from metrigen.passes.pipeline import FUSED, NAMED, TOKEN, apply
from metrigen.passes.vary import bar, vary
from metrigen.physics.derivation import Derivation
from metrigen.spec.readout import StressEnergy

ACTION, OVERLAP = "J", "M"


@dataclass(frozen=True)
class Scan:
    """The programs of a layer on a sequence, after the passes.

    prologue     E from the parameters alone, where the tokens do not change it; else without statements
    rotation     R of coupled channels from the parameters alone; else without statements
    coefficients names of what is one number a channel: parameters that a step reads, and E where it is constant; then
                 the rotations, channel matrices
    step         state, tokens, coefficients -> the next state; ``step_adjoint`` its variation
    propagator   tokens, coefficients -> E by rows, then the drive (1 - E) f
    readout      state before, state, coefficients -> components; ``readout_adjoint`` its variation
    energy       x.P x/2
    rates        A (x - f); without statements where channels are coupled, by rotations over a whole token
    back         what takes a cotangent to the token before: E by rows, or E^T R^T itself where channels are coupled
    """

    cell: Cell
    propagation: Propagator
    prologue: Program
    rotation: Program
    coefficients: tuple[str, ...]
    step: Program
    step_adjoint: Program
    propagator: Program
    readout: Program
    readout_adjoint: Program
    energy: Program
    components: tuple[str, ...]
    back: Program
    rates: Program

    @property
    def rotations(self) -> tuple[str, ...]:
        """Names of the channel matrices among the coefficients."""
        return self.rotation.outputs

    @property
    def blocks(self) -> tuple[int, ...]:
        """Channels of the blocks on the diagonal of each rotation."""
        sizes = {rotation.matrix.name: rotation.matrix.block or 0 for rotation in self.cell.rotations}
        return tuple(sizes[s.matrix] for s in self.rotation if isinstance(s, Cayley))

    @property
    def block_of(self) -> dict[str, int]:
        """Rotation -> channels of its blocks."""
        return dict(zip(self.rotations, self.blocks, strict=True))

    @property
    def channelwise(self) -> tuple[str, ...]:
        """The coefficients that are one number a channel."""
        return tuple(n for n in self.coefficients if n not in self.rotations)

    @property
    def orders(self) -> tuple[int, ...]:
        """The orders of the Stumpff functions that the programs evaluate."""
        programs = (*self.programs().values(), self.prologue)
        found = {int(f.args[0]) for p in programs for s in p for e in s.expressions for f in e.atoms(damped_stumpff)}
        return tuple(sorted(found))

    def reads(self, program: Program) -> tuple[str, ...]:
        """The coefficients that a program reads."""
        names = {a.name for a in program.inputs}
        return tuple(n for n in self.coefficients if n in names)

    @property
    def fields(self) -> tuple[str, ...]:
        return tuple(a.name for a in self.cell.state)

    @property
    def tokens(self) -> tuple[str, ...]:
        return tuple(a.name for a in self.cell.tokens)

    def programs(self) -> Mapping[str, Program]:
        """The programs of a token by name; coupled channels have no use for E by itself."""
        found = (self.step, self.step_adjoint, self.back, self.readout, self.readout_adjoint, self.energy)
        return {program.name: program for program in found}


def scan_of(derivation: Derivation) -> Scan:
    """The programs of a system on a ``Sequence``; raises SpecError where it has no emitted form."""
    cell = cell_of(derivation)
    found = propagator(cell)
    prologue = _prologue(cell, found) if found.constant else Program("prologue", (), (), ())
    rotation, rotated = rotation_of(cell)
    step, entries = _step(cell, found, rotated), _entries(cell, found)
    readout = _readout(cell, derivation)
    energy = _program("energy", {"energy__density": _quadratic(cell)}, cell.state)
    read = {name for p in (step, readout, energy) for s in p.body for name in s.reads}
    coefficients = tuple(n for n in (*(a.name for a in cell.params), *prologue.outputs) if n in read)
    rotations = rotation.outputs
    sites = {p.name: _with_coefficients(p, coefficients, rotations) for p in (step, entries, readout, energy)}
    moved = _optimised(sites["propagator"])
    return Scan(
        cell=cell,
        propagation=found,
        prologue=prologue,
        rotation=rotation,
        coefficients=(*coefficients, *rotations),
        step=_optimised(sites["step"]),
        step_adjoint=_optimised(_varied(sites["step"])),
        back=_back(sites["step"], cell) if rotations else moved,
        rates=Program("rates", (), (), ()) if rotations else _rates(cell),
        propagator=moved,
        readout=apply(TOKEN, sites["readout"]),
        readout_adjoint=apply(TOKEN, _varied(sites["readout"])),
        energy=apply(TOKEN, sites["energy"]),
        components=tuple(name.split("__")[0] for name in readout.outputs),
    )


def before(name: str) -> str:
    """Name of a field at the token before."""
    return f"{name}__before"


def entry(u: str, v: str) -> str:
    """Name of what the field v adds to the field u over a token."""
    return f"{u}__from_{v}"


def gap(u: str) -> str:
    """Name of 1 - E_uu."""
    return f"{u}__gap"


def _prologue(cell: Cell, found: Propagator) -> Program:
    body = [ParameterExpression(name, Kind.CHANNEL, expr) for name, expr in found.values]
    names = [a.name for a in cell.state]
    for u, row in zip(names, found.entries, strict=True):
        body += [ParameterExpression(entry(u, v), Kind.CHANNEL, e) for v, e in zip(names, row, strict=True)]
    driven = {u: e for u, e, f in zip(names, found.gaps, cell.fixed, strict=True) if f != 0 and not cell.rotations}
    body += [ParameterExpression(gap(u), Kind.CHANNEL, e) for u, e in driven.items()]
    read = {s.name for local in body for s in local.expr.free_symbols}
    inputs = tuple(replace(a, kind=Kind.CHANNEL) for a in cell.params if a.name in read)
    outputs = (*(entry(u, v) for u in names for v in names), *map(gap, driven))
    return apply(NAMED, _written_out(Program("prologue", inputs, tuple(body), outputs)))


def _written(
    cell: Cell, found: Propagator
) -> tuple[list[Statement], dict[tuple[str, str], sp.Expr], dict[str, sp.Expr]]:
    """Statements of the values of E, its entries, and 1 - E_uu."""
    names = [a.name for a in cell.state]
    pairs = {(u, v): found.entries[i][j] for i, u in enumerate(names) for j, v in enumerate(names)}
    if found.constant:
        entries = {pair: Load(entry(*pair), ()) if e != 0 else e for pair, e in pairs.items()}
        return [], entries, {u: 1 - entries[u, u] if cell.rotations else Load(gap(u), ()) for u in names}
    gaps = dict(zip(names, found.gaps, strict=True))
    return [Map(stores=((name, expr),)) for name, expr in found.values], pairs, gaps


def _step(cell: Cell, found: Propagator, rotated: Mapping[str, str]) -> Program:
    """``rotated``: field -> the rotation of its channels."""
    body, E, gaps = _written(cell, found)
    names = [a.name for a in cell.state]
    away = {}
    for u, f in zip(names, cell.fixed, strict=True):
        away[u] = Load(u, ())
        if f != 0:
            body.append(Map(stores=((f"offset_{u}__f", Load(u, ()) - f),)))
            away[u] = Load(f"offset_{u}__f", ())
    for u, f in zip(names, cell.fixed, strict=True):
        own, others = E[u, u] * away[u], sp.Add(*(E[u, v] * away[v] for v in names if v != u))
        if u in rotated:
            mixed = f"turned_{u}__e"
            body += [Map(stores=((f"moved_{u}__e", own + others),)), ChannelMatmul(mixed, rotated[u], f"moved_{u}__e")]
            moved = f + Load(mixed, ())
        else:
            moved = (own if f == 0 else slide(Load(u, ()), f, E[u, u], gaps[u])) + others
        body.append(Map(stores=((after(u), moved),)))
    return Program("step", (*cell.state, *cell.tokens), tuple(body), tuple(after(u) for u in names))


def _rates(cell: Cell) -> Program:
    """A (x - f) from the parameters themselves: no token is run through."""
    names = [a.name for a in cell.state]
    away = [Load(u, ()) - f for u, f in zip(names, cell.fixed, strict=True)]
    values = {f"{u}__rate": sp.Add(*(e * x for e, x in zip(row, away, strict=True)))
              for u, row in zip(names, cell.A, strict=True)}  # fmt: skip
    program = _program("rates", values, (*cell.state, *cell.tokens))
    return apply(TOKEN, _with_coefficients(program, tuple(a.name for a in cell.params), ()))


def _entries(cell: Cell, found: Propagator) -> Program:
    """E by rows, then (1 - E) f."""
    body, E, gaps = _written(cell, found)
    names = [a.name for a in cell.state]
    outputs = []
    for u in names:
        for v in names:
            outputs.append(f"{entry(u, v)}__t")
            body.append(Map(stores=((outputs[-1], E[u, v]),)))
    for u, f in zip(names, cell.fixed, strict=True):
        outputs.append(f"{u}__drive")
        others = (E[u, v] * g for v, g in zip(names, cell.fixed, strict=True) if v != u)
        body.append(Map(stores=((outputs[-1], sp.Add(gaps[u] * f if f != 0 else 0, *(-e for e in others))),)))
    return Program("propagator", cell.tokens, tuple(body), tuple(outputs))


def _quadratic(cell: Cell, earlier: bool = False) -> sp.Expr:
    """x.P x/2, or x.P y with the state x before and y now."""
    names = [a.name for a in cell.state]
    left = [Load(before(u) if earlier else u, ()) for u in names]
    n = range(len(names))
    whole = sp.Add(*(left[i] * cell.P[i][j] * Load(names[j], ()) for i in n for j in n))
    return whole if earlier else sp.expand(whole / 2)


def _readout(cell: Cell, derivation: Derivation) -> Program:
    readout, names = derivation.system.readout, [a.name for a in cell.state]
    values: dict[str, sp.Expr] = {"T00": _quadratic(cell)}
    if readout is None:
        values = {u: Load(u, ()) for u in names}
    elif isinstance(readout, StressEnergy):
        if len(names) == 2:
            q, p = names
            values[ACTION] = Load(before(q), ()) * Load(p, ()) - Load(before(p), ()) * Load(q, ())
        values[OVERLAP] = _quadratic(cell, earlier=True)
        if readout.normalise == "amplitude":
            a = sp.sqrt(values["T00"] + AMPLITUDE_FLOOR)
            values = {"a": a} | {f"{name}_a": e / a for name, e in values.items() if name != "T00"}
    earlier = tuple(Array(before(u), Kind.SITE) for u in names)
    return _program("readout", {f"{name}__density": e for name, e in values.items()}, (*earlier, *cell.state))


def _program(name: str, values: dict[str, sp.Expr], inputs: tuple[Array, ...]) -> Program:
    return Program(name, inputs, tuple(Map(stores=((n, e),)) for n, e in values.items()), tuple(values))


def _with_coefficients(program: Program, coefficients: tuple[str, ...], rotations: tuple[str, ...]) -> Program:
    """Coefficients as arrays at the sites, so that one variation gives the cotangent of each at every site."""

    def sited(e: sp.Expr) -> sp.Expr:
        swap = {s: Load(s.name, (), bool(s.is_positive)) for s in e.free_symbols if not isinstance(s, Load)}
        return e.xreplace(swap)

    body = tuple(s.with_expressions(sited) for s in program.body)
    read = {name for s in body for name in s.reads}
    maps = [s for s in body if isinstance(s, Map)]
    positive = {load.name for s in maps for e in s.expressions for load in e.atoms(Load) if load.is_positive}
    found = [Array(n, Kind.SITE, n in positive) for n in coefficients if n in read]
    found += [Array(n, Kind.MATRIX) for n in rotations if n in read]
    return apply(NAMED, replace(program, inputs=(*program.inputs, *found), body=body))


def _back(step: Program, cell: Cell) -> Program:
    """E^T R^T: what a cotangent of the state after a token is before it; a linear step reads no state for that."""
    found = _optimised(vary(step, [a.name for a in cell.state], rank=0))
    read = {name for s in found.body for name in s.reads}
    return replace(found, name="step_back", inputs=tuple(a for a in found.inputs if a.name in read))


def _varied(program: Program) -> Program:
    return vary(program, [a.name for a in program.inputs], rank=0)


def _optimised(program: Program) -> Program:
    return apply(TOKEN, _written_out(program))


def _written_out(program: Program) -> Program:
    return replace(program, body=tuple(s.with_expressions(written) for s in program.body))


def operations(program: Program) -> int:
    """Operations per site."""
    return count_ops(apply(FUSED, program))


__all__ = ["Scan", "after", "bar", "before", "entry", "operations", "scan_of"]
