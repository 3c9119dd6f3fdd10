"""The measured order of every method on systems that depend on the time, against a fine reference by hand in numpy."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import networkx as nx
import numpy as np
import pytest

from metrigen import (
    RK4,
    AverageVectorField,
    Composed,
    DiscreteGradient,
    ExplicitEuler,
    Exponential,
    ImplicitMidpoint,
    Leapfrog,
    Strang,
    SymplecticEuler,
)
from metrigen.spec.contracts import Method
from tests.lengths import spread
from tests.time.systems import (
    DT,
    VALUES,
    Numbers,
    Rates,
    descent,
    descent_rates,
    distance,
    network,
    oscillator,
    oscillator_rates,
    plane,
    reference,
    start_of,
    stepped,
    wave,
    wave_rates,
)

pytestmark = pytest.mark.covering

SLACK = 0.15
ANY: Mapping[str, tuple[Method, float]] = {
    "ExplicitEuler": (ExplicitEuler(1, DT), 1), "RK4": (RK4(1, DT), 4),
    "ImplicitMidpoint": (ImplicitMidpoint(1, DT), 2),
    "AverageVectorField": (AverageVectorField(1, DT), 2), "DiscreteGradient": (DiscreteGradient(1, DT), 2),
}  # fmt: skip
SPLIT: Mapping[str, tuple[Method, float]] = {
    "Strang": (Strang(1, DT), 2),
    "Leapfrog and DiscreteGradient": (Strang(1, DT, bracket=Leapfrog, metric=DiscreteGradient), 2),
    "RK4 and ImplicitMidpoint": (Strang(1, DT, bracket=RK4, metric=ImplicitMidpoint), 2),
}
FREE: Mapping[str, tuple[Method, float]] = {
    "SymplecticEuler": (SymplecticEuler(1, DT), 1), "Leapfrog": (Leapfrog(1, DT), 2),
    "Composed 4": (Composed(Leapfrog(1, DT)), 4), "Composed 6": (Composed(Strang(1, DT), order=6), 6),
    "Composed of midpoints": (Composed(ImplicitMidpoint(1, DT)), 4),
}  # fmt: skip


def order(system: object, rates: Rates, start: Numbers, steps: int, length: float = 1.6) -> float:
    exact = reference(rates, start, length)
    far, near = (distance(stepped(system, start, length, n), exact) for n in (steps, 2 * steps))  # type: ignore[arg-type]
    return float(np.log2(far / near))


def check(method: Method, expected: float, make: Callable[[Method], object], rates: Rates, start: Numbers) -> None:
    steps = {1: 32, 2: 10}.get(int(expected), 16)
    assert abs(order(make(method), rates, start, steps) - expected) < SLACK * (1 if expected < 4 else 2)


@pytest.mark.parametrize("name", ANY | SPLIT)
def test_a_driven_damped_oscillator_whose_mass_and_friction_move(name: str) -> None:
    method, expected = (ANY | SPLIT)[name]
    check(method, expected, oscillator, oscillator_rates(), start_of(("q", "p")))


@pytest.mark.parametrize("name", FREE)
def test_a_driven_oscillator_without_friction(name: str) -> None:
    method, expected = FREE[name]
    make = lambda method: oscillator(method, damped=False)
    check(method, expected, make, oscillator_rates(damped=False), start_of(("q", "p")))


def test_the_exact_flow_of_a_site_with_a_kick_that_moves() -> None:
    make = lambda method: oscillator(method, moving=False)
    check(Exponential(1, DT), 2, make, oscillator_rates(moving=False), start_of(("q", "p")))


@pytest.mark.parametrize("name", spread(list(FREE | {"RK4": ANY["RK4"], "Exponential": (Exponential(1, DT), 2)}), 4))
def test_a_parametrically_driven_wave(name: str) -> None:
    method, expected = (FREE | {"RK4": ANY["RK4"], "Exponential": (Exponential(1, DT), 2.0)})[name]
    check(method, expected, wave, wave_rates(), start_of(("u", "pi"), (6,)))


@pytest.mark.parametrize("name", ["Strang", "RK4", "ImplicitMidpoint"])
def test_a_driven_wave_with_friction_that_moves(name: str) -> None:
    method, expected = (ANY | SPLIT)[name]
    check(method, expected, lambda m: wave(m, damped=True), wave_rates(damped=True), start_of(("u", "pi"), (6,)))


@pytest.mark.parametrize("name", ANY)
def test_a_descent_of_a_landscape_that_moves(name: str) -> None:
    method, expected = ANY[name]
    check(method, expected, descent, descent_rates(), start_of(("u",)))


def test_momenta_that_turn_at_a_rate_that_moves() -> None:
    """A charge in a plane whose magnetic field breathes: rotations with cosines of the time in them."""
    method = Strang(1, DT)

    def rates(time: float, z: Numbers) -> Numbers:
        field = VALUES["w"] * (1 + np.cos(time) / 2)
        return {"q": z["p"], "r": z["s"], "p": -z["q"] + field * z["s"], "s": -z["r"] - field * z["p"]}

    check(method, 2, plane, rates, start_of(("q", "r", "p", "s")))


def test_a_graph_whose_edges_open_and_close() -> None:
    incidence = np.asarray(nx.incidence_matrix(nx.wheel_graph(5), oriented=True).todense()).T

    def rates(time: float, z: Numbers) -> Numbers:
        u = z["u"]
        opened = 1 + np.cos(VALUES["w"] * time) / 2
        return {"u": VALUES["A"] * np.exp(-(time**2)) - u / 4 - opened * (u @ incidence.T) @ incidence}

    start = start_of(("u",), (5,))
    exact = reference(rates, start, 1.0)
    for method, expected in ((ExplicitEuler(1, DT), 1), (RK4(1, DT), 4)):
        far, near = (distance(stepped(network(method), start, 1.0, n, incidence=incidence), exact) for n in (40, 80))
        assert abs(np.log2(far / near) - expected) < 2 * SLACK
