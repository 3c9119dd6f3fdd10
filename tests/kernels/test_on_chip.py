"""Kernels that hold whole planes on chip against the reference: values, every cotangent, solves, odd shapes.

They run in Triton's interpreter, in the pass of the suite with TRITON_INTERPRET=1.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest
import torch

triton = pytest.importorskip("triton")
from metrigen.ir.nodes import Array, Kind  # noqa: E402
from metrigen.physics.derive import derive  # noqa: E402
from tests.kernels.systems import on_chip_systems  # noqa: E402
from tests.lattice.emitted import package  # noqa: E402
from tests.lattice.systems import screened  # noqa: E402
from tests.lengths import LONG, covering, words  # noqa: E402
from tests.lowered import lower  # noqa: E402

pytestmark = [
    pytest.mark.covering,
    pytest.mark.skipif(not triton.knobs.runtime.interpret, reason="kernels run in the interpreter"),
]

SYSTEMS = on_chip_systems()
TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5}
LEAST = {} if LONG else {"batch": 1, "channels": 2}
SIZES = {0: ((),), 1: ((1,), (7,)), 2: ((1, 1), (1, 5), (5, 1), (6, 4)), 3: ((3, 2, 4),)}


@dataclass(frozen=True)
class Case:
    """A package of a system and the arrays that its step reads."""

    kernels: ModuleType
    reference: ModuleType
    inputs: tuple[Array, ...]
    state: int
    rank: int
    block: int | None

    def tensors(
        self, size: tuple[int, ...], dtype: torch.dtype = torch.float64, batch: int = 2, channels: int = 4
    ) -> tuple[torch.Tensor, ...]:
        shape = {
            Kind.SITE: (batch, channels, *size),
            Kind.CHANNEL: (channels,),
            Kind.SCALAR: (),
            Kind.MATRIX: (channels, channels),
        }
        return tuple(self._tensor(a, shape[a.kind]).to(dtype) for a in self.inputs)

    def _tensor(self, array: Array, shape: tuple[int, ...]) -> torch.Tensor:
        value = torch.randn(shape, dtype=torch.float64)
        if array.kind is Kind.SCALAR:
            return 0.02 + 0.02 * value.abs()
        if array.kind is Kind.MATRIX and self.block:
            value = value * torch.block_diag(*[torch.ones(self.block, self.block)] * (shape[0] // self.block))
        return value.abs() + 0.1 if array.positive else 0.3 * value

    def in_blocks(self, found: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        """Cotangents of channel matrices within their blocks: the mask of the parameter drops the others."""
        channels, block = found[0].shape[1], self.block
        if not block or channels % block:
            return found
        inside = torch.block_diag(*[torch.ones(block, block)] * (channels // block)).bool()
        return tuple(x * inside if x.shape == inside.shape else x for x in found)

    def split(self, tensors: tuple[torch.Tensor, ...]) -> tuple[tuple[torch.Tensor, ...], tuple[torch.Tensor, ...]]:
        return tensors[: self.state], tensors[self.state :]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("chip")


@pytest.fixture(scope="module")
def case(request: pytest.FixtureRequest, folder: Path) -> Case:
    return made(request.param, folder)


@cache
def made(name: str, folder: Path) -> Case:
    module = "chip_" + name.replace("-", "_")
    package(SYSTEMS[name], folder, module)
    low = lower(derive(SYSTEMS[name]))
    return Case(
        importlib.import_module(f"{module}.kernels"), importlib.import_module(f"{module}.reference"),
        low.step.body.inputs, len(low.dynamics.state), len(low.dynamics.origin), 2 if name == "rotating-2" else None,
    )  # fmt: skip


@pytest.fixture(autouse=True)
def poisoned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory that a kernel forgets to write shows as NaN."""
    like, new = torch.empty_like, torch.Tensor.new_empty

    def nan(out: torch.Tensor) -> torch.Tensor:
        return out.fill_(float("nan")) if out.is_floating_point() else out

    monkeypatch.setattr(torch, "empty_like", lambda *a, **k: nan(like(*a, **k)))
    monkeypatch.setattr(torch.Tensor, "new_empty", lambda *a, **k: nan(new(*a, **k)))


def agree(got: tuple[torch.Tensor, ...], expected: tuple[torch.Tensor, ...], what: str) -> None:
    for k, (a, b) in enumerate(zip(got, expected, strict=True)):
        assert a.shape == b.shape, (what, k)
        assert a.dtype == b.dtype, (what, k)
        if b.numel():
            scale = float(b.abs().max().clamp(min=1))
            assert torch.isfinite(b).all(), (what, k)
            error = float((a - b).abs().max())
            assert error <= TOLERANCE[b.dtype] * scale, (what, k, error)


