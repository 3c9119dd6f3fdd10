"""Operators called beside the dispatcher of torch: the same bits, and whoever looks on still sees them."""

from __future__ import annotations

import importlib
import inspect
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from tests.kernels.modes import once

package = importlib.import_module("generated.cifar")
operators: ModuleType = package.operators
pytestmark = once


@pytest.fixture(autouse=True)
def compiler() -> None:
    if not package.cpu.available():
        pytest.skip("no C++ compiler")


def given() -> tuple[Tensor, ...]:
    layer = package.Cifar(8, backend="cpu")
    torch.manual_seed(0)
    phi, pi = torch.randn(2, 2, 8, 6, 5)
    with torch.no_grad():
        return (phi, pi, *layer._fixed(layer._step_like(phi), phi))


def seen(run: Any) -> bool:
    """Whether a mode sees the operator inside of ``run``."""
    names = []

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            names.append(str(func))
            return func(*args, **(kwargs or {}))

    with Watch():
        run()
    return any("evolve" in name for name in names)


def gradients(evolve: Any, arrays: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The states, the gradients of all arrays, and those of a function of these."""
    leaves = [x.clone().requires_grad_() for x in arrays]
    phi, pi = evolve(*leaves, 3)
    first = torch.autograd.grad(phi.square().sum() + pi.sum(), leaves, create_graph=True)
    second = torch.autograd.grad(sum(x.square().sum() for x in first), leaves)
    return (phi, pi, *first, *second)


def test_the_same_bits_with_gradients_of_both_orders() -> None:
    arrays = given()
    through = gradients(operators.OPERATORS.registered["evolve"], arrays)
    found = gradients(operators.evolve, arrays)
    assert "metrigen" in found[0].grad_fn.name()
    for one, other in zip(found, through, strict=True):
        assert torch.equal(one, other)
    with torch.inference_mode():
        for one, other in zip(operators.evolve(*given(), 3), through[:2], strict=True):
            assert torch.equal(one, other)


def test_the_dispatcher_is_left_out_where_nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    arrays, calls = given(), []
    new = package.cpu._new
    monkeypatch.setattr(package.cpu, "_new", lambda *x: (calls.append(depth()), new(*x))[1])
    operators.evolve(*arrays, 1)
    operators.OPERATORS.registered["evolve"](*arrays, 1)
    assert calls[0] < calls[-1]


def depth() -> int:
    """Frames of Python below this one."""
    return len(inspect.stack())


def test_modes_profilers_and_lazy_signs_go_through_it() -> None:
    arrays = given()
    assert seen(lambda: operators.evolve(*arrays, 1))
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as record:
        operators.evolve(*arrays, 1)
    assert any("evolve" in event.key for event in record.key_averages())
    lazy = torch._neg_view(arrays[0])
    for one, other in zip(
        operators.evolve(lazy, *arrays[1:], 2), operators.evolve(-arrays[0], *arrays[1:], 2), strict=True
    ):
        assert torch.equal(one, other)
