"""A call like the one before it takes a shorter way: never another result, and no error less."""

from __future__ import annotations

import copy
import io

import pytest
import torch

from generated.cifar import Cifar, cpu
from generated.coupled_wave import CoupledWave
from tests.kernels.modes import once

pytestmark = once  # kernels of the CPU


@pytest.fixture(autouse=True)
def compiler() -> None:
    if not cpu.available():
        pytest.skip("no C++ compiler")


def fields(*shape: int, dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, torch.Tensor]:
    made = torch.Generator().manual_seed(sum(shape))
    return torch.randn(*shape, generator=made).to(dtype), torch.randn(*shape, generator=made).to(dtype)


def frozen(**further: object) -> Cifar:
    """A frozen layer that has been called twice, by the short way the second time."""
    layer = Cifar(8, init={"B": torch.ones(8, 8).triu(1) - torch.ones(8, 8).tril(-1)}, **further).freeze()
    for _ in range(2):
        layer(*fields(2, 8, 6, 5))
    return layer


def anew(layer: Cifar, *given: torch.Tensor) -> Cifar.STATE:
    """The result of a layer that has not been called before."""
    fresh = Cifar(8, steps=layer.steps, dt=layer.dt, backend=layer.backend)
    fresh.load_state_dict(layer.state_dict())
    return fresh(*given)


def same(found: tuple[torch.Tensor, ...], expected: tuple[torch.Tensor, ...]) -> None:
    for x, y in zip(found, expected, strict=True):
        torch.testing.assert_close(x, y, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("rows", [1, 3, 8, 17])
def test_lengths_give_the_bits_of_the_long_way(rows: int, dtype: torch.dtype) -> None:
    layer, given = Cifar(8, dtype=dtype).freeze(), fields(2, 8, 3, rows, dtype=dtype)
    first = layer(*given)
    assert getattr(layer._before, "run", None) is not None
    for threads in (1, 2):
        torch.set_num_threads(threads)
        try:
            again = layer(*given)
        finally:
            torch.set_num_threads(1)
        assert all(torch.equal(x, y) for x, y in zip(first, again, strict=True))
    reference = Cifar(8, dtype=dtype, backend="torch")
    reference.load_state_dict(layer.state_dict())
    tolerance = 1e-5 if dtype == torch.float32 else 1e-12
    for x, y in zip(first, reference(*given), strict=True):
        torch.testing.assert_close(x, y, rtol=tolerance, atol=tolerance)


def test_settings_that_change_are_seen() -> None:
    layer, given = frozen(), fields(2, 8, 6, 5)
    for name, value in (("steps", 3), ("dt", 0.25), ("backend", "torch"), ("steps", 0)):
        setattr(layer, name, value)
        same(layer(*given), anew(layer, *given))
        same(layer(*given), anew(layer, *given))
    layer.dt = torch.tensor([0.1, 0.2])
    layer.steps = 2
    same(layer(*given), anew(layer, *given))


def test_parameters_that_change_are_seen() -> None:
    layer, given = frozen(), fields(2, 8, 6, 5)
    before = layer(*given)
    other = Cifar(8, init={"c1": 1.5})
    layer.load_state_dict(other.state_dict())
    same(layer(*given), other(*given))
    assert not torch.equal(layer(*given).phi, before.phi)
    layer.freeze(False)
    layer(*given)
    layer.c1 = 0.25
    assert not torch.equal(layer(*given).phi, other(*given).phi)
    same(layer(*given), anew(layer, *given))
    layer.double()
    wide = fields(2, 8, 6, 5, dtype=torch.float64)
    assert layer(*wide).phi.dtype == torch.float64


def test_what_is_kept_may_be_written_to_and_replaced() -> None:
    layer, given = frozen(), fields(2, 8, 6, 5)
    buffers = dict(layer.named_buffers())
    swapped = {name: x + 0.125 if name == "_kept_value_c1" else x for name, x in buffers.items()}
    found = torch.func.functional_call(layer, swapped, given)
    layer._buffers["_kept_value_c1"] += 0.125
    same(layer(*given), found)
    assert not torch.equal(found.phi, anew(layer, *given).phi)


def test_copies_and_saved_layers_begin_again() -> None:
    layer, given = frozen(), fields(2, 8, 6, 5)
    kept, file = copy.deepcopy(layer), io.BytesIO()
    torch.save(layer, file)
    file.seek(0)
    for other in (kept, torch.load(file, weights_only=False)):
        same(other(*given), layer(*given))
        other._buffers["_kept_value_m2"] += 1.0
        assert not torch.equal(other(*given).phi, layer(*given).phi)


def test_errors_are_those_of_a_first_call() -> None:
    layer, (phi, pi) = frozen(), fields(2, 8, 6, 5)
    for given, error in (
        ((phi.numpy(), pi), TypeError),
        ((phi[:, :4], pi[:, :4]), ValueError),
        ((phi, pi[:1]), ValueError),
        ((phi.int(), pi.int()), ValueError),
        ((None, pi), TypeError),
    ):
        with pytest.raises(error):
            layer(*given)
    with pytest.raises(ValueError, match="positive"):
        layer(phi, pi, dt=-1.0)
    same(layer(phi), layer(phi, torch.zeros_like(pi)))
    same(layer(phi.mT.contiguous().mT, pi), layer(phi, pi))


def test_kernels_that_are_switched_off_do_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    layer, given = frozen(), fields(2, 8, 6, 5)
    assert layer.last_backend == "cpu"
    expected = layer(*given)
    monkeypatch.setenv("METRIGEN_CPU_KERNELS", "0")
    same(layer(*given), expected)
    assert layer.last_backend == "torch"


@pytest.mark.parametrize("kind", [Cifar, CoupledWave])
def test_gradients_and_transforms_take_their_own_way(kind: type) -> None:
    layer, (phi, pi) = kind(8).freeze(), fields(2, 8, 6, 5)
    with torch.inference_mode():
        first = layer(phi, pi)
        layer(phi, pi)
    leaf = phi.clone().requires_grad_()
    layer(phi, pi)
    end = layer(leaf, pi)
    same([x.detach() for x in end], [x.clone() for x in first])
    (found,) = torch.autograd.grad(end.pi.sum(), leaf)
    expected = torch.func.grad(lambda x: layer(x, pi).pi.sum())(phi)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    layer.freeze(False)
    layer(phi, pi)
    loss = layer(phi, pi).phi.square().sum()
    assert all(x.isfinite().all() for x in torch.autograd.grad(loss, list(layer.parameters()), materialize_grads=True))


def test_results_that_nobody_uses_have_no_cotangent_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    adjoint, handed = cpu.evolve_readout_adjoint, []

    def run(grad: torch.Tensor, cotangents: tuple[torch.Tensor, ...], *given: object, **named: object) -> object:
        handed.extend(cotangents)
        return adjoint(grad, cotangents, *given, **named)

    monkeypatch.setattr(cpu, "evolve_readout_adjoint", run)
    layer, (phi, pi) = Cifar(8), fields(2, 8, 6, 5)
    _, read = layer.forward_readout(phi.requires_grad_(), pi)
    read.sum().backward()
    assert [set(x.stride()) for x in handed] == [{0}, {0}]  # one zero each
