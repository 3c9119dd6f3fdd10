"""Systems of the gallery at a point by their CPU kernels: values, readouts and gradients of the reference."""

from __future__ import annotations

import importlib
import inspect
import os
import re
from pathlib import Path

import pytest
import torch

from metrigen.spec.load import load_spec
from tests.conftest import ROOT
from tests.kernels.test_point import agree
from tests.lattice.emitted import arrays_of, layer_class, package
from tests.lengths import picked

pytestmark = [
    pytest.mark.covering,
    pytest.mark.skipif(
        os.environ.get("TRITON_INTERPRET") == "1", reason="operators on the CPU run the Triton kernels here"
    ),
]

GALLERY = ROOT / "specs" / "gallery"
POINTS = [p.stem for p in sorted(GALLERY.glob("*.py")) if re.search(r"\bLattice\(\)", p.read_text())]
# A short run: an account of heat beside explicit steps, and an implicit step.
CHOSEN = picked(POINTS, "gas_piston", "rigid_body")
LIMIT = {torch.float64: 1e-11, torch.float32: 1e-3}
# A few tiles with a rest in the last; fewer numbers than a vector has.
CASES = ((torch.float64, 37), (torch.float32, 1))
Named = dict[str, torch.Tensor]


def results(layer: torch.nn.Module, given: Named) -> Named:
    """Fields, the readout and every gradient."""
    torch.manual_seed(1)  # the noise of a system at a temperature
    state = layer(**given)
    named = {n: x for n, x in state._asdict().items() if n not in ("iterations", "residual", "status")}
    wanted = list(inspect.signature(layer.readout).parameters)[1:]
    named["readout"] = layer.readout(state, **{n: given[n] for n in wanted if n in given})
    leaves = {**given, **dict(layer.named_parameters())}
    loss = sum(x.sin().sum() for x in named.values())
    flowed = torch.autograd.grad(loss, tuple(leaves.values()), materialize_grads=True)
    return {n: x.detach() for n, x in named.items()} | {f"d {n}": g for n, g in zip(leaves, flowed, strict=True)}


@pytest.mark.parametrize("name", CHOSEN)
def test_numbers_of_the_reference(name: str, tmp_path: Path) -> None:
    system = load_spec(GALLERY / f"{name}.py").system
    module = package(system, tmp_path, f"points_{name}")
    if not hasattr(module.module, "cpu"):
        pytest.skip("no CPU kernels")
    if not importlib.import_module(f"{module.__name__}.cpu").available():
        pytest.skip("no C++ compiler")
    for dtype, samples in CASES:
        torch.manual_seed(0)
        made = inspect.signature(layer_class(module)).parameters
        more = {n: v for n, v in (("steps", 5), ("sites", ())) if n in made}
        fast, plain = (layer_class(module)(4, backend=b, **more).to(dtype) for b in ("cpu", "torch"))
        for one, same in zip(fast.parameters(), plain.parameters(), strict=True):
            one.data += 0.1 * torch.rand_like(one)
            same.data.copy_(one.data)
        names = arrays_of(fast)
        given = {n: (0.6 + 0.4 * torch.rand(samples, 4, dtype=dtype)).requires_grad_() for n in names}
        agree(results(fast, given), results(plain, given), LIMIT[dtype])
