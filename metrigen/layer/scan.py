"""Everything that the files of a package on a sequence are made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import sympy as sp

from metrigen.backends.torch.printer import Function, print_function
from metrigen.backends.triton.walk import fits
from metrigen.integrators.scan import Scan, operations
from metrigen.ir.damped_stumpff import damped_stumpff
from metrigen.ir.nodes import Program
from metrigen.package.parameters import ParameterText, parameter_text
from metrigen.physics.derivation import Derivation, Law
from metrigen.spec.load import Spec
from metrigen.spec.names import class_name

NOT_ON_CHIP = (
    "backends: cpu and torch; no Triton kernels, as no program can hold what has whole blocks of both rotations, too "
    "unlike in size: on a GPU torch runs"
)


@dataclass(frozen=True)
class SequenceEmission:
    """A compiled sequence on its way to text."""

    spec: Spec
    derivation: Derivation
    laws: tuple[Law, ...]
    scan: Scan

    @property
    def name(self) -> str:
        return self.spec.system.name

    @property
    def class_name(self) -> str:
        return class_name(self.name)

    @cached_property
    def functions(self) -> tuple[Function, ...]:
        prologue = self.scan.prologue
        first = tuple(print_function(p, 0) for p in (prologue, self.scan.rotation) if p is not None)
        return (*first, *(print_function(p, 0, name, blocks=self.blocks) for name, p in self.scan.programs().items()))

    @cached_property
    def parameters(self) -> tuple[ParameterText, ...]:
        """Learned parameters by name."""
        derivation = self.derivation
        expressions = [*derivation.equations.values(), derivation.hamiltonian, derivation.system.stepper.dt]
        named = {s.name: s for e in expressions for s in sp.sympify(e).free_symbols}
        arrays = {a.name: a for a in (*self.scan.cell.params, *self.scan.cell.turned_by)}
        return tuple(parameter_text(named[name]) for name in sorted(arrays))

    @property
    def blocks(self) -> dict[str, int]:
        """Channels of the blocks on the diagonal of each rotation."""
        return dict(zip(self.scan.rotations, self.scan.blocks, strict=True))

    @property
    def matrices(self) -> frozenset[str]:
        """Names of the parameters that are channel matrices."""
        return frozenset(turn.matrix.name for turn in self.scan.cell.turns)

    @property
    def on_chip(self) -> bool:
        """Whether there are Triton kernels: where channels are coupled, a program must hold their rotations."""
        return not self.scan.rotations or fits(self.scan.blocks)

    @property
    def channelwise(self) -> tuple[str, ...]:
        """The coefficients that are one number a channel."""
        return tuple(n for n in self.scan.coefficients if n not in self.scan.rotations)

    @property
    def learned_step(self) -> str:
        """The name of a learned time step, or nothing."""
        dt = self.spec.system.stepper.dt
        return dt.name if dt.is_Symbol else ""

    @property
    def stumpff(self) -> bool:
        return bool(orders(self.scan))

    def reads(self, program: Program) -> tuple[str, ...]:
        """The coefficients that a program reads."""
        names = {a.name for a in program.inputs}
        return tuple(n for n in self.scan.coefficients if n in names)

    def statistics(self) -> dict[str, Any]:
        """Operations of every program at a site, and bytes per state element of a scan in float32."""
        found: dict[str, Any] = {name: {"ops": operations(p)} for name, p in self.scan.programs().items()}
        return found | {name: {"bytes_per_state_float32": n} for name, n in traffic(self.scan).items()}


def orders(scan: Scan) -> tuple[int, ...]:
    """The orders of the Stumpff functions that the programs evaluate."""
    programs = [*scan.programs().values(), *((scan.prologue,) if scan.prologue else ())]
    found = {int(f.args[0]) for p in programs for s in p.body for e in s.expressions for f in e.atoms(damped_stumpff)}
    return tuple(sorted(found))


def traffic(scan: Scan) -> Mapping[str, int]:
    """Bytes that a call moves per state element (the fields of one channel at one token) in float32, every array once:
    a scan reads the inputs and writes the states; its adjoint reads both and the cotangents, and writes those of the
    inputs."""
    n, m = len(scan.fields), len(scan.tokens)
    return {"scan": 4 * (m + n), "scan_adjoint": 4 * (2 * m + 2 * n)}
