"""A frozen layer in plain torch is a graph of ONNX, which another runtime runs to the same numbers."""

from __future__ import annotations

import io

import pytest
import torch

from tests.surface.systems import FAMILIES, fields, inputs, layer
from tests.surface.test_export import Called

pytest.importorskip("onnxscript", reason="torch writes ONNX with it")
runtime = pytest.importorskip("onnxruntime")


@pytest.mark.filterwarnings("ignore")  # of the exporter, on its own future
@pytest.mark.parametrize("name", ["lattice", "point", "sequence", "graph"])
def test_a_frozen_layer_runs_in_onnx(name: str) -> None:
    made = layer(name, backend="torch").freeze()
    given = () if FAMILIES[name].start else tuple(x.float() for x in fields(name))
    held = {n: x.float() if x.is_floating_point() else x for n, x in inputs(name).items()}
    module = Called(made, name, held)
    wanted, file = module(*given), io.BytesIO()
    program = torch.onnx.export(module, given, dynamo=True, verbose=False)
    assert program is not None
    program.save(file)
    session = runtime.InferenceSession(file.getvalue(), providers=["CPUExecutionProvider"])
    named = {x.name: y.numpy() for x, y in zip(session.get_inputs(), given, strict=True)}
    for found, right in zip(session.run(None, named), wanted, strict=True):
        torch.testing.assert_close(torch.from_numpy(found), right.detach(), rtol=1e-5, atol=1e-5)
