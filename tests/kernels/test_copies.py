"""Copies of a package in one process: each has operators of its own and goes on working when another is loaded."""

from __future__ import annotations

import importlib
import tracemalloc
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor

from tests.conftest import ROOT
from tests.kernels.modes import once

pytestmark = [pytest.mark.covering, once]


def _wave(package: ModuleType) -> list[Tensor]:
    layer = package.CoupledWave(2, steps=2)
    phi = torch.rand(1, 2, 4, 4, requires_grad=True)
    loss = torch.stack([x.square().sum() for x in layer(phi)]).sum()
    return [loss, *torch.autograd.grad(loss, [phi, *layer.parameters()])]


def _tokens(package: ModuleType) -> list[Tensor]:
    inputs = {name: torch.rand(1, 2, 4, requires_grad=True) for name in ("f_p", "f_q", "lam", "theta")}
    loss = torch.stack([x.square().sum() for x in package.Lm(2)(**inputs)]).sum()
    return [loss, *torch.autograd.grad(loss, list(inputs.values()))]


RUNS = {"coupled_wave": _wave, "lm": _tokens}
SHAPES = {  # of what the operator of a readout takes
    "coupled_wave": [(1, 2, 4, 4), (1, 2, 4, 4), (2, 2), (2,), (2,), (2,)],
    "lm": [(1, 2), (1, 2), (1, 4, 2), (1, 4, 2)],
}


@pytest.mark.parametrize("name", RUNS)
def test_copies_of_a_package_work_side_by_side(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    packages = []
    for copy in ("first", "second"):
        (tmp_path / f"{copy}_of_{name}").symlink_to(ROOT / "generated" / name)
        packages.append(importlib.import_module(f"{copy}_of_{name}"))
    found = []
    for package in packages:  # the first one too, whose operators were registered before those of the second
        torch.manual_seed(0)
        found.append(RUNS[name](package))
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))
    readouts = [package.module.operators.OPERATORS.registered["readout"] for package in packages]
    assert len({readout._qualname for readout in readouts}) == 2
    given = [torch.rand(shape) for shape in SHAPES[name]]
    for readout in readouts:
        torch.library.opcheck(readout, given, test_utils="test_schema")


def test_the_number_of_a_copy_is_found_one_by_one() -> None:
    """An import once made a million names to choose the first."""
    package = importlib.import_module("generated.coupled_wave")
    tracemalloc.start()
    try:
        package.base.operator_prefix("of_a_package_that_is_not_there", "readout")
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 100_000
