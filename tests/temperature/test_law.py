"""What a temperature may be, which methods make noise, and whether exp(-H/T) stands still."""

from __future__ import annotations

import re

import numpy as np
import pytest
import sympy as sp

from metrigen import (
    RK4,
    Composed,
    Dissipation,
    ExplicitEuler,
    Field,
    Graph,
    ImplicitMidpoint,
    Input,
    Lattice,
    Leapfrog,
    Param,
    SpecError,
    SteadyState,
    Strang,
    System,
    derive,
    grad,
    mix,
)
from tests.temperature.systems import flow, per_site, wave, x

LAW = "fluctuation_dissipation"
point = Lattice()
q, p, r = (Field(n, point) for n in "qpr")
canonical = lambda F, G: F[q] * G[p] - F[p] * G[q]
friction = lambda F, G: F[p] * G[p]
STRANG, EULER = Strang(4, 0.1), ExplicitEuler(4, 0.01)


def bath(temperature=0.5, integrator=STRANG, **changes) -> System:
    spec = {"hamiltonian": (p**2 + q**2) / 2, "bracket": canonical, "metric": friction} | changes
    return System("bath", point, (q, p), integrator=integrator, temperature=temperature, **spec)


REFUSED = {
    "negative": (lambda: bath(-1), "temperature", ["takes no -1", "negative"]),
    "not a number": (lambda: bath(sp.nan), "temperature", []),
    "complex": (lambda: bath(sp.I), "temperature", ["takes no I"]),
    "words": (lambda: bath("hot stuff"), "temperature", ["it is no number"]),
    "sign not declared": (lambda: bath(Param("T")), "temperature", ["takes no T", ">= 0"]),
    "input without a sign": (lambda: bath(Input("T", point)), "temperature", [">= 0"]),
    "an expression": (lambda: bath(2 * Param("T", positive=True)), "temperature", ["no one Param or Input"]),
    "a field": (lambda: bath(q), "temperature", ["no one Param or Input"]),
    "matrix": (lambda: bath(Param("T", shape=("C", "C"), symmetric=True)), "temperature", ["no matrix"]),
    "no metric": (lambda: bath(metric=None), "temperature", ["needs a metric", "nothing fluctuates"]),
    "steady": (lambda: System("s", point, (q,), hamiltonian=q**2, metric=lambda F, G: F[q] * G[q],
                              integrator=SteadyState(), temperature=1), "temperature", ["SteadyState"]),
    "graph": (lambda: System("s", Graph(), hamiltonian=Field("u", Graph())**2, fields=(Field("u", Graph()),),
                             metric=lambda F, G: F[Field("u", Graph())] * G[Field("u", Graph())],
                             integrator=EULER, temperature=1), "temperature", ["Graph()"]),
    "entropy": (lambda: System("s", point, (q, p, r), hamiltonian=p**2 / 2 + r, entropy=r, bracket=canonical,
                               metric=Dissipation((1, lambda F: F[p] - p * F[r])), integrator=STRANG, temperature=1),
                "temperature", ["does not go with entropy=", "dH/dS"]),
    "rk4": (lambda: bath(integrator=RK4(4, 0.1)), "integrator", ["RK4", "temperature=0.5", "Strang"]),
    "midpoint": (lambda: bath(integrator=ImplicitMidpoint(4, 0.1)), "integrator", ["ImplicitMidpoint", "noise"]),
    "composed": (lambda: bath(integrator=Composed(STRANG, order=4)), "integrator", []),
    "parts": (lambda: bath(integrator=Strang(4, 0.1, bracket=Leapfrog, metric=ImplicitMidpoint)), "integrator",
              ["makes no noise"]),
    "state": (lambda: bath(metric=lambda F, G: (1 + q**2) * F[p] * G[p]), "integrator", ["not linear friction"]),
    "coupled fields": (lambda: bath(integrator=EULER, metric=Dissipation((1, lambda F: F[p] + F[q]))), "integrator",
                       ["couples q", "by itself"]),
    "coupled channels": (lambda: bath(integrator=EULER, metric=Dissipation(
        (1, lambda F: mix(Param("A", shape=("C", "C")), F[p])))), "integrator", ["couples p"]),
    "coupled sites": (lambda: System("s", Lattice(x), (Field("u", Lattice(x)),), hamiltonian=Field("u", Lattice(x))**2,
                                     metric=Dissipation((1, lambda F: F[Field("u", Lattice(x))].diff(x))),
                                     integrator=EULER, temperature=1), "integrator", ["couples u", "sites"]),
    "mobility of the slope": (lambda: flow_of_slope(), "integrator", ["couples u"]),
}  # fmt: skip


def flow_of_slope() -> System:
    grid = Lattice(x)
    u = Field("u", grid)
    return System("s", grid, (u,), hamiltonian=u**2 / 2, metric=lambda F, G: grad(u).square * F[u] * G[u],
                  integrator=EULER, temperature=1)  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_says_why_and_the_way_out(case: str) -> None:
    make, part, words = REFUSED[case]
    with pytest.raises(SpecError) as told:
        derive(make())
    assert told.value.part == part
    assert told.value.fix
    assert all(word in str(told.value) for word in words), told.value


def test_zero_is_no_temperature() -> None:
    assert bath(0).temperature is None
    with pytest.raises(KeyError):
        derive(bath(0)).law(LAW)


