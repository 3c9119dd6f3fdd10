"""T00 of a matrix memory: the energy of every token in the state that it finds, by hand in plain torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from metrigen import contract, derive, energy_density, stress_energy
from metrigen.errors import SpecError
from metrigen.programs import discretised
from tests.sequence.memories import ENERGIES, SURPRISE, S, given, j, k, made, one, q, started, v

NAMES = tuple(ENERGIES)
Given = Mapping[str, Tensor]


def squares(x: Tensor) -> Tensor:
    return (x**2).sum((-2, -1))


def along(x: Given, S: Tensor) -> Tensor:
    keys = torch.cat([x[n] for n in ("k", "j") if n in x], -1)
    return (keys[..., None] * S).sum(-2)


def surprise(x: Given, S: Tensor) -> Tensor:
    return x["beta"] * ((along(x, S) - x["v"]) ** 2).sum(-1) / 2


ENERGY: dict[str, Callable[[Given, Tensor, Any], Tensor]] = {
    "surprise": lambda x, S, layer: surprise(x, S),
    "both": lambda x, S, layer: surprise(x, S) + x["lam"] * squares(S) / 2 + layer.g.double() * (x["v"] ** 2).sum(-1),
    "faded": lambda x, S, layer: (x["fade"][..., None] * S**2 / 2).sum((-2, -1)) - (along(x, S) * x["v"]).sum(-1),
    "couple": lambda x, S, layer: surprise(x, S) + x["lam"] * squares(S) / 2,
    "spinning": lambda x, S, layer: squares(S) / 2,
}


def walked(layer: Any, name: str, inputs: Given, S: Tensor, reset: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What is read, energies and the last state, by the exponential of the generator of every token."""
    reads, energies = [], []
    for t in range(reset.numel()):
        x = {n: y[:, :, t] for n, y in inputs.items()}
        S = S * (1 - reset[t])
        energies.append(ENERGY[name](x, S, layer))
        S = after(x, S)
        query = torch.cat([x[n] for n in ("q", "p") if n in x], -1)
        reads.append((query[..., None] * S).sum(-2))
    return torch.stack(reads, 2), torch.stack(energies, 2), S


