"""Heads of matrix memory in a language model: what a byte writes under its key, and what its query reads.

A head keeps a matrix S, key x value. At byte t the text chooses a key k_t and a query q_t, both of length one, a value
v_t, how much of the value is written, beta_t >= 0, and how fast everything fades, lam_t >= 0. One byte is the exact
gradient flow of F = beta |k.S - v|^2/2 + lam |S|^2/2 (``generated/lm_memory``), and what is read is q.S, over its size
and gated:

    y = O (concat over heads of (q.S / rms(q.S)) * silu(Z u))

Key, query and value are short causal sums over the last TAPS bytes, a weight a channel: which bytes belong together is
seen before anything is written. Those sums are linear in the text and flows of no energy: they are the trainer's.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize, rms_norm, silu, softplus

from generated.lm_memory import LmMemory, LmMemoryState
from trainers.lm_functions import causal_sum
from trainers.lm_gpt import EPS, RMSNorm, linear

TAPS = 4  # bytes that a key, a query or a value is made of
TIMES = (8.0, 512.0)  # bytes in which a head forgets at the start of training, log-uniform


class CausalSum(nn.Module):
    """y_t = sum_i w_i x_(t-TAPS+1+i), each channel by itself: (B, T, N) and what came before -> the same, what to keep.

    channels   N
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        weight = torch.empty(TAPS, channels).uniform_(-0.1, 0.1) / math.sqrt(TAPS)
        weight[-1] += 1  # at the start of training nearly the last byte alone
        self.weight = nn.Parameter(weight)

    def forward(self, x: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
        """x (B, T, N), before (B, TAPS - 1, N) -> (B, T, N), (B, TAPS - 1, N)."""
        whole = torch.cat((before, x), dim=1)
        return causal_sum(whole, self.weight), whole[:, x.shape[1] :]


class Memory(nn.Module):
    """One layer of heads, (B, T, width) and what it held before -> what it adds, and what it holds then.

    width   of the text's features     heads   matrices     size   their rows and columns     scale   of what it adds
    """

    def __init__(self, width: int, heads: int, size: int, scale: float) -> None:
        super().__init__()
        self.heads, self.size, channels = heads, size, heads * size
        self.memory = LmMemory(heads, key=size, value=size)
        self.norm = RMSNorm(width)
        self.inputs = linear(width, 3 * channels)
        self.sum = CausalSum(3 * channels)
        self.rates = linear(width, 2 * heads, 0.5)
        low, high = (math.log(time) for time in TIMES)
        lam = torch.exp(-torch.empty(heads).uniform_(low, high))
        self.lam = nn.Parameter(lam.expm1().log())
        self.beta = nn.Parameter(torch.zeros(heads))
        self.gate = linear(width, channels)
        self.gain = nn.Parameter(torch.ones(size))
        self.output = linear(channels, width, scale)

    @property
    def parts(self) -> tuple[int, int]:
        """Numbers of the matrices, and of the bytes before that are kept."""
        return self.heads * self.size**2, 3 * self.heads * self.size * (TAPS - 1)

    def forward(self, x: Tensor, start: Tensor) -> tuple[Tensor, Tensor]:
        """x (B, T, width), start (B, sum of ``parts``) -> the same shapes."""
        u = self.norm(x)
        matrices, before = start.split(self.parts, dim=1)
        seen, kept = self.sum(self.inputs(u), before.unflatten(1, (-1, TAPS - 1)).mT)
        q, k, v = self.by_head(silu(seen))
        beta, lam = self.rates(u).mT.chunk(2, dim=1)
        read, end = self.memory(
            q=q, k=k, v=v,
            beta=softplus(beta + self.beta[:, None]), lam=softplus(lam + self.lam[:, None]),
            state=LmMemoryState(matrices.unflatten(1, (self.heads, self.size, self.size))),
        )  # fmt: skip
        said = rms_norm(read.transpose(1, 2), self.gain.shape, self.gain, EPS).flatten(2)
        after = torch.cat((end.S.flatten(1), kept.mT.flatten(1)), dim=1)
        return self.output(said * silu(self.gate(u))), after

    def by_head(self, seen: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries and keys of length one, and values: (B, T, 3 channels) -> three of (B, heads, T, size)."""
        both, v = seen.unflatten(2, (3 * self.heads, self.size)).split((2 * self.heads, self.heads), dim=2)
        q, k = normalize(both, dim=-1).chunk(2, dim=2)
        return q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
