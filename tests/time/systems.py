"""Systems that depend on the time by themselves, their steps run by the interpreter, and the same by hand in numpy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import sympy as sp

from metrigen import (
    Dissipation,
    Field,
    Graph,
    Lattice,
    Param,
    System,
    derive,
    energy_density,
    grad,
    momentum,
    stress_energy,
    t,
)
from metrigen.discretise.dynamics import after
from metrigen.ir.interpreter import run
from metrigen.programs import Lowered
from metrigen.spec.contracts import Method
from tests.lowered import lower

x = sp.Symbol("x", real=True)
POINT, RING = Lattice(), Lattice(x)
DT = Param("dt", positive=True, init=0.1)
A, eps = Param("A"), Param("eps")
w, m2 = Param("w", positive=True), Param("m2", positive=True)
gamma = Param("gamma", nonnegative=True)
VALUES: Mapping[str, float] = {"A": 0.8, "eps": 0.4, "w": 1.7, "m2": 1.3, "gamma": 0.35}
Numbers = dict[str, np.ndarray]
Rates = Callable[[float, Numbers], Numbers]


def oscillator(method: Method, *, damped: bool = True, moving: bool = True) -> System:
    """q'' = -q - q^3 + A cos(w t), with friction; ``moving``: the mass 1/(1 + cos(t)/3) and the friction move too."""
    q, p = Field("q", POINT), Field("p", POINT)
    inverse = 1 + sp.cos(t) / 3 if moving else sp.S.One
    rate = gamma * (1 + sp.sin(w * t) / 2 if moving else 1)
    return System(
        "oscillator", POINT, (q, p), integrator=method, readout=energy_density(),
        hamiltonian=inverse * p**2 / 2 + q**2 / 2 + q**4 / 4 - A * sp.cos(w * t) * q,
        bracket=lambda F, G: F[q] * G[p] - F[p] * G[q], metric=(lambda F, G: rate * F[p] * G[p]) if damped else None,
    )  # fmt: skip


def oscillator_rates(*, damped: bool = True, moving: bool = True) -> Rates:
    v = VALUES

    def rates(time: float, z: Numbers) -> Numbers:
        speed = (1 + np.cos(time) / 3 if moving else 1.0) * z["p"]
        friction = (v["gamma"] * (1 + np.sin(v["w"] * time) / 2 if moving else 1)) if damped else 0.0
        force = -z["q"] - z["q"] ** 3 + v["A"] * np.cos(v["w"] * time)
        return {"q": speed, "p": force - friction * speed}

    return rates


def wave(method: Method, *, damped: bool = False, domain: Lattice = RING) -> System:
    """u_tt = u_xx - m2 (1 + eps cos(w t)) u - u^3 + A sin(w t), with friction gamma (1 + cos(t)/2)."""
    u = Field("u", domain)
    p = momentum(u)
    rate = gamma * (1 + sp.cos(t) / 2)
    return System(
        "wave", domain, integrator=method, readout=stress_energy(),
        lagrangian=u.diff(t) ** 2 / 2 - grad(u).square / 2 - m2 * (1 + eps * sp.cos(w * t)) * u**2 / 2 - u**4 / 4
        + A * sp.sin(w * t) * u,
        metric=(lambda F, G: rate * F[p] * G[p]) if damped else None,
    )  # fmt: skip


def wave_rates(*, damped: bool = False) -> Rates:
    v = VALUES

    def rates(time: float, z: Numbers) -> Numbers:
        u, p = z["u"], z["pi"]
        lap = np.roll(u, 1, -1) + np.roll(u, -1, -1) - 2 * u
        mass = v["m2"] * (1 + v["eps"] * np.cos(v["w"] * time))
        force = lap - mass * u - u**3 + v["A"] * np.sin(v["w"] * time)
        friction = v["gamma"] * (1 + np.cos(time) / 2) if damped else 0.0
        return {"u": p, "pi": force - friction * p}

    return rates


def descent(method: Method) -> System:
    """u' = -(1 + cos(t)/2) dF/du, F = u^4/4 + (1 + eps cos(w t)) u^2/2 - A sin(w t) u."""
    u = Field("u", POINT)
    return System(
        "descent", POINT, (u,), integrator=method, readout=energy_density(),
        hamiltonian=u**4 / 4 + (1 + eps * sp.cos(w * t)) * u**2 / 2 - A * sp.sin(w * t) * u,
        metric=Dissipation((1 + sp.cos(t) / 2, lambda F: F[u])),
    )  # fmt: skip


