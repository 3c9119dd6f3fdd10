"""Everything that ``metrigen show`` knows of one spec: the derivation, and its lattice form as far as there is one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from metrigen.budget import BUILD, limited, shallow
from metrigen.domains.dynamics import Dynamics, dynamics
from metrigen.domains.lattice_laws import lattice_laws
from metrigen.domains.sequence_laws import sequence_laws
from metrigen.errors import SpecError
from metrigen.frame.cost import Cost, cost_of, default_shape
from metrigen.frame.wave_report import WaveReport, wave_report
from metrigen.integrators.scan import scan_of
from metrigen.ir.nodes import Program
from metrigen.physics.derivation import Derivation, Law
from metrigen.physics.derive import derive
from metrigen.programs import Lowered, lower, passed
from metrigen.spec.domain import Graph, Sequence
from metrigen.spec.load import Spec

_GRAPH = "a graph has nodes and edges, and the programs of its layer run over both"


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
        if isinstance(self.derivation.system.domain, Graph):
            raise SpecError(
                "the cost of a layer on a graph is not worked out",
                part="domain",
                why="it goes with the numbers of nodes and edges of a call, and no kernel runs it",
                fix="metrigen show without --cost; DERIVATION.md of the package has the operations of its programs",
            )
        if isinstance(self.derivation.system.domain, Sequence) and self.derivation.system.integrator is not None:
            raise SpecError(
                "the cost of a sequence is not shown here",
                part="domain",
                why="there are no sites and no steps to count by",
                fix="DERIVATION.md and manifest.json of the package have operations and bytes per state element",
            )
        if self.lowered is None:
            raise SpecError(
                "there is no cost to show: the spec does not build",
                part="integrator" if self.derivation.system.integrator is not None else "name",
                why=self.unbuilt,
                fix=None if self.derivation.system.integrator is not None else "integrator=Strang(steps=8, dt=0.1)",
            )
        rank = len(self.derivation.system.domain.axes)
        if shape is not None and len(shape) != 2 + rank:
            sides = ", ".join("NHW"[-rank:]) if rank else ""
            raise SpecError(
                f"--shape has {len(shape)} numbers, this layer takes {2 + rank}",
                why=f"a state is (B, C{', ' if sides else ''}{sides})",
                fix=f"--shape {','.join(map(str, default_shape(rank)))}",
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
    if isinstance(spec.system.domain, Sequence):
        return _on_a_sequence(spec, derivation)
    begin("discretise and vary")
    try:
        if spec.system.integrator is None:
            layer, lowered = dynamics(derivation), None
            layer.gradient(derivation.hamiltonian)
            unbuilt = "it has no integrator"
        else:
            lowered = lower(derivation)
            layer, unbuilt = lowered.dynamics, ""
        if isinstance(spec.system.domain, Graph):
            laws = derivation.laws if lowered is None else (*derivation.laws, *lattice_laws(layer))
            waves = wave_report(derivation, None, None, _GRAPH)
            return Report(spec, derivation, laws, None, None, {}, waves, _GRAPH)
    except SpecError as error:
        return Report(
            spec,
            derivation,
            derivation.laws,
            None,
            None,
            {},
            wave_report(derivation, None, None, error.what),
            error.what,
        )
    begin("laws of the stencil")
    laws = derivation.laws if lowered is None else (*derivation.laws, *lattice_laws(layer))
    begin("optimise")
    programs = {} if lowered is None else {name: passed(p) for name, p in lowered.programs().items()}
    begin("small waves")
    waves = wave_report(derivation, layer, None if lowered is None else lowered.step)
    return Report(spec, derivation, laws, layer, lowered, programs, waves, unbuilt)


def _on_a_sequence(spec: Spec, derivation: Derivation) -> Report:
    """A sequence has no lattice form: its time is the token axis."""
    laws, unbuilt = derivation.laws, "it has no integrator"
    if spec.system.integrator is not None:
        try:
            laws = (*laws, *sequence_laws(derivation, scan_of(derivation)))
            unbuilt = "the time is the token axis, and a token is one exact step"
        except SpecError as error:
            unbuilt = error.what
    waves = wave_report(derivation, None, None, unbuilt)
    return Report(spec, derivation, laws, None, None, {}, waves, unbuilt)
