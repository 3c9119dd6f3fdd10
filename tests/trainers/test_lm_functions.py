"""The parts of the language models whose adjoints are written by hand: against torch's own, and by differences."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize, rms_norm

from trainers.lm_functions import causal_sum, now_and_before, rms_normalised, unit_vectors


def noise(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=torch.float64, generator=generator).requires_grad_()


def test_normalisations_are_those_of_torch() -> None:
    x, gain = noise(2, 3, 5), noise(5, seed=1)
    assert torch.allclose(rms_normalised(x, gain, 1e-3), rms_norm(x, (5,), gain, 1e-3), rtol=1e-12, atol=0)
    assert torch.allclose(unit_vectors(x), normalize(x, dim=-1), rtol=1e-12, atol=0)
    assert torch.equal(unit_vectors(torch.zeros(2, 5)), torch.zeros(2, 5))


def test_of_pairs_the_later_half_is_one_token_behind() -> None:
    x = noise(2, 4, 8)
    parts = [part.reshape(6, 2) for part in (x[:, 1:, :2], x[:, 1:, 2:4], x[:, :-1, 4:6], x[:, :-1, 6:])]
    assert all(map(torch.equal, now_and_before(x), parts))


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (lambda x, gain: rms_normalised(x, gain, 1e-2), (noise(2, 3, 5), noise(5, seed=1))),
        (lambda x: rms_normalised(x, None, 1e-2, 3), (noise(2, 6),)),
        (lambda x: unit_vectors(x.mT), (noise(2, 5, 3),)),
        (causal_sum, (noise(2, 9, 5), noise(4, 5, seed=1))),
        (now_and_before, (noise(2, 4, 8),)),
    ],
)
def test_adjoints_are_the_quotients_of_differences(
    function: Callable[..., object], arguments: tuple[Tensor, ...]
) -> None:
    assert torch.autograd.gradcheck(function, arguments)
