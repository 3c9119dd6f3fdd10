# Part of every package that metrigen 0.1.0 emits. Do not edit.
"""What every layer shares: settings that checkpoints carry, time steps, precision, and how torch is at work."""

from __future__ import annotations

import inspect
import json
import logging
import math
import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from functools import cache, wraps
from typing import Any, ClassVar, Concatenate, ParamSpec, TypeVar

import torch
from torch import Tensor, nn

from .arguments import as_count
from .surface import Surface, dense_copy

LOG = logging.getLogger("metrigen.layer")
Tensors = tuple[Tensor, ...]
S = TypeVar("S")  # a class
R = TypeVar("R")  # what a method of it returns
P = ParamSpec("P")  # further arguments of the method
HALF = (torch.float16, torch.bfloat16)
FLOATS = (*HALF, torch.float32, torch.float64)
_any_autocast: Callable[[], bool] = getattr(torch._C, "_is_any_autocast_enabled", lambda: True)  # else device by device
FORMAT = 1  # of the settings in a checkpoint; what earlier packages wrote says none, and is read as it was


class OtherSettings(UserWarning):
    """A checkpoint was made by a layer with other settings, or by a package of another spec."""


class NotConverged(RuntimeWarning):
    """A solve gave up; the ``status`` of the state says which samples."""


class Unready(RuntimeError):
    """Kernels that take the samples of a call at once cannot be had: what called them takes one after the other."""


