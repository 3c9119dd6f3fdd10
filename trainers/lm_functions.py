"""A causal sum of channels with its adjoint by hand: autograd would keep a product a tap and go back by copies."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


class _CausalSum(torch.autograd.Function):
    """y_t = sum_i w_i x_(t+i): (B, T + TAPS - 1, N), (TAPS, N) -> (B, T, N)."""

    @staticmethod
    def forward(ctx: Any, whole: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(whole, weight)
        length = whole.shape[1] - len(weight) + 1
        total = whole[:, :length] * weight[0]
        for i in range(1, len(weight)):
            total.addcmul_(whole[:, i : i + length], weight[i])
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        whole, weight = ctx.saved_tensors
        length, back = grad.shape[1], torch.zeros_like(whole)
        own = torch.empty_like(weight)
        for i, w in enumerate(weight):
            back[:, i : i + length].addcmul_(grad, w)
            torch.sum(grad * whole[:, i : i + length], (0, 1), out=own[i])
        return back, own


def causal_sum(whole: Tensor, weight: Tensor) -> Tensor:
    """y_t = sum_i w_i x_(t+i), each channel by itself: (B, T + TAPS - 1, N), (TAPS, N) -> (B, T, N)."""
    result: Tensor = _CausalSum.apply(whole, weight)  # type: ignore[no-untyped-call]
    return result
