"""Random specs end in a derivation, a SpecError or a StructureError, and constructed structure is proved."""

from __future__ import annotations

import random

import pytest
import sympy as sp
from zoo import LINE, PLANE, POINT, field, x

from metrigen import (
    Derivation,
    Dissipation,
    Input,
    Lattice,
    MetrigenError,
    Param,
    StructureError,
    System,
    derive,
    mix,
    momentum,
    t,
)
from tests.lengths import spread

u, v = field("u"), field("v")
CHOICES = (((u,), LINE), ((u, v), LINE), ((field("w", PLANE),), PLANE), ((field("q", POINT), field("r", POINT)), POINT))
PARAMETERS = (Param("c"), Param("g", per="channel", positive=True), Param("k", nonnegative=True))
A = Param("A", shape=("C", "C"))
WRAPPERS = (sp.sin, sp.exp, lambda f: sp.sqrt(1 + f**2), lambda f: 1 / (1 + f**2))


def density(source: random.Random, fields: tuple, domain: Lattice, *, moving: bool) -> sp.Expr:
    atoms = [*fields, *(f.diff(a) for f in fields for a in domain.axes), Input("s", domain)]
    if moving:
        atoms += [f.diff(t) for f in fields]
    if source.random() < 0.2:
        atoms.append(mix(A, fields[0]))
    terms = []
    for _ in range(source.randint(1, 3)):
        term = sp.Mul(*(source.choice(atoms) for _ in range(source.randint(1, 3))))
        if source.random() < 0.2:
            term = source.choice(WRAPPERS)(term)
        terms.append(term * source.choice((1, -1, 2, *PARAMETERS)))
    return sp.Add(*terms)


def spec(seed: int) -> System:
    source = random.Random(seed)
    fields, domain = source.choice(CHOICES)
    if source.random() < 0.5:
        kinetic = sp.Add(*(f.diff(t) ** 2 / 2 for f in fields))
        lagrangian = kinetic + density(source, fields, domain, moving=source.random() < 0.3)
        weight = source.choice((*PARAMETERS, fields[0], fields[0] ** 2))
        metric = Dissipation((weight, lambda F: F[momentum(fields[0])])) if source.random() < 0.4 else None
        return System("s", domain, lagrangian=lagrangian, metric=metric)
    energy = density(source, fields, domain, moving=False)
    return System("s", domain, fields, hamiltonian=energy, **skew(source, fields, domain))


def skew(source: random.Random, fields: tuple, domain: Lattice) -> dict:
    first, second = source.choice(fields), source.choice(fields)
    weight = source.choice((1, *fields, fields[0] ** 2, *PARAMETERS))
    axis = source.choice(domain.axes) if domain.axes else None

    def half(F, G):
        return weight * F[first] * (G[second] if axis is None else G[second].diff(axis))

    return {"bracket": lambda F, G: half(F, G) - half(G, F), "almost_poisson": source.random() < 0.5}


@pytest.mark.parametrize("start", spread(range(0, 60, 10), 3))
def test_random_specs_end_well(start: int) -> None:
    for seed in range(start, start + 10):
        outcome = outcome_of(seed)
        if isinstance(outcome, MetrigenError):
            assert outcome.what
            assert outcome.why or outcome.fix
        else:
            assert all(law.how for law in outcome.laws)


def outcome_of(seed: int) -> Derivation | MetrigenError:
    try:
        return derive(spec(seed))
    except MetrigenError as error:
        return error


@pytest.mark.parametrize("seed", spread(range(20), 4))
def test_constructed_skew_operators_are_proved_and_perturbed_ones_refused(seed: int) -> None:
    source = random.Random(seed)
    parts = skew(source, (u, v), LINE)

    def make(bracket) -> System:
        return System("s", LINE, (u, v), hamiltonian=u**2 + v**2, bracket=bracket, almost_poisson=True)

    assert derive(make(parts["bracket"])).law("antisymmetry").verdict == "proved"
    target = source.choice((u, v))
    order = source.choice((0, 2))

    def perturbed(F, G):
        extra = F[target] * (G[target].diff(x, order) if order else G[target])
        return parts["bracket"](F, G) + extra / 1000

    with pytest.raises(StructureError) as caught:
        derive(make(perturbed))
    assert caught.value.law == "antisymmetry"
