"""A layer on a sequence: its operators walk along the tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import sympy as sp

from metrigen.integrators.scan import Scan, operations
from metrigen.ir.damped_stumpff import damped_stumpff
from metrigen.ir.nodes import Program
from metrigen.layers.layer import Layer
from metrigen.layers.operator import Operator


@dataclass(frozen=True)
class TokenLayer(Layer):
    """A layer whose time is the token axis: the programs of one token."""

    scan: Scan

    @property
    def axes(self) -> int:
        return 3

    @property
    def fields(self) -> tuple[str, ...]:
        return self.scan.fields

    @property
    def obstacle(self) -> str:
        return ""

    @cached_property
    def operators(self) -> tuple[Operator, ...]:
        scan, read = self.scan, self.reads(self.scan.readout)
        reading, moving = (scan.fields, read, len(scan.components)), (scan.fields, scan.tokens, scan.coefficients)
        return (
            Operator("readout", "map", "readout_scan", reading, scan.readout, scan.readout_adjoint),
            Operator("scan", "scan", "scan", moving, scan.step, scan.step_adjoint),
        )

    @property
    def kinds(self) -> Mapping[str, str]:
        fields, blocks = self.scan.fields, self.blocks
        found = dict.fromkeys((*fields, *self.scan.tokens), "field") | {f"{f}__start": "start" for f in fields}
        return found | {n: str(blocks[n]) if n in blocks else "channel" for n in self.scan.coefficients}

    @cached_property
    def parameters(self) -> Mapping[str, sp.Symbol]:
        derivation = self.derivation
        expressions = [*derivation.equations.values(), derivation.hamiltonian, derivation.system.stepper.dt]
        named = {s.name: s for e in expressions for s in sp.sympify(e).free_symbols}
        arrays = {a.name for a in (*self.scan.cell.params, *self.scan.cell.turned_by)}
        return {name: named[name] for name in sorted(arrays)}

    @property
    def blocks(self) -> dict[str, int]:
        """Channels of the blocks on the diagonal of each rotation."""
        return dict(zip(self.scan.rotations, self.scan.blocks, strict=True))

    @property
    def matrices(self) -> frozenset[str]:
        """Names of the parameters that are channel matrices."""
        return frozenset(turn.matrix.name for turn in self.scan.cell.turns)

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