class BaseLayer(Surface):
    """A module whose settings are part of its checkpoints.

    DYNAMICS  those of them that decide what the layer computes beside its parameters
    SPEC      hash of the spec
    BACKENDS  what ``backend`` may be; WITHOUT: why it cannot be the others, by name
    OPERATORS  the operators of the package, where it has some
    FREE      whether the time step is a number or a tensor, no parameter
    """

    DYNAMICS: ClassVar[tuple[str, ...]] = ()
    BACKENDS: ClassVar[tuple[str, ...]] = ()
    WITHOUT: ClassVar[Mapping[str, str]] = {}
    FREE: ClassVar[bool] = False
    dt: Any
    _backend: str

    def _set_up(self, channels: int, backend: str, dtype: torch.dtype | None) -> None:
        """Channels and backend; raises ValueError for one that is none, and for a dtype that no parameter can have."""
        if dtype is not None and dtype not in FLOATS:
            raise ValueError(f"parameters are floating point, of 16, 32 or 64 bits, not {dtype}")
        self.channels, self.backend = as_count(channels, "channels", 1), backend

    @property
    def backend(self) -> str:
        """What takes the steps, one of BACKENDS; may be set later. Setting it raises ValueError where this package, or
        this machine, has no such backend."""
        return self._backend

    @backend.setter
    def backend(self, value: str) -> None:
        if value not in self.BACKENDS:
            why = self.WITHOUT.get(value, "is not emitted for this package")
            raise ValueError(f"backend={value!r} {why}; use one of {self.BACKENDS}")
        if self.OPERATORS is not None:
            self.OPERATORS.check(value)
        self._backend = value

    def _allow(self, x: Tensor) -> None:
        """Raise ValueError where the backend is insisted on and has no kernels for the device of ``x``."""
        if self.OPERATORS is not None:
            self.OPERATORS.available(self.backend, x)

    def _insist(self, x: Tensor) -> None:
        """``_allow``, where kernels move or solve: ``last_backend`` is that of the device."""
        if self._backend != "auto":
            self._allow(x)
        if self._backend != "torch" and not torch.compiler.is_compiling():
            self.__dict__["_ran"] = x.device.type

    def _takes(self, x: Tensor) -> bool:
        """Whether kernels can run where ``x`` is; raises ValueError where they are insisted on and cannot."""
        self._insist(x)
        return bool(self.OPERATORS.takes(x))

    def _step_like(self, like: Tensor) -> Tensor:
        """The time step as a tensor like that: of a frozen layer what is kept, by which ``_hoisted`` knows it."""
        if "_saved_step" in self._frozen:
            kept: Tensor = self._saved_step
            if kept.dtype == like.dtype and kept.device == like.device:
                return kept
        return step_of(self.dt, like)

    def _depending(self) -> dict[str, Tensor]:
        raw = next(self.parameters(recurse=False), torch.empty(0))
        like = torch.empty(1, dtype=working(raw), device=raw.device)
        given: Tensors = (like,)
        found = {}
        if self.FREE:
            if isinstance(self.dt, Tensor) and (self.dt.dim() or self.dt.requires_grad):
                return {}  # a prologue of every sample, or of every call
            found["_saved_step"] = step_of(self.dt, like)
            given = (found["_saved_step"], like)
        for name in self.HOISTED:
            made = getattr(self, name)(*given)
            found |= {f"_kept{name}_{i}": dense_copy(x) for i, x in enumerate(made)}
        return found

    @classmethod
    def from_config(cls, config: Mapping[str, Any], **further: Any) -> Any:
        """The layer with these arguments; ``further`` are the modules of learned functions, or what is to differ.
        Raises TypeError for an argument that the class does not have."""
        given, known = {**config, **further}, list(inspect.signature(cls).parameters)
        if unknown := [name for name in given if name not in known]:
            raise TypeError(
                f"{cls.__name__} has no argument {', '.join(unknown)}; its arguments are {', '.join(known)}"
            )
        return cls(**given)

    def _dynamics(self) -> dict[str, Any]:
        found = {name: getattr(self, name) for name in self.DYNAMICS}
        return {"spec": self.SPEC} | {n: x.tolist() if isinstance(x, Tensor) else x for n, x in found.items()}

    def get_extra_state(self) -> Tensor:
        """Spec and settings as the bytes of a JSON text, which every format of checkpoints can hold."""
        found = {"format": FORMAT, **self._dynamics()}
        return torch.tensor(list(json.dumps(found).encode()), dtype=torch.uint8, device="cpu")

    def set_extra_state(self, state: Tensor) -> None:
        """Warn by name of the settings that the checkpoint was made with and this layer has not."""
        kept, own = _settings(state), self._dynamics()
        kept.pop("format", None)
        names = [name for name in {**own, **kept} if name not in kept or name not in own or kept[name] != own[name]]
        if names:
            there, here = (", ".join(f"{n}={x.get(n)!r}" for n in names) for x in (kept, own))
            warnings.warn(
                f"the checkpoint of {type(self).__name__} was made with {there}; this layer has {here}",
                OtherSettings,
                stacklevel=5,
            )

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, local_metadata: dict[str, Any], strict: bool,
        missing_keys: list[str], unexpected_keys: list[str], error_msgs: list[str],
    ) -> None:  # fmt: skip
        """As in every module. Earlier packages had scalars of shape (), and kept no settings or none with a format: all
        of them are taken. A checkpoint of a later format is refused, and nothing of it is loaded."""
        settings = state_dict.get(prefix + "_extra_state")
        later = _settings(settings).get("format", 0) if isinstance(settings, Tensor) else 0
        if later > FORMAT:
            error_msgs.append(
                f"the checkpoint of {type(self).__name__} is of format {later}, written by a package of a later "
                f"metrigen; this package reads formats up to {FORMAT}: build it with that metrigen"
            )
            return
        for name, own in self._parameters.items():
            found = state_dict.get(prefix + name)
            if own is not None and isinstance(found, Tensor) and found.dim() == 0 and own.shape == (1,):
                state_dict[prefix + name] = found.reshape(1)
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )
        if prefix + "_extra_state" in missing_keys:
            missing_keys.remove(prefix + "_extra_state")
        self._again()


def _settings(state: Tensor) -> dict[str, Any]:
    """What a checkpoint says that it was made with."""
    try:
        found = json.loads(bytes(state.round().to("cpu", torch.uint8).tolist()))
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {"settings": "that cannot be read"}


def as_step(value: Any, backward: bool) -> float | Tensor:
    """``value`` as a time step: a positive number (``backward``: or a negative one), or a floating tensor () or (B,) of
    such numbers. Raises TypeError and ValueError."""
    kind = "finite and not zero" if backward else "positive and finite"
    if isinstance(value, Tensor):
        if value.dim() > 1 or value.dtype not in FLOATS:
            raise ValueError(
                "dt is a number, or a floating tensor of shape () or (B,), "
                f"not {value.dtype} of shape {tuple(value.shape)}"
            )
        right = value.isfinite() & ((value != 0) if backward else (value > 0))
        if readable(right) and not bool(right.all()):
            raise ValueError(f"dt must be {kind}, not {value.detach()}")
        return value
    if isinstance(value, (str, bool)) or not hasattr(value, "__float__"):
        raise TypeError(f"dt is a number, or a floating tensor of shape () or (B,), not {type(value).__name__}")
    number = float(value)
    if not math.isfinite(number) or number == 0 or (number < 0 and not backward):
        raise ValueError(f"dt={value} must be {kind}")
    return number


