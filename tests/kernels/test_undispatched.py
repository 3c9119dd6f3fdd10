"""Operators past torch's dispatcher: the same bits, and the operator itself where somebody listens or hands in no plain
tensor."""

from __future__ import annotations

import importlib
import os
from types import ModuleType

import pytest
import sympy as sp
import torch
from torch.fx.experimental.proxy_tensor import make_fx
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from metrigen import Field, Lattice, Leapfrog, Param, System, energy_density, t
from tests.lattice.emitted import layer_class, package

pytestmark = pytest.mark.skipif(
    os.environ.get("TRITON_INTERPRET") == "1", reason="operators on the CPU run the Triton kernels here"
)

POINT = Lattice()
Tensors = tuple[torch.Tensor, ...]


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    q, w = Field("q", POINT), Param("w", per="channel", positive=True, init=0.7)
    system = System(
        "swing", POINT, lagrangian=q.diff(t) ** 2 / 2 + w * sp.cos(q), integrator=Leapfrog(steps=3, dt=0.1),
        readout=energy_density(),
    )  # fmt: skip
    found = package(system, tmp_path_factory.mktemp("swing"), "swing")
    if not importlib.import_module(f"{found.__name__}.cpu").available():
        pytest.skip("no C++ compiler")
    return found


def state(requires_grad: bool = True) -> Tensors:
    torch.manual_seed(0)
    return tuple(torch.randn(5, 3, dtype=torch.float64).requires_grad_(requires_grad) for _ in range(2))


def layer_of(module: ModuleType) -> torch.nn.Module:
    return layer_class(module)(3).double()


def results(layer: torch.nn.Module) -> Tensors:
    """A state, a readout, both at once, and all gradients."""
    given = state()
    end = layer(*given)
    again, read = layer.forward_readout(*given)
    values = (*end, layer.readout(end), *again, read)
    loss = sum(x.sin().sum() for x in values)
    return (*values, *torch.autograd.grad(loss, (*given, *layer.parameters())))


def test_same_bits_as_the_operators(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    layer = layer_of(module)
    short = results(layer)
    assert layer(*state()).q.grad_fn.name().endswith("evolveBackward")
    monkeypatch.setattr(module.base, "_quiet", lambda: False)
    long = results(layer)
    assert layer(*state()).q.grad_fn.name().startswith("GeneratedBackwardFor")
    assert all(torch.equal(a, b) for a, b in zip(short, long, strict=True))


class Operators(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        self.seen.append(str(func))
        return func(*args, **(kwargs or {}))


class Functions(TorchFunctionMode):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_function__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        self.seen.append(str(func))
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("mode", [Operators, Functions])
def test_modes_see_the_operators(module: ModuleType, mode: type) -> None:
    layer = layer_of(module)
    with mode() as found:
        layer(*state()).q.sum().backward()
    assert any("_evolve." in name or name.endswith("_evolve") for name in found.seen), found.seen


def test_profilers_see_the_operators(module: ModuleType) -> None:
    layer = layer_of(module)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        layer(*state()).q.sum().backward()
    names = {event.name for event in profile.events()}
    assert {"evolve", "evolve_adjoint"} <= {n.partition("swing_")[2].partition("_")[2] for n in names if "::" in n}


def test_tracers_keep_the_operators(module: ModuleType) -> None:
    layer = layer_of(module).requires_grad_(False)
    given, other = state(False), tuple(2 * x for x in state(False))
    for trace in (lambda run: make_fx(run)(*given), lambda run: torch.jit.trace(run, given)):
        traced = trace(lambda *x: layer(*x).q)
        assert "_evolve" in str(traced.graph)
        assert torch.equal(traced(*other), layer(*other).q)


def test_what_is_not_its_numbers(module: ModuleType) -> None:
    """A view of the negative, and a zero that has no memory: read as what they stand for."""
    layer = layer_of(module)
    q, p = state(False)
    turned = torch._neg_view(-q)
    assert turned.is_neg()
    assert turned.is_contiguous()
    assert torch.equal(turned, q)
    assert torch.equal(layer(turned, p).q, layer(q, p).q)
    names = ("dt", "w") if module.cpu.FIXED[0][0] == "dt" else ("w", "dt")
    fixed = [{"dt": torch.tensor(0.1, dtype=torch.float64), "w": layer.w.detach()}[n] for n in names]
    nothing = torch._efficientzerotensor(5, 3, dtype=torch.float64)
    flowed = [module.module._run_evolve_adjoint(x, p, q, p, *fixed, 3) for x in (nothing, torch.zeros_like(q))]
    assert all(torch.equal(a, b) for a, b in zip(*flowed, strict=True))


def test_a_subclass_sees_the_operators(module: ModuleType) -> None:
    layer, seen = layer_of(module), []

    class Own(torch.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            seen.append(str(func))
            return super().__torch_function__(func, types, args, kwargs)

    assert isinstance(layer(state(False)[0].as_subclass(Own), state(False)[1]).q, Own)
    assert any("_evolve" in name for name in seen)


def test_hooks_and_inference(module: ModuleType) -> None:
    """Hooks on saved tensors see what is kept; without gradients nothing is."""
    layer, given = layer_of(module), state()
    expected, packed = layer(*given).q, []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: packed.append(x) or x, lambda x: x):
        layer(*given)
    assert any(x is given[0] for x in packed)
    with torch.inference_mode():
        assert torch.equal(layer(*given).q, expected)


def test_the_checks_are_made(module: ModuleType) -> None:
    q, p = state(False)
    w, dt = torch.ones(3, dtype=torch.float64), torch.tensor(0.1, dtype=torch.float64)
    fixed = {"dt": dt, "w": w}
    names = [n for n, _ in module.cpu.FIXED]
    for wrong in ({"w": w[:2]}, {"dt": dt.float()}):
        with pytest.raises(ValueError, match=r"a tensor (has shape|is)"):
            module.module._run_evolve(q, p, *[{**fixed, **wrong}[n] for n in names], 3)


def test_results_are_memory_of_their_own(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    layer = layer_of(module)
    layer.steps = 0
    for kernels in ("1", "0"):
        monkeypatch.setenv("METRIGEN_CPU_KERNELS", kernels)
        q, p = state(False)
        end = layer(q, p)
        end.q.add_(1)
        assert torch.equal(end.q, q + 1)


def test_gradients_of_several_losses_at_once(module: ModuleType) -> None:
    """vmap of the way back goes as with the operator."""
    layer = layer_of(module)
    q, p = state()
    end = layer(q, p).q
    each = torch.eye(15, dtype=torch.float64).reshape(15, 5, 3)
    (together,) = torch.autograd.grad(end, q, each, is_grads_batched=True, retain_graph=True)
    alone = torch.stack([torch.autograd.grad(end, q, x, retain_graph=True)[0] for x in each])
    torch.testing.assert_close(together, alone)