charge = Field("w", point)
LAWS = {
    "oscillator": (bath, "proved", []),
    "channels": (lambda: bath(Param("T", per="channel", positive=True)), "proved", []),
    "lattice": (lambda: wave(2), "proved", ["lattice", "free of the state"]),
    "lattice by channel": (lambda: wave(1, temperature=Param("T", per="channel", positive=True)), "proved", []),
    "flow": (lambda: flow(lambda u: 1 + u**2, lambda u: u**4), "proved", ["T div M", "no bracket"]),
    "by site": (lambda: wave(1, temperature=per_site), "conditional", ["all sites"]),
    "channels coupled": (lambda: bath(Param("T", per="channel", positive=True), hamiltonian=(
        p**2 + q**2 + q * mix(Param("K", shape=("C", "C"), symmetric=True), q)) / 2), "conditional", ["all channels"]),
    "driven": (lambda: bath(hamiltonian=(p**2 + q**2) / 2 - q * Input("f", point, time_dependent=True)), "conditional",
               ["stand still in time"]),
    "mobility of a sign": (lambda: flow(lambda u: u, lambda u: u**2), "conditional", ["u"]),
    "rigid body": (lambda: lie_poisson(), "proved", ["dJ_uv/dz_u = 0"]),
    "Lotka": (lambda: lotka(p - sp.log(q) + q - sp.log(p)), "failed", ["div(J dH)"]),
}  # fmt: skip


def lie_poisson() -> System:
    m = [Field(n, point) for n in ("m1", "m2", "m3")]

    def bracket(F, G):
        return sum(sp.LeviCivita(i, j, k) * m[k] * F[m[i]] * G[m[j]]
                   for i in range(3) for j in range(3) for k in range(3))  # fmt: skip

    return System("body", point, tuple(m), hamiltonian=sum(m[i] ** 2 * (i + 1) for i in range(3)), bracket=bracket,
                  metric=lambda F, G: sum(F[u] * G[u] for u in m), integrator=EULER, temperature=1)  # fmt: skip


def lotka(hamiltonian: sp.Expr) -> System:
    a, b = (sp.Function(n, positive=True)(*q.args) for n in ("a", "b"))
    return System("lotka", point, (a, b), hamiltonian=hamiltonian.xreplace({q: a, p: b}),
                  bracket=lambda F, G: a * b * (F[a] * G[b] - F[b] * G[a]),
                  metric=lambda F, G: F[a] * G[a] + F[b] * G[b], integrator=EULER, temperature=1)  # fmt: skip


@pytest.mark.parametrize("case", LAWS)
def test_the_law(case: str) -> None:
    make, verdict, words = LAWS[case]
    law = derive(make()).law(LAW)
    assert law.verdict == verdict, law
    assert all(word in f"{law.how} {law.detail}" for word in words), law
    assert bool(law.witness) == (verdict == "failed")


def current(z: np.ndarray, energy, bracket, mobility, temperature: float) -> np.ndarray:
    """The Fokker-Planck current of exp(-H/T) at a state, by differences."""
    h = 1e-4
    steps = [h * e for e in np.eye(len(z))]
    density = lambda z: np.exp(-energy(z) / temperature)
    slope = np.array([(energy(z + s) - energy(z - s)) / (2 * h) for s in steps])
    M = mobility(z)
    ito = np.array([(mobility(z + s)[i] - mobility(z - s)[i]) / (2 * h) for i, s in enumerate(steps)])
    spread = [(mobility(z + s)[i] * density(z + s) - mobility(z - s)[i] * density(z - s)) / (2 * h)
              for i, s in enumerate(steps)]  # fmt: skip
    return (bracket(z) @ slope - M * slope + temperature * ito) * density(z) - temperature * np.array(spread)


@pytest.mark.parametrize(("name", "stands"), [("body", True), ("lotka", False)])
def test_the_law_by_differences(name: str, stands: bool) -> None:
    """div of the current of exp(-H/T), for the systems of which the law says that it vanishes, and that it does not."""
    cross = lambda m: np.array([[0, m[2], -m[1]], [-m[2], 0, m[0]], [m[1], -m[0], 0]])
    energy, bracket, at = {
        "body": (lambda m: m[0] ** 2 + 2 * m[1] ** 2 + 3 * m[2] ** 2, cross, np.array([0.3, -0.2, 0.4])),
        "lotka": (lambda z: (z - np.log(z)).sum(), lambda z: z[0] * z[1] * np.array([[0, 1], [-1, 0]]),
                  np.array([0.7, 1.4])),
    }[name]  # fmt: skip
    h, flow_at = 1e-3, lambda z: current(z, energy, bracket, lambda z: 1 + 0.3 * z**2, 0.5)
    divergence = sum((flow_at(at + h * e)[i] - flow_at(at - h * e)[i]) / (2 * h) for i, e in enumerate(np.eye(len(at))))
    assert (abs(divergence) < 1e-5) == stands, divergence


@pytest.mark.parametrize(
    ("integrator", "words"), [(STRANG, ["ABOBA", "order dt^2"]), (EULER, ["Euler-Maruyama", "order dt"])]
)
def test_the_summary_names_the_splitting(integrator: object, words: list[str]) -> None:
    told = integrator.summary(derive(bath(integrator=integrator)))
    assert all(re.search(re.escape(word), told) for word in words), told
    assert "ABOBA" not in integrator.summary(derive(bath(0, integrator=integrator)))