def step_of(dt: float | Tensor, like: Tensor) -> Tensor:
    """The time step as a tensor in the dtype and on the device of ``like``: (), or (B,) with one number a sample."""
    if not isinstance(dt, Tensor):
        return torch.full((), dt, dtype=like.dtype, device=like.device)
    if dt.dim() and dt.shape != like.shape[:1]:
        raise ValueError(f"dt has shape {tuple(dt.shape)}; needed: (), or ({like.shape[0]},) with one number a sample")
    return (dt.reshape(()) if like.shape[0] == 1 else dt).to(device=like.device, dtype=like.dtype)


def by_sample(run: Callable[..., Tensors], dt: Tensor, arrays: Tensors, one_by_one: bool) -> Tensors:
    """``run(dt, *arrays)`` of every sample by itself with its own time step, dt (B,): one after the other, or all of
    them at once by vmap. Arrays have a first axis of B, or of one where all samples share it."""
    own = [x.shape[0] != 1 for x in arrays]
    if not torch.compiler.is_compiling():
        _tell_of_samples(one_by_one)
    if not len(dt):
        return run(dt.sum() + 1, *(x[:0] if o else x for x, o in zip(arrays, own)))  # any step will do
    if one_by_one:
        found = [run(dt[i], *(x[i : i + 1] if o else x for x, o in zip(arrays, own))) for i in range(len(dt))]
        return tuple(map(torch.cat, zip(*found)))

    def one(dt: Tensor, *arrays: Tensor) -> Tensors:
        return tuple(x.squeeze(0) for x in run(dt, *(x.unsqueeze(0) if o else x for x, o in zip(arrays, own))))

    return torch.func.vmap(one, in_dims=(0, *(0 if o else None for o in own)))(dt, *arrays)


@cache
def _tell_of_samples(one_by_one: bool) -> None:
    how = "one after the other" if one_by_one else "at once by the torch reference"
    LOG.info("samples with time steps, or times, of their own are taken %s", how)


def transformed() -> bool:
    """Whether torch.func or forward-mode AD is at work, which need the composite reference."""
    active = getattr(torch._C, "_are_functorch_transforms_active", lambda: False)
    level = getattr(torch.autograd.forward_ad, "_current_level", -1)
    return active() or level >= 0


def by_reference(backend: str, *constants: Tensor) -> bool:
    """Whether the composite reference takes the steps: it is asked for, torch transforms it, or a gradient is to flow
    into ``constants``, the time step and the times of a system that depends on the time, which kernels take for such.
    Raises ValueError where they insist."""
    if backend in ("torch", "compile") or transformed():
        return True
    if not (any(x.requires_grad for x in constants) and torch.is_grad_enabled()):
        return False
    if backend != "auto":
        raise ValueError(
            f"backend={backend!r} has no gradient in dt and t0 of a system that depends on the time; use "
            'backend="auto" or "torch"'
        )
    if not torch.compiler.is_compiling():
        _tell_of_times()
    return True


@cache
def _tell_of_times() -> None:
    LOG.info("the torch reference takes the steps of calls with a gradient in dt or t0, where t stands in the system")


def has_numbers(x: Tensor) -> bool:
    """Whether ``x`` has numbers at all: torch is not tracing, and ``x`` is no stand-in of another one."""
    return not (torch.compiler.is_compiling() or transformed() or type(x) not in (Tensor, nn.Parameter) or x.is_meta)


def readable(x: Tensor) -> bool:
    """Whether the numbers of ``x`` may be looked at: they lie in this memory, so that nobody waits for a device (with
    METRIGEN_CHECK=1 on every device)."""
    if not has_numbers(x):
        return False
    return x.device.type == "cpu" or os.environ.get("METRIGEN_CHECK", "0") == "1"


def broadcast(*shapes: Iterable[int]) -> tuple[int, ...]:
    """The shape that these broadcast to; RuntimeError where they do not. (``torch.broadcast_shapes`` takes as long as a
    small kernel.)"""
    found: list[int] = []
    for shape in shapes:
        for axis, size in enumerate(reversed(tuple(shape))):
            if axis == len(found):
                found.append(size)
            elif found[axis] == 1:
                found[axis] = size
            elif size != 1 and size != found[axis]:
                raise RuntimeError(f"{size} and {found[axis]} do not broadcast")
    return tuple(reversed(found))


