"""Triton as a backend: ``kernels.py``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from metrigen.backends.base import Backend
from metrigen.backends.triton.functions import FUNCTIONS
from metrigen.emit.layout import layout
from metrigen.emit.plain_names import plain_python
from metrigen.layers.operator import Operator

_WALK = "has no program that can hold what has whole blocks of both rotations, too unlike in size: on a GPU torch runs"

_MEMORY = "has no kernel for a matrix memory yet; by its traffic one would take a fifth of torch's chunks"
_ON_CHIP = (
    "On a GPU a program scans whole blocks of channels of a sample, a channel a lane: the rotations stay in registers, "
    "one gather fetches the channels that rotate together, and what flows into the rotations is summed where they lie, "
    "one partial a sample."
)


@dataclass(frozen=True)
class Triton(Backend):
    """Kernels of a GPU; a kernel can neither call a module nor solve in the midst of a step. What prints a layer is
    imported for its shape alone."""

    name: ClassVar[str] = "triton"
    module: ClassVar[str] = "kernels"
    needs: ClassVar[str] = "triton"

    def why_not(self, operator: Operator) -> str:
        if self.layer.shape.remembers:
            return _MEMORY
        if self.layer.shape.on_tokens:
            return self._why_no_scan()
        if self.layer.shape.on_edges:
            from metrigen.backends.triton.edges import edge_traffic

            return edge_traffic(operator)
        return self.layer.obstacle

    def _why_no_scan(self) -> str:
        scan = self.layer.lowered.scan
        if not scan.rotations:
            return ""
        from metrigen.backends.triton.sequential import fits

        return "" if fits(scan.blocks) else _WALK

    def about(self, operator: Operator) -> str:
        rotated = self.layer.shape.on_tokens and self.layer.lowered.scan.rotations
        return _ON_CHIP if rotated and operator.kind == "scan" else ""

    def files(self, head: str) -> Mapping[str, str]:
        if self.layer.shape.on_tokens:
            from metrigen.backends.triton.scan_kernels import sequence_kernels_text

            text = sequence_kernels_text(self.layer, self.brief)
        else:
            from metrigen.backends.triton.kernels import kernels_text

            text = kernels_text(self.layer, self.brief)
        return {"kernels.py": layout(plain_python(FUNCTIONS.put_into(text)))}
