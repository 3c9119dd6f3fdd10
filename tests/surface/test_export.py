"""A frozen layer can be exported: what it keeps are buffers of the program, which gives the same numbers."""

from __future__ import annotations

import io
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.surface.systems import ALL, FAMILIES, fields, inputs, layer

# Implicit steps, and solves on a graph, stop by what they find, which torch.export does not trace in the reference.
EXPORTED = tuple(name for name in ALL if name not in ("implicit", "graph_steady"))


class Called(nn.Module):
    """``forward`` of a layer as a function of the tensors that vary; edges are part of the module."""

    def __init__(self, made: Any, name: str, held: dict[str, Tensor]) -> None:
        super().__init__()
        self.made, self.start, self.names = made, FAMILIES[name].start, tuple(held)
        for key, x in held.items():
            self.register_buffer(f"held_{key}", x)

    def forward(self, *given: Tensor) -> tuple[Tensor, ...]:
        held = {key: getattr(self, f"held_{key}") for key in self.names}
        if self.start:
            return tuple(self.made(**held))
        return tuple(self.made(*given, **held))


@pytest.mark.parametrize("name", EXPORTED)
def test_a_frozen_layer_is_exported_with_the_same_numbers(name: str) -> None:
    made = layer(name, backend="torch").double()
    given = () if FAMILIES[name].start else fields(name)
    wanted = Called(made, name, inputs(name))(*given)
    made.freeze()
    kept = [key for key, _ in made.named_buffers() if key.startswith("_kept")]
    assert kept or not list(made.parameters())
    program = torch.export.export(Called(made, name, inputs(name)), given, strict=False)
    assert {f"made.{key}" for key in kept} <= {
        *program.constants,
        *program.state_dict,
        *program.graph_signature.buffers,
    }
    file = io.BytesIO()
    torch.export.save(program, file)
    file.seek(0)
    found = torch.export.load(file).module()(*given)
    for x, y in zip(found, wanted, strict=True):
        torch.testing.assert_close(x, y, rtol=1e-12, atol=1e-12)
