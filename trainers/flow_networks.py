"""The models of a comparison by name, with as many parameters as the Hamiltonian flow, as near as widths allow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from trainers.flow_model import HamiltonianFlow, RealNVP
from trainers.sizes import matched, parameters


@dataclass(frozen=True)
class Sizes:
    """blocks and encoder width of the Hamiltonian flows; couplings of the RealNVP."""

    blocks: int
    width: int
    couplings: int


@dataclass(frozen=True)
class Variant:
    """title for tables and pictures; package of its physics, None for the baseline; ``of`` sizes and a width."""

    title: str
    package: str | None
    of: Callable[[Sizes, int], nn.Module]


VARIANTS = {
    "hamiltonian": Variant("Hamiltonian flow", "flow", lambda s, width: HamiltonianFlow(s.blocks, width)),
    "rotation": Variant(
        "equivariant Hamiltonian flow",
        "flow_rotation",
        lambda s, width: HamiltonianFlow(s.blocks, width, rotation=True),
    ),
    "realnvp": Variant("RealNVP", None, lambda s, width: RealNVP(s.couplings, width)),
}


def build(name: str, sizes: Sizes) -> nn.Module:
    """The model of a name, its width chosen by the number of parameters."""
    own, full = VARIANTS[name], VARIANTS["hamiltonian"]
    with torch.device("meta"):
        target = parameters(full.of(sizes, sizes.width))
    width = sizes.width if own is full else matched(lambda w: own.of(sizes, w), target)
    return own.of(sizes, width)
