"""The heads of memory of the language model, against what they are said to compute."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize, silu, softplus

from trainers.lm_memory import TAPS, CausalSum, Memory


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def memory(width: int = 10, heads: int = 2, size: int = 4) -> Memory:
    torch.manual_seed(0)
    return Memory(width, heads, size, 1.0).double()


def test_a_causal_sum_is_a_convolution_that_looks_back() -> None:
    torch.manual_seed(0)
    layer, x, before = CausalSum(3).double(), noise(2, 9, 3), noise(2, TAPS - 1, 3, seed=1)
    y, kept = layer(x, before)
    whole = torch.cat((before, x), dim=1)
    expected = torch.nn.functional.conv1d(whole.mT, layer.weight.T[:, None], groups=3).mT
    assert torch.allclose(y, expected, rtol=1e-12, atol=1e-12)
    assert torch.equal(kept, whole[:, -(TAPS - 1) :])


def test_a_share_of_what_is_missing_is_written_after_the_memory_has_faded() -> None:
    layer, x = memory(), noise(3, 7, 10)
    start = noise(3, sum(layer.parts), seed=2)
    y, end = layer(x, start)
    u = layer.norm(x)
    seen, _ = layer.sum(layer.inputs(u), start[:, layer.parts[0] :].unflatten(1, (-1, TAPS - 1)).mT)
    q, k, v = silu(seen).unflatten(2, (3, 2, 4)).permute(2, 0, 3, 1, 4)
    q, k = normalize(q, dim=-1), normalize(k, dim=-1)
    raw = layer.rates(u).mT
    beta, lam = softplus(raw[:, :2] + layer.beta[:, None]), softplus(raw[:, 2:] + layer.lam[:, None])
    S, read = start[:, : layer.parts[0]].unflatten(1, (2, 4, 4)), []
    for t in range(7):
        # dS/dt = -beta k (k.S - v) - lam S for a unit of time: along k a relaxation at the rate beta + lam
        along = torch.einsum("bhk,bhkv->bhv", k[:, :, t], S)
        rate, fade = (beta + lam)[:, :, t, None], torch.exp(-lam[:, :, t])[:, :, None, None]
        rest = beta[:, :, t, None] * v[:, :, t] / rate
        now = rest + torch.exp(-rate) * (along - rest)
        across = S - torch.einsum("bhk,bhv->bhkv", k[:, :, t], along)
        S = fade * across + torch.einsum("bhk,bhv->bhkv", k[:, :, t], now)
        read.append(torch.einsum("bhk,bhkv->bhv", q[:, :, t], S))
    said = torch.stack(read, dim=1)
    said = said * torch.rsqrt(said.square().mean(-1, keepdim=True) + 1e-6) * layer.gain
    expected = layer.output(said.flatten(2) * silu(layer.gate(u)))
    assert torch.allclose(y, expected, rtol=1e-9, atol=1e-10)
    assert torch.allclose(end[:, : layer.parts[0]], S.flatten(1), rtol=1e-9, atol=1e-10)


def test_what_it_holds_is_all_that_it_knows() -> None:
    layer, x = memory(), noise(2, 12, 10)
    start = noise(2, sum(layer.parts), seed=1)
    whole, end = layer(x, start)
    first, middle = layer(x[:, :2], start)  # fewer bytes than taps
    second, last = layer(x[:, 2:], middle)
    assert torch.allclose(torch.cat((first, second), dim=1), whole, rtol=1e-10, atol=1e-10)
    assert torch.allclose(last, end, rtol=1e-10, atol=1e-10)
