"""A causal language model of damped oscillators and matrix memories, both configured by the text.

A layer holds C oscillators, s = q + i p. At token t the text u_t chooses phase theta_t, damping lam_t >= 0 and rest
position f_t, and the oscillators move exactly for one unit of time (``generated/lm``):

    s_t = f_t + E_t (s_{t-1} - f_t),    E_t = exp(-lam_t - i theta_t),    |E_t| <= 1

What the layer says is read from the state z = s / rms(s) and from the two invariants of K pairs of modes, complex
linear combinations of the oscillators now and one token before, w = A z_t and v = B z_{t-1}:

    J = Im w conj(v)    M = Re w conj(v)    y = O (W [z, J, M] * silu(Z u))

After the oscillators of a layer come its heads of memory (``lm_memory.py``). The state after a text of any length is
one complex number an oscillator and one matrix a head: generation costs the same at every byte, and training hands the
state on from window to window of a stream.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import linear as linear_map
from torch.nn.functional import silu, softplus

from generated.lm import Lm, LmState
from trainers.lm_gpt import EPS, HEAD, RMSNorm, linear
from trainers.lm_memory import Memory

TIMES = (0.5, 32.0)  # of decay at the start of training, in tokens, log-uniform
UNDAMPED = 1e-4  # lam of the ablation without damping


@dataclass(frozen=True)
class Physics:
    """What an ablation takes away.

    readout    J and M are read as well as the state
    rotation   theta is free; without it zero
    damping    lam is free; without it UNDAMPED
    memory     oscillators are followed by heads of memory
    """

    readout: bool = True
    rotation: bool = True
    damping: bool = True
    memory: bool = True


FULL = Physics()


def normalised(q: Tensor, p: Tensor) -> Tensor:
    """q + i p over its rms over the last axis, real parts first: (..., C), (..., C) -> (..., 2 C)."""
    return torch.cat((q, p), dim=-1) * torch.rsqrt((q * q + p * p).mean(dim=-1, keepdim=True) + EPS)


def even_gain(lam: Tensor, theta: Tensor) -> Tensor:
    """The scale of f at which noise in f gives every oscillator the same amplitude: sqrt(1 - |E|^2) / |1 - E|."""
    E = torch.polar(torch.exp(-lam), -theta)
    return torch.sqrt(1 - torch.exp(-2 * lam)) / (1 - E).abs()


class ComplexLinear(nn.Module):
    """A complex matrix K x C on pairs (q, p): it commutes with turning all oscillators by one phase."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(2, outputs, inputs) / math.sqrt(2 * inputs))

    def forward(self, z: Tensor) -> Tensor:
        """(..., 2 C) -> (..., 2 K), real parts first."""
        real, imaginary = self.weight
        rows = torch.cat((real, -imaginary), dim=1), torch.cat((imaginary, real), dim=1)
        return linear_map(z, torch.cat(rows))


