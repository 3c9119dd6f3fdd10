"""Systems in a bath, and the exact covariance of their steps worked out by hand."""

from __future__ import annotations

import numpy as np
import sympy as sp

from metrigen import (
    ExplicitEuler,
    Field,
    Input,
    Lattice,
    Param,
    Strang,
    System,
    energy_density,
    grad,
    mix,
)

x, y = sp.symbols("x y", real=True)
AXES = (x, y)


def wave(rank: int = 1, wall: str = "periodic", integrator=None, temperature=None, name="", **spec) -> System:
    """A damped wave with a stiffness of every site, unit mass 1/a."""
    grid = Lattice(*AXES[:rank], boundary=wall, spacing=spec.pop("spacing", 1))
    q, p = Field("q", grid), Field("p", grid)
    gamma = Param("gamma", per="channel", positive=True, init=0.9)
    alike = "turn" in spec  # channels that turn have one mass
    turn = spec.pop("turn", lambda F, G, p: 0)
    a = Param("a", per="scalar" if alike else "channel", positive=True, init=0.8)
    k = Param("k", per="channel", positive=True, init=1.2)
    energy = a * p**2 / 2 + k * q**2 / 2 + (grad(q).square / 2 if rank else 0) + spec.pop("more", lambda q, p: 0)(q, p)
    if temperature is None:
        temperature = Param("T", positive=True, init=0.6)
    return System(
        name or f"noisy_wave_{rank}_{wall}", grid, (q, p), hamiltonian=energy,
        bracket=lambda F, G: F[q] * G[p] - F[p] * G[q] + turn(F, G, p), metric=lambda F, G: gamma * F[p] * G[p],
        integrator=integrator or Strang(8, 0.2), readout=energy_density(),
        temperature=temperature(grid) if callable(temperature) else temperature, **spec,
    )  # fmt: skip


def turned(wall: str = "periodic") -> System:
    """The same with channels that turn."""
    B = Param("B", shape=("C", "C"), antisymmetric=True)
    return wave(1, wall, turn=lambda F, G, p: F[p] * mix(B, G[p]), name="noisy_turned")


def flow(mobility, potential, temperature=None, rank: int = 0, dt: float = 0.01, name="noisy_flow") -> System:
    """A gradient flow with a mobility of the state."""
    grid = Lattice(*AXES[:rank], boundary="neumann")
    u = Field("u", grid)
    T = sp.Rational(1, 2) if temperature is None else temperature
    energy = potential(u) + (grad(u).square / 2 if rank else 0)
    return System(name, grid, (u,), hamiltonian=energy, metric=lambda F, G: mobility(u) * F[u] * G[u],
                  integrator=ExplicitEuler(8, dt), readout=energy_density(), temperature=T)  # fmt: skip


def per_site(grid: Lattice) -> sp.Expr:
    return Input("T", grid, positive=True)


def step_of(
    a: float, gamma: float, stiffness: np.ndarray, temperature: float, h: float
) -> tuple[np.ndarray, np.ndarray]:
    """z <- A z + N xi of drift, kick, Ornstein-Uhlenbeck, kick, drift, z = (q, p)."""
    n = len(stiffness)
    one, zero = np.eye(n), np.zeros((n, n))
    drift = np.block([[one, h / 2 * a * one], [zero, one]])
    kick = np.block([[one, zero], [-h / 2 * stiffness, one]])
    damp = np.block([[one, zero], [zero, np.exp(-gamma * a * h) * one]])
    noise = np.vstack([zero, np.sqrt(temperature / a * (1 - np.exp(-2 * gamma * a * h))) * one])
    return drift @ kick @ damp @ kick @ drift, drift @ kick @ noise


def stationary(step: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """S = A S A^T + N N^T, solved as linear equations."""
    n = len(step)
    return np.linalg.solve(np.eye(n * n) - np.kron(step, step), (noise @ noise.T).flatten()).reshape(n, n)


def chain(sites: int, k: float) -> np.ndarray:
    """k + the second difference on a ring."""
    one = np.eye(sites)
    return (k + 2) * one - np.roll(one, 1, 0) - np.roll(one, -1, 0)
