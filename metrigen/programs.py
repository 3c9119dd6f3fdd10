"""Every program of a package: step or solve, their adjoints, readout and energy, each ready to be printed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import sympy as sp

from metrigen.budget import printed, spend
from metrigen.discretise.arrays import dynamics
from metrigen.discretise.discretisations import discretisation_of
from metrigen.discretise.dynamics import Builder, Dynamics, RightHandSide
from metrigen.discretise.graph_steady import GraphSteady
from metrigen.discretise.rates import rates_program
from metrigen.discretise.readout import normalised, numerators, readout_densities
from metrigen.discretise.steady_programs import LinearSteady, NonlinearSteady
from metrigen.errors import SpecError
from metrigen.integrators.memory import Memory
from metrigen.integrators.scan import Scan, operations
from metrigen.ir.evaluate import almost_everywhere
from metrigen.ir.implicit import Equation
from metrigen.ir.nodes import Kind, Load, Map, Program
from metrigen.ir.queries import maps_in
from metrigen.passes.cse import count_ops
from metrigen.passes.hoist import hoist
from metrigen.passes.networks import lower_equation, lower_networks
from metrigen.passes.pipeline import BUILT, FUSED, READ, SHARED, STEP, VALUES, Passes, apply
from metrigen.passes.vary import bar
from metrigen.physics.clock import explicit_rate
from metrigen.physics.derivation import Derivation
from metrigen.spec.readout import StressEnergy
from metrigen.spec.symbols import t
from metrigen.spec.system import System

if TYPE_CHECKING:
    from metrigen.discretise.base import Made


@dataclass(frozen=True)
class TimeStep:
    """A step in time, before passes.

    whole      with what depends on parameters alone
    prologue, body  its two halves; adjoint  the variation of the body
    constants  coefficients that nobody differentiates: the time, and beside it a time step that is a number
    on_request coefficients that are differentiated where a call asks for it: another time step that is a number
    """

    whole: Program
    prologue: Program
    body: Program
    adjoint: Program
    constants: tuple[str, ...]
    on_request: tuple[str, ...]

    @property
    def driven(self) -> tuple[str, ...]:
        """What every step reads a value of its own of, in the order in which it reads them."""
        return tuple(a.name for a in self.body.inputs if a.driven)

    @property
    def of_samples(self) -> tuple[str, ...]:
        """Coefficients that every sample has its own of, where a time step of which a gradient is asked for differs by
        sample; empty where some of them are fields, or values of edges."""
        names = {*self.on_request, *(self.prologue.outputs if self.on_request else ())}
        found = [a for a in self.body.inputs if a.name in names]
        return tuple(a.name for a in found) if all(a.kind not in (Kind.SITE, Kind.EDGE) for a in found) else ()

    def programs(self) -> dict[str, Program]:
        return {"step": self.body, "step_adjoint": self.adjoint}


# What a layer runs. The set is closed: who asks for the kind of one asks for all of them.
Evolution = TimeStep | LinearSteady | NonlinearSteady | GraphSteady | Scan | Memory


@dataclass(frozen=True)
class Lowered:
    """The discrete form of a derivation, before passes.

    evolution   what moves the state, or solves for it
    values      programs of values at the sites, by name: the readout and its adjoint, energy, entropy, and what helps
                to watch a layer: stress_energy, currents, rates (z_t), power (the density of dH/dt)
    components  names of the channels of the readout
    """

    dynamics: Dynamics
    evolution: Evolution
    values: Mapping[str, Program]
    components: tuple[str, ...]

    @property
    def step(self) -> TimeStep:
        """The evolution of a layer that steps."""
        assert isinstance(self.evolution, TimeStep), self.evolution
        return self.evolution

    @property
    def scan(self) -> Scan:
        """The evolution of a layer on a sequence."""
        assert isinstance(self.evolution, Scan), self.evolution
        return self.evolution

    @property
    def memory(self) -> Memory:
        """The evolution of a matrix memory."""
        assert isinstance(self.evolution, Memory), self.evolution
        return self.evolution

    @property
    def fields(self) -> tuple[str, ...]:
        """The arrays of the state."""
        return tuple(a.name for a in self.dynamics.state)

    @property
    def prologue(self) -> Program:
        """What depends on parameters alone; without statements where there is none."""
        evolution = self.evolution
        return evolution.prologue if isinstance(evolution, TimeStep | Scan) else Program("prologue", (), (), ())

    @property
    def driven(self) -> tuple[str, ...]:
        """What every step reads a value of its own of."""
        return self.evolution.driven if isinstance(self.evolution, TimeStep) else ()

    @property
    def on_request(self) -> tuple[str, ...]:
        """Coefficients of a step that are differentiated where a call asks for it."""
        return self.evolution.on_request if isinstance(self.evolution, TimeStep) else ()

    @property
    def readout(self) -> Program:
        return self.values["readout"]

    @property
    def read_by_step(self) -> Mapping[str, int] | None:
        """What the readout reads of what has a value for every step -> its place in what is fixed over the steps; None
        where that is a coefficient, the time, or steps do not read it."""
        state = {a.name for a in self.dynamics.state}
        fixed = {a.name: i for i, a in enumerate(a for a in self.step.body.inputs if a.name not in state)}
        driven = {*self.driven, *(a.name for a in self.readout.inputs if a.driven)}
        read = [a for a in self.readout.inputs if a.name in driven]
        if any(a.name not in fixed or a.kind is not Kind.SITE for a in read):
            return None
        return {a.name: fixed[a.name] for a in read}

    def programs(self) -> dict[str, Program]:
        """All programs that are printed, by name: steps before what reads their states, a solve behind it."""
        both = self.evolution.programs(), self.values
        before, after = both if isinstance(self.evolution, TimeStep) else both[::-1]
        found = {**before, **after}
        return {name: replace(program, name=name) for name, program in found.items()}


def check_buildable(system: System) -> None:
    """Raise SpecError where a system has no integrator that a package could be built with."""
    if system.integrator is not None:
        return
    raise SpecError(
        f"the system {system.name!r} has no integrator to build",
        part="name",
        fix=f"integrator={system.domain.example}",
        see="no-integrator",
    )


def discretised(derivation: Derivation) -> tuple[Dynamics, Made]:
    """The dynamics on its domain, and what the method makes of it; raises SpecError where that has no form."""
    check_buildable(derivation.system)
    kind = discretisation_of(derivation.system.domain)
    kind.check_readout(derivation.system)
    layer = dynamics(kind.with_step(derivation))
    method = layer.derivation.system.integrator
    assert method is not None
    return layer, layer.lowering.programs(method, layer)


def assembled(derivation: Derivation, layer: Dynamics, made: Made) -> Lowered:
    """All programs of a layer: what it runs, and what is read of its states."""
    if isinstance(made, Scan | Memory):
        return Lowered(layer, made, {}, made.components)
    evolution = _time_step(derivation, layer, made) if isinstance(made, Program) else made
    if isinstance(evolution, NonlinearSteady):
        evolution = replace(evolution, equation=lower_equation(evolution.equation, len(layer.origin)))
    readout, components = _readout(derivation, layer)
    values = {"readout": readout, "readout_adjoint": apply(BUILT, layer.lowering.adjoint(readout))}
    for name, density in (("energy", derivation.hamiltonian), ("entropy", derivation.system.entropy)):
        if density is not None:
            values[name] = _values(layer.lowering.sites(name, {f"{name}__density": density}))
    values |= _diagnostics(layer, isinstance(evolution, TimeStep))
    return Lowered(layer, evolution, values, components)


def _time_step(derivation: Derivation, layer: Dynamics, made: Program) -> TimeStep:
    number = () if layer.derivation is derivation else ("dt",)
    constants = (*number, "t") if layer.timed else ()
    step = apply(STEP, lower_networks(made))
    prologue, body = hoist(step, [a.name for a in layer.state])
    adjoint = apply(BUILT, layer.lowering.adjoint(body, constants))
    return TimeStep(step, prologue, body, adjoint, constants, () if constants else number)


def _values(program: Program) -> Program:
    """Values at the sites, of networks as well."""
    return apply(VALUES, lower_networks(program))


# Passes and a program without its name -> what they make of it.
Done = Mapping[tuple[Passes, Program], Program]
_READ = ("readout", "readout_adjoint", "energy", "entropy", "stress_energy", "currents", "flux", "rates", "power")


def passes_of(name: str) -> Passes:
    """The passes after fusion of a program with this name: it is read at the sites, or moves or solves."""
    return READ if name in _READ else SHARED


def optimise(program: Program) -> tuple[Program, int, int]:
    """Run the passes; also operations per site before and after common subexpressions."""
    fused = _fused(program)
    found = apply(passes_of(program.name), fused)
    return found, count_ops(fused), count_ops(found)


def whole_step(lowered: Lowered) -> Program | None:
    """A step with what depends on parameters alone; None where nothing steps."""
    return lowered.evolution.whole if isinstance(lowered.evolution, TimeStep) else None


def optimised_programs(lowered: Lowered) -> dict[str, tuple[Program, int, int]]:
    """Every program after the passes; those of a token have been through theirs."""
    programs = lowered.programs()
    if isinstance(lowered.evolution, Scan):
        return {name: (program, operations(program), operations(program)) for name, program in programs.items()}
    return {name: optimise(program) for name, program in programs.items()}


def passed(program: Program, passes: Passes = SHARED) -> Program:
    """The program after fusion and ``passes``."""
    return apply(passes, _fused(program))


def _fused(program: Program) -> Program:
    size = sum(printed(e) for s in maps_in(program, "fuse") for e in s.expressions)
    spend(size, f"the passes over {size} operations of {program.name}")
    return apply(FUSED, program)


def equation_programs(equation: Equation) -> tuple[Program, ...]:
    """The programs of a nonlinear equation after the passes: residual, tangent, transposed, pullback."""
    return tuple(passed(apply(BUILT, program)) for program in equation.programs)


def _readout(derivation: Derivation, layer: Dynamics) -> tuple[Program, tuple[str, ...]]:
    densities, rank = readout_densities(derivation), len(layer.origin)
    readout = derivation.system.readout
    degree_one = isinstance(readout, StressEnergy) and readout.normalise == "amplitude"
    if degree_one:
        densities = numerators(densities, rank)
    names = {name: f"{name}__density" for name in densities}
    raw = layer.lowering.sites("readout", {names[name]: e for name, e in densities.items()})
    if not degree_one:
        return _values(raw), tuple(densities)
    loads: dict[str, sp.Expr] = {name: Load(names[name], layer.origin) for name in densities}
    scaled = normalised(loads, Load("a__density", layer.origin, positive=True))
    stores = tuple(Map(stores=((f"{name}__density", e),)) for name, e in scaled.items())
    outputs = tuple(f"{name}__density" for name in scaled)
    return _values(replace(raw, body=(*raw.body, *stores), outputs=outputs)), tuple(scaled)


def _diagnostics(layer: Dynamics, stepping: bool) -> dict[str, Program]:
    """What helps to watch a layer: what its domain gives, its rates, and the power dH/dt of its dynamics."""
    found = {name: _values(p) for name, p in layer.lowering.diagnostics(layer.derivation).items()}
    if not stepping:
        return found
    return found | {"rates": apply(VALUES, apply(STEP, lower_networks(rates_program(layer)))), "power": _power(layer)}


def _power(layer: Dynamics) -> Program:
    """The density of dH/dt = sum_u dH/du u_t + (dH/dt)_z under the dynamics of the lattice."""
    builder = Builder(layer)
    state = {a.name: layer.load(a.name) for a in layer.state}
    rates = RightHandSide.of(layer).at(builder, state, t)
    slopes = builder.call(layer.gradient(layer.derivation.hamiltonian), state, t)
    power = sp.Add(*(slopes[bar(name)] * builder.map(f"{name}__t", rate) for name, rate in rates.items()))
    explicit = explicit_rate(layer.derivation.hamiltonian)
    if explicit != 0:
        own = layer.lowering.sites("explicit", {"explicit__density": almost_everywhere(explicit)}, "hamiltonian")
        power += builder.call(own, state, t)["explicit__density"]
    builder.body.append(Map(stores=(("power__density", power),)))
    inputs = (*layer.state, *layer.inputs, *layer.params)
    program = Program("power", inputs, tuple(builder.body), ("power__density",), layer.lowering.periodic)
    return _values(program)