def exact(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """The method outside of autocast: sums of differences need all the digits of what they are given."""

    @wraps(method)
    def run(self: S, /, *given: P.args, **named: P.kwargs) -> R:
        if not torch.compiler.is_compiling() and not _any_autocast():
            return method(self, *given, **named)
        device = _device_of(given) or _device_of(named.values()) or "cpu"
        if device == "meta" or not torch.is_autocast_enabled(device):
            return method(self, *given, **named)
        with torch.autocast(device, enabled=False):
            return method(self, *given, **named)

    return run


def as_dtype(x: Tensor, dtype: torch.dtype) -> Tensor:
    """``x.to(dtype)``, which takes a microsecond even where there is nothing to do."""
    return x if x.dtype == dtype else x.to(dtype)


def _device_of(given: Iterable[Any]) -> str:
    """The type of the device of the first tensor, or of the first one in a tuple; empty where there is none."""
    for x in given:
        if isinstance(x, Tensor):
            return x.device.type
        if isinstance(x, tuple):
            return next((y.device.type for y in x if isinstance(y, Tensor)), "")
    return ""


def _leaves(x: Any) -> tuple[Any, ...]:
    return x if isinstance(x, tuple) else (x,)


def working(*tensors: Tensor) -> torch.dtype:
    """The dtype that is computed in: that of the first, float32 for half precision. Raises ValueError."""
    for x in tensors:
        if x.dtype not in FLOATS:
            raise ValueError(f"fields are floating point, of 16, 32 or 64 bits, not {x.dtype}")
    return torch.float32 if tensors[0].dtype in HALF else tensors[0].dtype


def pullback(function: Callable[..., Any], at: Tensors, cotangents: Any) -> Tensors:
    """Cotangents of ``at``, J^T cotangents of ``function`` at ``at``; differentiable where gradients are recorded.

    By autograd, which goes with hooks on saved tensors; by torch.func where a transform or a compiler is at work."""
    # What torch.func.vjp returns may be called when no transform is at work any more, on tensors of the one that was.
    wrapped = any(map(torch._C._functorch.is_functorch_wrapped_tensor, at))
    if wrapped or transformed() or torch.compiler.is_compiling():
        pull = torch.func.vjp(function, *at)[1]
        return pull(cotangents)
    recorded = torch.is_grad_enabled()
    with torch.enable_grad():
        given = tuple(x.view_as(x) if x.requires_grad else x.detach().requires_grad_() for x in at)
        out = function(*given)
        pairs = [(y, g) for y, g in zip(_leaves(out), _leaves(cotangents)) if y.requires_grad]
        if not pairs:
            return tuple(torch.zeros_like(x) for x in at)
        outs, grads = zip(*pairs)
        return torch.autograd.grad(outs, given, grads, create_graph=recorded, materialize_grads=True)


def unshared(results: Tensors, arguments: Tensors) -> Tensors:
    """Contiguous results that share no memory with an argument or with one another, as an operator must return them."""
    taken = {x.untyped_storage().data_ptr() for x in arguments}
    owned = []
    for r in results:
        whole = r.contiguous()
        own = whole.clone() if whole.untyped_storage().data_ptr() in taken else whole
        taken.add(own.untyped_storage().data_ptr())
        owned.append(own)
    return tuple(owned)


def operator_prefix(package: str, first: str) -> str:
    """What the names of a package's operators in torch begin with, of which ``first`` is one; where copies of it are
    loaded already, numbered: an operator that is registered again would leave the copy before without it.
    """
    name, number = package, 1
    while hasattr(torch.ops.metrigen, f"{name}_{first}"):
        number += 1
        name = f"{package}_{number}"
    return f"metrigen::{name}"


def reported(results: Tensors, max_iter: int, title: str) -> Tensors:
    """Results of a solve, with one warning where it failed."""
    x, iterations, residual, status = results
    if readable(status) and bool((status != 0).any()):
        warnings.warn(
            f"{title}: a solve did not converge (max_iter={max_iter}); see `status` of the state for the samples",
            NotConverged,
            stacklevel=2,
        )
    return x.contiguous(), iterations, residual, status
