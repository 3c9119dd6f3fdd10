# Part of every package that metrigen 0.1.0 emits. Do not edit.
"""Learned parameters of a layer: a raw tensor each, which is trained, and the value that it stands for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, overload

import torch
from torch import Tensor, nn

from .base import FLOATS, has_numbers
from .surface import declared, kept_name

_OFF = -1000.0  # the raw number of the value 0, which softplus and the logistic curve give exactly in every dtype
_LIMITS = {dtype: (torch.finfo(dtype).tiny, torch.finfo(dtype).eps) for dtype in FLOATS}
_EACH = {"scalar": "A number", "matrix": "Channel matrix"}


class LayerParam:
    """An attribute of a layer, made from its tensor ``raw_NAME``: it is set by assignment alone.

    per          what has a value of its own: "scalar": the layer, "channel", "site", "edge", "matrix": two channels
    init         the value in a new layer; of a range (low, high) every one is drawn
    sign         "positive" or "nonnegative": softplus of the raw tensor
    below        a bound of what has a sign: the logistic curve from 0 to it instead
    symmetry     1 or -1 of a matrix that is its transpose times this, 0 of any other
    block        a matrix couples blocks of so many channels
    """

    def __init__(
        self, per: str, init: float | tuple[float, float], *, sign: str = "", below: float | None = None,
        symmetry: int = 0, block: int | None = None,
    ) -> None:  # fmt: skip
        self.per, self.init, self.sign, self.below = per, init, sign, below
        self.symmetry, self.block = symmetry, block

    def __set_name__(self, owner: type, name: str) -> None:
        self.name, self.raw_name, self.kept = name, f"raw_{name}", kept_name(name)
        bound = "" if self.below is None else f"below {self.below}"
        words = [
            {1: "symmetric", -1: "antisymmetric"}.get(self.symmetry, ""),
            " and ".join(w for w in (self.sign, bound) if w),
            "" if self.block is None else f"in blocks of {self.block} channels",
        ]
        each = _EACH.get(self.per, f"One value per {self.per}")
        curve = "softplus" if self.below is None else f"{self.below} sigmoid"
        made = f"{curve} of ``{self.raw_name}``" if self.sign else f"made from ``{self.raw_name}``"
        start = "drawn from {} to {}".format(*self.init) if isinstance(self.init, tuple) else f"at first {self.init}"
        shape = {"scalar": "()", "channel": "(C,)", "site": "(C, *S)", "edge": "(C, E), or (C, N, N) of all pairs"}
        self.__doc__ = (
            f"{', '.join(w for w in (each, *words) if w)}: {shape.get(self.per, '(C, C)')}, {start}; "
            f"{made}, which is trained. Set it by assignment: writing into it changes nothing."
        )

    @overload
    def __get__(self, layer: None, owner: type) -> LayerParam: ...

    @overload
    def __get__(self, layer: nn.Module, owner: type) -> Tensor: ...

    def __get__(self, layer: Any, owner: type) -> LayerParam | Tensor:
        if layer is None:
            return self  # of the class: its declaration
        if layer._frozen:
            return layer._buffers[self.kept]
        value = self.bounded(layer)
        if self.block is not None:
            return block_diagonal(value, layer.channels)
        return value.squeeze(0) if self.per == "scalar" else value  # of shape (1,): FSDP takes no parameter of shape ()

    def __set__(self, layer: Any, value: Tensor | float) -> None:
        """Raises ValueError where the parameter cannot have the value, RuntimeError where the layer is frozen."""
        if layer._frozen:
            raise RuntimeError(f"{self.name} is frozen: layer.freeze(False) first")
        given = self._accepted(value, getattr(layer, self.name))
        if self.symmetry:
            given = _mirrored(given, self.name, self.symmetry)
        raw = getattr(layer, self.raw_name)
        if self.block is not None:
            given = _blocks_of(given, raw, self, value)
        if self.per == "edge" and layer.edges is None:
            given = _mirrored(given, self.name, 1)
        with torch.no_grad():
            raw.copy_(self._inverse(given))

    def begin(self, layer: Any, init: Any) -> None:
        """Set to an initial value: a number, a tensor, a range (low, high) that every number is drawn from, or a
        function of the number of channels that returns one of them. Raises ValueError for what is out of range."""
        value = init(layer.channels) if callable(init) else init
        self.__set__(layer, self._drawn(layer, *value) if isinstance(value, tuple) else value)

    def _drawn(self, layer: Any, *ends: Any) -> Tensor:
        """A draw from the uniform distribution, which respects the blocks and the symmetry of a matrix."""
        if len(ends) != 2:
            raise ValueError(f"{self.name} is drawn from a range (low, high), not {ends}")
        raw = getattr(layer, self.raw_name)
        low, high = (float(self._accepted(end, raw.new_empty(()))) for end in ends)
        if low > high:
            raise ValueError(f"{self.name} is drawn from a range (low, high), not {ends}")
        drawn = low + (high - low) * torch.rand_like(raw)
        if self.block is not None:
            drawn = block_diagonal(drawn, layer.channels)
        symmetry = 1 if self.per == "edge" and layer.edges is None else self.symmetry
        if symmetry:
            drawn = drawn.triu() + symmetry * drawn.triu(1).mT
            drawn = drawn if symmetry > 0 else drawn - torch.diag_embed(drawn.diagonal(dim1=-2, dim2=-1))
        return drawn.squeeze(0) if self.per == "scalar" else drawn

    def bounded(self, layer: Any) -> Tensor:
        """The values before the blocks of a matrix are put in their place."""
        value = layer._parameters.get(self.raw_name)  # at once, where torch would look for an attribute first
        if value is None:
            value = getattr(layer, self.raw_name)  # torch has put something else in its place
        symmetry = 1 if self.per == "edge" and layer.edges is None else self.symmetry
        if symmetry:
            value = 0.5 * (value + value.mT if symmetry > 0 else value - value.mT)
        if not self.sign:
            return value
        tiny, eps = _LIMITS[value.dtype]
        least = tiny if self.sign == "positive" else 0.0  # kept off 0 and off the bound, where it rounds to them
        if self.below is None:
            found = nn.functional.softplus(value)
            return torch.threshold(found, least, least) if least else found
        return (self.below * torch.sigmoid(value)).clamp(least, self.below * (1 - eps))

    def _inverse(self, value: Tensor) -> Tensor:
        """The raw numbers of values. The slope at 0 is 0: what is set to 0 is off, and stays off."""
        if not self.sign:
            return value
        raw = value + torch.log(-torch.expm1(-value)) if self.below is None else torch.logit(value / self.below)
        return torch.where(value > 0, raw, _OFF)

    def shape(self, layer: Any) -> tuple[int, ...]:
        """The shape of the raw tensor."""
        c = layer.channels
        if self.per == "matrix":
            return (c, c) if self.block is None else (-(-c // self.block), self.block, self.block)
        if self.per == "edge":
            return (c, layer.nodes, layer.nodes) if layer.edges is None else (c, layer.edges)
        return (c, *layer.sites) if self.per == "site" else (1,) if self.per == "scalar" else (c,)

    def _accepted(self, value: Tensor | float, like: Tensor) -> Tensor:
        """``value`` in float64 and in the shape of the parameter; ValueError where the parameter cannot have it."""
        try:
            if isinstance(value, Tensor) and value.is_complex():
                raise TypeError
            given = torch.as_tensor(value, dtype=torch.float64, device=getattr(value, "device", "cpu"))
        except (TypeError, ValueError, RuntimeError) as error:
            raise ValueError(f"{self.name} must be a real number or a tensor of them, not {value!r}") from error
        try:
            given = given.expand(like.shape)
        except RuntimeError as error:
            shapes = f"{tuple(given.shape)}; needed: {tuple(like.shape)}, or what broadcasts to it"
            raise ValueError(f"{self.name} has shape {shapes}") from error
        wrong = ~torch.isfinite(given)
        if self.sign:
            wrong = wrong | (given < 0 if self.sign == "nonnegative" else given <= 0)
        if self.below is not None:
            wrong = wrong | (given >= self.below)
        if has_numbers(given) and bool(wrong.any()):
            words = " and ".join(w for w in (self.sign, "" if self.below is None else f"below {self.below}") if w)
            raise ValueError(f"{self.name} must be {words or 'finite'}, not {given[wrong][0].item()}")
        return given


def register_parameters(
    layer: Any, init: Mapping[str, Any] | None, device: Any, dtype: torch.dtype | None, **learned: Any
) -> None:
    """Make the raw tensors of a layer in the order in which its class names the parameters, at their initial values:
    those of ``learned``, else of ``init``, else of the class. Raises ValueError for a name that is none of them, and
    TypeError for an ``init`` that names nothing."""
    named = declared(type(layer))
    if init is not None and not isinstance(init, Mapping):
        example = next(iter(named), "name")
        raise TypeError(f"init= names initial values of parameters, as {{{example!r}: 0.1}}, not {type(init).__name__}")
    layer._starts = {**(init or {}), **{name: value for name, value in learned.items() if value is not None}}
    unknown = [name for name in layer._starts if name not in named]
    if unknown:
        raise ValueError(f"init= names {unknown[0]!r}; {type(layer).__name__} has the parameters {tuple(named)}")
    for name, param in named.items():
        raw = torch.zeros(param.shape(layer), device=device, dtype=dtype)
        layer.register_parameter(param.raw_name, nn.Parameter(raw))
    layer.reset_parameters()


def _mirrored(matrix: Tensor, name: str, sign: int) -> Tensor:
    """A matrix that is its transpose times ``sign``, to rounding; ValueError for any other."""
    other, scale = sign * matrix.mT, matrix.abs().max() if matrix.numel() else 0.0
    if has_numbers(matrix) and bool(((matrix - other).abs() > 1e-5 * scale).any()):
        word, transpose = ("symmetric", "transpose") if sign > 0 else ("antisymmetric", "negative transpose")
        raise ValueError(f"{name} must be {word}: it differs from its {transpose}")
    return matrix


def block_diagonal(blocks: Tensor, channels: int) -> Tensor:
    """Channel matrices (*L, C, C) with the blocks (*L, n, b, b) on the diagonal, cut off behind the last channel."""
    if blocks.shape[-3] == 1:
        whole = blocks.squeeze(-3)
        return whole if whole.shape[-1] == channels else whole[..., :channels, :channels]
    whole = torch.diag_embed(blocks.movedim(-3, -1), dim1=-4, dim2=-2)
    whole = whole.flatten(-4, -3).flatten(-2)
    return whole if whole.shape[-1] == channels else whole[..., :channels, :channels]


def diagonal_blocks(matrix: Tensor, size: int) -> Tensor:
    """The blocks (n, b, b) on the diagonal of a channel matrix (C, C), zero behind its last channel."""
    rest = -matrix.shape[-1] % size
    whole = torch.nn.functional.pad(matrix, (0, rest, 0, rest))
    return whole.unflatten(0, (-1, size)).unflatten(2, (-1, size)).diagonal(dim1=0, dim2=2).permute(2, 0, 1)


def _blocks_of(matrix: Tensor, like: Tensor, param: LayerParam, value: Tensor | float) -> Tensor:
    """The blocks of a channel matrix that is zero outside of them; one number stands in every entry of the blocks."""
    size = like.shape[-1]
    blocks = diagonal_blocks(matrix, size)
    spread = torch.as_tensor(value).dim() == 0
    if not spread and matrix.device.type != "meta" and bool(matrix.count_nonzero() > blocks.count_nonzero()):
        raise ValueError(f"{param.name} couples blocks of {size} channels: entries outside of the blocks must be 0")
    return blocks
