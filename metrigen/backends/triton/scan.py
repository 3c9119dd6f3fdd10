"""The loops of a scan in Triton: pointwise functions, and the lines that load, step and store a few tokens at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from metrigen.backends.triton.dialect import TRITON
from metrigen.ir.nodes import Map, Program
from metrigen.ir.statement import unknown

# Tokens that are loaded before the first of them is used, so that the loads are in flight together; backward, where
# there is more to hold, fewer. A chunk is a multiple of both.
TOKENS_AT_ONCE, BACKWARD_AT_ONCE = 4, 2


@dataclass(frozen=True)
class Pointwise:
    """A function of tensors of channels."""

    name: str
    args: tuple[str, ...]
    lines: tuple[str, ...]
    results: tuple[str, ...]


def print_pointwise(program: Program) -> Pointwise:
    """The program as a Triton function."""
    lines = []
    first = program.inputs[0].name
    for statement in program.body:
        if not isinstance(statement, Map):
            raise unknown(statement, "the Triton printer of tokens")
        lines += [f"{symbol.name} = {TRITON.print(e)}" for symbol, e in statement.lets]
        for name, e in statement.stores:
            if not (e.is_Symbol and e.name == name):
                text = TRITON.print(e)
                lines.append(f"{name} = {text}" if e.free_symbols else f"{name} = tl.zeros_like({first}) + {text}")
    return Pointwise(program.name, tuple(a.name for a in program.inputs), tuple(lines), tuple(program.outputs))


@dataclass(frozen=True)
class Loops:
    """Lines of the loops; each list is the body of a loop over ``t__``, the first of the tokens that are taken
    at once.

    ends, scan              forward: the map of a chunk, and the states
    ends_adjoint, adjoint   backward: the same for the cotangents
    """

    ends: tuple[str, ...]
    scan: tuple[str, ...]
    ends_adjoint: tuple[str, ...]
    adjoint: tuple[str, ...]


def loops(
    fields: Sequence[str], tokens: Sequence[str], moves: Sequence[str], step: Sequence[str], sums: Sequence[str]
) -> Loops:
    """``moves``: coefficients that the propagator reads, ``step``: those of the step, ``sums``: all of them."""
    return Loops(
        _ends(fields, tokens, moves), _scan(fields, tokens, step), _ends_adjoint(fields, tokens, moves),
        _adjoint(fields, tokens, step, sums),
    )  # fmt: skip


def _load(lines: list[str], names: Sequence[str], k: int, at: str, ok: str, other: str) -> None:
    lines += [f"{n}__{k} = tl.load({n}_ptr + {at}, mask={ok}, other={other}).to(ACC)" for n in names]


def load_tokens(lines: list[str], names: Sequence[str], k: int, step: int) -> None:
    """Address and mask of token ``t__ + k step``, and what is read there. Inputs beyond the sequence read as one, where
    every propagator is finite, cotangents as zero."""
    place_token(lines, k, step)
    _load(lines, names, k, f"at{k}__", f"ok{k}__", "1.0")


def place_token(lines: list[str], k: int, step: int) -> None:
    """Address and mask of token ``t__ + k step``."""
    lines.append(f"at{k}__ = base__ + (t__ {'+' if step > 0 else '-'} {k}) * C__ + channel__")
    inside = f"(t__ + {k} < T__)" if step > 0 else f"(t__ - {k} < T__) & (t__ - {k} >= low__)"
    lines.append(f"ok{k}__ = ok__ & (({inside}) | (channel__ < 0))")


def load_back(lines: list[str], fields: Sequence[str], tokens: Sequence[str], k: int) -> None:
    """What the adjoint reads at token ``t__ - k``: inputs, cotangents of the states, and the states before it."""
    load_tokens(lines, tokens, k, -1)
    _load(lines, [f"{u}__out" for u in fields], k, f"at{k}__", f"ok{k}__", "0.0")
    lines.append(f"later{k}__ = ok{k}__ & ((t__ - {k} > 0) | (channel__ < 0))")
    lines.append(f"first{k}__ = ok{k}__ & ((t__ - {k} == 0) | (channel__ < 0))")
    lines += [
        f"{u}__{k} = tl.load({u}_ptr + at{k}__ - C__, mask=later{k}__, other=0.0).to(ACC) "
        f"+ tl.load({u}__start_ptr + sample__ * C__ + channel__, mask=first{k}__, other=0.0).to(ACC)"
        for u in fields
    ]


def store_states(lines: list[str], fields: Sequence[str], k: int) -> None:
    """The state after token ``t__ + k``."""
    lines += [f"tl.store({u}_ptr + at{k}__, {u}__x.to({u}_ptr.dtype.element_ty), mask=ok{k}__)" for u in fields]


def _propagated(fields: Sequence[str], tokens: Sequence[str], moves: Sequence[str], k: int) -> str:
    entries = [f"{u}__{v}__E" for u in fields for v in fields]
    drives = [f"{u}__d" for u in fields]
    given = ", ".join([*(f"{n}__{k}" for n in tokens), *moves])
    return f"{', '.join([*entries, *drives])}, = _propagator({given})"


def _ends(fields: Sequence[str], tokens: Sequence[str], moves: Sequence[str]) -> tuple[str, ...]:
    lines: list[str] = []
    for k in range(TOKENS_AT_ONCE):
        load_tokens(lines, tokens, k, 1)
    for k in range(TOKENS_AT_ONCE):
        lines.append(_propagated(fields, tokens, moves, k))
        for u in fields:
            moved = " + ".join(f"{u}__{v}__E * {v}__x" for v in fields)
            lines.append(f"{u}__new = {moved} + {u}__d")
            for w in fields:
                lines.append(f"{u}__{w}__new = " + " + ".join(f"{u}__{v}__E * {v}__{w}__M" for v in fields))
        lines += _renew(fields)
    return tuple(lines)


def _ends_adjoint(fields: Sequence[str], tokens: Sequence[str], moves: Sequence[str]) -> tuple[str, ...]:
    lines: list[str] = []
    for k in range(TOKENS_AT_ONCE):
        load_tokens(lines, tokens, k, -1)
        _load(lines, [f"{u}__out" for u in fields], k, f"at{k}__", f"ok{k}__", "0.0")
    for k in range(TOKENS_AT_ONCE):
        lines.append(_propagated(fields, tokens, moves, k))
        lines += [f"{u}__g = {u}__x + {u}__out__{k}" for u in fields]
        for u in fields:
            lines.append(f"{u}__new = " + " + ".join(f"{v}__{u}__E * {v}__g" for v in fields))
            for w in fields:
                lines.append(f"{u}__{w}__new = " + " + ".join(f"{v}__{u}__E * {v}__{w}__M" for v in fields))
        lines += _renew(fields)
    return tuple(lines)


def _renew(fields: Sequence[str]) -> list[str]:
    return [*(f"{u}__x = {u}__new" for u in fields), *(f"{u}__{w}__M = {u}__{w}__new" for u in fields for w in fields)]


def _scan(fields: Sequence[str], tokens: Sequence[str], step: Sequence[str]) -> tuple[str, ...]:
    lines: list[str] = []
    for k in range(TOKENS_AT_ONCE):
        load_tokens(lines, tokens, k, 1)
    state = ", ".join(f"{u}__x" for u in fields)
    for k in range(TOKENS_AT_ONCE):
        given = ", ".join([*(f"{n}__{k}" for n in tokens), *step])
        lines.append(f"{state}, = _step({state}, {given})")
        store_states(lines, fields, k)
    return tuple(lines)


def _adjoint(fields: Sequence[str], tokens: Sequence[str], step: Sequence[str], sums: Sequence[str]) -> tuple[str, ...]:
    lines: list[str] = []
    for k in range(BACKWARD_AT_ONCE):
        load_back(lines, fields, tokens, k)
    state = ", ".join(f"{u}__x" for u in fields)
    for k in range(BACKWARD_AT_ONCE):
        lines += [f"{u}__g = {u}__x + {u}__out__{k}" for u in fields]
        given = ", ".join([*(f"{u}__{k}" for u in fields), *(f"{n}__{k}" for n in tokens), *step])
        seen = [f"{n}__into" for n in tokens]
        own = [f"{c}__own" for c in step]
        results = ", ".join([state, *seen, *own])
        lines.append(f"{results}, = _step_adjoint({given}, {', '.join(f'{u}__g' for u in fields)})")
        lines += [
            f"tl.store({n}__bar_ptr + at{k}__, {n}__into.to({n}_ptr.dtype.element_ty), mask=ok{k}__)" for n in tokens
        ]
        lines += [f"{c}__sum += {c}__own" for c in step if c in sums]
    return tuple(lines)
