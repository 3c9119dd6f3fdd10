"""The text of ``reference.py`` of a matrix memory."""

from __future__ import annotations

import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.backends.torch.dialect import TORCH
from metrigen.emit.render import render
from metrigen.integrators.memory import CHUNK, EVERY, SPAN
from metrigen.ir.functions.normal import normal
from metrigen.layers.layer import Layer
from metrigen.physics.memory_energy import Energy


def memory_reference_text(layer: Layer, head: str) -> str:
    memory = layer.lowered.memory
    token, energy = memory.token, memory.energy
    return render(
        "memory_reference.py.j2",
        header=head.rstrip("\n"),
        title=layer.source.class_name,
        every=EVERY,
        chunked=memory.chunked,
        chunk=CHUNK,
        span=SPAN,
        folding=[name for name in memory.coefficients if name != "keep"],
        memory=memory,
        token=token,
        taken=[*memory.inputs, *layer.given.parameters],
        decay=[_text(d) for d in token.decay],
        still=all(d == 0 for d in token.decay),
        alike=token.uniform and not memory.rotates,
        rotate=_text(token.rotate),
        beta=_text(token.beta),
        along=[_text(k) for k in token.along],
        gain=_text(token.gain),
        write=[_text(a) for a in token.write],
        content=_text(token.content),
        query=[_text(q) for q in memory.query],
        readings=memory.readings,
        probe=[_text(w) for w in energy.probe],
        weight=[_text(g) for g in energy.weight],
        energy=_energy(energy),
        dt="" if memory.dt == 1 else _text(memory.dt),
        split=token.splits_decay,
        rotated=token.splits_rotation,
    )


def _energy(energy: Energy) -> str:
    """The energy of a token but for the squares of the state, each term summed over its axis."""
    found = []
    for axis, terms in energy.terms.items():
        part = ".sum(-1)" if axis is not None else "" if terms.is_number else "[..., 0]"
        found.append(f"({_text(terms)}){part}")
    return " + ".join(found)


def _text(expr: sp.Expr) -> str:
    """An expression of inputs and parameters as torch."""
    named = {f: sp.Symbol(f.func.__name__, **_signs(f)) for f in expr.atoms(AppliedUndef)}
    return TORCH.print(normal(expr.xreplace(named)))


def _signs(f: AppliedUndef) -> dict[str, bool]:
    return {"real": True} | {sign: True for sign in ("positive", "nonnegative") if getattr(f, f"is_{sign}")}
