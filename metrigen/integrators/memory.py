"""A matrix memory token by token: the generator of a token, and what a layer is handed to make it.

    S <- M S - u (w.S) + p b,    o = q.S        one recurrence for every memory

Of the state before a token, what its energy holds is read beside that: w'.S and the sum of g_k |S_k|^2 over k.
M keeps a row, or rotates it with that of the other field of a pair; u, w and p come from the exact exponential of a
scalar plus rank one, or of a diagonal, between the halves of a Strang step where there is more: ``reference.py`` has
them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.errors import SpecError
from metrigen.ir.evaluate import check_functions
from metrigen.ir.nodes import Program
from metrigen.physics.derivation import Derivation
from metrigen.physics.memory import memory_token
from metrigen.physics.memory_energy import NOTHING, Energy, energy_of
from metrigen.physics.memory_form import Token, refused
from metrigen.spec.contract import axes_of, contract, spelled
from metrigen.spec.domain import Index
from metrigen.spec.symbols import InputFunction

EVERY = 32  # tokens from one state that is kept for the adjoint to the next
CHUNK = 64  # tokens that the reference sums up by matrix products, where a head decays as a whole
SPAN = 1024  # tokens of which it does so at once


@dataclass(frozen=True)
class Memory:
    """What a layer of a matrix memory is made from.

    fields  names of the matrices, (key, value) each; token their generator; query q of every field; dt the step
    energy  of a token, ``NOTHING`` where it is not read out
    inputs  name -> the names of its axes, in the order of the names
    """

    fields: tuple[str, ...]
    token: Token
    query: tuple[sp.Expr, ...]
    dt: sp.Expr
    inputs: Mapping[str, tuple[str, ...]]
    energy: Energy

    @property
    def key(self) -> str:
        return str(self.token.key.name)

    @property
    def value(self) -> str:
        return str(self.token.value.name)

    @property
    def rotates(self) -> bool:
        return bool(self.token.rotate != 0)

    @property
    def coefficients(self) -> tuple[str, ...]:
        """What the recurrence is handed beside the state: keep (and rotate) of M, erase u, seek w, write p, content b,
        query q, probe w', weight g."""
        token = self.token
        names = [("keep", True), ("rotate", self.rotates), ("erase", token.ranked), ("seek", token.ranked)]
        names += [("write", token.writes), ("content", token.writes), ("query", True)]
        names += [("probe", self.finds), ("weight", self.squares)]
        return tuple(name for name, there in names if there)

    @property
    def finds(self) -> bool:
        """Whether the energy that is read holds a contraction of the state."""
        return bool(self.energy.probe)

    @property
    def squares(self) -> bool:
        """Whether it holds squares of the state."""
        return bool(self.energy.weight)

    @property
    def readings(self) -> int:
        """Vectors along the values that are read of a token."""
        return 1 + self.finds + self.squares

    @property
    def chunked(self) -> bool:
        """Whether tokens can be summed up in chunks: a head decays by one number, and nothing rotates; squares of the
        state are no sum over what was written."""
        return self.token.uniform and not self.rotates and not self.squares

    @property
    def components(self) -> tuple[str, ...]:
        """Names of what is read out."""
        return ("readout", "T00") if self.energy.there else ("readout",)

    def programs(self) -> Mapping[str, Program]:
        """None: the recurrence is the same in every package."""
        return {}


def memory_of(derivation: Derivation) -> Memory:
    """The memory of a derived system. Raises SpecError where it has no emitted form."""
    system = derivation.system
    token, query = memory_token(derivation), _query(derivation)
    dt = sp.sympify(system.stepper.dt)
    if axes_of(dt):
        raise refused(
            f"dt={dt} differs along an axis", "the rows of a head share one time", "one number a token", "integrator"
        )
    if system.stepper.steps != 1:
        raise refused(
            f"Exponential(steps={system.stepper.steps}) on a sequence",
            "a token is one step: more of them are one with a larger dt",
            "Exponential(dt=...)",
            "integrator",
        )
    energy = energy_of(derivation) if isinstance(system.readout, tuple) else NOTHING
    used = (token.rotate, token.beta, token.gain, token.content, dt, *token.decay, *token.along, *token.write, *query)
    used += energy.expressions
    found = sorted({f for e in used for f in e.atoms(AppliedUndef)}, key=lambda f: str(f.func.__name__))
    for expr in used:
        check_functions(expr.xreplace({f: sp.Symbol(f.func.__name__) for f in found}), "hamiltonian")
    return Memory(
        fields=tuple(u.func.__name__ for u in derivation.fields),
        token=token,
        query=query,
        dt=dt,
        energy=energy,
        inputs={f.func.__name__: tuple(x.name for x in f.args if isinstance(x, Index)) for f in found},
    )


def _query(derivation: Derivation) -> tuple[sp.Expr, ...]:
    """q of every field, from readout=contract(q, S)."""
    readout, fields = derivation.system.readout, derivation.fields
    readout = readout[0] if isinstance(readout, tuple) else readout
    key, _value = (x for x in fields[0].args if isinstance(x, Index))
    found = dict.fromkeys(fields, sp.S.Zero)
    for term in sp.Add.make_args(sp.expand(readout)):
        maps = [f for f in sp.Mul.make_args(term) if isinstance(f, contract)]
        rest = sp.Mul(*(f for f in sp.Mul.make_args(term) if not isinstance(f, contract)))
        weight, of = maps[0].args if len(maps) == 1 else (sp.S.Zero, sp.S.Zero)
        whole = rest * weight
        fits = of in fields and axes_of(whole) == {key} and not whole.has(*fields)
        if (
            not fits
            or any(not isinstance(f, InputFunction) for f in whole.atoms(AppliedUndef))
            or whole.free_symbols - {x for f in whole.atoms(AppliedUndef) for x in f.args}
        ):
            raise SpecError(
                f"readout={spelled(sp.sympify(readout))} of a matrix memory has no emitted form",
                part="readout",
                why=f"{spelled(term)} is no sum over {key.name} of a field with an input",
                fix=f'readout=contract(q, S) with q = Input("q", tokens, axes=("{key.name}",)); of a pair '
                "contract(q, Q) + contract(r, P)",
                see="memory",
            )
        found[of] += whole
    return tuple(found.values())