def compare(case: Case, tensors: tuple[torch.Tensor, ...], steps: int, on_chip: bool = True) -> None:
    """Forward and reverse of both backends; ``on_chip`` says whether the fused kernels must have run."""
    state, fixed = case.split(tensors)
    launched = []
    launch = case.kernels._launch_planes
    case.kernels._launch_planes = lambda kernel, *a, **k: (launched.append(kernel), launch(kernel, *a, **k))
    try:
        out = case.kernels.evolve(state, fixed, steps)
        agree(out, case.reference.evolve(state, fixed, steps), "evolve")
        cotangents = tuple(torch.randn_like(x) for x in state)
        back = case.kernels.evolve_adjoint(cotangents, state, fixed, steps)
    finally:
        case.kernels._launch_planes = launch
    agree(back, case.in_blocks(case.reference.evolve_adjoint(cotangents, state, fixed, steps)), "evolve_adjoint")
    assert len(launched) == (2 if on_chip else 0)


@pytest.mark.parametrize("case", covering(SYSTEMS, words), indirect=True)
def test_every_system_agrees_with_the_reference(case: Case) -> None:
    *thin, whole = SIZES[case.rank]
    for size in thin:  # the interpreter takes its time for every sample and channel
        compare(case, case.tensors(size, **LEAST), steps=2)
    compare(case, case.tensors(whole), steps=3)
    compare(case, case.tensors(whole, torch.float32, **LEAST), steps=2)


@pytest.mark.parametrize("case", ["wave-periodic", "wave-zero", "driven-neumann"], indirect=True)
@pytest.mark.parametrize("size", [(15, 15), (33, 17)])
def test_odd_sizes(case: Case, size: tuple[int, int]) -> None:
    compare(case, case.tensors(size, batch=1, channels=2), steps=2)
    compare(case, case.tensors(size, torch.float32, batch=1, channels=1), steps=2)


@pytest.mark.parametrize("case", ["wave-zero", "rotating-2", "driven-periodic"], indirect=True)
def test_no_step_no_sample_and_strides(case: Case) -> None:
    compare(case, case.tensors((4, 3)), steps=0, on_chip=False)
    compare(case, case.tensors((4, 3), batch=0), steps=2, on_chip=False)
    turned = tuple(x.transpose(-1, -2) if x.dim() == 4 else x for x in case.tensors((3, 4)))
    assert not turned[0].is_contiguous()
    compare(case, turned, steps=1)


@pytest.mark.parametrize("case", ["rotating-2", "rotating-all", "rough-neumann"], indirect=True)
@pytest.mark.parametrize("channels", [1, 2, 3, 6, 8])
def test_groups_of_channels(case: Case, channels: int) -> None:
    """Blocks, a last block that is not full, one group of all channels."""
    if case.block and channels % case.block:
        case = Case(case.kernels, case.reference, case.inputs, case.state, case.rank, None)
    compare(case, case.tensors((3, 2), batch=2 if LONG else 1, channels=channels), steps=2)


