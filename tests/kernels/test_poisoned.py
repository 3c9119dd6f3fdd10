"""With METRIGEN_CHECK=1 results of Triton kernels hold NaN until they are written, and lie in the midst of NaN: every
number of a result is written, nothing beside it is, and no number beside an input gets into one.

At odd sizes, with whole planes on chip and with a kernel for each part of a step, in Triton's interpreter.
"""

from __future__ import annotations

import importlib
import inspect
import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor

triton = pytest.importorskip("triton")
from tests.kept import files_of  # noqa: E402
from tests.kernels.ladder import STILL, results, system  # noqa: E402
from tests.lattice.emitted import arrays_of, layer_class, package  # noqa: E402
from tests.sequence.coupled import COUPLED  # noqa: E402
from tests.sequence.systems import isotropic  # noqa: E402

pytestmark = [
    pytest.mark.covering,
    pytest.mark.skipif(not triton.knobs.runtime.interpret, reason="kernels run in the interpreter"),
]
MARGIN = 4096
WHOLE, PARTS = {}, {"MAX_SITES": 0, "MAX_VALUES": 0, "MAX_VALUES_REVERSE": 0}
CASES = {
    "strang-zero-1": ((1,), (17,)), "strang-neumann-2": ((5, 3),), "strang-periodic-2": ((3, 7),),
    "explicit-zero-2": ((3, 5),), "steady-zero-2": ((5, 3),), "monotone-neumann-2": ((3, 1),),
}  # fmt: skip


@pytest.fixture(autouse=True)
def poisoned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METRIGEN_CHECK", "1")


def guarded(x: Tensor) -> Tensor:
    """The same numbers in the midst of NaN."""
    around = x.new_full((2 * MARGIN + x.numel(),), math.nan)
    inner = around[MARGIN : MARGIN + x.numel()].view(x.shape)
    return inner.copy_(x).requires_grad_()


class Watched:
    """The kernels of a package, and the memory that they asked for."""

    def __init__(self, made: ModuleType, monkeypatch: pytest.MonkeyPatch, **limits: int) -> None:
        self.kernels, self.asked = importlib.import_module(f"{made.__name__}.kernels"), []  # type: ignore[var-annotated]
        self.kernels.checking.cache_clear()
        new = self.kernels._new
        monkeypatch.setattr(self.kernels, "_new", lambda *a, **k: self.asked.append(new(*a, **k)) or self.asked[-1])
        for name, value in limits.items():
            monkeypatch.setattr(self.kernels, name, value, raising=False)

    def wrong(self) -> list[str]:
        """What was not written, and what was written beside."""
        assert self.asked, "nothing ran"
        return list(self._wrong())

    def _wrong(self) -> Iterator[str]:
        for k, x in enumerate(self.asked):
            whole = torch.empty(0, dtype=x.dtype).set_(x.untyped_storage())
            assert whole.numel() == 2 * MARGIN + x.numel()
            if not torch.isfinite(x).all():
                yield f"result {k}: {int((~torch.isfinite(x)).sum())} numbers of {tuple(x.shape)} are not written"
            if not (whole[:MARGIN].isnan().all() and whole[MARGIN + x.numel() :].isnan().all()):
                yield f"result {k}: written beside {tuple(x.shape)}"


def fields(layer: torch.nn.Module, shape: tuple[int, ...]) -> dict[str, Tensor]:
    names = arrays_of(layer)
    made = {n: 0.4 * torch.randn(2, 2, *shape, dtype=torch.float64) for n in names}
    return {n: guarded(x.abs() + 0.5 if n == "kappa" else x) for n, x in made.items()}


