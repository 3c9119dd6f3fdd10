# Part of every package that metrigen 0.1.0 emits. Do not edit.
"""What a module of torch has beside its computation: initial values, what is shown, frozen parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from . import symbolic
from .arguments import check_input


class Surface(nn.Module):
    """The surface of every layer.

    CONFIG    names of the arguments of the constructor, each an attribute of the same name
    STATE     class of the state, whose first fields are FIELDS
    ZERO      names of the fields that start at zero where they are not given
    START     keyword of ``forward`` for where a solve or a sequence starts; empty where fields are its arguments
    INPUTS    names of the inputs of ``forward``; SIGNS and BOUNDS: what was declared of them, and of fields
    READS     names of the components of the readout
    ENERGY    the energy in one line; STEP: the time step where it is no number that can be set
    HOISTED   names of the methods that compute what depends on parameters alone
    """

    CONFIG: ClassVar[tuple[str, ...]] = ()
    STATE: ClassVar[Any] = None
    FIELDS: ClassVar[tuple[str, ...]] = ()
    ZERO: ClassVar[tuple[str, ...]] = ()
    START: ClassVar[str] = ""
    INPUTS: ClassVar[tuple[str, ...]] = ()
    SIGNS: ClassVar[Mapping[str, str]] = {}
    BOUNDS: ClassVar[Mapping[str, float]] = {}
    READS: ClassVar[tuple[str, ...]] = ()
    ENERGY: ClassVar[str] = ""
    STEP: ClassVar[str] = ""
    HOISTED: ClassVar[tuple[str, ...]] = ()
    SPEC: ClassVar[str] = ""
    OPERATORS: ClassVar[Any] = None

    channels: int
    _starts: Mapping[str, Any] = {}
    _frozen: tuple[str, ...] = ()
    _results: Mapping[str, tuple[str, ...]] = {}  # method of HOISTED -> the buffers that keep what it makes
    _trained: tuple[str, ...] = ()
    _ran: str = ""
    _saved_step: Tensor  # of a frozen layer

    @property
    def config(self) -> dict[str, Any]:
        """Arguments of the constructor, those that are modules apart: ``from_config`` makes such a layer again."""
        return {name: getattr(self, name) for name in self.CONFIG}

    @property
    def readout_channels(self) -> int:
        """Channels R*C of the readout."""
        return len(self.READS) * self.channels

    @property
    def last_backend(self) -> str:
        """What ran in the last forward call outside of compiled code: "cpu", "triton", "compile" for compiled steps of
        the reference or, of the reference, "torch"."""
        if self._ran == "compile":
            return self._ran
        return self.OPERATORS.ran(self._ran) if self.OPERATORS is not None and self._ran else "torch"

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Set every parameter to its initial value again, in place: that of ``init=`` and of a learned ``dt=`` where
        the layer was made with one, else that of the spec; what has a range is drawn anew."""
        for name, param in declared(type(self)).items():
            param.begin(self, self._starts.get(name, param.init))

    def no_weight_decay(self) -> set[str]:
        """Names of the raw tensors that weight decay should leave alone: a raw 0 of what has a sign or a bound is no
        neutral value, but log 2, or the middle of the range. What has no sign decays to 0, where its term is off."""
        return {param.raw_name for param in declared(type(self)).values() if param.sign}

    def extra_repr(self) -> str:
        shown = dict(self.config)
        if self.STEP:
            shown["dt"] = _Word(self.STEP)
        backend = shown.pop("backend")
        shown |= {"backend": backend, "H": _Word(self.ENERGY), "spec": _Word(self.SPEC)}
        return ", ".join(f"{name}={_shown(value)}" for name, value in shown.items())

    def sequential(self, field: str | None = None, **held: Tensor) -> OneTensor:
        """This layer as a module from one tensor to one tensor, for nn.Sequential: from the first field, or the one
        input of a solve or a sequence, to the readout, or to ``field`` of the state. ``held`` are all other fields and
        inputs, which stay the same; fields that start at zero are left out."""
        return OneTensor(self, field, held)

    def hamiltonian(self, channel: int | None = 0) -> Any:
        """The density of the energy of a channel as an expression of SymPy, with the learned numbers in it; None: the
        sum over all channels. Fields, inputs and learned functions stay functions, and derivatives stay ``Derivative``;
        where channels meet, their fields bear their numbers, phi_0, phi_1."""
        return symbolic.hamiltonian(self, channel)

    def lagrangian(self, channel: int | None = 0) -> Any:
        """The Lagrangian in the same way; AttributeError where the spec states none."""
        return symbolic.lagrangian(self, channel)

    def _repr_markdown_(self) -> str:
        return symbolic.markdown(self)

    def rates(self, *_: Any, **__: Any) -> Any:
        """Raises AttributeError: a layer that does not solve for a steady state has rates of its own."""
        raise AttributeError(f"{type(self).__name__} has no rates: a steady state does not move")

    def freeze(self, on: bool = True) -> Any:
        """Keep the values of parameters, and what depends on them alone, as buffers, so that no call computes them
        again, and let no gradient into parameters; ``freeze(False)`` takes that back. Returns the layer.

        The buffers are no part of checkpoints. Loading one, moving the layer to a device or dtype, and a new ``dt``
        make them anew; so does ``freeze()``, which is needed where a raw tensor, or a tensor that is the time step, was
        written to. A parameter is not assigned to while it is frozen."""
        self.__dict__.pop("_before", None)
        for name in self._frozen:
            delattr(self, name)
        first, self._frozen, self._results = not self._frozen, (), {}
        if first and on:
            self._trained = tuple(name for name, raw in self.named_parameters() if raw.requires_grad)
        if not on:
            for name in self._trained:
                self.get_parameter(name).requires_grad_(True)
            self._trained = ()
            return self
        self.requires_grad_(False)
        with torch.no_grad():
            found = {kept_name(name): dense_copy(getattr(self, name)) for name in declared(type(self))}
            found |= self._depending()
        for name, value in found.items():
            self.register_buffer(name, value, persistent=False)
        self._frozen = tuple(found)
        self._results = {own: tuple(n for n in found if n.startswith(f"_kept{own}_")) for own in self.HOISTED}
        return self

    def _depending(self) -> dict[str, Tensor]:
        """The time step, and the results of HOISTED, in the dtype of the parameters."""
        raise NotImplementedError

    def _hoisted(self, name: str, *given: Any) -> Any:
        """What a method of HOISTED makes of parameters alone, for tensors like the last of ``given``, behind dt where
        that is no parameter: of a frozen layer what is kept, if it was made for these; of a time step for every sample
        what is made of each of them, along a first axis."""
        if len(given) > 1 and given[0].dim():
            dt, like = given
            return torch.func.vmap(lambda dt: getattr(self, name)(dt, like))(dt)
        made = self._results.get(name, ())
        if made and (len(given) == 1 or given[0] is self._saved_step):
            kept, like = tuple([getattr(self, n) for n in made]), given[-1]
            if all([x.dtype == like.dtype and x.device == like.device for x in kept]):
                return kept
        return getattr(self, name)(*given)

    def _again(self) -> None:
        """Make what is kept of a frozen layer anew, and forget what the call before found."""
        self.__dict__.pop("_before", None)
        if self._frozen:
            self.freeze()

    def _apply(self, *args: Any, **kwargs: Any) -> Any:
        moved = super()._apply(*args, **kwargs)
        self._again()
        return moved

    def _started(self, method: str, state: Any, given: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """Arguments of a method that starts from a state: its fields, or the state by the keyword that takes it."""
        if any(not hasattr(state, name) for name in self.FIELDS):  # not isinstance: a module may be loaded twice
            kind = type(state).__name__
            raise TypeError(f"{method}() takes tensors, or a {self.STATE.__name__}, not a {kind}: it has other fields")
        if not self.START:
            taken = (*self.FIELDS, *self.INPUTS[: len(given)])  # behind it there may be inputs
            if any(name in named for name in taken) or len(given) > len(self.INPUTS):
                raise TypeError(f"{method}() is given fields beside a {self.STATE.__name__}, which has all of them")
            return (*(getattr(state, name) for name in self.FIELDS), *given), named
        if named.get(self.START) is not None:
            raise TypeError(f"{method}() is given a {self.STATE.__name__} to start from, and {self.START}= beside it")
        start = state if self.START == "state" else getattr(state, self.FIELDS[0]).detach()
        return given, {**named, self.START: start}

    def _by_position(self, method: str, given: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """Fields, and what follows them as the inputs, in their order. Raises TypeError."""
        fields, inputs = given[: len(self.FIELDS)], given[len(self.FIELDS) :]
        found = dict(zip(self.INPUTS, inputs))
        twice = [name for name in found if name in named]
        if len(inputs) > len(self.INPUTS) or twice:
            wrong = f"given twice: {', '.join(twice)}" if twice else f"{len(given)} given by position"
            names = f"fields are {', '.join(self.FIELDS)}, inputs {', '.join(self.INPUTS) or 'none'}"
            raise TypeError(f"{method}(): {names}; {wrong}")
        return fields, {**named, **found}


class OneTensor(nn.Module):
    """A layer as a module from one tensor to one tensor."""

    def __init__(self, layer: Surface, field: str | None, held: Mapping[str, Tensor]) -> None:
        """Raises ValueError where one tensor is not enough, or too much, TypeError for what is held and no tensor."""
        super().__init__()
        kind, names = type(layer).__name__, (*layer.INPUTS,)
        if not layer.START:
            names = (*layer.FIELDS, *names)
        elif not names:
            names = (layer.START,)
        taken = tuple(n for n in names if n not in held and (n == names[0] or n not in layer.ZERO))
        unknown = [n for n in held if n not in names and n != "edge_index"]
        if unknown:
            raise ValueError(f"sequential() holds fields and inputs, of which {kind} has {names}, not {unknown[0]}")
        for name, x in held.items():
            check_input(x, name)
        if len(taken) != 1:
            words = ", ".join(taken) or "nothing"
            raise ValueError(f"sequential() hands over one tensor; {kind} still needs {words}: hold all but one")
        if field is not None and field not in layer.FIELDS:
            raise ValueError(f"{kind} has the fields {layer.FIELDS}, not {field!r}")
        self.layer, self.field, self.taken, self.held = layer, field, taken[0], tuple(held)
        for name, x in held.items():
            self.register_buffer(f"held_{name}", x)

    def extra_repr(self) -> str:
        return f"{self.taken} -> {self.field or 'readout'}"

    def forward(self, x: Tensor) -> Tensor:
        layer: Any = self.layer
        given = {self.taken: x, **{name: getattr(self, f"held_{name}") for name in self.held}}
        if self.field is not None:
            end = layer(**given)
            return getattr(end if hasattr(end, self.field) else end[-1], self.field)  # behind what a memory reads
        if hasattr(layer, "forward_readout"):
            return layer.forward_readout(**given)[1]
        read = () if layer.START == "state" else (*layer.INPUTS, "edge_index")
        inputs = {name: y for name, y in given.items() if name in read}
        state = layer(**given)
        return layer.readout(state, **(layer._at_end(inputs) if hasattr(layer, "_at_end") else inputs))


class _Word(str):
    """What is shown without quotes."""


def _shown(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"tensor of shape {tuple(value.shape)}"
    return str(value) if isinstance(value, _Word) else repr(value)


def declared(layer: type) -> dict[str, Any]:
    """The parameters that a class names, in order."""
    found = {name: value for kind in reversed(layer.__mro__) for name, value in vars(kind).items()}
    return {name: value for name, value in found.items() if hasattr(value, "raw_name")}


def dense_copy(x: Tensor) -> Tensor:
    """A copy that lies as kernels read it, whatever made ``x``."""
    return x.clone(memory_format=torch.contiguous_format)


def kept_name(parameter: str) -> str:
    """The buffer that keeps the value of a frozen parameter."""
    return f"_kept_value_{parameter}"
