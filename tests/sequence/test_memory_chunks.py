"""Chunks of tokens by matrix products against the recurrence, token by token: readouts, states and all gradients."""

from __future__ import annotations

from types import ModuleType

import pytest
import torch
from torch import Tensor

from tests.gallery.layers import near
from tests.sequence.memories import given, made, package_of, started

# Rank one with a decay; without one, and what its energy finds; writes alone.
NAMES = "exact", "surprise", "fading"
LONG = 1100  # more than a span, with a rest of a chunk


def walked(name: str, chunk: int, backend: str, monkeypatch: pytest.MonkeyPatch, size: float = 0.7) -> list[Tensor]:
    """What is read, the last state and gradients, with resets; of a reference that has chunks of so many tokens."""
    layer = made(name, channels=1, key=3, value=2, backend=backend)
    monkeypatch.setattr(reference_of(name), "CHUNK", chunk)
    inputs = given(layer, batch=1, length=LONG, size=size)
    start = [x.requires_grad_() for x in started(layer, batch=1)]
    read, last = layer(**inputs, state=layer.STATE(*start), reset=torch.arange(LONG) % 97 == 96)
    found = [*(read if isinstance(read, tuple) else (read,)), *last]
    draw = torch.Generator().manual_seed(4)
    loss = sum((x * torch.randn(x.shape, generator=draw).double()).sum() for x in found)
    return [*found, *torch.autograd.grad(loss, [*start, *inputs.values(), *layer.parameters()])]


def reference_of(name: str) -> ModuleType:
    return package_of(name).module.reference


@pytest.mark.parametrize("name", NAMES)
def test_chunks_are_the_recurrence(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for, and where there are no kernels; with tokens after which the state is zero."""
    wanted = walked(name, 2 * LONG, "torch", monkeypatch)
    for backend in ("torch", "auto"):
        for x, y in zip(walked(name, 64, backend, monkeypatch), wanted, strict=True):
            near(x.detach(), y.detach(), 1e-10 * float(1 + y.detach().abs().max()))


def test_the_operator_goes_through_chunks_and_back_by_tokens() -> None:
    """As torch.compile calls it, with hooks on what is saved."""
    layer, operator = made("exact"), package_of("exact").module.operators.scan
    inputs = {n: x.detach() for n, x in given(layer, length=100).items()}
    coefficients = layer._coefficients(layer._taken(False, **inputs)[0], None)
    leaves = [x.requires_grad_() for x in (*started(layer), *coefficients)]
    with torch.autograd.graph.save_on_cpu():
        found, wanted = (run(*leaves)[:2] for run in (operator, reference_of("exact").scan))
        grads = [torch.autograd.grad(sum((x**2).sum() for x in some), leaves) for some in (found, wanted)]
    for x, y in zip((*found, *grads[0]), (*wanted, *grads[1]), strict=True):
        near(x.detach(), y.detach(), 1e-10 * float(1 + y.detach().abs().max()))


@pytest.mark.parametrize("size", [1e-9, 30.0])
def test_chunks_of_tokens_that_keep_all_or_nothing(size: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Decays that are lost beside one, and that underflow to zero."""
    wanted = walked("exact", 2 * LONG, "torch", monkeypatch, size)
    for x, y in zip(walked("exact", 64, "torch", monkeypatch, size), wanted, strict=True):
        near(x.detach(), y.detach(), 1e-10 * float(1 + y.detach().abs().max()))


def test_documents_in_a_chunk_are_apart() -> None:
    """No gradient at all goes over a reset, and nothing later is looked at."""
    layer = made("exact", backend="torch")
    inputs = given(layer, length=100)
    reset = torch.arange(100) == 40
    read, _ = layer(**inputs, reset=reset)
    alone, _ = layer(**{n: x[:, :, 40:] for n, x in inputs.items()})
    torch.testing.assert_close(read[:, :, 40:], alone, rtol=1e-12, atol=1e-12)
    grads = torch.autograd.grad(read[:, :, 70].sum(), list(inputs.values()))
    for x in grads:
        assert (x[:, :, :40] == 0).all()
        assert (x[:, :, 71:] == 0).all()
    assert any((x[:, :, 40] != 0).any() for x in grads)


def test_second_derivatives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference_of("exact"), "CHUNK", 2)
    monkeypatch.setattr(reference_of("exact"), "SPAN", 4)
    for backend in ("auto", "torch"):
        layer = made("exact", channels=1, key=2, value=1, backend=backend)
        inputs = given(layer, 1, 5, size=0.7)
        run = lambda *x, names=list(inputs), layer=layer: layer(**dict(zip(names, x, strict=True)))[0]
        assert torch.autograd.gradgradcheck(run, tuple(inputs.values()), atol=1e-6)


def test_the_chunks_keep_no_state_of_a_token() -> None:
    """What autograd saves of T tokens is a part of T matrices (key, value)."""
    layer = made("exact", channels=1, key=32, value=32, backend="torch")
    saved: dict[int, int] = {}

    def keep(x: Tensor) -> Tensor:
        saved[x.untyped_storage().data_ptr()] = x.untyped_storage().nbytes() // x.element_size()
        return x

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        layer(**given(layer, batch=1, length=2048))
    assert sum(saved.values()) < 2048 * 32 * 32 / 2
