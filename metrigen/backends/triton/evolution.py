"""What the fused Triton kernels of a step are made of: kernels, helpers, and the lines that launch them."""

from __future__ import annotations

from dataclasses import dataclass

from metrigen.backends.triton.plane import PlaneFunction


@dataclass(frozen=True)
class Kernel:
    """One Triton kernel: its arguments in order and the lines of its body, some of them for what is on request."""

    name: str
    sites: tuple[str, ...]
    channels: tuple[str, ...]
    scalars: tuple[str, ...]
    stores: tuple[str, ...]
    sums: tuple[str, ...]
    lines: tuple[str, ...]
    on_request: bool = False


@dataclass(frozen=True)
class ChipKernel:
    """A kernel, or a helper called by kernels, with its parameters in order and its lines."""

    name: str
    doc: str
    parameters: tuple[str, ...]
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Evolution:
    """The fused kernels of a step and the lines that launch them.

    grouped   whether channels are coupled, so that a program owns a group of planes
    helpers   names of the templates' helper functions that are used
    """

    grouped: bool
    functions: tuple[PlaneFunction, ...]
    step: ChipKernel
    evolve: ChipKernel
    adjoint: ChipKernel
    launch: tuple[str, ...]
    launch_adjoint: tuple[str, ...]
    helpers: frozenset[str]
