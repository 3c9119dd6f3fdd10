"""Everything that ``metrigen show`` knows of one spec: the derivation, and its lattice form as far as there is one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from metrigen.budget import BUILD, limited, shallow
from metrigen.discretise.arrays import dynamics
from metrigen.discretise.discretisations import discretisation_of
from metrigen.discretise.dynamics import Dynamics
from metrigen.errors import SpecError
from metrigen.ir.nodes import Program
from metrigen.package.cost import Cost, cost_of, default_shape
from metrigen.package.von_neumann import WaveReport, wave_report
from metrigen.physics.derivation import Derivation, Law
from metrigen.physics.derive import derive
from metrigen.programs import Lowered, assembled, discretised, passed, passes_of, whole_step
from metrigen.spec.load import Spec


@dataclass(frozen=True)
class Report:
    """A spec derived, and lowered where it can be.

    laws       those of the continuum, and those of the stencil for a spec that builds
    layer      the lattice dynamics; None where ``unbuilt`` says why
    lowered    the programs of a spec with an integrator; ``optimised`` the same after the passes
    """

    spec: Spec
    derivation: Derivation
    laws: tuple[Law, ...]
    layer: Dynamics | None
    lowered: Lowered | None
    optimised: Mapping[str, Program]
    waves: WaveReport
    unbuilt: str = ""

    def cost(self, shape: tuple[int, ...] | None, bandwidth: float) -> Cost:
        """The cost of the layer; raises SpecError for a spec that does not build."""
        system = self.derivation.system
        discretisation_of(system.domain).check_cost(system)
        if self.lowered is None:
            raise SpecError(
                "there is no cost to show: the spec does not build",
                part="integrator" if self.derivation.system.integrator is not None else "name",
                why=self.unbuilt,
                fix=None if self.derivation.system.integrator is not None else "integrator=Strang(steps=8, dt=0.1)",
                see="cost",
            )
        rank = len(self.derivation.system.domain.axes)
        if shape is not None and len(shape) != 2 + rank:
            sides = ", ".join("NHW"[-rank:]) if rank else ""
            raise SpecError(
                f"--shape has {len(shape)} numbers, this layer takes {2 + rank}",
                why=f"a state is (B, C{', ' if sides else ''}{sides})",
                fix=f"--shape {','.join(map(str, default_shape(rank)))}",
                see="cost",
            )
        return cost_of(self.lowered, self.optimised, shape or default_shape(rank), bandwidth)


def report_of(spec: Spec, on_begin: Callable[[str], None] | None = None) -> Report:
    """Derive, lower, check and linearise; a refusal of the derivation is raised, one of the lattice is reported.
    ``on_begin`` is told the name of a stage as it begins."""
    with limited(BUILD), shallow():
        return _report_of(spec, on_begin or (lambda name: None))


def _report_of(spec: Spec, begin: Callable[[str], None]) -> Report:
    begin("derive")
    derivation = derive(spec.system)

    def only(laws: tuple[Law, ...], why: str) -> Report:
        waves = wave_report(derivation, None, None, why)
        return Report(spec, derivation, laws, None, None, {}, waves, why)

    begin("discretise and vary")
    lowered, laws, unshown = None, derivation.laws, discretisation_of(spec.system.domain).unshown
    try:
        if spec.system.integrator is None:
            layer, unbuilt = dynamics(derivation), "it has no integrator"
            layer.gradient(derivation.hamiltonian)
        else:
            (layer, made), unbuilt = discretised(derivation), ""
            lowered = assembled(derivation, layer, made)
            if unshown:
                laws = (*laws, *layer.lowering.laws(layer, made))
    except SpecError as error:
        return only(derivation.laws, error.what)
    if unshown:
        return only(laws, unbuilt or unshown)
    begin("laws of the stencil")
    if lowered is not None:
        laws = (*laws, *layer.lowering.laws(layer, made))
    begin("optimise")
    programs = {} if lowered is None else {name: passed(p, passes_of(name)) for name, p in lowered.programs().items()}
    begin("von Neumann analysis")
    waves = wave_report(derivation, layer, None if lowered is None else whole_step(lowered))
    return Report(spec, derivation, laws, layer, lowered, programs, waves, unbuilt)
