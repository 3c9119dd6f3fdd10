"""Kernels of a scan whose channels turn one another, against the reference: the CPU kernels, and the Triton kernels in
the interpreter."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from types import ModuleType

import pytest
import torch

from generated.lm import module as lm_module
from tests.kernels.operators import poison
from tests.kernels.scans import TOLERANCE, close, doubled
from tests.lengths import spread
from tests.sequence.checks import check_gradients
from tests.sequence.coupled import COUPLED, module
from tests.sequence.systems import inputs, layer, part, states

pytestmark = pytest.mark.covering

INTERPRETED = lm_module.operators.OPERATORS.device_of.get("cpu") == "triton"
# One channel, parts of blocks and of vectors; several programs a sample, whole and broken rounds of tokens; for the CPU
# more than one tile, broken pieces of 64 tokens.
SHAPES = (
    ((1, 1, 1), (2, 3, 9), (1, 16, 2), (2, 37, 4), (1, 70, 3))
    if INTERPRETED
    else ((1, 1, 1), (2, 3, 17), (1, 16, 64), (2, 37, 130), (1, 200, 3))
)
on_the_cpu = pytest.mark.skipif(INTERPRETED, reason="of the CPU kernels alone")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("coupled_scan")


def kernels_of(made: ModuleType) -> ModuleType:
    return part(made, "kernels" if INTERPRETED else "cpu")


def given(made: ModuleType, shape: tuple[int, int, int], dtype: torch.dtype) -> tuple:  # type: ignore[type-arg]
    """(start, tokens, coefficients) as an operator takes them: (B, C), (B, T, C), (C,) and (n, b, b)."""
    b, c, t = shape
    drawn = tuple(x.mT.contiguous().to(dtype) for x in inputs(made, b, c, t).values())
    built, like = layer(made, c), torch.zeros(1, dtype=torch.float64)
    fixed = tuple(x.detach().to(dtype) for x in (*built._coefficients(like), *built._rotations(like)))
    return tuple(x.to(dtype) for x in states(made, b, c)), drawn, fixed


@pytest.mark.parametrize(("name", "dtype"), spread(product(COUPLED, TOLERANCE), 3))
def test_kernels_agree_with_the_reference(
    name: str, dtype: torch.dtype, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """States and every cotangent, those of the rotations with memory that is poisoned."""
    poison(monkeypatch)
    made = module(name, folder)
    reference, kernels = part(made, "reference"), kernels_of(made)
    for shape in SHAPES:
        start, tokens, fixed = given(made, shape, dtype)
        exact = reference.scan(*doubled(start, tokens, fixed))
        close(kernels.scan(start, tokens, fixed), exact, TOLERANCE[dtype])
        out = tuple(x.to(dtype) for x in exact)
        back = tuple(torch.randn_like(x) for x in out)
        expected = reference.scan_adjoint(*doubled(back, out, start, tokens, fixed))
        close(kernels.scan_adjoint(back, out, start, tokens, fixed), expected, TOLERANCE[dtype])


@on_the_cpu
def test_threads_share_samples_and_channels(folder: Path) -> None:
    """More threads than samples: a sample is cut between blocks, and gives the same numbers."""
    made = module("each", folder)
    kernels = part(made, "cpu")
    start, tokens, fixed = given(made, (1, 300, 9), torch.float64)
    back = tuple(torch.randn_like(tokens[0]) for _ in start)
    before = torch.get_num_threads()
    results = []
    for count in (1, 4):
        torch.set_num_threads(count)
        out = kernels.scan(start, tokens, fixed)
        results.append((*out, *kernels.scan_adjoint(back, out, start, tokens, fixed)))
    torch.set_num_threads(before)
    assert all(torch.equal(x, y) for x, y in zip(*results, strict=True))


def test_tables_of_a_rotation(folder: Path) -> None:
    kernels = part(module("each", folder), "cpu")
    blocks = torch.randn(3, 4, 4)
    blocks[-1, 2:], blocks[-1, :, 2:] = 0.0, 0.0
    rows = kernels.table(blocks, 10)
    assert torch.equal(kernels.blocks_of(rows), blocks)
    assert rows[1, 7] == blocks[1, 3, 1]


# The second derivative is that of the torch adjoint; the interpreter needs time for the tokens on the way to it.
ORDERS = [(name, order) for name in COUPLED for order in (1, 2) if order == 1 or not INTERPRETED or name == "each"]


@pytest.mark.parametrize(("name", "order"), ORDERS)
def test_gradients(name: str, order: int, folder: Path) -> None:
    check_gradients(module(name, folder), 5, order)


def test_waves_of_every_width(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """AMD has 64 threads in a wave where NVIDIA has 32: other programs, the same numbers."""
    if not INTERPRETED:
        pytest.skip("of the Triton kernels alone")
    made = module("each", folder)
    kernels = part(made, "kernels")
    start, tokens, fixed = given(made, (2, 70, 3), torch.float64)
    found = kernels.scan(start, tokens, fixed)
    back = kernels.scan_adjoint(found, found, start, tokens, fixed)
    assert kernels._sequential_plan(tokens[0])[0] == 3
    monkeypatch.setattr(torch.version, "hip", "6")
    assert kernels._sequential_plan(tokens[0])[0] == 2
    close(kernels.scan(start, tokens, fixed), found, 1e-13)
    close(kernels.scan_adjoint(found, found, start, tokens, fixed), back, 1e-13)


def test_gradients_are_the_same_bits_every_time(folder: Path) -> None:
    made = module("each", folder)
    built, drawn = layer(made, 20).float(), {n: x.float() for n, x in inputs(made, 2, 20, 5).items()}

    def gradients() -> tuple[torch.Tensor, ...]:
        return torch.autograd.grad(built.readout(built(**drawn)).square().sum(), list(built.parameters()))

    assert all(torch.equal(x, y) for x, y in zip(gradients(), gradients(), strict=True))


def test_nothing_and_strides_of_every_kind(folder: Path) -> None:
    """No sample, no token; inputs and cotangents that are broadcast, transposed and sliced."""
    made = module("each", folder)
    kernels, reference = kernels_of(made), part(made, "reference")
    for shape in ((0, 5, 3), (2, 5, 0)):
        start, tokens, fixed = given(made, shape, torch.float64)
        out = kernels.scan(start, tokens, fixed)
        assert all(x.shape == tokens[0].shape for x in out)
        flowed = kernels.scan_adjoint(out, out, start, tokens, fixed)
        assert [x.shape for x in flowed] == [x.shape for x in (*start, *tokens, *fixed)]
        assert not any(x.any() for x in flowed[len(start) :])
    start, tokens, fixed = given(made, (2, 5, 7), torch.float64)
    expected = reference.scan(start, tokens, fixed)
    sliced = tuple(torch.stack((x, x), -1)[..., 0] for x in tokens)
    turned = tuple(x.mT.contiguous().mT for x in (*start, *fixed[-2:]))
    rotations = (*fixed[:-2], *turned[-2:])
    close(kernels.scan(turned[:-2], sliced, rotations), expected, 1e-12)
    back = tuple(torch.ones(1, 1, 1).double().expand_as(x) for x in expected)
    close(
        kernels.scan_adjoint(back, expected, turned[:-2], sliced, rotations),
        reference.scan_adjoint(back, expected, start, tokens, fixed), 1e-12,
    )  # fmt: skip


def test_operators_and_compile(folder: Path) -> None:
    """Schema, fake tensors and gradients of the cell with every kind of coefficient; one graph."""
    made = module("each", folder)
    ops = part(made, "module")
    start, tokens, fixed = given(made, (2, 3, 5), torch.float64)
    arguments = tuple(x.requires_grad_() for x in (*start, *tokens, *fixed))
    checks = ("test_schema", "test_autograd_registration", "test_faketensor")
    torch.library.opcheck(ops.operators.OPERATORS.registered["scan"], arguments, test_utils=checks)
    states_ = tuple(torch.randn_like(tokens[0]) for _ in start)
    torch.library.opcheck(
        ops.operators.OPERATORS.registered["scan_adjoint"], (*states_, *states_, *arguments), test_utils=checks
    )
    built, drawn = layer(made, 3), inputs(made, 2, 3, 9)
    leaves = tuple(x.requires_grad_() for x in drawn.values())

    def read(*x: torch.Tensor) -> torch.Tensor:
        return built.readout(built(**dict(zip(drawn, x, strict=True))))

    compiled = torch.compile(read, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(*leaves), read(*leaves))
    results = [torch.autograd.grad(f(*leaves).square().sum(), leaves) for f in (compiled, read)]
    for x, y in zip(*results, strict=True):
        torch.testing.assert_close(x, y)
    insisting = layer(made, 3, backend="triton" if INTERPRETED else "cpu")
    for x, y in zip(insisting(**drawn), layer(made, 3, backend="torch")(**drawn), strict=True):
        torch.testing.assert_close(x, y)
    if not INTERPRETED:
        with pytest.raises(ValueError, match="has no kernels"):
            layer(made, 3, backend="triton")(**drawn)


@on_the_cpu
def test_no_compiler_leaves_the_walk_to_torch(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = module("alike", folder)
    start, tokens, fixed = given(made, (2, 5, 7), torch.float64)
    found = part(made, "cpu").scan(start, tokens, fixed)
    monkeypatch.setenv("METRIGEN_CPU_KERNELS", "0")
    close(part(made, "cpu").scan(start, tokens, fixed), found, 1e-13)