@pytest.mark.parametrize("case", ["wave-neumann", "rotating-all"], indirect=True)
def test_planes_that_do_not_fit_take_a_kernel_for_each_part(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in ("MAX_SITES", "MAX_VALUES", "MAX_VALUES_REVERSE"):
        monkeypatch.setattr(case.kernels, limit, 15, raising=False)
    compare(case, case.tensors((4, 4), **LEAST), steps=2, on_chip=False)


@pytest.mark.parametrize("case", ["rotating-all"], indirect=True)
def test_many_coupled_channels_take_a_kernel_for_each_part(case: Case) -> None:
    channels = case.kernels.MAX_GROUP + 1
    compare(case, case.tensors((2, 2), batch=2 if LONG else 1, channels=channels), steps=1, on_chip=False)


@pytest.mark.parametrize("case", ["wave-zero", "rotating-2"], indirect=True)
def test_cotangents_are_the_same_bits_every_time(case: Case) -> None:
    state, fixed = case.split(case.tensors((5, 3), torch.float32, batch=3))
    runs = [case.kernels.evolve_adjoint(state, state, fixed, 3) for _ in range(2)]
    assert all(torch.equal(a, b) for a, b in zip(*runs, strict=True))


@pytest.mark.parametrize("case", ["wave-periodic", "rotating-2"], indirect=True)
def test_half_precision_is_stored_and_float32_computed(case: Case) -> None:
    tensors = case.tensors((4, 3), torch.bfloat16)
    state, fixed = case.split(tensors)
    wide = case.split(tuple(x.float() for x in tensors))
    got, expected = case.kernels.evolve(state, fixed, 2), case.reference.evolve(*wide, 2)
    for a, b in zip(got, expected, strict=True):
        assert a.dtype == torch.bfloat16
        torch.testing.assert_close(a.float(), b, rtol=2**-7, atol=2**-12)  # the interpreter cuts off, a GPU rounds
    back = case.kernels.evolve_adjoint(state, state, fixed, 2)
    for a, b in zip(back, case.in_blocks(case.reference.evolve_adjoint(wide[0], *wide, 2)), strict=True):
        torch.testing.assert_close(a.float(), b, rtol=2**-7, atol=2**-7 * float(b.abs().max()))


def test_gradients_through_the_layer() -> None:
    """gradcheck of the fused forward and reverse together, through the registered operators."""
    from tests.kernels.operators import fields, wave

    layer = wave(steps=2)
    assert torch.autograd.gradcheck(lambda *z: tuple(layer(*z)), fields((2, 3)), fast_mode=True)


SOLVES = {f"{solver}-{b}": (solver, b) for solver in ("cg", "monotone") for b in ("periodic", "zero", "neumann")}


@cache
def solver_package(name: str, folder: Path) -> ModuleType:
    solver, boundary = SOLVES[name]
    module = "chip_solve_" + name.replace("-", "_")
    return package(screened(boundary, solver), folder, module)


def problem(size: tuple[int, int], dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor, tuple[torch.Tensor, ...]]:
    shape = (2, 2, *size)
    kappa, m2 = (torch.rand(shape, dtype=torch.float64) + 0.5 for _ in range(2))
    kappa[0] *= 4  # an easy and a hard sample stop at different times
    b = torch.randn(shape, dtype=torch.float64)
    b[1, 0] = 0
    start = torch.zeros(shape, dtype=torch.float64)
    return b.to(dtype), start.to(dtype), (kappa.to(dtype), m2.to(dtype))


@pytest.mark.parametrize("name", SOLVES)
@pytest.mark.parametrize("size", [(1, 1), (1, 5), (6, 5)])
def test_solves(name: str, size: tuple[int, int], folder: Path) -> None:
    module = solver_package(name, folder)
    kernels = importlib.import_module(f"{module.__name__}.kernels")
    reference = importlib.import_module(f"{module.__name__}.reference")
    solver = SOLVES[name][0]
    b, start, fixed = problem(size, torch.float64)
    fixed = fixed if fixed_order(module) == ["kappa", "m2"] else fixed[::-1]
    for options in ((1e-6, 0.0, 400), (1e-6, 0.0, 3), (1e-3, 0.5, 400)):
        got = kernels.solve_linear(b, start, fixed, solver, *options)
        expected = reference.solve_linear(b, start, fixed, solver, *options)
        torch.testing.assert_close(got[0], expected[0], rtol=1e-10, atol=1e-10)
        assert torch.equal(got[1], expected[1])
        torch.testing.assert_close(got[2], expected[2], rtol=1e-3, atol=1e-13)
        assert torch.equal(got[3], expected[3])
    if size == (6, 5):
        assert len(set(kernels.solve_linear(b, start, fixed, solver, 1e-6, 0.0, 400)[1].tolist())) > 1


def fixed_order(module: ModuleType) -> list[str]:
    kernels = importlib.import_module(f"{module.__name__}.kernels")
    names = kernels.operator.__code__.co_varnames[: kernels.operator.__code__.co_argcount]
    return [n for n in names if n != "u"]


def test_a_solve_reports_what_it_could_not_do(folder: Path) -> None:
    """An operator that is not positive, and a tolerance beyond the precision, end and say so."""
    module = solver_package("cg-neumann", folder)
    kernels = importlib.import_module(f"{module.__name__}.kernels")
    reference = importlib.import_module(f"{module.__name__}.reference")
    for dtype, m2, rtol in ((torch.float64, -1.0, 1e-9), (torch.float32, 1.0, 1e-12)):
        b, start, (kappa, _) = problem((4, 4), dtype)
        given = {"kappa": kappa, "m2": torch.full_like(kappa, m2)}
        fixed = tuple(given[n] for n in fixed_order(module))
        _, _, _, status = kernels.solve_linear(b, start, fixed, "cg", rtol, 0.0, 300)
        assert torch.equal(status, reference.solve_linear(b, start, fixed, "cg", rtol, 0.0, 300)[3])
        assert status[0] == (kernels.reference.NOT_POSITIVE if m2 < 0 else kernels.reference.GAVE_UP)


def test_a_solve_of_a_plane_that_does_not_fit(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = solver_package("cg-zero", folder)
    kernels = importlib.import_module(f"{module.__name__}.kernels")
    b, start, fixed = problem((4, 3), torch.float64)
    expected = kernels.solve_linear(b, start, fixed, "cg", 1e-10, 0.0, 100)
    monkeypatch.setattr(kernels, "MAX_SITES", 11)
    monkeypatch.setattr(kernels, "_launch_planes", None)
    torch.testing.assert_close(kernels.solve_linear(b, start, fixed, "cg", 1e-10, 0.0, 100)[0], expected[0])
