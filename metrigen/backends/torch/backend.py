"""PyTorch as a backend: ``reference.py``, which every package has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from metrigen.backends.base import Backend
from metrigen.backends.torch.functions import FUNCTIONS
from metrigen.emit.layout import layout
from metrigen.emit.plain_names import plain_python
from metrigen.layers.operator import Operator


@dataclass(frozen=True)
class Torch(Backend):
    """The whole computation in plain PyTorch, differentiable by autograd: documentation and test oracle."""

    name: ClassVar[str] = "torch"
    module: ClassVar[str] = "reference"
    reference: ClassVar[bool] = True

    def why_not(self, operator: Operator) -> str:
        return ""

    def files(self, head: str) -> Mapping[str, str]:
        return {"reference.py": layout(plain_python(FUNCTIONS.put_into(self._text(head))))}

    def _text(self, head: str) -> str:
        """What prints a layer is imported for its shape alone."""
        layer = self.layer
        if layer.shape.remembers:
            from metrigen.backends.torch.memory_reference import memory_reference_text

            return memory_reference_text(layer, head)
        if layer.shape.on_tokens:
            from metrigen.backends.torch.scan_reference import scan_reference_text

            return scan_reference_text(layer, head)
        if layer.shape.on_edges:
            from metrigen.backends.torch.graph_reference import graph_reference_text

            return graph_reference_text(layer, head)
        from metrigen.backends.torch.reference import reference_text

        return reference_text(layer, head)
