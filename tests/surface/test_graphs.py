"""A frozen layer in a CUDA graph: recorded once, replayed on other numbers."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.surface.systems import FAMILIES, fields, inputs, layer

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a device that CUDA names")


def moved(x: Any) -> Any:
    return x.to("cuda", torch.float32 if x.is_floating_point() else None)


@pytest.mark.parametrize("backend", ["auto", "torch"])
@pytest.mark.parametrize("name", ["lattice", "point", "sequence"])
def test_a_frozen_layer_is_replayed(name: str, backend: str) -> None:
    made = layer(name, backend=backend).cuda().freeze()
    held = {n: moved(x) for n, x in inputs(name).items()}
    given = () if FAMILIES[name].start else tuple(map(moved, fields(name)))
    with torch.no_grad():
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):  # what is compiled is compiled now
                made(*given, **held)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            found = made(*given, **held)
        for x in (*given, *held.values()):
            if x.is_floating_point():
                x.mul_(0.7)
        graph.replay()
        for a, b in zip(found, made(*given, **held), strict=True):
            torch.testing.assert_close(a, b)