def after(x: Given, S: Tensor) -> Tensor:
    """The state after a token: half a turn, the exponential of what the metric lowers, half a turn."""
    rows = S.shape[-2]
    keys = torch.cat([x[n] for n in ("k", "j") if n in x], -1)
    strength = x["beta"][..., None] if "beta" in x else torch.ones_like(keys[..., :1])
    decay = torch.zeros_like(keys) + (x["lam"][..., None] if "lam" in x else 0.0) + x.get("fade", 0.0)
    A = -torch.diag_embed(decay)
    if "beta" in x:
        A = A - (strength * keys)[..., None] * keys[..., None, :]
    A = torch.cat(
        (
            torch.cat((A, (strength * keys)[..., None]), -1),
            torch.zeros_like(A[..., :1, :1].expand(*A.shape[:-2], 1, rows + 1)),
        ),
        -2,
    )
    E, half = (
        torch.linalg.matrix_exp(A),
        torch.polar(torch.ones_like(keys[..., : rows // 2]), -x["theta"] / 2) if "theta" in x else None,
    )
    S = turned(S, half)
    return turned((E @ torch.cat((S, x["v"][..., None, :]), -2))[..., :rows, :], half)


def turned(S: Tensor, half: Tensor | None) -> Tensor:
    if half is None:
        return S
    Z = torch.complex(*S.chunk(2, -2)) * half[..., None]
    return torch.cat((Z.real, Z.imag), -2)


@pytest.mark.parametrize("backend", ["torch", "auto"])
@pytest.mark.parametrize("name", NAMES)
def test_energies_and_gradients_are_those_by_hand(name: str, backend: str) -> None:
    """A stretch of tokens with a rest, and documents that start anew; by autograd, and by the operator."""
    layer = made(name, backend=backend)
    inputs, start = given(layer, length=40, size=0.7), [x.requires_grad_() for x in started(layer)]
    reset = (torch.arange(40) % 29 == 28).double()
    (read, energy), last = layer(**inputs, state=layer.STATE(*start), reset=reset)
    assert energy.shape == (2, 2, 40)
    found = read, energy, torch.cat(last, 2)
    wanted = walked(layer, name, inputs, torch.cat(start, 2), reset)
    weights = [torch.randn(x.shape, generator=torch.Generator().manual_seed(i)).double() for i, x in enumerate(found)]
    for x, y in zip(found, wanted, strict=True):
        assert (x - y).abs().max() <= 1e-10 * (1 + y.abs().max())
    leaves = [*start, *inputs.values(), *layer.parameters()]
    own, plain = (
        torch.autograd.grad(sum((x * w).sum() for x, w in zip(some, weights, strict=True)), leaves)
        for some in (found, wanted)
    )
    for x, y in zip(own, plain, strict=True):
        assert (x - y).abs().max() <= 1e-10 * (1 + y.abs().max())


@pytest.mark.parametrize("name", NAMES)
def test_one_by_one_and_what_a_layer_says_of_itself(name: str) -> None:
    layer = made(name)
    inputs, state = given(layer, length=5), started(layer)
    (_, energy), last = layer(**inputs, state=state)
    for t in range(5):
        (o, density), state = layer.step(state, **{n: x[:, :, t] for n, x in inputs.items()})
        assert o.shape == (2, 2, 3)
        torch.testing.assert_close(density, energy[:, :, t], rtol=1e-12, atol=1e-12)
    for x, y in zip(state, last, strict=True):
        torch.testing.assert_close(x, y, rtol=1e-12, atol=1e-12)
    none, _ = layer(**{n: x[:, :, :0] for n, x in inputs.items()}, state=state)
    assert [tuple(x.shape) for x in none] == [(2, 2, 0, 3), (2, 2, 0)]
    assert layer.READS == ("readout", "T00")
    assert layer.readout_channels == 2 * (3 + 1)
    half = layer(**{n: x.bfloat16() for n, x in inputs.items()})[0]
    assert [x.dtype for x in half] == [torch.bfloat16] * 2


def test_a_small_surprise_keeps_its_digits() -> None:
    """|k.S - v|^2/2 and not its terms apart, whose sum would lose them."""
    layer = made("surprise", channels=1, key=1, value=1, dtype=torch.float32)
    x = {n: torch.ones(1, 1, 1, *(1,) * len(axes)) for n, axes in layer.AXES.items()}
    (_, energy), _ = layer(**x, state=layer.STATE(torch.full((1, 1, 1, 1), 1 + 2.0**-20)))
    assert energy.item() == 2.0**-41


@pytest.mark.parametrize("name", ["surprise", "both", "couple"])
def test_a_token_lowers_its_own_energy(name: str) -> None:
    """The metric's flow descends: the same token once more finds less."""
    layer = made(name)
    inputs = {n: x.expand(-1, -1, 6, *x.shape[3:]) for n, x in given(layer, length=1, size=0.5).items()}
    (_, energy), _ = layer(**inputs, state=started(layer))
    assert (energy.diff(dim=2) < 0).all()


def test_second_derivatives() -> None:
    for backend in ("auto", "torch"):
        layer = made("both", channels=1, key=2, value=1, backend=backend)
        inputs = given(layer, 1, 2, size=0.7)
        run = lambda *x, names=list(inputs), layer=layer: layer(**dict(zip(names, x, strict=True)))[0]
        assert torch.autograd.gradgradcheck(run, tuple(inputs.values()), atol=1e-6)


BESIDE = contract(q, S), energy_density()
REFUSED = [
    ("no axis along which it flows", lambda: one("x", SURPRISE, readout=stress_energy())),
    ("has a query", lambda: one("x", SURPRISE, readout=energy_density())),
    ("has a query", lambda: one("x", SURPRISE, readout=(*BESIDE, energy_density()))),
    ("keep T matrices", lambda: one("x", SURPRISE, readout=None)),
    ("no sum over key", lambda: one("x", SURPRISE, readout=(contract(q, S) ** 2, energy_density()))),
    ("it holds", lambda: one("x", -contract(k, S) * v - contract(j, S) * v, readout=BESIDE)),
    ("summed over both axes", lambda: one("x", SURPRISE + k * v, readout=BESIDE)),
]  # fmt: skip


@pytest.mark.parametrize(("what", "make"), REFUSED, ids=[f"{i}: {what}" for i, (what, _) in enumerate(REFUSED)])
def test_refused_by_name(what: str, make: Any) -> None:
    with pytest.raises(SpecError, match="has no emitted form") as caught:
        discretised(derive(make()))
    assert what in str(caught.value.why)
    assert caught.value.fix
