"""The networks of the image trainer by name, each at the width that comes closest to a number of parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

import torch
from torch import nn

from trainers.cifar_baselines import ConvNext, ResNet, width_for
from trainers.cifar_model import FieldNet
from trainers.sizes import parameters

Stages = tuple[int, int, int]  # a number for each of the three resolutions n, n/2, n/4
MODELS = ("field", "resnet", "convnext")


class UnknownNetwork(ValueError):
    """A name of a model or a variant that there is none of: says which there are."""


@dataclass(frozen=True)
class Variant:
    """A field network with one thing taken away.

    package  of ``generated/`` that evolves the fields
    frozen   coefficient -> the value that it keeps
    readout  see ``FieldBlock``
    """

    package: str = "cifar"
    frozen: Mapping[str, float] | None = None
    readout: str = "tensor"


VARIANTS: Mapping[str, Variant] = {
    "full": Variant(),
    "no-bracket": Variant(package="cifar_dissipative"),
    "no-dissipation": Variant(frozen={"gamma": 0.0}),
    "no-coupling": Variant(frozen={"B": 0.0}),
    "fields": Variant(readout="fields"),
    "euler": Variant(package="cifar_euler"),
}


class Wanted(Protocol):
    """What of the options decides about the network."""

    @property
    def model(self) -> str: ...
    @property
    def variant(self) -> str: ...
    @property
    def parameters(self) -> int: ...
    @property
    def widths(self) -> Stages: ...
    @property
    def blocks(self) -> Stages: ...
    @property
    def steps(self) -> int: ...


def make_network(wanted: Wanted, inputs: int, classes: int) -> nn.Module:
    """The network of a run on images of ``inputs`` channels. Raises UnknownNetwork."""
    if wanted.model not in MODELS:
        raise UnknownNetwork(f"model={wanted.model!r}; one of {', '.join(MODELS)}")
    if wanted.variant not in VARIANTS:
        raise UnknownNetwork(f"variant={wanted.variant!r}; one of {', '.join(VARIANTS)}")
    if wanted.model != "field":
        kind = ResNet if wanted.model == "resnet" else ConvNext
        return _sized(
            lambda last: kind(inputs, classes, stage_widths(last, wanted.widths), wanted.blocks), wanted.parameters, 4
        )
    variant = VARIANTS[wanted.variant]
    package = import_module(f"generated.{variant.package}")
    physics, components = _physics(package, variant, wanted.steps), len(package.module.COMPONENTS)

    def build(last: int) -> nn.Module:
        widths = stage_widths(last, wanted.widths)
        return FieldNet(inputs, classes, widths, wanted.blocks, physics, readout=variant.readout, components=components)

    # Multiples of 4 from the first stage on are fast; what is beside the full network comes closer to its size.
    return _sized(build, wanted.parameters, 16 if wanted.variant == "full" else 4)


def network_size(wanted: Wanted, inputs: int, classes: int) -> int:
    """How many parameters ``make_network`` gives; takes no memory and no random numbers."""
    with torch.device("meta"):
        return parameters(make_network(wanted, inputs, classes))


def stage_widths(last: int, ratio: Stages) -> Stages:
    """The widths of the stages in this ratio, of which the last is ``last``."""
    first, second, third = ratio
    return max(1, round(last * first / third)), max(1, round(last * second / third)), last


def _sized(build: Callable[[int], nn.Module], count: int, step: int) -> nn.Module:
    return build(width_for(build, count, step))


def _physics(package: Any, variant: Variant, steps: int) -> Callable[[int], nn.Module]:
    layer = getattr(package, package.__all__[0])

    def build(channels: int) -> nn.Module:
        made = layer(channels, steps=steps)
        for name, value in (variant.frozen or {}).items():
            setattr(made, name, value)
            getattr(made, f"raw_{name}").requires_grad_(False)
        result: nn.Module = made
        return result

    return build
