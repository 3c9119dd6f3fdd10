"""The baseline: a causal transformer of pre-normalised blocks, attention then a gated feed-forward layer.

RMS normalisation, rotary positions, normalised queries and keys, SwiGLU. What was tried beside it is in README.md.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import rms_norm, scaled_dot_product_attention, silu

EPS = 1e-6
HEAD = 0.1  # standard deviation of the last layer at the start
GAIN = 1.5  # of queries and keys at the start; one, not learned, keeps attention too flat


class RMSNorm(nn.Module):
    """x / rms(x) over the last axis, times a learned gain."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return rms_norm(x, self.gain.shape, self.gain, EPS)


def linear(inputs: int, outputs: int, scale: float = 1.0) -> nn.Linear:
    """Without bias; weights of standard deviation scale / sqrt(inputs)."""
    layer = nn.Linear(inputs, outputs, bias=False)
    nn.init.normal_(layer.weight, std=scale / math.sqrt(inputs))
    return layer


def rotate(x: Tensor, base: float = 10000.0) -> Tensor:
    """Rotary positions: the pair (i, i + n) of (..., T, 2 n) turns by t base^(-i/n)."""
    steps, half = x.shape[-2], x.shape[-1] // 2
    rate = base ** (-torch.arange(half, device=x.device) / half)
    angle = torch.arange(steps, device=x.device)[:, None] * rate
    a, b = x.chunk(2, dim=-1)
    cos, sin = angle.cos().to(x), angle.sin().to(x)
    return torch.cat((a * cos - b * sin, a * sin + b * cos), dim=-1)


class Attention(nn.Module):
    """Causal attention over the window, (B, T, width) -> the same."""

    def __init__(self, width: int, heads: int, scale: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm = RMSNorm(width)
        self.inputs = linear(width, 3 * width)
        self.gain_q, self.gain_k = (nn.Parameter(torch.full((width // heads,), GAIN)) for _ in range(2))
        self.output = linear(width, width, scale)

    def forward(self, x: Tensor) -> Tensor:
        parts = self.inputs(self.norm(x)).unflatten(-1, (3, self.heads, -1))
        q, k, v = parts.permute(2, 0, 3, 1, 4)  # (B, heads, T, width / heads)
        q, k = (rotate(rms_norm(z, g.shape, g, EPS)) for z, g in ((q, self.gain_q), (k, self.gain_k)))
        y = scaled_dot_product_attention(q, k, v, is_causal=True)
        result: Tensor = self.output(y.transpose(1, 2).flatten(-2))
        return result


class FeedForward(nn.Module):
    """SwiGLU: out(a * silu(b)) with a, b linear in the normalised input."""

    def __init__(self, width: int, hidden: int, scale: float) -> None:
        super().__init__()
        self.norm = RMSNorm(width)
        self.inputs = linear(width, 2 * hidden)
        self.output = linear(hidden, width, scale)

    def forward(self, x: Tensor) -> Tensor:
        a, b = self.inputs(self.norm(x)).chunk(2, dim=-1)
        result: Tensor = self.output(a * silu(b))
        return result


class GPT(nn.Module):
    """Byte-level language model with a window.

    width, layers, heads   of the transformer        hidden   of its feed-forward layers
    """

    carries = False  # what it saw before the window is gone

    def __init__(self, width: int, layers: int, heads: int, hidden: int) -> None:
        super().__init__()
        scale = 1 / math.sqrt(2 * layers)
        self.embedding = nn.Embedding(256, width)
        self.attention = nn.ModuleList(Attention(width, heads, scale) for _ in range(layers))
        self.feed_forward = nn.ModuleList(FeedForward(width, hidden, scale) for _ in range(layers))
        self.norm = RMSNorm(width)
        self.head = nn.Linear(width, 256, bias=False)
        nn.init.normal_(self.head.weight, std=HEAD)

    def forward(self, text: Tensor, state: None = None) -> tuple[Tensor, None]:
        """Bytes (B, T) int64 -> logits of the byte after each of them, (B, T, 256); there is no state to hand on."""
        x = self.embedding(text)
        for attention, feed_forward in zip(self.attention, self.feed_forward, strict=True):
            x = x + attention(x)
            x = x + feed_forward(x)
        return self.head(self.norm(x)), None
