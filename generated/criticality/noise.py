# Part of every package that metrigen 0.1.0 emits. Do not edit.
"""The noise of a layer at a temperature: standard normal numbers by counting, the same whoever draws them.

A number is a function of a seed, the field, and the places of sample, channel, step and site, the sites counted in a
row: of nothing else, as how many steps are taken at a time, what is kept of them, or the device. Integers are hashed,
which every device does alike, and made normal in double precision, alike but for the last bits of a logarithm or a
cosine. A call makes the hashes (B, C, K) alone; the numbers at the sites are made from them step by step, by kernels
where they run, and once more in the adjoint.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from .arguments import check_fields
from .base import as_dtype
from .lattice import LatticeLayer
from .trajectories import Span, Stepping, counted

_GOLDEN = 0x9E3779B97F4A7C15  # 2^64 over the golden ratio, odd: multiples of it are spread evenly
_OTHER = 0x6A09E667F3BCC909  # the digits of sqrt(2): the second number of a pair


def _signed(word: int) -> int:
    """64 bits as the integer of torch that has them."""
    return word - (1 << 64) if word >> 63 else word


def _shifted(x: Tensor, bits: int) -> Tensor:
    """x >> bits of the 64 bits as an unsigned number."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def _mixed(x: Tensor) -> Tensor:
    """A one-to-one map of 64 bits of which every bit depends on every other: the finaliser of SplitMix64."""
    x = (x ^ _shifted(x, 30)) * _signed(0xBF58476D1CE4E5B9)
    x = (x ^ _shifted(x, 27)) * _signed(0x94D049BB133111EB)
    return x ^ _shifted(x, 31)


def _below(x: Tensor, size: int) -> Tensor:
    """The hashes of 0, 1, ..., size - 1 under each hash, along one axis more."""
    places = torch.arange(1, size + 1, dtype=torch.int64, device=x.device) * _signed(_GOLDEN)
    return _mixed(x.unsqueeze(-1) + places)


def words(seed: Tensor, field: int, shape: tuple[int, ...], like: Tensor) -> Tensor:
    """The hashes (B, C, K) of samples, channels and steps, on the device of ``like``, of an integer ``seed`` (): from
    each follow the numbers of all sites, whoever makes them."""
    word = _mixed(seed.to(like.device) + _signed((field + 1) * _OTHER % (1 << 64)))
    for size in shape[:3]:
        word = _below(word, size)
    return word


def numbers(word: Tensor, like: Tensor) -> Tensor:
    """Standard normal numbers (..., *S) of hashes (...), at the sites of a field ``like`` (B, C, *S), in its dtype."""
    at = _below(word, like.shape[2:].numel())
    wide = torch.float32 if like.device.type == "mps" else torch.float64
    first, second = ((_shifted(x, 11).to(wide) + 0.5) * 2.0**-53 for x in (at, _mixed(at ^ _signed(_OTHER))))
    found = torch.sqrt(-2 * torch.log(first)) * torch.cos(2 * math.pi * second)
    return found.to(like.dtype).reshape((*word.shape, *like.shape[2:]))


def frame(x: Tensor, like: Tensor) -> Tensor:
    """What a step reads: numbers that were handed in, or those of hashes."""
    return x if x.is_floating_point() else numbers(x, like)


class Noisy(Stepping, LatticeLayer):
    """A layer on a lattice whose steps read standard normal numbers.

    NOISE  name of the numbers of a step -> the field that they move
    """

    NOISE: ClassVar[Mapping[str, str]] = {}

    def _called(self, fields: Mapping[str, Any], inputs: Mapping[str, Any], span: Span) -> Any:
        """The state after the steps of a span, with noise that is handed in or drawn."""
        check_fields(**fields)
        handed = {name: x for name, x in inputs.items() if name not in ("generator", "noise")}
        generator, noise = inputs.get("generator"), inputs.get("noise")
        like = self._work(*[x for x in fields.values() if x is not None])[0][0]
        driven = {name: self._by_step(handed[name], like, name) for name in self.DRIVEN}
        given = {} if noise is None else self._numbers(noise, like)
        span = counted(span, self.steps, {**driven, **given})
        shape = (*like.shape[:2], span.taken, *like.shape[2:])
        if noise is None:
            seed = _seed(generator)
            drawn = {name: words(seed, i, shape, like) for i, name in enumerate(self.NOISE)}
            return super()._called(fields, {**handed, **drawn}, span)
        if generator is not None:
            raise ValueError("noise is handed in, and a generator to draw it with: give one of the two")
        for name, x in given.items():
            if x.shape != shape:
                raise ValueError(
                    f"the noise of {self.NOISE[name]} has shape {tuple(x.shape)}; needed: {shape}, a standard normal "
                    "number for every sample, channel, step and site"
                )
        return super()._called(fields, {**handed, **given}, span)

    def _without_noise(self, fields: Mapping[str, Any], inputs: Mapping[str, Any], steps: int) -> Mapping[str, Any]:
        """A call with the mean of the noise in its place. Raises TypeError for noise, or a generator of it."""
        handed = next((name for name in ("noise", "generator") if name in inputs), None)
        if handed is not None:
            raise TypeError(f"check_step() takes no {handed}: the error is that of the equations without noise")
        like = self._work(*[x for x in fields.values() if x is not None])[0][0]
        zeros = like.new_zeros(()).expand(*like.shape[:2], steps, *like.shape[2:])
        return {**inputs, "noise": dict.fromkeys(self.NOISE.values(), zeros)}

    def _numbers(self, noise: Any, like: Tensor) -> dict[str, Tensor]:
        """The noise of every field, of a tensor for the only one or a mapping by field. Raises TypeError."""
        fields = list(self.NOISE.values())
        named = {fields[0]: noise} if isinstance(noise, Tensor) and len(fields) == 1 else noise
        if not isinstance(named, Mapping) or sorted(named) != sorted(fields):
            given = sorted(named) if isinstance(named, Mapping) else type(noise).__name__
            alone = "a tensor (B, C, K, *S), or " if len(fields) == 1 else ""
            raise TypeError(f"noise is {alone}a mapping of tensors by field: {', '.join(fields)}; not {given}")
        for field, x in named.items():
            if not isinstance(x, Tensor) or not x.is_floating_point() or x.dim() != like.dim() + 1:
                what = f"{x.dtype} of shape {tuple(x.shape)}" if isinstance(x, Tensor) else type(x).__name__
                raise TypeError(f"the noise of {field} is floating point, (B, C, K, *S), not {what}")
        return {name: as_dtype(named[field], like.dtype) for name, field in self.NOISE.items()}

    def _site(self, x: Any, like: Tensor, name: str) -> Tensor:
        return x if name in self.NOISE else super()._site(x, like, name)

    def _bound(self, fields: Any, given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        options = {name: given[name] for name in ("generator", "noise") if name in given}
        named, inputs = super()._bound(fields, {n: x for n, x in given.items() if n not in options})
        return named, {**inputs, **options}


def _seed(generator: Any) -> Tensor:
    """One number from a generator, or from that of torch. Raises TypeError."""
    if generator is not None and not isinstance(generator, torch.Generator):
        raise TypeError(f"generator is a torch.Generator, not {type(generator).__name__}")
    device = "cpu" if generator is None else generator.device
    return torch.randint(0, 2**62, (), generator=generator, device=device)
