"""Elliptic constraints in the CPU kernels, beside the torch reference: walls, ranks, sizes, and their adjoint."""

from __future__ import annotations

import os
from functools import cache
from itertools import product

import pytest
import torch

from tests.lattice.emitted import layer_class, package
from tests.lattice.systems import BOUNDARIES
from tests.lattice.test_waves import run, system
from tests.lengths import picked

pytestmark = pytest.mark.skipif(os.environ.get("TRITON_INTERPRET") == "1", reason="kernels for the CPU")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("waves")
    return cache(lambda *key: package(system(*key), folder, "kernels_waves_" + "_".join(map(str, key))))


SHAPES = {1: [(1,), (17,)], 2: [(1, 4), (2, 4), (3, 4), (17, 4), (20, 4)], 3: [(1, 1, 5), (2, 3, 5), (6, 7, 5)]}


@pytest.mark.parametrize(
    ("rank", "boundary"), picked(product(SHAPES, BOUNDARIES), (1, "zero"), (2, "neumann"), (3, "periodic"))
)
def test_kernels_are_the_reference(made, boundary: str, rank: int) -> None:
    """The solve in C++ and its adjoint, gradients of the coefficient included."""
    layers = [layer_class(made(boundary, rank, "screened"))(2, backend=b).double() for b in ("torch", "cpu")]
    for shape in SHAPES[rank]:
        generator = torch.Generator().manual_seed(1)
        q, p = (torch.randn(2, 2, *shape, generator=generator, dtype=torch.float64) for _ in range(2))
        wanted, found = (run(layer, q, p) for layer in layers)
        assert layers[1].last_backend == "cpu"
        for one, other in zip(found, wanted, strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=1e-12 * float(other.abs().max()) + 1e-300)


@pytest.mark.parametrize("unit", [2.0**-100, 2.0**90])
def test_a_solve_knows_no_unit(made, unit: float) -> None:
    """float32: a linear step of the largest and the smallest states."""
    layer = layer_class(made("neumann", 2, "screened"))(1, backend="cpu", steps=1)
    reference = layer_class(made("neumann", 2, "screened"))(1, backend="torch", steps=1)
    p = torch.randn(1, 1, 6, 4, generator=torch.Generator().manual_seed(1)) * unit
    for one, other in zip(layer(0.5 * p, p), reference(0.5 * p, p), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5 * unit)