def compare(made: ModuleType, shape: tuple[int, ...], still: bool, asked: bool = False) -> None:
    """``asked``: a gradient flows into the time step too."""
    options = {} if still else {"steps": 2}
    ours, truth = (layer_class(made)(2, backend=b, **options).double() for b in ("triton", "torch"))
    for layer in (ours, truth) if asked else ():
        layer.dt = torch.tensor(layer.dt, dtype=torch.float64, requires_grad=True)
    given = fields(ours, shape)
    got, expected = results(ours, given, True), results(truth, given, True)
    for name, right in expected.items():
        torch.testing.assert_close(got[name], right, rtol=1e-8, atol=1e-9, msg=lambda m, name=name: f"{name}: {m}")


# By parts a solve is many launches, each of which the interpreter walks through.
RUNS = [(case, limits) for case in CASES for limits in (WHOLE, PARTS) if "monotone" not in case or limits is WHOLE]


@pytest.mark.parametrize(("case", "limits"), RUNS, ids=[f"{c}-{'parts' if at else 'whole'}" for c, at in RUNS])
def test_fields(case: str, limits: dict[str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    method, wall, rank = case.split("-")
    made = package(system(method, wall, int(rank)), tmp_path, f"poisoned_{method}_{wall}_{rank}")
    watched = Watched(made, monkeypatch, **limits)
    for shape in CASES[case]:
        compare(made, shape, method in STILL)  # what is not asked for may hold NaN, which reaches no result
    free = getattr(layer_class(made), "FREE", False)
    if free:
        watched.asked.clear()
        for shape in CASES[case]:
            compare(made, shape, False, asked=True)
    assert not watched.wrong()


SEQUENCES = {"alone": isotropic(), "coupled": COUPLED["each"]}


@pytest.mark.parametrize("name", SEQUENCES)
def test_sequences(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens that end within a chunk, and channels within a block of lanes."""
    made = package(SEQUENCES[name], tmp_path, f"poisoned_sequence_{name}")
    watched = Watched(made, monkeypatch, CHUNK=4)
    ours, truth = (layer_class(made)(3, backend=b).double() for b in ("triton", "torch"))
    truth.load_state_dict(ours.state_dict())
    names = inspect.signature(ours.forward).parameters
    given = {}
    for n, p in names.items():
        if p.default is inspect.Parameter.empty or p.kind is p.POSITIONAL_OR_KEYWORD:
            given[n] = guarded(torch.rand(2, 3, 9, dtype=torch.float64) * 0.4 + 0.3)
    found = []
    for layer in (ours, truth):
        state = layer(**given)
        out = [*state, layer.readout(state)]
        leaves = [*given.values(), *layer.parameters()]
        found.append([*out, *torch.autograd.grad(sum(x.sin().sum() for x in out), leaves)])
    for k, (a, b) in enumerate(zip(*found, strict=True)):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10, msg=lambda m, k=k: f"{k}: {m}")
    assert not watched.wrong()


FAULTS = {
    "written beside": ("mask=ok)", "mask=at < N + 3)"),
    "not written": ("mask=ok)", "mask=ok & (at > 0))"),
}


@pytest.mark.parametrize("told", FAULTS)
def test_a_planted_fault_is_found(told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first store of a step, with another mask."""
    name = "planted_" + told.replace(" ", "_")
    target = tmp_path / name
    target.mkdir()
    for file, text in files_of(replace(system("strang", "neumann", 2), name="poisoned_strang_neumann_2")).items():
        (target / file).write_text(text)
    right, wrong = FAULTS[told]
    text = (target / "kernels.py").read_text()
    head, store, rest = text.partition("    tl.store(")
    assert right in rest
    (target / "kernels.py").write_text(head + store + rest.replace(right, wrong, 1))
    monkeypatch.syspath_prepend(str(tmp_path))
    made = importlib.import_module(name)
    watched = Watched(made, monkeypatch, **PARTS)
    layer = layer_class(made)(2, backend="triton", steps=1).double()
    # The layer itself, which looks at its results, may see it first.
    with torch.no_grad(), suppress(FloatingPointError):
        layer(**fields(layer, (5, 3)))
    assert any(told in line for line in watched.wrong())
