"""Small systems of every kind whose names are given, and every word that their emitted files use.

A name of a spec that is a word of the emitted text must give the same numbers as any other name, or be refused. The
words are read off the text itself: no list can grow old.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import sympy as sp

import metrigen as mg
from metrigen import (
    Dissipation,
    Field,
    Input,
    Lattice,
    NeuralFunction,
    Param,
    System,
    energy_density,
    grad,
    momentum,
    t,
)
from metrigen.spec.names import check_name
from tests.names.capture import MARK

AXES = sp.symbols("x y z", real=True)
_ASIDE = re.compile(r"//[^\n]*|/\*.*?\*/|\"(?:[^\"\\\n]|\\.)*\"", re.S)
_FIELDS, _MODULES, _INPUTS = 8, 3, 60  # names that a system has at most in such a role


@dataclass(frozen=True)
class Kind:
    """A domain, what makes a step of it, and which roles names can have there."""

    domain: object
    method: object
    roles: tuple[str, ...]
    form: str = "descent"


LINE, PLANE, SPACE = (Lattice(*AXES[:k]) for k in (1, 2, 3))
_ALL = ("field", "channel", "scalar", "site", "input", "step", "learned")
_FEW = ("field", "channel", "input")
KINDS = {
    "point": Kind(Lattice(), mg.Leapfrog(2, 0.01), _ALL, "wave"),
    "point_rk4": Kind(Lattice(), mg.RK4(2, 0.01), _ALL),
    "point_implicit": Kind(Lattice(), mg.DiscreteGradient(1, 0.01), ("field", "channel", "input", "step")),
    "line": Kind(LINE, mg.RK4(2, 0.01), _ALL),
    "line_wave": Kind(LINE, mg.Leapfrog(2, 0.01), _ALL, "wave"),
    "line_damped": Kind(LINE, mg.Strang(2, 0.01), ("field", "channel", "scalar", "input", "learned"), "damped"),
    "line_noise": Kind(LINE, mg.Strang(2, 0.01), _FEW, "noise"),
    "line_implicit": Kind(LINE, mg.ImplicitMidpoint(1, 0.01), ("field", "channel", "scalar", "input", "step")),
    "line_steady": Kind(LINE, mg.SteadyState(), ("channel", "site", "input"), "steady"),
    "line_newton": Kind(LINE, mg.SteadyState(solver="newton"), ("channel", "input"), "newton"),
    "plane_monotone": Kind(PLANE, mg.SteadyState(solver="monotone"), ("channel",), "steady"),
    "line_constraint": Kind(LINE, mg.ExplicitEuler(2, 0.01), (*_ALL[:3], "input", "step"), "constraint"),
    "plane": Kind(PLANE, mg.ExplicitEuler(2, 0.01), ("field", "channel", "input", "site")),
    "space": Kind(SPACE, mg.ExplicitEuler(1, 0.01), ("field", "channel", "input")),
    "graph": Kind(mg.Graph(), mg.RK4(2, 0.01), _ALL[:-1]),
    "graph_steady": Kind(mg.Graph(), mg.SteadyState(), ("channel", "site", "input"), "steady"),
    "sequence": Kind(mg.Sequence(), mg.Exponential(dt=0.1), ("input",)),
    "memory": Kind(mg.Sequence(), mg.Exponential(), ("input", "nonnegative", "axes", "field"), "memory"),
}  # fmt: skip


def system_of(kind: str, role: str, words: Sequence[str], name: str) -> System:
    """A system of that kind where ``words`` are the names in a role."""
    here = KINDS[kind]
    if here.form == "memory":
        return _memory(role, words, name)
    u = Field(f"{MARK}u", here.domain)
    others = [Field(w, here.domain) for w in words] if role == "field" else []
    energy = u**2 / 2 + _ENERGY[role](here.domain, u, words)
    if isinstance(here.domain, Lattice) and here.domain.axes:
        energy += grad(u).square / 2
    elif isinstance(here.domain, mg.Graph):
        energy += Input(f"{MARK}w", here.domain.edges, nonnegative=True) * grad(u).square / 2
    return _FORMS[here.form](here, name, u, others, energy)


def _each(made: Callable[[int, str], sp.Expr]) -> Callable[[object, sp.Expr, Sequence[str]], sp.Expr]:
    return lambda domain, u, words: sp.Add(*(made(domain, u, k, w) for k, w in enumerate(words)))  # type: ignore[call-arg]


_ENERGY: Mapping[str, Callable[[object, sp.Expr, Sequence[str]], sp.Expr]] = {
    "field": _each(lambda d, u, k, w: (1 + k) * Field(w, d) ** 2 / 2 + Field(w, d) * u / (20 + k)),
    "channel": _each(lambda d, u, k, w: Param(w, per="channel", positive=True, init=0.1 + k / 99) * u**2 / (9 + k)),
    "scalar": _each(lambda d, u, k, w: Param(w, positive=True, init=0.1 + k / 99) * u**2 / (9 + k)),
    "site": _each(lambda d, u, k, w: Param(w, per="site", positive=True, init=0.1 + k / 99) * u**2 / (9 + k)),
    "input": _each(lambda d, u, k, w: Input(w, d) * u / (9 + k)),
    "step": _each(lambda d, u, k, w: Input(w, d, time_dependent=True) * u / (9 + k)),
    "learned": _each(lambda d, u, k, w: NeuralFunction(w, u) / (9 + k)),
}  # type: ignore[dict-item]


def _descent(kind: Kind, name: str, u: sp.Expr, others: list[sp.Expr], energy: sp.Expr) -> System:
    if kind.form == "newton":
        energy += u**4 / 4
    given: dict[str, object] = {}
    if kind.form == "constraint":
        psi = Field(f"{MARK}psi", kind.domain)
        energy += psi * u / 2
        given = {"constraints": {psi: sum(psi.diff(x, 2) for x in kind.domain.axes) - psi + u}}  # type: ignore[attr-defined]
    metric = Dissipation(*((1, lambda F, f=f: F[f]) for f in (u, *others)))
    return System(name, kind.domain, fields=(u, *others), hamiltonian=energy, integrator=kind.method,
                  readout=energy_density(), metric=metric, **given)  # type: ignore[arg-type]  # fmt: skip


def _wave(kind: Kind, name: str, u: sp.Expr, others: list[sp.Expr], energy: sp.Expr) -> System:
    gamma = Param(f"{MARK}gamma", positive=True, init=0.3)
    given: dict[str, object] = {} if kind.form == "wave" else {"metric": mg.friction(gamma, momentum(u))}
    if kind.form == "noise":
        given["temperature"] = Param(f"{MARK}T", positive=True, init=0.3)
    return System(name, kind.domain, lagrangian=sum(f.diff(t) ** 2 for f in (u, *others)) / 2 - energy,
                  integrator=kind.method, readout=energy_density(), **given)  # type: ignore[arg-type]  # fmt: skip


_FORMS = {**dict.fromkeys(("descent", "steady", "newton", "constraint"), _descent),
          **dict.fromkeys(("wave", "damped", "noise"), _wave)}  # fmt: skip


def _memory(role: str, words: Sequence[str], name: str) -> System:
    tokens = mg.Sequence()
    key, value = words[:2] if role == "axes" else ("key", "value")
    S = Field(words[0] if role == "field" else f"{MARK}S", tokens, axes=(key, value))
    k, q = (Input(f"{MARK}{n}", tokens, axes=(key,)) for n in "kq")
    v = Input(f"{MARK}v", tokens, axes=(value,))
    beta, lam = (Input(f"{MARK}{n}", tokens, nonnegative=True) for n in ("beta", "lam"))
    if role == "nonnegative":
        beta, lam = (Input(w, tokens, nonnegative=True) for w in words[:2])
    if role == "input":
        k, q = (Input(w, tokens, axes=(key,)) for w in words[:2])
        v = Input(words[2], tokens, axes=(value,))
    return System(name, tokens, fields=(S,), hamiltonian=beta * (mg.contract(k, S) - v) ** 2 / 2 + lam * S**2 / 2,
                  metric=lambda F, G: F[S] * G[S], integrator=mg.Exponential(), readout=mg.contract(q, S))  # fmt: skip


def at_once(kind: str, role: str) -> int:
    """How many names a system of a kind has in a role."""
    if kind == "memory":
        return {"input": 3, "field": 1}.get(role, 2)
    return {"field": _FIELDS, "learned": _MODULES}.get(role, _INPUTS)


def words_of(files: Mapping[str, str]) -> set[str]:
    """The words of emitted code: names, arguments, attributes and keywords of Python, all words of C++."""
    found: set[str] = set()
    for name, text in files.items():
        if name.endswith(".py"):
            found |= set(_python(ast.parse(text)))
        elif name.endswith((".cpp", ".h")):
            found |= set(re.findall(r"\b[A-Za-z]\w*\b", _ASIDE.sub(" ", text)))
    return {w for w in found if MARK not in w}


def _python(tree: ast.AST) -> Iterable[str]:
    for node in ast.walk(tree):
        for part in ("id", "arg", "attr", "name", "asname"):
            word = getattr(node, part, None)
            if isinstance(word, str):
                yield from word.split(".")


def is_free(word: str) -> bool:
    """Whether a spec may have the name."""
    try:
        return check_name(word, "input") == word
    except mg.SpecError:
        return False
