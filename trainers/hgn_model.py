"""Models of films: the first frames give a phase point, it moves, and every place that it comes to is a frame.

Encoder and decoder are the same for all; what moves the point is the emitted layer (leapfrog, or Euler's method beside
it) or a recurrent network. The decoder sees the coordinates alone, never the momenta.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from generated.hgn import Hgn
from generated.hgn_euler import HgnEuler
from trainers.hgn_systems import SIDE

PIXELS = SIDE * SIDE
PHASE = 4  # numbers of a plane: two coordinates, two momenta
EVERY = 2  # steps of the layer a frame
DARK, NARROW = -4.0, -2.0  # at the start: logit of a pixel, log scale of the encoder's Gaussian


@dataclass(frozen=True)
class Sizes:
    """seen: frames that the encoder is given; glance, width: units for each of them, and of the other layers;
    recurrent: units of the recurrent network; planes: channels of the layer, each with a potential of its own."""

    seen: int = 5
    glance: int = 32
    width: int = 64
    recurrent: int = 32
    planes: int = 1

    @property
    def phase(self) -> int:
        """Numbers P of a phase point: of all planes x, then y, then their momenta."""
        return PHASE * self.planes


class Encoder(nn.Module):
    """Frames (N, seen, PIXELS) to a Gaussian of the phase point at the first: mean and log scale, each (N, P)."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.glance = nn.Linear(PIXELS, sizes.glance)
        middle, last = nn.Linear(sizes.seen * sizes.glance, sizes.width), nn.Linear(sizes.width, 2 * sizes.phase)
        with torch.no_grad():
            last.bias[sizes.phase :] = NARROW
        self.net = nn.Sequential(nn.SiLU(), middle, nn.SiLU(), last)

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_scale = self.net(self.glance(frames).flatten(1)).chunk(2, dim=-1)
        return mean, log_scale


class Decoder(nn.Module):
    """Coordinates (..., P/2) to frames (..., PIXELS), as logits."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        width = sizes.width
        first, middle, last = nn.Linear(sizes.phase // 2, width), nn.Linear(width, width), nn.Linear(width, PIXELS)
        nn.init.constant_(last.bias, DARK)
        self.net = nn.Sequential(first, nn.SiLU(), middle, nn.SiLU(), last)

    def forward(self, q: Tensor) -> Tensor:
        logits: Tensor = self.net(q)
        return logits


class Hamiltonian(nn.Module):
    """The emitted layer; ``pace`` is how much faster than the data time goes, negative for backwards."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.layer = layer
        layer.raw_V_offset.requires_grad_(False)  # a constant in an energy moves nothing

    def states(self, start: Tensor, frames: int, pace: float = 1.0) -> Any:
        """The states (N, planes, frames) of the layer at every frame, that of the start (N, P) first."""
        first = start.chunk(PHASE, dim=-1)
        steps = EVERY * (frames - 1)
        later = self.layer.rollout(*first, steps=steps, every=EVERY, dt=pace * self.layer.dt)
        return self.layer.STATE(*(torch.cat((a[..., None], b), -1) for a, b in zip(first, later, strict=True)))

    def forward(self, start: Tensor, frames: int, pace: float = 1.0) -> Tensor:
        """Coordinates (N, frames, P/2)."""
        states = self.states(start, frames, pace)
        return torch.cat(states[: PHASE // 2], 1).mT

    def energy(self, start: Tensor, frames: int) -> Tensor:
        """The learned energy at every frame, (N, frames)."""
        found: Tensor = self.layer.energy(self.states(start, frames))
        return found


class Recurrent(nn.Module):
    """A gated recurrent unit that begins at, and is given at every step, the phase point of the first frame."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        phase, width = sizes.phase, sizes.recurrent
        self.begin, self.end = nn.Linear(phase, width), nn.Linear(width, phase // 2)
        self.cell = nn.GRUCell(phase, width)

    def forward(self, start: Tensor, frames: int, pace: float = 1.0) -> Tensor:
        """Coordinates (N, frames, P/2); it knows the pace of the data alone."""
        if pace != 1:
            raise ValueError(f"a recurrent network has no time step: pace {pace:g}")
        hidden, q = torch.tanh(self.begin(start)), [start[:, : start.shape[1] // 2]]
        for _ in range(frames - 1):
            hidden = self.cell(start, hidden)
            q.append(self.end(hidden))
        return torch.stack(q, 1)


class Film(nn.Module):
    """Encoder, what moves the phase point, decoder."""

    def __init__(self, sizes: Sizes, motion: nn.Module) -> None:
        super().__init__()
        self.encoder, self.motion, self.decoder = Encoder(sizes), motion, Decoder(sizes)

    def forward(self, seen: Tensor, noise: Tensor, frames: int) -> tuple[Tensor, Tensor]:
        """Logits (N, frames, PIXELS) of films that begin with ``seen``, with normal numbers (N, P); and the
        relative entropy (N,) of the encoder's Gaussian from the normal one that films are drawn from."""
        mean, log_scale = self.encoder(seen)
        q = self.motion(mean + log_scale.exp() * noise, frames)
        entropy = ((mean.square() + (2 * log_scale).exp() - 1) / 2 - log_scale).sum(-1)
        return self.decoder(q), entropy

    def start(self, seen: Tensor) -> Tensor:
        """The phase point (N, P) of the first frame, without noise."""
        mean: Tensor = self.encoder(seen)[0]
        return mean

    def film(self, start: Tensor, frames: int, pace: float = 1.0) -> Tensor:
        """Frames (N, frames, PIXELS) between 0 and 1, from a phase point on."""
        return torch.sigmoid(self.decoder(self.motion(start, frames, pace)))


@dataclass(frozen=True)
class Variant:
    """title of tables; package of its physics, None for the recurrent network."""

    title: str
    package: str | None
    motion: Callable[[Sizes], nn.Module]


VARIANTS = {
    "hamiltonian": Variant("leapfrog", "hgn", lambda sizes: Hamiltonian(Hgn(sizes.planes))),
    "euler": Variant("Euler", "hgn_euler", lambda sizes: Hamiltonian(HgnEuler(sizes.planes))),
    "recurrent": Variant("recurrent", None, lambda sizes: Recurrent(sizes)),
}


def build(name: str, sizes: Sizes) -> Film:
    """The model of a name. ValueError: no such name."""
    if name not in VARIANTS:
        raise ValueError(f"no model {name!r}; known are {', '.join(VARIANTS)}")
    return Film(sizes, VARIANTS[name].motion(sizes))
