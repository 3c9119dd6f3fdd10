"""Systems on graphs that the tests build, their packages, and graphs to run them on."""

from __future__ import annotations

import importlib
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

import numpy as np
import torch

from metrigen import (
    RK4,
    Dissipation,
    ExplicitEuler,
    Field,
    Graph,
    Input,
    Leapfrog,
    Param,
    SteadyState,
    Strang,
    SymplecticEuler,
    System,
    energy_density,
    grad,
    mix,
    momentum,
    t,
)
from metrigen.discretise.arrays import dynamics
from metrigen.discretise.dynamics import Dynamics
from metrigen.ir.nodes import Array, Kind
from metrigen.physics.derive import derive
from tests.lattice.arrays import drawn
from tests.lattice.emitted import compiled, layer_class

graph = Graph()
q, v, s = Field("q", graph), Field("v", graph), Input("s", graph)
w = Input("w", graph.edges, nonnegative=True)
k = Param("k", per="edge", nonnegative=True, init=0.7)
a = Param("a", per="site", positive=True, init=0.4)
c = Param("c", per="channel", positive=True, init=0.3)
gamma = Param("gamma", per="channel", nonnegative=True, init=0.2)
K = Param("K", shape=("C", "C"), symmetric=True)
B = Param("B", shape=("C", "C"), antisymmetric=True)
dt = Param("dt", positive=True, init=0.05)

LAGRANGIAN = q.diff(t) ** 2 / 2 - w * grad(q).square / 2 - a * q**2 / 2 - c * q**4 / 4
EDGES = k * c * (grad(q).square ** 2 / 4 + grad(q**2 + v).square / 2)
EDGE_METRIC = Dissipation((w * (1 + grad(q).square), lambda F: grad(F[q])[0]), (gamma, lambda F: F[v]))


def wave(name: str, integrator: object, **parts: object) -> System:
    return System(name=name, domain=graph, lagrangian=LAGRANGIAN, integrator=integrator, readout=energy_density(),
                  **parts)  # fmt: skip


def poisson(name: str = "poisson", domain: Graph = graph, **parts: object) -> System:
    """(B^T w B + a + c) q = s."""
    energy = w * grad(q).square / 2 + (a + c) * q**2 / 2 - s * q
    return System(name=name, domain=domain, fields=(q,), metric=Dissipation((1, lambda F: F[q])),
                  readout=energy_density(),
                  **{"hamiltonian": energy, "integrator": SteadyState(rtol=1e-12), **parts})  # fmt: skip


SYSTEMS = {
    "leapfrog": wave("leapfrog", Leapfrog(steps=3, dt=dt)),
    "symplectic_euler": wave("symplectic_euler", SymplecticEuler(steps=3, dt=0.05)),
    "strang": wave(
        "strang", Strang(steps=3, dt=dt),
        bracket=lambda F, G: F[q] * G[momentum(q)] - F[momentum(q)] * G[q] + F[momentum(q)] * mix(B, G[momentum(q)]),
        metric=lambda F, G: gamma * F[momentum(q)] * G[momentum(q)],
    ),
    # Differences of a nonlinear function of two fields, a metric on the edges that depends on the state.
    "nonlinear": System(
        "nonlinear", graph, fields=(q, v), hamiltonian=a * q**2 / 2 + v**2 / 2 + EDGES - s * v * mix(K, q),
        metric=EDGE_METRIC, integrator=RK4(steps=2, dt=0.02), readout=energy_density(),
    ),
    "euler": System(
        "euler", graph, fields=(q,), hamiltonian=w * (1 - grad(q).square**2) ** 2 + c * q**2,
        metric=Dissipation((a, lambda F: F[q])), integrator=ExplicitEuler(steps=2, dt=0.05), readout=energy_density(),
    ),
}  # fmt: skip
SCRATCH = TemporaryDirectory()
# A cycle with a chord, a node that hangs on it, an isolated node, two edges between one pair: (tail, head).
EDGE_INDEX = torch.tensor([[0, 1, 2, 3, 0, 4, 2], [1, 2, 3, 0, 2, 3, 1]])
NODES = 6


@cache
def graph_dynamics(name: str) -> Dynamics:
    return dynamics(derive((SYSTEMS | {"poisson": poisson()})[name]))


def module_of(system: System, name: str | None = None) -> ModuleType:
    """The imported package of a system."""
    name = f"graph_tests_{name or system.name}"
    if name in sys.modules:
        return sys.modules[name]
    target = Path(SCRATCH.name) / name
    target.mkdir()
    for file, text in compiled(replace(system, name=name)).files.items():
        (target / file).write_text(text)
    sys.path.insert(0, SCRATCH.name)
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(SCRATCH.name)


def class_of(system: System, name: str | None = None) -> type:
    return layer_class(module_of(system, name))


def incidence(edge_index: torch.Tensor, nodes: int) -> np.ndarray:
    """B (E, N): +1 at the head, -1 at the tail."""
    matrix = np.zeros((edge_index.shape[1], nodes))
    for e, (tail, head) in enumerate(edge_index.T.tolist()):
        matrix[e, head] += 1
        matrix[e, tail] -= 1
    return matrix


def all_pairs(nodes: int) -> torch.Tensor:
    """Every pair once, as edge_index."""
    return torch.triu_indices(nodes, nodes, 1)


def as_matrix(values: torch.Tensor, edge_index: torch.Tensor, nodes: int) -> torch.Tensor:
    """Edge values (..., E) as the symmetric (..., N, N) that holds them."""
    tail, head = edge_index
    out = values.new_zeros(*values.shape[:-1], nodes, nodes)
    out[..., tail, head] = values
    out[..., head, tail] = values
    return out


def values_of(arrays: tuple[Array, ...], edges: int, seed: int = 0, channels: int = 2) -> dict[str, np.ndarray]:
    """Random values for three samples on a graph of ``NODES`` nodes."""
    return drawn(arrays, {Kind.SITE: (3, channels, NODES), Kind.EDGE: (3, channels, edges)}, seed, channels)
