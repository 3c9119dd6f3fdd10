"""Every program of a package: step or solve, their adjoints, readout and energy, each ready to be printed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import sympy as sp

from metrigen.budget import printed, spend
from metrigen.discretise.arrays import dynamics
from metrigen.discretise.base import Programs
from metrigen.discretise.discretisations import discretisation_of
from metrigen.discretise.dynamics import Builder, Dynamics, RightHandSide
from metrigen.discretise.graph_steady import GraphSteady
from metrigen.discretise.rates import rates_program
from metrigen.discretise.readout import normalised, numerators, readout_densities
from metrigen.discretise.steady_programs import SteadyPrograms
from metrigen.errors import SpecError
from metrigen.ir.evaluate import almost_everywhere
from metrigen.ir.implicit import Equation
from metrigen.ir.nodes import Leaf, Map, Program
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


@dataclass(frozen=True)
class Lowered:
    """The lattice form of a derivation, before passes.

    step           whole step with what depends on parameters alone (None for a steady state)
    prologue, body its two halves; body_adjoint the variation of the body, prologue_adjoint that of the prologue
    steady         programs of a linear solve (None for a time step)
    minimum        the equation dF = 0 of a nonlinear one
    readout, energy, entropy  values at the sites; ``components`` names the channels of the readout
    diagnostics    further values at the sites: stress_energy, currents, rates (z_t), power (the density of dH/dt)
    constants      coefficients that nobody differentiates: the time, and beside it a time step that is a number
    on_request     coefficients that are differentiated where a call asks for it: another time step that is a number
    equilibrium    programs of the solve on a graph (None elsewhere)
    """

    dynamics: Dynamics
    step: Program | None
    prologue: Program | None
    body: Program | None
    body_adjoint: Program | None
    steady: SteadyPrograms | None
    minimum: Equation | None
    readout: Program
    readout_adjoint: Program
    energy: Program
    entropy: Program | None
    components: tuple[str, ...]
    diagnostics: Mapping[str, Program]
    equilibrium: GraphSteady | None = None
    constants: tuple[str, ...] = ()
    on_request: tuple[str, ...] = ()

    @property
    def driven(self) -> tuple[str, ...]:
        """What every step reads a value of its own of, in the order in which it reads them."""
        return () if self.body is None else tuple(a.name for a in self.body.inputs if a.driven)

    def programs(self) -> dict[str, Program]:
        """All programs that are printed, by name."""
        found: dict[str, Program | None] = {
            "step": self.body, "step_adjoint": self.body_adjoint, "readout": self.readout,
            "readout_adjoint": self.readout_adjoint, "energy": self.energy, "entropy": self.entropy,
            **self.diagnostics,
        }  # fmt: skip
        if self.equilibrium is not None:
            found |= self.equilibrium.programs()
        if self.steady is not None:
            stencil = self.steady.stencil
            found |= {"operator": self.steady.operator, "source": self.steady.source}
            if self.steady.adjoint.outputs:  # none where the operator holds numbers alone
                found["operator_adjoint"] = self.steady.adjoint
            if stencil is not None:
                found |= {"weights": stencil.weights, "apply": stencil.apply, "gather": stencil.gather,
                          "diagonal": stencil.diagonal}  # fmt: skip
        return {name: replace(program, name=name) for name, program in found.items() if program is not None}


def check_buildable(system: System) -> None:
    """Raise SpecError where a system has no integrator that a package could be built with."""
    if system.integrator is not None:
        return
    raise SpecError(
        f"the system {system.name!r} has no integrator to build",
        part="name",
        fix=f"integrator={system.domain.example}",
    )


def discretised(derivation: Derivation) -> tuple[Dynamics, Programs]:
    """The dynamics on its domain, and what the method makes of it; raises SpecError where that has no form."""
    check_buildable(derivation.system)
    kind = discretisation_of(derivation.system.domain)
    kind.check_readout(derivation.system)
    layer = dynamics(kind.with_step(derivation))
    method = layer.derivation.system.integrator
    assert method is not None
    return layer, layer.lowering.programs(method, layer)


def assembled(derivation: Derivation, layer: Dynamics, made: Programs) -> Lowered:
    """All programs of a layer that steps or solves."""
    on = layer.lowering
    number = () if layer.derivation is derivation else ("dt",)
    constants = (*number, "t") if layer.timed else ()
    step, prologue, body, adjoint = None, None, None, None
    if made.step is not None:
        step = apply(STEP, lower_networks(made.step))
        prologue, body = hoist(step, [a.name for a in layer.state])
        adjoint = apply(BUILT, on.adjoint(body, constants))
    readout, components = _readout(derivation, layer)
    energy = on.sites("energy", {"energy__density": derivation.hamiltonian})
    entropy = derivation.system.entropy
    return Lowered(
        layer, step, prologue, body, adjoint, made.steady, _written_out(made.minimum, layer), readout,
        apply(BUILT, on.adjoint(readout)),
        _values(energy),
        _values(on.sites("entropy", {"entropy__density": entropy})) if entropy is not None else None,
        components, _diagnostics(layer, step is not None), made.equilibrium, constants,
        () if constants or step is None else number,
    )  # fmt: skip


def _values(program: Program) -> Program:
    """Values at the sites, of networks as well."""
    return apply(VALUES, lower_networks(program))


def _written_out(minimum: Equation | None, layer: Dynamics) -> Equation | None:
    return None if minimum is None else lower_equation(minimum, len(layer.origin))


_READ = ("readout", "readout_adjoint", "energy", "entropy", "stress_energy", "currents", "flux", "rates", "power")


def passes_of(name: str) -> Passes:
    """The passes after fusion of a program with this name: it is read at the sites, or moves or solves."""
    return READ if name in _READ else SHARED


def optimise(program: Program) -> tuple[Program, int, int]:
    """Run the passes; also operations per site before and after common subexpressions."""
    fused = _fused(program)
    found = apply(passes_of(program.name), fused)
    return found, count_ops(fused), count_ops(found)


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
    leaves: dict[str, sp.Expr] = {name: Leaf(names[name], layer.origin) for name in densities}
    scaled = normalised(leaves, Leaf("a__density", layer.origin, positive=True))
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
    state = {a.name: layer.leaf(a.name) for a in layer.state}
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
