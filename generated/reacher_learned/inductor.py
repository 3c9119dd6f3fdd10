# Part of every package that metrigen 0.1.0 emits. Do not edit.
"""One step of the reference as compiled code, which ``backend="compile"`` asks for.

torch.compile makes it once for a dtype, a device, channels and sites, and what takes a gradient, for any number of
samples: with sites that are free its code would read neighbours one by one. K steps are a loop around it.
The adjoint is the compiled one of a step, at the states that the steps forward left. Where gradients of gradients are
recorded, autograd of the reference takes its place.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from types import FunctionType
from typing import Any

import torch
from torch import Tensor
from torch.fx.experimental import _config as shapes
from torch.utils._python_dispatch import _get_current_dispatch_mode

from .base import Tensors, pullback

_settings: Any = getattr(shapes, "patch")  # no type checker sees it

COMPILER = "inductor"  # as torch.compile names it
Run = Callable[..., Tensors]


def compiled(step: Run, adjoint: Run, held: Tensors = ()) -> Run:
    """``step`` by compiled code, differentiated by its ``adjoint``, which gives a cotangent of every argument. Both are
    handed first what is ``held``, which has none."""

    def run(*given: Tensor) -> Tensors:
        found: Tensors = _Step.apply(step, adjoint, held, *given)
        return found

    return run


class _Step(torch.autograd.Function):
    """A step and its adjoint, both compiled."""

    @staticmethod
    def forward(ctx: Any, step: Run, adjoint: Run, held: Tensors, *given: Tensor) -> Tensors:
        ctx.step, ctx.adjoint, ctx.held = step, adjoint, held
        ctx.save_for_backward(*given)
        return _run(step, (), held, given)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        given, asked = ctx.saved_tensors, tuple(ctx.needs_input_grad[3:])
        if torch.is_grad_enabled():  # gradients of it are to be had
            return (None, None, None, *pullback(partial(ctx.step, *ctx.held), given, grads))
        found = iter(_run(ctx.adjoint, asked, ctx.held, (*given, *grads)))
        return (None, None, None, *(next(found) if a else None for a in asked))


def _run(function: Run, asked: tuple[bool, ...], held: Tensors, given: Tensors) -> Tensors:
    """The compiled function, of what it was compiled for: dense tensors without a history. The function as it is where
    something looks at every call of torch, or traces the adjoint."""
    if torch.compiler.is_compiling() or _get_current_dispatch_mode() is not None:
        return _only(function(*held, *given), asked)
    first = given[0]
    code = _code(function, asked, first.dtype, first.device.type, first.shape[1:])
    arrays = [x.detach().contiguous() for x in (*held, *given)]
    for x in arrays:
        if x.dim() >= first.dim() and x.shape[0] == first.shape[0]:
            torch._dynamo.maybe_mark_dynamic(x, 0)
    with _settings(use_duck_shape=False):  # sizes that are equal once may differ later
        return code(*arrays)


@cache
def _code(function: Run, asked: tuple[bool, ...], dtype: torch.dtype, device: str, sizes: tuple[int, ...]) -> Run:
    """``function``, of whose results those that are ``asked`` for (empty: all) are returned. Compiled by itself for a
    dtype, a device and ``sizes`` behind the samples: torch compiles one piece of code for a few cases and then no
    more."""
    insist(device)

    def run(*given: Tensor) -> Tensors:
        return _only(function(*given), asked)

    own = FunctionType(run.__code__.replace(), run.__globals__, function.__name__, None, run.__closure__)
    made: Run = torch.compile(own, backend=COMPILER, fullgraph=True)
    return made


def _only(found: Tensors, asked: tuple[bool, ...]) -> Tensors:
    return tuple(x for x, a in zip(found, asked, strict=True) if a) if asked else found


def insist(device: str) -> None:
    """Raises ValueError where this machine lacks what torch.compile needs for a device."""
    if COMPILER != "inductor":
        return
    if device == "cpu":
        from torch._inductor import config, cpp_builder, exc

        try:
            cpp_builder.get_cpp_compiler()
        except exc.InvalidCxxCompiler as error:
            names = [x for x in config.cpp.cxx if x] if isinstance(config.cpp.cxx, (tuple, list)) else [config.cpp.cxx]
            raise ValueError(
                f'backend="compile" needs a C++ compiler: torch looks for {" or ".join(names)} and finds none; install '
                'one, set CXX to its name before torch is imported, or use backend="auto" or "torch"'
            ) from error
    elif device == "cuda":
        from torch.utils._triton import has_triton

        if not has_triton():
            raise ValueError('backend="compile" needs the package triton on a GPU; use backend="auto" or "torch"')
