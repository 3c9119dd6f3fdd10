"""How kernels are launched: warps are powers of two, grids are within what a device takes."""

from __future__ import annotations

import importlib
import math
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

triton = pytest.importorskip("triton")
from tests.kernels.ladder import results, system  # noqa: E402
from tests.lattice.emitted import layer_class, package  # noqa: E402
from tests.sequence.coupled import COUPLED, module  # noqa: E402
from tests.sequence.systems import part  # noqa: E402

pytestmark = pytest.mark.covering

SHIPPED = ("cifar", "coupled_wave", "maze")
LANES = {"nvidia": 32, "amd": 64}
TILES = tuple(2**k for k in range(4, 13))
# What CUDA and HIP take: programs along the first axis, and along each of the others.
LONG, SHORT = 2**31 - 1, 65535


def kernels_of(package: str) -> ModuleType:
    return importlib.import_module(f"generated.{package}.kernels")


@pytest.mark.parametrize("lanes", LANES.values(), ids=LANES)
@pytest.mark.parametrize("package", SHIPPED)
def test_warps_are_powers_of_two(package: str, lanes: int) -> None:
    """Every kernel, tile and group of 1 to 12 channels; Triton refuses others, its interpreter does not look."""
    heuristic = kernels_of(package)._heuristic
    wrong = {
        (kernel, tile, group): warps
        for kernel in ("evolve", "evolve_adjoint", "conjugate_gradient", "monotone")
        for tile in TILES
        for group in range(1, 13)
        for warps in [heuristic(kernel, tile, group, lanes)]
        if warps not in (1, 2, 4, 8, 16, 32)
    }
    assert not wrong


@pytest.mark.parametrize("hip", [None, "6"])
def test_warps_of_scans_are_powers_of_two(hip: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "hip", hip)
    lm = kernels_of("lm")
    both = [part(module(n, tmp_path), "kernels") for n in ("each", "momenta")]
    for channels in (*range(1, 70), 1000):
        like = torch.empty(2, 100, channels, device="meta")
        plans = (plan for k in both for plan in (k._plan, k._sequential_plan))
        options = [lm._plan(like)[-1], *(plan(like)[-1] for plan in plans)]
        for found in options:
            assert found["num_warps"] in (1, 2, 4, 8, 16, 32), (channels, found)
            assert found["BLOCK"] & (found["BLOCK"] - 1) == 0


class Recorder:
    """Stands for a kernel and keeps the grids that it is launched on."""

    def __init__(self) -> None:
        self.grids: list[tuple[int, ...]] = []
        self.fn = Recorder  # whose name is logged

    def __getitem__(self, grid: tuple[int, ...]) -> Any:
        self.grids.append(tuple(grid))
        return lambda *args, **options: None


def fits(grid: tuple[int, ...]) -> bool:
    return grid[0] <= LONG and all(n <= SHORT for n in grid[1:])


# Planes of more sites than 65535 blocks of any size hold, many planes, both, and none.
FIELDS = ((1, 1, 8200, 8200), (1, 2, 2**14, 2**14), (4096, 1024, 32, 32), (70000, 3, 1, 5), (2, 64, 1024, 1024), (3, 5))


@pytest.mark.parametrize("shape", FIELDS, ids=str)
def test_grids_of_fields(shape: tuple[int, ...]) -> None:
    kernels, recorder = kernels_of("coupled_wave"), Recorder()
    like = torch.empty(shape, device="meta")
    kernels.launch(recorder, like)
    (grid,) = recorder.grids
    assert fits(grid)
    blocks = math.ceil(max(like.shape[2:].numel(), 1) / kernels.plan(shape, like.dtype)[1]["BLOCK"])
    assert math.prod(grid) == shape[0] * shape[1] * blocks
    assert kernels.partials(like).shape == (*shape[:2], blocks)


