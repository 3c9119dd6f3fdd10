"""A backend in numpy: maps and explicit steps as functions of arrays, no solves; what the contract asks for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import sympy as sp
from sympy.printing.numpy import NumPyPrinter

from metrigen.backends.base import Backend
from metrigen.emit.header import header
from metrigen.ir import nodes
from metrigen.ir.kinds import Kind
from metrigen.ir.loads import Inside, Load, Outside
from metrigen.layers.layer import Layer
from metrigen.layers.operator import Operator

KNOWN = (
    nodes.Accumulate,
    nodes.Reduction,
    nodes.ParameterExpression,
    nodes.Map,
    nodes.ChannelMatmul,
    nodes.Outer,
    nodes.ChannelSum,
)
PROGRAMS = ("step", "step_adjoint", "readout", "readout_adjoint")
TEXT = '''{header}
"""The operators with numpy."""

from functools import partial

import numpy
import torch

from . import reference

DEVICES = ("cpu",)
OWNED, JOINED = False, False


def insist():
    pass


def available():
    return True


def shift(x, offset):
    for axis, by in zip(range(-len(offset), 0), offset):
        rolled = numpy.roll(x, -by, axis)
        if not {periodic}:
            size, at = x.shape[axis], numpy.arange(x.shape[axis])
            within = (0 <= at + by) & (at + by < size)
            rolled = numpy.where(within.reshape(-1, *[1] * (-axis - 1)), rolled, 0)
        x = rolled
    return x


def like(x, whole):
    return numpy.broadcast_to(x, whole.shape)


def of_arrays(function):
    """A function of tensors from one of arrays."""
    def call(*given):
        with numpy.errstate(all="ignore"):
            made = function(*[x.detach().numpy() for x in given])
        return tuple(torch.from_numpy(numpy.array(x, dtype=given[0].numpy().dtype)) for x in made)
    return call


{programs}

evolve = partial(reference.evolve, step=step)
evolve_adjoint = partial(reference.evolve_adjoint, step=step, step_adjoint=step_adjoint)
'''


@dataclass(frozen=True)
class Numpy(Backend):
    name: ClassVar[str] = "numpy"
    module: ClassVar[str] = "arrays"

    def why_not(self, operator: Operator) -> str:
        layer = self.layer
        if layer.shape.on_edges or not layer.shape.stepping or layer.obstacle:
            return layer.obstacle or "has explicit steps alone"
        return next((f"knows no {type(s).__name__}" for s in self._statements(layer) if not isinstance(s, KNOWN)), "")

    @staticmethod
    def _statements(layer: Layer) -> Iterable[nodes.Statement]:
        return (s for name in PROGRAMS for s in layer.programs[name])

    def files(self, head: str) -> Mapping[str, str]:
        rank, periodic = self.layer.shape.rank, self.layer.lowered.readout.periodic
        programs = "\n\n".join(function(self.layer.programs[n], n, rank) for n in PROGRAMS)
        brief = header(self.layer.source.spec, (), None).rstrip("\n")
        return {"arrays.py": TEXT.format(header=brief, periodic=periodic, programs=programs)}


def function(program: nodes.Program, name: str, rank: int) -> str:
    """A program as a function of arrays."""
    site = next(a.name for a in program.inputs if a.kind is Kind.SITE)
    along = f"[:, {', '.join(['None'] * rank)}]" if rank else ""
    channel = {n for n, kind in program.kinds().items() if kind is Kind.CHANNEL}
    lines = [line for s in program for line in written(s, site, rank, channel, along)]
    return "\n    ".join([
        "@of_arrays", f"def {name}({', '.join(a.name for a in program.inputs)}):", *lines,
        f"return {', '.join(program.outputs)},",
    ]).replace("@of_arrays\n    ", "@of_arrays\n")  # fmt: skip


def written(s: nodes.Statement, site: str, rank: int, channel: set[str], along: str) -> list[str]:
    if isinstance(s, nodes.Map):
        return mapped(s, site, rank, channel, along)
    if isinstance(s, nodes.ChannelMatmul):
        return [f'{s.out} = numpy.einsum("{"dc" if s.transpose else "cd"},bd...->bc...", {s.matrix}, {s.src})']
    if isinstance(s, nodes.Outer):
        return [f'{s.out} = numpy.einsum("bcn,bdn->cd", *(x.reshape(*x.shape[:2], -1) for x in ({s.left}, {s.right})))']
    if isinstance(s, nodes.ChannelSum):
        return [f"{s.out} = like({s.src}.sum(1, keepdims=True), {s.src})"]
    if isinstance(s, nodes.Reduction):
        return [f"{s.out} = {s.src}.sum()"]
    if isinstance(s, nodes.ParameterExpression):
        return [f"{s.out} = {printed(s.expr)}"]
    assert isinstance(s, nodes.Accumulate)
    return [f"{s.out} = {' + '.join(s.terms) or '0 * ' + s.out.removesuffix('__bar')}"]


def mapped(s: nodes.Map, site: str, rank: int, channel: set[str], along: str) -> list[str]:
    atoms = sorted({a for e in s.expressions for a in e.free_symbols}, key=lambda a: a.name)
    names = {a: sp.Symbol(f"{a.name}__c") for a in atoms if a.name in channel and not isinstance(a, Load)}
    lines = [f"{view} = {a.name}{along}" for a, view in names.items()]
    lines += [f"{a.name} = shift({a.array}, {a.offset})" for a in atoms if isinstance(a, Load) and any(a.offset)]
    for a in (a for a in atoms if isinstance(a, Inside)):
        lines.append(f"{a.name} = {'1 - ' * isinstance(a, Outside)}shift(numpy.ones_like({site}[:1, :1]), {a.offset})")
    lines += [f"{symbol.name} = {printed(e.xreplace(names))}" for symbol, e in s.lets]
    lines += [f"{name} = like({printed(e.xreplace(names))}, {site})" for name, e in s.stores]
    axes = {Kind.CHANNEL: f"axis={(0, *range(2, 2 + rank))}"}
    return lines + [
        f"{n} = like({printed(e.xreplace(names))}, {site}).sum({axes.get(kind, '')})" for n, kind, e in s.sums
    ]


def printed(expr: sp.Expr) -> str:
    return str(NumPyPrinter({"fully_qualified_modules": True}).doprint(expr))
