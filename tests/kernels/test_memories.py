"""CPU kernels of matrix memories against the reference: every form of a token, vectors and stretches with rests."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from generated.lm import module as lm_module
from tests.lengths import picked, spread
from tests.sequence.memories import SYSTEMS, given, made, package_of, started

NAMES = tuple(SYSTEMS)
READ = "surprise", "both", "spinning"  # what is found, squares, and both of them
# key, value, tokens: single ones, less than a vector, several vectors with a rest, stretches of 32 with a rest
SIZES = ((1, 1, 1), (3, 5, 33), (8, 33, 64), (16, 64, 70))

pytestmark = pytest.mark.skipif(
    lm_module.operators.OPERATORS.device_of.get("cpu") == "triton", reason="there are no Triton kernels of a memory"
)


def results(layer: object, size: tuple[int, int, int], dtype: torch.dtype) -> tuple[Tensor, ...]:
    """Readouts, the last state, and the cotangents of state and inputs."""
    inputs = {n: x.detach().to(dtype).requires_grad_() for n, x in given(layer, length=size[2]).items()}
    start = [x.to(dtype).requires_grad_() for x in started(layer)]
    reset = torch.arange(size[2]) % 29 == 28
    read, last = layer(**inputs, state=layer.STATE(*start), reset=reset)
    draw = torch.Generator().manual_seed(3)
    made = (*(read if isinstance(read, tuple) else (read,)), *last)
    loss = sum((x * torch.randn(x.shape, generator=draw, dtype=torch.float64).to(dtype)).sum() for x in made)
    return (*made, *torch.autograd.grad(loss, [*start, *inputs.values(), *layer.parameters()]))


CELLS = [(name, size) for name in (*NAMES, *READ) for size in SIZES]
# In a short run a size of many vectors each, and single numbers and less than a vector of two.
SHORT = [(name, SIZES[2 + k % 2]) for k, name in enumerate((*NAMES, *READ))]


@pytest.mark.parametrize(("name", "size"), picked(CELLS, *SHORT, ("split", SIZES[0]), ("rotating", SIZES[1])))
def test_kernels_are_the_reference(name: str, size: tuple[int, int, int]) -> None:
    key, value, _ = size
    plain, fast = (made(name, 2, key, value, backend=backend) for backend in ("torch", "cpu"))
    found, wanted = results(fast, size, torch.float64), results(plain, size, torch.float64)
    assert fast.last_backend == "cpu"
    for x, y in zip(found, wanted, strict=True):
        assert (x - y).abs().max() <= 1e-12 * (1 + y.abs().max())


@pytest.mark.parametrize("name", spread(NAMES, 2))
def test_single_precision(name: str) -> None:
    size = (16, 40, 70)
    fast, exact = (
        made(name, 2, 16, 40, backend=b, dtype=d) for b, d in (("cpu", torch.float32), ("torch", torch.float64))
    )
    for x, y in zip(results(fast, size, torch.float32), results(exact, size, torch.float64), strict=True):
        assert (x - y).abs().max() <= 3e-5 * (1 + y.abs().max())


@pytest.mark.parametrize("name", NAMES)
def test_the_same_bits_for_any_number_of_threads(name: str) -> None:
    layer, threads = made(name, 2, 8, 33, backend="cpu"), torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = results(layer, (8, 33, 40), torch.float64)
        torch.set_num_threads(3)
        assert all(map(torch.equal, results(layer, (8, 33, 40), torch.float64), alone))
    finally:
        torch.set_num_threads(threads)


def test_arguments_are_checked_before_memory_is_touched() -> None:
    layer = made("exact", 2, 4, 3)
    operator = package_of("exact").module.operators.scan
    coefficients = layer._coefficients(layer._taken(False, **given(layer))[0], None)
    state = torch.zeros(2, 2, 4, 3, dtype=torch.float64)
    operator(state, *coefficients)
    for i, x in enumerate(coefficients):
        with pytest.raises(ValueError, match="is needed"):
            operator(state, *(x[:, :, :, :0] if i == j else y for j, y in enumerate(coefficients)))
    with pytest.raises(ValueError, match="is needed"):
        operator(state[:1], *coefficients)
    with pytest.raises(ValueError, match=r"torch.float32"):
        operator(state.float(), *coefficients)
