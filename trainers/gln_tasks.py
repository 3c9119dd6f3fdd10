"""What the gated linear network and its baseline read: pictures of digits, and a text bit by bit; gates for both.

An observation is its inputs z, what the gates look at, and one bit a team. Digits have ten teams, a class each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from trainers.gln_network import Gate
from trainers.images import DIGITS, Images, load_images

BITS = 8
FOLDS = 6


@dataclass(frozen=True)
class Observations:
    """z (S, inputs), side (S, features) for the gates, target (teams, S) of 0 and 1."""

    z: Tensor
    side: Tensor
    target: Tensor

    def __len__(self) -> int:
        return len(self.z)

    def part(self, first: int, last: int) -> Observations:
        return Observations(self.z[first:last], self.side[first:last], self.target[:, first:last])

    def to(self, device: torch.device) -> Observations:
        return Observations(self.z.to(device), self.side.to(device), self.target.to(device))


@dataclass(frozen=True)
class HalfSpaces:
    """A region is the side of each of ``log2(regions)`` random planes that the data lie on."""

    normals: Tensor  # neurons, planes, features
    offsets: Tensor  # neurons, planes

    @property
    def neurons(self) -> int:
        return len(self.normals)

    @property
    def regions(self) -> int:
        return 1 << self.offsets.shape[1]

    def __call__(self, side: Tensor) -> Tensor:
        ahead = torch.einsum("npf,sf->nsp", self.normals.to(side), side) > self.offsets.to(side)[:, None]
        return (ahead.long() << torch.arange(ahead.shape[2], device=side.device)).sum(2)


@dataclass(frozen=True)
class Hashes:
    """A region is the hash of some of the bytes before: the bits of this byte so far, and for every neuron its own.

    masks   (neurons, bytes) of 0 and 1
    """

    masks: Tensor
    regions: int

    @property
    def neurons(self) -> int:
        return len(self.masks)

    def __call__(self, side: Tensor) -> Tensor:
        code = side[:, 0].expand(self.neurons, -1)
        for k, mask in enumerate(self.masks.to(side.device).T):
            code = (code * 0x2F0B4C47 + (side[:, k + 1] + 1) * mask[:, None]) & 0x7FFFFFFF
            code = code ^ (code >> 15)
        return (code * 0x1F123BB5 & 0x7FFFFFFF) % self.regions


def half_spaces(widths: Sequence[int], planes: int, features: int, seed: int, spread: float) -> list[Gate]:
    """Planes with normal directions of length one, at normal distances from the origin."""
    gates: list[Gate] = []
    for depth, width in enumerate(widths):
        rng = np.random.default_rng([seed, depth])
        normals = rng.standard_normal((width, planes, features))
        normals /= np.linalg.norm(normals, axis=2, keepdims=True)
        offsets = spread * rng.standard_normal((width, planes))
        gates.append(HalfSpaces(torch.from_numpy(normals).float(), torch.from_numpy(offsets).float()))
    return gates


def hashes(widths: Sequence[int], past: int, regions: int, seed: int) -> list[Gate]:
    """Neuron k of a layer looks at the last k bytes; those beyond the past at some bytes of it, drawn at random."""
    gates: list[Gate] = []
    for depth, width in enumerate(widths):
        rng = np.random.default_rng([seed, depth])
        masks = np.zeros((width, past), dtype=np.int64)
        for k in range(width):
            if k <= past:
                masks[k, :k] = 1
            else:
                masks[k, rng.choice(past, size=int(rng.integers(1, past)), replace=False)] = 1
        gates.append(Hashes(torch.from_numpy(masks), regions))
    return gates


def digit_folds(seed: int, fold: int) -> tuple[Observations, Observations]:
    """Training images in the order of the seed, and every sixth one to test with, from the ``fold``-th on.

    Raises DataError without scikit-learn.
    """
    kept, held = (load_images(DIGITS, split) for split in ("train", "test"))
    pixels, labels = torch.cat([kept.pixels, held.pixels]), torch.cat([kept.labels, held.labels])
    tested = torch.arange(len(labels)) % FOLDS == fold
    order = torch.from_numpy(np.random.default_rng([seed, fold]).permutation(int((~tested).sum())))
    train = Images(pixels[~tested][order], labels[~tested][order], kept.classes)
    return _digits(train), _digits(Images(pixels[tested], labels[tested], kept.classes))


def _digits(images: Images) -> Observations:
    """Grey from -1 to 1 with a constant one; the gates see the picture without its mean."""
    grey = images.pixels.flatten(1).float() / 127.5 - 1
    target = torch.nn.functional.one_hot(images.labels, images.classes).T.float()
    side = grey - grey.mean(1, keepdim=True)
    return Observations(torch.cat([grey, torch.ones(len(grey), 1)], dim=1), side, target)


def text_bits(text: Tensor, past: int) -> Observations:
    """The bits of a text (N,) uint8, the highest of a byte first; the first ``past`` bytes are only read.

    z       the bits of the past bytes and those of this byte so far, +1 and -1; 0 where none is known yet; a one
    side    the bits of this byte so far behind a leading 1, then the bytes before, the last one first
    """
    shifts = torch.arange(BITS - 1, -1, -1)
    bits = (text.long()[:, None] >> shifts) & 1  # N, 8
    count = len(text) - past
    now = bits[past:]
    signs = (2 * bits - 1).float()
    before = torch.stack([signs[past - 1 - k : past - 1 - k + count] for k in range(past)], dim=1).flatten(1)
    known = torch.ones(BITS, BITS).tril(-1)  # bits of this byte before the k-th
    so_far = signs[past:, None, :] * known
    z = torch.cat([before[:, None].expand(-1, BITS, -1), so_far, torch.ones(count, BITS, 1)], dim=2)
    partial = torch.stack([(text.long()[past:] | 256) >> (BITS - k) for k in range(BITS)], dim=1)
    bytes_before = torch.stack([text.long()[past - 1 - k : past - 1 - k + count] for k in range(past)], dim=1)
    side = torch.cat([partial[:, :, None], bytes_before[:, None].expand(-1, BITS, -1)], dim=2)
    return Observations(z.flatten(0, 1), side.flatten(0, 1), now.flatten()[None].float())
