"""The driver: from a loaded spec to the text of its package, one line a stage."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import metrigen.caches  # noqa: F401  # before anything imports SymPy
from metrigen.backends.backends import BACKENDS
from metrigen.backends.base import Backend
from metrigen.budget import BUILD, limited, shallow, stage
from metrigen.errors import Warned, faults
from metrigen.ir.verify import verify
from metrigen.layers.counts import statistics
from metrigen.layers.layer import Layer
from metrigen.layers.programs import Programs
from metrigen.layers.source import Source
from metrigen.package.notices import notices
from metrigen.package.package import package_texts
from metrigen.package.tag import signed
from metrigen.physics.declared import check_declared
from metrigen.physics.derivation import Derivation, Law
from metrigen.physics.derive import derive
from metrigen.programs import assembled, check_buildable, discretised, optimised_programs
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
    backends: tuple[type[Backend], ...] = BACKENDS,
) -> Compiled:
    """Derive, check, discretise, vary, optimise and print a spec; writes nothing. ``on_begin`` is told the name of a
    stage as it begins, ``on_stage`` what it took; ``backends`` are those that may have kernels, and the reference.

    Raises SpecError or StructureError where the spec is refused, InternalError where the compiler is at fault.
    """
    with limited(BUILD), shallow():
        clock = _Clock(on_stage or (lambda done: None), on_begin or (lambda name: None))
        return _printed(_layer(spec, clock), clock, backends)


def printed(layer: Layer) -> Compiled:
    """What ``compile_spec`` gives, of a layer that ``layer_of`` gave."""
    with limited(BUILD), shallow():
        return _printed(layer, _Clock(lambda done: None, lambda name: None), BACKENDS)


def _printed(layer: Layer, clock: _Clock, backends: tuple[type[Backend], ...]) -> Compiled:
    with clock.stage("print"):
        texts = signed(layer.source.name, package_texts(layer, backends))
    source = layer.source
    warnings = notices(source.derivation, source.spec.declared)
    stages = tuple(clock.stages)
    return Compiled(source.spec, source.derivation, source.laws, stages, texts, statistics(layer), warnings)


def layer_of(spec: Spec, on_begin: Callable[[str], None] | None = None) -> Layer:
    """What ``compile_spec`` prints: the layer with its programs. Raises what that raises."""
    with limited(BUILD), shallow():
        return _layer(spec, _Clock(lambda done: None, on_begin or (lambda name: None)))


def _layer(spec: Spec, clock: _Clock) -> Layer:
    check_buildable(spec.system)
    check_declared(spec.system, spec.declared)
    with clock.stage("derive") as counts:
        derivation = derive(spec.system)
        counts["equations"] = len(derivation.equations)
    with clock.stage("discretise and vary") as counts:
        dynamics, made = discretised(derivation)
        lowered = assembled(derivation, dynamics, made)
        counts["equations"] = len(lowered.dynamics.state)
    with clock.stage(f"laws of the {dynamics.lowering.emitted}"):
        laws = (*derivation.laws, *dynamics.lowering.laws(dynamics, made))
    with clock.stage("optimise") as counts:
        optimised = optimised_programs(lowered)
        for program, _, _ in optimised.values():
            verify(program)
        counts["before"] = sum(before for _, before, _ in optimised.values())
        counts["after"] = sum(after for _, _, after in optimised.values())
    return Layer(Source(spec, derivation, laws), lowered, Programs(optimised, lowered.evolution))
