"""A causal language model of damped oscillators whose configuration the text sets, read by their stress-energy.

A layer holds C oscillators, s = q + i p. At token t the text u_t chooses phase theta_t, damping lam_t >= 0 and rest
position f_t, and the oscillators move exactly for one unit of time (``generated/lm``):

    s_t = f_t + E_t (s_{t-1} - f_t),    E_t = exp(-lam_t + i theta_t),    |E_t| <= 1

What the layer says is read from the energy and the currents of two neighbouring tokens, z = s / rms(s):

    E = |z_t|^2 / 2    J = Im z_t conj(z_{t-1})    M = Re z_t conj(z_{t-1})

    y = O (W [q, p, E, J, M] * silu(Z u))

The state after a text of any length is one complex number an oscillator: generation costs the same at every byte, and
training hands the state on from window to window of a stream.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import silu, softplus

from trainers.lm_gpt import RMSNorm, linear

EPS = 1e-6
TIMES = (0.5, 32.0)  # of decay at the start of training, in tokens, log-uniform
UNDAMPED = 1e-4  # lam of the ablation without damping


@dataclass(frozen=True)
class Physics:
    """What an ablation takes away.

    readout    E, J and M are read as well as q and p
    rotation   theta is free; without it zero
    damping    lam is free; without it UNDAMPED
    """

    readout: bool = True
    rotation: bool = True
    damping: bool = True


class Scan(torch.autograd.Function):
    """s_t = E_t s_{t-1} + d_t over (T, B, C) complex."""

    @staticmethod
    def forward(ctx, E, d, start):
        s, before = torch.empty_like(d), start
        for t in range(len(E)):
            before = torch.addcmul(d[t], E[t], before, out=s[t])
        ctx.save_for_backward(E, s, start)
        return s

    @staticmethod
    def backward(ctx, grad):
        E, s, start = ctx.saved_tensors
        E = E.conj().resolve_conj()
        total = grad.clone()
        for t in range(len(E) - 2, -1, -1):
            total[t].addcmul_(E[t + 1], total[t + 1])
        before = torch.cat((start[None], s[:-1])).conj().resolve_conj()
        return total * before, total, E[0] * total[0]


def evolve(theta, lam, f_q, f_p, start):
    E = torch.polar(torch.exp(-lam), theta)
    drive = (1 - E) * torch.complex(f_q, f_p)
    s = Scan.apply(*(x.permute(2, 0, 1).contiguous() for x in (E, drive)), torch.complex(*start))
    return (x.permute(1, 2, 0) for x in (s.real, s.imag))


class Layer(nn.Module):
    """One layer of oscillators, (B, T, width) and the state (2, B, C) -> the same.

    width         of the text's features       oscillators   C
    rank          of the map from text to theta and lam
    """

    def __init__(self, width: int, oscillators: int, rank: int, scale: float, physics: Physics) -> None:
        super().__init__()
        self.physics = physics
        self.norm = RMSNorm(width)
        low, high = (math.log(time) for time in TIMES)
        lam = torch.exp(-torch.empty(oscillators).uniform_(low, high))
        theta = torch.empty(oscillators).uniform_(-math.pi, math.pi)
        self.lam = nn.Parameter(lam.expm1().log())
        self.theta = nn.Parameter(theta)
        self.drive = linear(width, 2 * oscillators)
        self.code = linear(width, rank)
        self.configure = linear(rank, 2 * oscillators, 0.06)
        self.gate = linear(width, width)
        self.read = linear((5 if physics.readout else 2) * oscillators, width)
        self.output = linear(width, width, scale)

    def forward(self, x: Tensor, start: Tensor) -> tuple[Tensor, Tensor]:
        u = self.norm(x)
        by_token = torch.cat((self.configure(self.code(u)), self.drive(u)), dim=-1).transpose(1, 2)
        theta, lam, f_q, f_p = by_token.chunk(4, dim=1)
        theta = theta + self.theta[:, None]
        lam = softplus(lam + self.lam[:, None])
        if not self.physics.rotation:
            theta = torch.zeros_like(theta)
        if not self.physics.damping:
            lam = torch.full_like(lam, UNDAMPED)
        q, p = evolve(theta, lam, f_q, f_p, start)
        end = torch.stack((q[..., -1], p[..., -1]))
        q, p = (torch.cat((first[..., None], rest), dim=-1) for first, rest in zip(start, (q, p), strict=True))
        size = torch.rsqrt((q * q + p * p).mean(dim=1, keepdim=True) + EPS)
        q, p = q * size, p * size
        before_q, before_p, q, p = q[..., :-1], p[..., :-1], q[..., 1:], p[..., 1:]
        seen = [q, p]
        if self.physics.readout:
            seen += [(q * q + p * p) / 2, p * before_q - q * before_p, q * before_q + p * before_p]
        read = self.read(torch.cat(seen, dim=1).transpose(1, 2))
        return self.output(read * silu(self.gate(u))), end


class OscillatorLM(nn.Module):
    """Byte-level language model without a window.

    width, layers       of the residual stream        oscillators, rank   of a layer
    physics             what is left out
    """

    carries = True

    def __init__(self, width: int, layers: int, oscillators: int, rank: int, physics: Physics = Physics()) -> None:
        super().__init__()
        self.oscillators = oscillators
        self.embedding = nn.Embedding(256, width)
        scale = 1 / math.sqrt(2 * layers)
        self.layers = nn.ModuleList(Layer(width, oscillators, rank, scale, physics) for _ in range(layers))
        self.norm = RMSNorm(width)
        self.head = nn.Linear(width, 256, bias=False)
        nn.init.normal_(self.head.weight, std=0.02)

    def start(self, batch: int) -> Tensor:
        """The state before any text, (layers, 2, batch, oscillators): all oscillators at rest."""
        return self.head.weight.new_zeros(len(self.layers), 2, batch, self.oscillators)

    def forward(self, text: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Bytes (B, T) int64 -> logits of the byte after each of them, (B, T, 256), and the state after the last."""
        state = self.start(len(text)) if state is None else state
        x, ends = self.embedding(text), []
        for layer, start in zip(self.layers, state, strict=True):
            y, end = layer(x, start)
            x = x + y
            ends.append(end)
        return self.head(self.norm(x)), torch.stack(ends)

    def step(self, byte: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """One byte (B,) -> logits (B, 256) and the state; the cost does not depend on what was read before."""
        logits, state = self(byte[:, None], state)
        return logits[:, 0], state
