# Part of every package that metrigen 0.1.0 emits. Do not edit.
"""Steps of a call: how many, of what length, from when on, and which of the states on the way are kept."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from .accuracy import Accuracy
from .arguments import as_count, check_input
from .base import Tensors, exact, has_numbers, readable, transformed
from .inductor import compiled
from .state import from_state
from .stretches import SAVED, Evolve, rolled, rolled_readout, segment, taken_again


class Span(NamedTuple):
    """The steps of a call.

    steps   how many; None: as many as driven inputs have values, else those of the layer
    dt      the time step; None: that of the layer
    t0      the time at which they begin, a number, or a tensor () or (B,)
    every   how many steps lie between states that are kept; 0: the last state alone
    read    whether those states are read at once, and not kept
    """

    steps: int | None = None
    dt: float | Tensor | None = None
    t0: float | Tensor = 0.0
    every: int = 0
    read: bool = False

    @property
    def taken(self) -> int:
        """Steps of a span whose number is known."""
        assert self.steps is not None
        return self.steps


def counted(span: Span, own: int, driven: Mapping[str, Tensor]) -> Span:
    """The span with its number of steps: that of the values of the ``driven`` inputs (B, C, K, ...), which a size of
    one does not tell, else what the call says, else ``own``. Raises TypeError for no tensor, ValueError where they
    differ or there is no such axis."""
    if not driven and span.steps is None and span.every == 0:
        return span._replace(steps=own)  # most calls
    steps = own if span.steps is None else as_count(span.steps, "steps", 0)
    said = "" if span.steps is None else f"steps={steps}"
    for name, x in driven.items():
        if check_input(x, name).dim() < 3:
            raise ValueError(f"{name} has shape {tuple(x.shape)}; needed: (B, C, K, ...), with a value for every step")
        if x.shape[2] == 1:
            continue
        if said and x.shape[2] != steps:
            raise ValueError(
                f"{name} has values for {x.shape[2]} steps, {said}: an input of shape (B, C, K, ...) has one "
                "for every step, or K = 1 for all of them"
            )
        steps, said = x.shape[2], f"{name} for {x.shape[2]}"
    every = as_count(span.every, "every", 0)
    if every and steps % every:
        raise ValueError(f"{steps} steps are no multiple of every={every}: the last state would not be kept")
    return span._replace(steps=steps, every=every)


def as_time(value: Any) -> float:
    """A time that is no tensor as a number. Raises TypeError and ValueError."""
    if isinstance(value, (str, bool)) or not hasattr(value, "__float__"):
        hint = "; torch.tensor makes one" if isinstance(value, (list, tuple)) else ""
        raise TypeError(f"a time is a number, or a tensor of shape () or (B,), not {type(value).__name__}{hint}")
    if not math.isfinite(value):
        raise ValueError(f"a time must be finite, not {value}")
    return float(value)


def moment(t: float | Tensor, like: Tensor) -> Tensor:
    """A time in the dtype of a field: (), or with one a sample (B, 1, ...). Raises TypeError and ValueError."""
    if not isinstance(t, Tensor):
        return torch.full((), as_time(t), dtype=like.dtype, device=like.device)
    if t.is_complex() or t.dtype == torch.bool:
        raise ValueError(f"a time is real, not {t.dtype}")
    if t.dim() and t.shape != like.shape[:1]:
        raise ValueError(f"a time has shape {tuple(t.shape)}; needed: (), or ({like.shape[0]},) with one a sample")
    right = t.isfinite()
    if readable(right) and not bool(right.all()):
        raise ValueError(f"a time must be finite, not {t.detach()}")
    return t.to(like).reshape(() if t.numel() == 1 else (-1, *[1] * (like.dim() - 1)))


def times(t0: Tensor, dt: Tensor | float, count: int, like: Tensor) -> Tensor:
    """The times (K,) at which steps begin that follow t0 (1,), counted in double precision where the device has it."""
    wide = like.dtype if like.device.type == "mps" else torch.float64
    steps = torch.arange(count, dtype=wide, device=like.device)
    return (t0.to(wide).reshape(()) + steps * (dt.to(wide) if isinstance(dt, Tensor) else dt)).to(like.dtype)


def stepwise(x: Tensor) -> Tensor:
    """(B, C, K, ...) -> (K, B, C, ...), as steps read it; nothing is copied."""
    return x.movedim(2, 0)


def by_steps(evolve: Evolve, state: Tensors, fixed: Tensors, span: Span, driven: Sequence[int] = ()) -> Tensors:
    """The last state, or with ``every`` the kept ones (B, C, n, ...), by a reference: autograd records its steps,
    and of many steps one stretch at a time."""
    steps, every = span.taken, span.every
    if steps > SAVED and torch.is_grad_enabled() and not transformed() and not torch.compiler.is_compiling():
        evolve = _stretched(evolve, driven)
    if not every:
        return tuple(evolve(state, fixed, steps))
    return _frames(rolled(evolve, state, fixed, steps, every, driven))


def _stretched(evolve: Evolve, driven: Sequence[int]) -> Evolve:
    """Steps of which autograd keeps the states between stretches, and takes a stretch once more when it comes to it."""

    def run(state: Tensors, fixed: Tensors, steps: int) -> Tensors:
        every = math.isqrt(max(steps, 1) - 1) + 1
        for first in range(0, steps, every):
            count = min(every, steps - first)
            state = taken_again(evolve, state, segment(fixed, driven, first, count), count)
        return state

    return run


def by_operators(operators: Any, state: Tensors, fixed: Tensors, span: Span) -> Tensors:
    """The same by the operators ``evolve`` and ``rollout`` of a package."""
    if span.every:
        found = operators.rollout(*state, *fixed, span.steps, span.every)
    else:
        found = operators.evolve(*state, *fixed, span.steps)
    states = found if isinstance(found, tuple) else (found,)
    return _frames(states) if span.every else states


def by_readings(
    evolve: Evolve, evolve_readout: Evolve, state: Tensors, fixed: Tensors, others: Tensors, span: Span,
    driven: Sequence[int] = (),
) -> Tensors:  # fmt: skip
    """The readouts of the states that would be kept, (B, R*C, n, ...), and the last state, by a reference."""
    if span.taken > SAVED and torch.is_grad_enabled() and not transformed() and not torch.compiler.is_compiling():
        evolve = _stretched(evolve, driven)
    run = partial(_after, evolve_readout, evolve)
    return frames_first(rolled_readout(run, state, fixed, others, span.taken, span.every, driven))


def _after(evolve_readout: Evolve, evolve: Evolve, *given: Any) -> Tensors:
    found: Tensors = evolve_readout(*given, evolve)
    return found


def frames_first(found: Tensors) -> Tensors:
    """Readouts (n, B, R*C, ...) as (B, R*C, n, ...), and the state behind them."""
    return (found[0].movedim(0, 2), *found[1:])


def unread(state: Tensors, components: int) -> Tensors:
    """The same of no steps."""
    first = state[0]
    return (first.new_empty((first.shape[0], components * first.shape[1], 0, *first.shape[2:])), *state)


def by_solves(
    evolve: Evolve, state: Tensors, fixed: Tensors, span: Span, keep: bool, driven: Sequence[int] = ()
) -> Tensors:
    """The same by steps that solve equations: behind the fields iterations, residual and status of all of them. Of many
    steps the states between stretches are kept, and the adjoint takes a stretch once more when it comes to it."""
    n, steps, long = len(state), span.taken, keep and span.taken > SAVED
    if steps == 0 or not (span.every or long):
        found = tuple(evolve(*state, *fixed, steps, keep)[: n + 3])
        return found if not span.every else (*_frames(tuple(x.unsqueeze(0)[:0] for x in state)), *found[n:])
    every, kept, reports = span.every or steps, [], []
    stretch = min(every, math.isqrt(steps - 1) + 1) if long else every
    for end in range(every, steps + 1, every):
        for first in range(end - every, end, stretch):
            count = min(stretch, end - first)
            results = evolve(*state, *segment(fixed, driven, first, count), count, keep and not long)
            state = tuple(results[:n])
            reports.append(results[n : n + 3])
        kept.append(state)
    iterations, residual, status = map(torch.stack, zip(*reports))
    ends = _frames(tuple(map(torch.stack, zip(*kept)))) if span.every else state
    return (*ends, iterations.sum(0), residual.amax(0), status.amax(0))


def _frames(states: Tensors) -> Tensors:
    return tuple(x.movedim(0, 2) for x in states)


class Stepping(Accuracy):
    """What a layer that takes steps gives beside its last state.

    FIELDS, INPUTS  names of the fields of its state and of its inputs
    DRIVEN    inputs with a value for every step
    MORE      further arguments of a call, which may be left out
    RANK, ON  axes of a field; name of an input that lives on some of them -> for each whether it has it
    ALONG     inputs along the edges of a graph; SAMPLES: those that are numbers of samples, (B,) or (B, C)
    TIMED     whether something depends on the time by itself
    CLOCKED   the methods that read a state and in whose formula the time stands
    """

    TIMED: ClassVar[bool] = False
    CLOCKED: ClassVar[tuple[str, ...]] = ()
    RANK: ClassVar[int] = 0
    ON: ClassVar[Mapping[str, tuple[bool, ...]]] = {}
    ALONG: ClassVar[tuple[str, ...]] = ()
    SAMPLES: ClassVar[tuple[str, ...]] = ()
    MORE: ClassVar[tuple[str, ...]] = ()
    FIELDS: ClassVar[tuple[str, ...]]
    INPUTS: ClassVar[tuple[str, ...]]
    DRIVEN: ClassVar[tuple[str, ...]] = ()

    backend: str
    OPERATORS: ClassVar[Any]
    readout: Callable[..., Tensor]
    _called: Callable[..., Any]
    _rolled_readout: Callable[..., Tensors] | None = None  # readouts and the last state, of layers that have it

    @exact
    @from_state
    def rollout(
        self, /, *fields: Any, every: int = 1, steps: int | None = None, dt: float | Tensor | None = None,
        t0: float | Tensor = 0.0, **given: Any,
    ) -> Any:  # fmt: skip
        """The states after steps every, 2 every, ..., as one State of fields (B, C, n, *S); ``forward`` is the last.

        fields  (B, C, *S), in order or by name, or a State; those that may be left out start at zero
        every   steps from one state to the next, 1 or more; steps is a multiple of it
        steps, dt, t0, and by name all else that ``forward`` takes, in the shapes that it takes

        Gradients flow from any of the states. ValueError: as ``forward``, and where the last state would not be kept.
        TypeError: a name that is unknown, missing or given twice."""
        as_count(every, "every", 1)
        return self._called(*self._bound(fields, given), Span(steps, dt, t0, every))

    @exact
    @from_state
    def _read(
        self, /, *fields: Any, every: int, steps: int | None = None, dt: float | Tensor | None = None,
        t0: float | Tensor = 0.0, **given: Any,
    ) -> Any:  # fmt: skip
        as_count(every, "every", 1)
        return self._called(*self._bound(fields, given), Span(steps, dt, t0, every, True))

    def _kept_times(self, given: Mapping[str, Any], every: int, states: Any) -> Tensor:
        """The times of the states of a rollout, (n,), or (B, n) where samples have times or steps of their own."""
        first = getattr(states, self.FIELDS[0])
        t0, dt = (
            x if isinstance(x, Tensor) else torch.tensor(float(x), dtype=torch.float64, device=first.device)
            for x in (given.get("t0", 0.0), self._length(given.get("dt")))
        )
        steps = every * torch.arange(1, 1 + first.shape[2], dtype=torch.float64, device=first.device)
        return t0.unsqueeze(-1) + dt.unsqueeze(-1) * steps if t0.dim() or dt.dim() else t0 + dt * steps

    def _at_end(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """The inputs of a call as what reads its last state takes them: of driven ones the last value, and the time."""
        found = {name: x[:, :, -1] if name in self.DRIVEN else x for name, x in inputs.items()}
        if not self.TIMED:
            return found
        counts = [inputs[name].shape[2] for name in self.DRIVEN if inputs[name].shape[2] > 1]
        return found | {"t": self._length(None) * (counts[0] if counts else self.steps)}

    def _reference_steps(self, reference: Any, like: Tensor, graph: Any = None) -> Evolve:
        """``reference.evolve``, by compiled steps where backend="compile" asks for them and nothing traces or
        transforms the call."""
        evolve: Evolve = reference.evolve if graph is None else partial(reference.evolve, graph)
        if self.backend != "compile" or not has_numbers(like):
            return evolve
        self.__dict__["_ran"] = "compile"
        if graph is None:
            return partial(evolve, step=compiled(reference.step, reference.step_adjoint))
        step = compiled(*graph.of_tensors(reference.step, reference.step_back))
        return partial(evolve, step=lambda _, *given: step(*given))

    def _apart(self, like: Tensor, span: Span) -> bool:
        """Whether kernels take steps of samples that have time steps of their own in one call."""
        found = self.OPERATORS
        if found is None or not found.of_samples or self.backend in ("torch", "compile") or transformed():
            return False
        return bool(span.taken and like.numel() and found.apart(like))

    def _length(self, dt: float | Tensor | None) -> float | Tensor:
        """The time step of a call."""
        return self.dt if dt is None else dt

    def _bound(self, fields: Sequence[Any], given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Fields and inputs by name. Raises TypeError."""
        named = dict(zip(self.FIELDS, fields))
        unknown = [name for name in given if name in named or name not in (*self.FIELDS, *self.INPUTS, *self.MORE)]
        missing = [name for name in self.INPUTS if name not in given]
        if unknown or missing or len(fields) > len(self.FIELDS):
            wrong = f"given twice or unknown: {', '.join(unknown)}" if unknown else f"missing: {', '.join(missing)}"
            raise TypeError(f"fields are {', '.join(self.FIELDS)}, inputs {', '.join(self.INPUTS) or 'none'}; {wrong}")
        named = {name: named.get(name, given.get(name)) for name in self.FIELDS}
        return named, {**{name: given.get(name) for name in self.MORE}, **{name: given[name] for name in self.INPUTS}}

    def _in_pairs(self, inputs: Mapping[str, Any]) -> bool:
        """Whether a call is on the graph of all pairs of nodes."""
        return "edge_index" in self.MORE and inputs.get("edge_index") is None

    def _axes(self, name: str, inputs: Mapping[str, Any]) -> int:
        """How many axes an input has behind samples and channels: along the edges one if they are listed, else two."""
        if name in self.ALONG:
            return 2 if self._in_pairs(inputs) else 1
        return sum(self.ON.get(name, (True,) * self.RANK))

    @from_state
    def rollout_readout(self, /, *fields: Any, every: int = 1, **given: Any) -> tuple[Any, Tensor]:
        """The last state, fields (B, C, *S), and the readout (B, R*C, n, *S) of each state that ``rollout`` gives.

        fields, every, and by name all else: as ``rollout`` takes them, and with its errors. Where no t stands in what
        is read, a layer that kernels step holds none of the states on the way."""
        if self._rolled_readout is not None:
            return self._read(*fields, every=every, **given)
        states = self.rollout(*fields, every=every, **given)
        read = {name: given[name] for name in (*self.INPUTS, *self.MORE) if name in given}
        for name in self.DRIVEN:
            x = read[name]
            read[name] = x if x.shape[2] == 1 else x[:, :, every - 1 :: every]
        if self.TIMED:
            read["t"] = self._kept_times(given, every, states)
        readings = self.readout(states, **read)
        if not readings.shape[2]:
            return self.forward(*fields, **given), readings
        last = (x.select(2, -1) if name in self.FIELDS else x for name, x in zip(states._fields, states))
        return type(states)(*last), readings
