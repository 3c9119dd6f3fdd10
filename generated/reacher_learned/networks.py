# Part of every package that metrigen 0.1.0 emits. Do not edit.
"""Learned functions that a spec declares: networks of one hidden layer, whose weights are parameters of the layer.

    N(x) = offset + sum_j gain_j act(bias_j + sum_i weight_ij x_i)        j over the hidden units

The kernels evaluate N and its derivatives; the weights of all units are one tensor, a row for each of them.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .base import has_numbers
from .param import _OFF, LayerParam


class NetworkWeights(LayerParam):
    """(C, units, arguments + 2): of every unit a weight for each argument, the bias, and its gain. ``shared``: the same
    for all channels, one row of them in the raw tensor. ``convex``: gains are softplus of the raw ones, above 0."""

    def __init__(self, units: int, arguments: int, *, shared: bool = False, convex: bool = False) -> None:
        super().__init__("channel", 0.0)
        self.units, self.arguments, self.shared, self.convex = units, arguments, shared, convex
        self.init: Any = self._start

    def __set_name__(self, owner: type, name: str) -> None:
        super().__set_name__(owner, name)
        whose = "all channels" if self.shared else "each channel"
        self.__doc__ = (
            f"Weights of {self.units} hidden units for {whose}, (C, {self.units}, {self.arguments + 2}): of every unit "
            f"{self.arguments} weights, the bias and the gain. Drawn by torch; ``{self.raw_name}`` is trained."
        )

    def shape(self, layer: Any) -> tuple[int, ...]:
        return (1 if self.shared else layer.channels, self.units, self.arguments + 2)

    def bounded(self, layer: Any) -> Tensor:
        raw: Tensor = getattr(layer, self.raw_name)
        if self.convex:
            raw = torch.cat([raw[..., :-1], torch.nn.functional.softplus(raw[..., -1:])], -1)
        return raw.expand(layer.channels, -1, -1)

    def __set__(self, layer: Any, value: Tensor | float) -> None:
        """Raises ValueError for what is not finite, or of another shape than the raw tensor and the parameter."""
        if layer._frozen:
            raise RuntimeError(f"{self.name} is frozen: layer.freeze(False) first")
        raw = getattr(layer, self.raw_name)
        own = isinstance(value, Tensor) and value.shape == raw.shape
        given = self._accepted(value, raw if own else getattr(layer, self.name))[: raw.shape[0]].clone()
        if self.convex:
            gains = given[..., -1]
            if has_numbers(gains) and bool((gains < 0).any()):
                raise ValueError(f"{self.name} is convex: its gains must not be negative, as {gains.min().item()} is")
            given[..., -1] = torch.where(gains > 0, gains + torch.log(-torch.expm1(-gains)), _OFF)
        with torch.no_grad():
            raw.copy_(given)

    def begin(self, layer: Any, init: Any) -> None:
        if init is not self.init:
            return super().begin(layer, init)
        self.__set__(layer, self._start(layer))

    def _start(self, layer: Any) -> Tensor:
        """Uniform draws: weights of variance 1/arguments, biases from -1 to 1, which spreads the units over arguments
        of that size, and gains of variance 1/units, so that N is of order 1 however many there are."""
        raw = getattr(layer, self.raw_name)
        drawn = 2 * torch.rand(raw.shape, dtype=raw.dtype, device=raw.device) - 1
        scale = drawn.new_ones(self.arguments + 2)
        scale[: self.arguments] = (3 / self.arguments) ** 0.5
        scale[-1] = (3 / self.units) ** 0.5
        drawn = drawn * scale
        if self.convex:
            drawn[..., -1] = drawn[..., -1].abs()
        return drawn


class NetworkOffset(LayerParam):
    """The offset of a network: one number a channel, or the same for all."""

    def __init__(self, *, shared: bool = False) -> None:
        super().__init__("channel", 0.0)
        self.shared = shared

    def shape(self, layer: Any) -> tuple[int, ...]:
        return (1,) if self.shared else (layer.channels,)

    def bounded(self, layer: Any) -> Tensor:
        raw: Tensor = getattr(layer, self.raw_name)
        return raw.expand(layer.channels)

    def __set__(self, layer: Any, value: Tensor | float) -> None:
        if layer._frozen or not self.shared:
            return super().__set__(layer, value)
        given = self._accepted(value, getattr(layer, self.name))
        with torch.no_grad():
            getattr(layer, self.raw_name).copy_(given[:1])
