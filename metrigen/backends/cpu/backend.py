"""The CPU as a backend: ``kernels.cpp``, and the ``cpu.py`` that compiles and calls it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from metrigen.backends.base import Backend
from metrigen.backends.cpu.functions import FUNCTIONS
from metrigen.backends.cpu.names import is_word
from metrigen.emit.header import RUNTIME, header
from metrigen.emit.layout import layout, layout_cpp
from metrigen.emit.plain_names import plain_cpp
from metrigen.emit.render import render
from metrigen.layers.operator import Operator
from metrigen.manifests import FORMAT

if TYPE_CHECKING:
    from metrigen.backends.cpu.graph_kernels import GraphKernels
    from metrigen.backends.cpu.kernels import CpuKernels

_SOLVING = (
    "On a CPU, `kernels.cpp` takes what is solved together through all steps in cache, and keeps its solutions for the "
    "adjoint where a gradient is wanted; elsewhere the torch reference runs."
)

_WAVES = (
    "On a CPU, `kernels.cpp` solves them in the midst of a step, in the same call; elsewhere the torch reference runs."
)
_UNREAD = "has no kernels for what the programs of this layer read"


@dataclass(frozen=True)
class Cpu(Backend):
    """C++ that the machine compiles when a package is first used. What prints a layer is imported for its
    shape alone."""

    name: ClassVar[str] = "cpu"
    module: ClassVar[str] = "cpu"

    @cached_property
    def kernels(self) -> CpuKernels | GraphKernels | None:
        """What its files are made from; None where a program does not fit the tiles of the CPU."""
        layer = self.layer
        if layer.shape.on_tokens or layer.shape.remembers:
            return None
        if layer.shape.on_edges:
            from metrigen.backends.cpu.graph_kernels import graph_kernels

            return graph_kernels(layer)
        from metrigen.backends.cpu.kernels import cpu_kernels

        return cpu_kernels(layer.source.derivation, layer.lowered, layer.done)

    def why_not(self, operator: Operator) -> str:
        if self.layer.shape.on_tokens or self.layer.shape.remembers or self.kernels is not None:
            return ""
        if self.layer.programs.constraints and not self.layer.programs.learned:
            from metrigen.backends.cpu.kernels import why_no_solve

            why = why_no_solve(self.layer.lowered)
            return f"{self.layer.obstacle}, which {why}" if why else _UNREAD
        return self.layer.obstacle or _UNREAD

    def files(self, head: str) -> Mapping[str, str]:
        layer = self.layer
        brief, comment = self.brief, header(layer.source.spec, (), None, "//")
        if layer.shape.remembers:
            from metrigen.backends.cpu.memory_kernels import memory_cpp_text, memory_loader_text

            loader, source = memory_loader_text(layer, brief), memory_cpp_text(layer, comment)
            return _files(loader, source)
        if layer.shape.on_tokens:
            from metrigen.backends.cpu.scan_kernels import sequence_cpp_text, sequence_loader_text

            loader, source = sequence_loader_text(layer, brief), sequence_cpp_text(layer, comment)
        else:
            assert self.kernels is not None
            loader = self.kernels.loader(brief, layer.source.class_name, layer.source.name)
            source = self.kernels.source(comment, layer.source.class_name)
        return _files(loader, plain_cpp(FUNCTIONS.put_into(source), is_word))

    def about(self, operator: Operator) -> str:
        if operator.maker == "evolve" and self.layer.programs.constraints:
            return _WAVES
        return _SOLVING if operator.maker == "implicit" else ""


def _files(loader: str, source: str) -> Mapping[str, str]:
    return {
        "cpu.py": layout(loader),
        "precompiled.py": render("precompiled.py.j2", header=RUNTIME, format=FORMAT),
        "kernels.cpp": layout_cpp(source),
    }