def descent_rates() -> Rates:
    v = VALUES

    def rates(time: float, z: Numbers) -> Numbers:
        u = z["u"]
        slope = u**3 + (1 + v["eps"] * np.cos(v["w"] * time)) * u - v["A"] * np.sin(v["w"] * time)
        return {"u": -(1 + np.cos(time) / 2) * slope}

    return rates


def plane(method: Method) -> System:
    """A charge on a spring in a plane, turned by a magnetic field that breathes."""
    q, r, p, s = (Field(name, POINT) for name in "qrps")
    rate = w * (1 + sp.cos(t) / 2)
    return System(
        "plane", POINT, (q, r, p, s), hamiltonian=(p**2 + s**2 + q**2 + r**2) / 2, integrator=method,
        bracket=lambda F, G: F[q] * G[p] - F[p] * G[q] + F[r] * G[s] - F[s] * G[r]
        + rate * (F[p] * G[s] - F[s] * G[p]), readout=energy_density(),
    )  # fmt: skip


def network(method: Method) -> System:
    """Heat on a graph whose edges open and close, with a source at the nodes that pulses."""
    graph = Graph()
    u = Field("u", graph)
    return System(
        "network", graph, (u,), integrator=method, readout=energy_density(),
        hamiltonian=(1 + sp.cos(w * t) / 2) * grad(u).square / 2 + u**2 / 8 - A * sp.exp(-(t**2)) * u,
        metric=Dissipation((1, lambda F: F[u])),
    )  # fmt: skip


def lowered(system: System) -> Lowered:
    return lower(derive(system))


def stepped(
    system: System, start: Numbers, length: float, steps: int, t0: float = 0.3, incidence: np.ndarray | None = None
) -> Numbers:
    """The state after ``steps`` steps, each told the time at which it begins."""
    program, state, dt = lowered(system).step.whole, dict(start), length / steps
    assert program is not None
    for k in range(steps):
        out = run(program, {**VALUES, **state, "dt": dt, "t": t0 + k * dt}, incidence=incidence)
        state = {name: out[after(name)] for name in state}
    return state


def reference(rates: Rates, start: Numbers, length: float, t0: float = 0.3, steps: int = 4000) -> Numbers:
    """The same by the classical Runge-Kutta method with a fine step."""
    z, h = dict(start), length / steps
    move: Callable[[Numbers, float, Numbers], Numbers] = lambda z, s, k: {n: z[n] + s * k[n] for n in z}
    for i in range(steps):
        s = t0 + i * h
        k1 = rates(s, z)
        k2 = rates(s + h / 2, move(z, h / 2, k1))
        k3 = rates(s + h / 2, move(z, h / 2, k2))
        k4 = rates(s + h, move(z, h, k3))
        z = {n: z[n] + h / 6 * (k1[n] + 2 * k2[n] + 2 * k3[n] + k4[n]) for n in z}
    return z


def distance(a: Mapping[str, Any], b: Mapping[str, Any]) -> float:
    return max(float(np.abs(a[n] - b[n]).max()) for n in a)


def start_of(names: tuple[str, ...], sites: tuple[int, ...] = ()) -> Numbers:
    rng = np.random.default_rng(11)
    return {n: 0.4 + 0.3 * rng.normal(size=(1, 2, *sites)) for n in names}