class Layer(nn.Module):
    """One layer, (B, T, width) and the state of its oscillators before the text -> what it adds, and the state after.

    width   of the text's features     oscillators   C     modes   K     rank   of the map from text to theta and lam
    scale   of what it adds            physics       what is left out
    """

    def __init__(self, width: int, oscillators: int, modes: int, rank: int, scale: float, physics: Physics) -> None:
        super().__init__()
        self.physics = physics
        self.oscillators = Lm(oscillators)
        self.norm = RMSNorm(width)
        low, high = (math.log(time) for time in TIMES)
        lam = torch.exp(-torch.empty(oscillators).uniform_(low, high))
        theta = torch.empty(oscillators).uniform_(-math.pi, math.pi)
        self.lam = nn.Parameter(lam.expm1().log())
        self.theta = nn.Parameter(theta)
        self.drive = linear(width, 2 * oscillators)
        with torch.no_grad():
            turning = theta if physics.rotation else torch.zeros_like(theta)
            decay = lam if physics.damping else torch.full_like(lam, UNDAMPED)
            self.drive.weight.mul_(even_gain(decay, turning).repeat(2)[:, None])
        self.code = linear(width, rank)
        self.configure = linear(rank, 2 * oscillators, 0.06)
        self.gate = linear(width, width)
        self.read = linear(2 * oscillators + (2 * modes if physics.readout else 0), width)
        self.output = linear(width, width, scale)
        if physics.readout:
            self.modes = Lm(modes)
            self.now = ComplexLinear(oscillators, modes)
            self.before = ComplexLinear(oscillators, modes)

    def forward(self, x: Tensor, start: LmState) -> tuple[Tensor, LmState]:
        u = self.norm(x)
        theta, lam = self.configure(self.code(u)).chunk(2, dim=-1)
        f_q, f_p = self.drive(u).chunk(2, dim=-1)
        theta, lam = theta + self.theta, softplus(lam + self.lam)
        if not self.physics.rotation:
            theta = 0 * theta  # every parameter keeps a gradient, as processes that share gradients expect
        if not self.physics.damping:
            lam = 0 * lam + UNDAMPED
        state = self.oscillators(theta=theta.mT, lam=lam.mT, f_q=f_q.mT, f_p=f_p.mT, state=start)
        seen = self.see(state, start)
        return self.output(self.read(seen) * silu(self.gate(u))), state.last

    def see(self, state: LmState, start: LmState) -> Tensor:
        """The normalised state, and J and M of the modes, at every token, (B, T, 2 C + 2 K)."""
        z = normalised(state.q.mT, state.p.mT)
        if not self.physics.readout:
            return z
        past = torch.cat((normalised(*start)[:, None], z[:, :-1]), dim=1)
        w, v = (LmState(*x.flatten(0, 1).chunk(2, dim=-1)) for x in (self.now(z), self.before(past)))
        read = self.modes.readout(w, before=v)  # every token is a sample of its own: its past has another matrix
        currents = read[:, w.q.shape[1] :]  # without the energy T00, which costs weights and did not help
        return torch.cat((z, currents.unflatten(0, z.shape[:2])), dim=-1)


class OscillatorLM(nn.Module):
    """Byte-level language model without a window.

    width, layers              of the residual stream
    oscillators, modes, rank   of a layer
    heads, size                of its memory: matrices, and their rows and columns
    physics                    what is left out
    """

    carries = True

    def __init__(
        self,
        width: int,
        layers: int,
        *,
        oscillators: int,
        modes: int,
        rank: int,
        heads: int,
        size: int,
        physics: Physics = FULL,
    ) -> None:
        super().__init__()
        self.oscillators = oscillators
        self.embedding = nn.Embedding(256, width)
        scale = 1 / math.sqrt((4 if physics.memory else 2) * layers)
        self.layers = nn.ModuleList(Layer(width, oscillators, modes, rank, scale, physics) for _ in range(layers))
        memories = [Memory(width, heads, size, scale) for _ in range(layers if physics.memory else 0)]
        # Numbers of the state of a layer: its oscillators, q and p, and its memory.
        self.parts = 2 * oscillators, sum(memories[0].parts) if memories else 0
        self.memories = nn.ModuleList(memories)
        self.norm = RMSNorm(width)
        self.head = nn.Linear(width, 256, bias=False)
        nn.init.normal_(self.head.weight, std=HEAD)

    def start(self, batch: int) -> Tensor:
        """The state before any text, (layers, batch, sum of ``parts``): oscillators at rest, memories empty."""
        return self.head.weight.new_zeros(len(self.layers), batch, sum(self.parts))

    def forward(self, text: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Bytes (B, T) int64 -> logits of the byte after each of them, (B, T, 256), and the state after the last."""
        state = self.start(len(text)) if state is None else state
        x, ends = self.embedding(text), []
        for i, (layer, start) in enumerate(zip(self.layers, state, strict=True)):
            moving, held = start.split(self.parts, dim=1)
            y, end = layer(x, LmState(*moving.chunk(2, dim=1)))
            x = x + y
            if self.memories:
                y, held = self.memories[i](x, held)
                x = x + y
            ends.append(torch.cat((*end, held), dim=1))
        return self.head(self.norm(x)), torch.stack(ends)

    def step(self, byte: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """One byte (B,) -> logits (B, 256) and the state; the cost does not depend on what was read before."""
        logits, state = self(byte[:, None], state)
        return logits[:, 0], state
