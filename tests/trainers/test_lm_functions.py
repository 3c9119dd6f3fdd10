"""The causal sum of the language model, whose adjoint is written by hand, by differences."""

from __future__ import annotations

import torch

from trainers.lm_functions import causal_sum


def test_the_adjoint_of_a_causal_sum_is_the_quotient_of_differences() -> None:
    draw = torch.Generator().manual_seed(0)
    whole, weight = (torch.randn(*n, dtype=torch.float64, generator=draw) for n in ((2, 9, 5), (4, 5)))
    assert torch.autograd.gradcheck(causal_sum, (whole.requires_grad_(), weight.requires_grad_()))
