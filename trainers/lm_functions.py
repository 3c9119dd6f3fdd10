"""What the language models compute at every byte in many small operations, each here with its adjoint by hand.

Autograd would keep every step of these formulas and go back through each by operations of its own, most of which move as
much memory as they compute. All of them take tensors of any floating-point dtype, and are differentiated once.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


class _Normalised(torch.autograd.Function):
    """y = x r gain with r = 1/sqrt(sum of x^2 / divisor + eps): x, gain, divisor, eps -> y."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, gain: Tensor | None, divisor: float, eps: float) -> Tensor:
        rate = torch.linalg.vector_norm(x, dim=-1, keepdim=True).square_().div_(divisor).add_(eps).rsqrt_()
        unit = x * rate
        ctx.save_for_backward(unit, rate, gain)
        ctx.divisor = divisor
        return unit if gain is None else unit * gain

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor | None, None, None]:
        unit, rate, gain = ctx.saved_tensors
        along = grad * unit
        if gain is None:
            return along_line(grad, unit, along, rate, ctx.divisor), None, None, None
        own = along.flatten(0, -2).sum(0)
        return along_line(grad * gain, unit, along.mul_(gain), rate, ctx.divisor), own, None, None


def along_line(grad: Tensor, unit: Tensor, along: Tensor, rate: Tensor, divisor: float) -> Tensor:
    """rate (grad - unit sum(along) / divisor)."""
    return torch.addcmul(grad, unit, along.sum(-1, keepdim=True), value=-1.0 / divisor).mul_(rate)


def rms_normalised(x: Tensor, gain: Tensor | None, eps: float, count: int | None = None) -> Tensor:
    """x / sqrt(sum of x^2 / count + eps) along the last axis, times a gain: (..., N), (N,) -> (..., N); count = N."""
    result: Tensor = _Normalised.apply(x, gain, float(count or x.shape[-1]), eps)
    return result


def unit_vectors(x: Tensor, eps: float = 1e-24) -> Tensor:
    """x / |x| along the last axis, as x / sqrt(|x|^2 + eps): (..., N) -> (..., N)."""
    result: Tensor = _Normalised.apply(x, None, 1.0, eps)
    return result


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
    result: Tensor = _CausalSum.apply(whole, weight)
    return result


class _Pairs(torch.autograd.Function):
    """The four parts of (B, T + 1, 4 K): of the first two all but the first token, of the others all but the last."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, ...]:
        ctx.shape = x.shape
        parts = x.chunk(4, dim=-1)
        return tuple(
            part[:, 1 - i // 2 : x.shape[1] - i // 2].flatten(0, 1).contiguous() for i, part in enumerate(parts)
        )

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        whole = grads[0].new_empty(ctx.shape)
        half, length = ctx.shape[-1] // 2, ctx.shape[1]
        whole[:, 0, :half], whole[:, -1, half:] = 0.0, 0.0
        for i, (part, grad) in enumerate(zip(whole.chunk(4, dim=-1), grads, strict=True)):
            part[:, 1 - i // 2 : length - i // 2] = grad.unflatten(0, (-1, length - 1))
        return whole


def now_and_before(x: Tensor) -> tuple[Tensor, ...]:
    """w_q, w_p, v_q, v_p side by side, of the token before the first and of all tokens -> w at every token and v at the
    one before: (B, T + 1, 4 K) -> four of (B T, K)."""
    result: tuple[Tensor, ...] = _Pairs.apply(x)
    return result