@pytest.mark.parametrize("shape", [(1, 1, 2**16, 2**15), (2**20, 2**11, 1, 1), (2**14, 2**14, 2**6, 2**6)], ids=str)
def test_a_launch_that_no_grid_holds_is_refused(shape: tuple[int, ...]) -> None:
    recorder = Recorder()
    with pytest.raises(ValueError, match=r"need \d+ programs on planes of \d+ sites"):
        kernels_of("coupled_wave").launch(recorder, torch.empty(shape, device="meta"))
    assert not recorder.grids


TOKENS = ((1, 64 * 70000, 2), (2, 2**23 + 1, 3), (100000, 3, 1), (5, 65, 1000), (2**16, 2**14, 1))


@pytest.mark.parametrize("shape", TOKENS, ids=str)
def test_grids_of_sequences(shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """A sequence of more than 65535 chunks, or of so many samples."""
    lm = kernels_of("lm")
    recorder = Recorder()
    for name in [n for n in vars(lm) if n.endswith("_kernel")]:
        monkeypatch.setattr(lm, name, recorder)
    b, _, c = shape
    reference = lm.reference
    start = tuple(torch.empty(b, c, device="meta") for _ in reference.FIELDS)
    tokens = tuple(torch.empty(shape, device="meta") for _ in reference.TOKENS)
    fixed = tuple(torch.empty(c, device="meta") for _ in reference.COEFFICIENTS)
    states = lm.scan(start, tokens, fixed)
    lm.scan_adjoint(states, states, start, tokens, fixed)
    assert len(recorder.grids) in (2, 6), "in one go, or chunk by chunk"
    assert all(fits(grid) for grid in recorder.grids), recorder.grids


RANKS = {0: (), 1: (37,), 2: (5, 9), 3: (3, 5, 2)}


@pytest.mark.skipif(not triton.knobs.runtime.interpret, reason="kernels run in the interpreter")
@pytest.mark.parametrize("rank", RANKS)
def test_blocks_of_all_planes(rank: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planes cut into blocks that do not divide them: values, gradients and sums of the reference."""
    made = package(system("strang", "neumann", rank), tmp_path, f"launches_of_rank_{rank}")
    kernels = importlib.import_module(f"{made.__name__}.kernels")
    for name, value in {"MAX_BLOCK": 16, "MAX_SITES": 0, "MAX_VALUES": 0, "MAX_VALUES_REVERSE": 0}.items():
        monkeypatch.setattr(kernels, name, value, raising=False)
    found = []
    for backend in ("triton", "torch"):
        torch.manual_seed(0)
        layer = layer_class(made)(2, backend=backend, steps=1).double()
        given = {n: torch.rand(1, 2, *RANKS[rank], dtype=torch.float64) + 0.5 for n in ("q", "p", "kappa")}
        found.append(results(layer, {n: x.requires_grad_() for n, x in given.items()}, True))
    for name, expected in found[1].items():
        torch.testing.assert_close(found[0][name], expected, rtol=1e-11, atol=1e-12, msg=name)


@pytest.mark.skipif(not triton.knobs.runtime.interpret, reason="launches in the interpreter")
def test_first_launches_are_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Once each, by name, for the kernels of steps and of a scan."""
    made = layer_class(package(system("strang", "periodic", 2), tmp_path, "launches_told"))(2, backend="triton")
    scanned = layer_class(package(COUPLED["each"], tmp_path, "launches_scanned"))(2, backend="triton")
    x = torch.rand(1, 2, 3)
    with caplog.at_level("INFO", logger="metrigen.layer"):
        for _ in range(2):
            made(*(torch.rand(1, 2, 4, 4) for _ in made.FIELDS), **{n: torch.rand(1, 2, 4, 4) for n in made.INPUTS})
            scanned(**dict.fromkeys(scanned.INPUTS, x))
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == len(set(told))
    for name in ("LaunchesTold: the Triton kernel evolve_kernel", "scan_kernel"):
        assert sum(name in line for line in told) == 1, told
