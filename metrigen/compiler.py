"""The driver: from a loaded spec to the text of its package, one line a stage."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from metrigen.budget import BUILD, limited, shallow, stage
from metrigen.errors import Warned, faults
from metrigen.frame.cpu import cpu_kernels
from metrigen.frame.emission import Emission, GraphEmission
from metrigen.frame.graph_package import graph_texts
from metrigen.frame.notices import notices
from metrigen.frame.package import guarantees, package_texts
from metrigen.frame.sequence import SequenceEmission
from metrigen.frame.sequence_package import sequence_texts
from metrigen.frame.tag import signed
from metrigen.ir.verify import verify
from metrigen.physics.declared import check_declared
from metrigen.physics.derivation import Derivation, Law
from metrigen.physics.derive import derive
from metrigen.programs import Lowered, assembled, check_buildable, discretised, optimise
from metrigen.spec.domain import Graph, Sequence
from metrigen.spec.load import Spec


@dataclass(frozen=True)
class Stage:
    """One stage of a build: seconds, and where it counts them, equations and operations before and after cse."""

    name: str
    seconds: float
    equations: int | None
    ops_before: int | None
    ops_after: int | None


@dataclass(frozen=True)
class Compiled:
    """A spec compiled: what was derived, which laws hold, the files of the package without their manifest, and what its
    author is to be told."""

    spec: Spec
    derivation: Derivation
    laws: tuple[Law, ...]
    stages: tuple[Stage, ...]
    files: Mapping[str, str]
    kernels: Mapping[str, Any]
    warnings: tuple[Warned, ...] = ()


@dataclass
class _Clock:
    report: Callable[[Stage], None]
    begin: Callable[[str], None]
    stages: list[Stage] = field(default_factory=list)

    @contextmanager
    def stage(self, name: str) -> Iterator[dict[str, int]]:
        start = time.perf_counter()
        counts: dict[str, int] = {}
        self.begin(name)
        with faults(stage=name), stage(name):
            yield counts
        done = Stage(
            name, time.perf_counter() - start, counts.get("equations"), counts.get("before"), counts.get("after")
        )
        self.stages.append(done)
        self.report(done)


def compile_spec(
    spec: Spec,
    on_stage: Callable[[Stage], None] | None = None,
    on_begin: Callable[[str], None] | None = None,
) -> Compiled:
    """Derive, check, discretise, vary, optimise and print a spec; writes nothing. ``on_begin`` is told the name of a
    stage as it begins, ``on_stage`` what it took.

    Raises SpecError or StructureError where the spec is refused, InternalError where the compiler is at fault.
    """
    check_buildable(spec.system)
    check_declared(spec.system, spec.declared)
    with limited(BUILD), shallow():
        return _compile(spec, _Clock(on_stage or (lambda done: None), on_begin or (lambda name: None)))


def _compile(spec: Spec, clock: _Clock) -> Compiled:
    with clock.stage("derive") as counts:
        derivation = derive(spec.system)
        counts["equations"] = len(derivation.equations)
    if isinstance(spec.system.domain, Sequence):
        return _compile_sequence(spec, derivation, clock)
    with clock.stage("discretise and vary") as counts:
        layer, made = discretised(derivation)
        lowered: Lowered = assembled(derivation, layer, made)
        counts["equations"] = len(lowered.dynamics.state)
    with clock.stage("laws of the stencil"):
        laws = (*derivation.laws, *layer.lowering.laws(layer, made))
    with clock.stage("optimise") as counts:
        optimised = {name: optimise(program) for name, program in lowered.programs().items()}
        for program, _, _ in optimised.values():
            verify(program)
        counts["before"] = sum(before for _, before, _ in optimised.values())
        counts["after"] = sum(after for _, _, after in optimised.values())
    with clock.stage("print"):
        if isinstance(spec.system.domain, Graph):
            emission: Emission = GraphEmission(spec, derivation, laws, lowered, optimised, None)
            texts = graph_texts(emission, guarantees(emission))
        else:
            emission = Emission(spec, derivation, laws, lowered, optimised, cpu_kernels(derivation, lowered))
            texts = package_texts(emission)
        texts = signed(emission.name, texts)
    warnings = notices(derivation, spec.declared)
    return Compiled(spec, derivation, laws, tuple(clock.stages), texts, emission.statistics(), warnings)


def _compile_sequence(spec: Spec, derivation: Derivation, clock: _Clock) -> Compiled:
    """The stages of a system whose time is the token axis."""
    with clock.stage("discretise and vary") as counts:
        layer, made = discretised(derivation)
        scan = made.scan
        assert scan is not None
        for program in (scan.step, scan.step_adjoint, scan.readout, scan.readout_adjoint):
            verify(program)
        counts["equations"] = len(scan.fields)
    with clock.stage("laws of the step"):
        laws = (*derivation.laws, *layer.lowering.laws(layer, made))
    with clock.stage("print"):
        emission = SequenceEmission(spec, derivation, laws, scan)
        texts = signed(emission.name, sequence_texts(emission))
    warnings = notices(derivation, spec.declared)
    return Compiled(spec, derivation, laws, tuple(clock.stages), texts, emission.statistics(), warnings)
