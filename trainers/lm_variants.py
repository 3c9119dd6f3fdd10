"""The models of a comparison, built with the same number of parameters."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from trainers.lm_gpt import GPT
from trainers.lm_model import FULL, OscillatorLM, Physics
from trainers.sizes import matched, parameters

PACKAGES = ("lm", "lm_memory")  # of the physics of all but the GPT


@dataclass(frozen=True)
class Sizes:
    """Of the oscillator model; the GPT has the same width and as many layers.

    width, layers   of the residual stream     oscillators, modes, rank   of a layer
    memories, key   heads of memory of a layer, and the rows and columns of their matrices
    heads           of the GPT's attention
    """

    width: int
    layers: int
    oscillators: int
    modes: int
    rank: int
    memories: int
    key: int
    heads: int


@dataclass(frozen=True)
class Variant:
    """One line of a comparison.

    title     for tables and plots           gpt      the baseline in place of the oscillators
    physics   what an ablation takes away    share    trained on 1 / share of the tokens, on a schedule of its own
    """

    title: str
    gpt: bool = False
    physics: Physics = FULL
    share: int = 1


VARIANTS = {
    "physics": Variant("oscillators and memory"),
    "third": Variant("the same, a third of the tokens", share=3),
    "gpt": Variant("GPT", gpt=True),
    "no-memory": Variant("without memory", physics=Physics(memory=False)),
    "no-readout": Variant("without T readout", physics=Physics(readout=False)),
    "no-rotation": Variant("without rotation", physics=Physics(rotation=False)),
    "no-damping": Variant("without damping", physics=Physics(damping=False)),
}
DEFAULT = ("physics", "third", "gpt")
ABLATIONS = ("physics", "no-memory", "no-readout", "no-rotation", "no-damping")


def build(variant: Variant, sizes: Sizes) -> nn.Module:
    """The model of a variant with as many parameters as the full oscillator model has, as near as its size allows.

    The GPT has its feed-forward width matched, an ablation its number of modes, that without readout of oscillators.
    """

    def physical(oscillators: int, modes: int, physics: Physics) -> nn.Module:
        return OscillatorLM(
            sizes.width, sizes.layers, oscillators=oscillators, modes=modes, rank=sizes.rank,
            heads=sizes.memories, size=sizes.key, physics=physics,
        )  # fmt: skip

    def resized(size: int) -> nn.Module:
        """The variant with another number of modes; of oscillators where there are no modes."""
        if variant.physics.readout:
            return physical(sizes.oscillators, size, variant.physics)
        return physical(size, sizes.modes, variant.physics)

    def gpt(hidden: int) -> nn.Module:
        return GPT(sizes.width, sizes.layers, sizes.heads, hidden)

    with torch.device("meta"):
        target = parameters(physical(sizes.oscillators, sizes.modes, FULL))
    if variant.gpt:
        return gpt(matched(gpt, target))
    return resized(matched(resized, target))
