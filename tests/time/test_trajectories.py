"""A trajectory whose reading depends on the time is read at its times, or not at all."""

from __future__ import annotations

from typing import Any

import pytest
import sympy as sp
import torch

from metrigen import RK4, Dissipation, Field, Graph, Leapfrog, System, energy_density, grad, t
from tests.lattice.emitted import layer_class, package
from tests.surface.systems import drawn
from tests.time.systems import POINT, oscillator

pytestmark = pytest.mark.covering

K, DT = 6, 0.1


def turning(method: Any) -> System:
    """A bracket that moves and an energy that does not."""
    q, p = Field("q", POINT), Field("p", POINT)
    return System("turning", POINT, (q, p), hamiltonian=p**2 / 2 + q**4 / 4, readout=energy_density(),
                  bracket=lambda F, G: (2 + sp.cos(t)) * (F[q] * G[p] - F[p] * G[q]),
                  integrator=method)  # fmt: skip


def heated(method: Any) -> System:
    """A flow on a graph with a conductance that moves."""
    graph = Graph()
    u = Field("u", graph)
    return System("heated", graph, (u,), readout=energy_density(), integrator=method,
                  hamiltonian=(2 + sp.cos(t)) * grad(u).square / 2, metric=Dissipation((1, lambda F: F[u])),
                  )  # fmt: skip


def made(system: System, folder: Any) -> Any:
    return layer_class(package(system, folder, f"read_{system.name}"))(2, backend="torch").double()


def test_an_energy_that_moves_is_told_the_times(tmp_path) -> None:
    layer = made(oscillator(Leapfrog(K, DT), damped=False, moving=False), tmp_path)
    states = layer.rollout(drawn((3, 2), 1), drawn((3, 2), 2))
    for method in (layer.energy, layer.readout, layer.rates):
        with pytest.raises(TypeError, match=r"t stands in its formula.*hand in t=") as caught:
            method(states)
        assert "(6,) or (3, 6)" in str(caught.value)
        assert method.__name__ in str(caught.value)
    times = DT * torch.arange(1, K + 1, dtype=torch.float64)
    energies = layer.energy(states, t=times)
    one_by_one = [layer.energy(type(states)(*(x[:, :, k] for x in states)), t=times[k]) for k in range(K)]
    assert torch.allclose(energies, torch.stack(one_by_one, 1), rtol=1e-14)
    assert layer.energy(states, t=0.3).shape == (3, K)
    assert torch.equal(layer.energy(states.last), layer.energy(states.last, t=0.0))
    _last, read = layer.rollout_readout(drawn((3, 2), 1), drawn((3, 2), 2))
    assert torch.equal(read, layer.readout(states, t=times))


def test_a_reading_without_t_asks_for_none(tmp_path) -> None:
    layer = made(turning(RK4(K, DT)), tmp_path)
    states = layer.rollout(drawn((3, 2), 1), drawn((3, 2), 2), t0=0.4)
    assert torch.equal(layer.energy(states), layer.energy(states, t=2.0))
    assert layer.readout(states).shape == (3, 2, K)
    with pytest.raises(TypeError, match="rates"):
        layer.rates(states)


def test_a_graph_is_read_alike(tmp_path) -> None:
    layer = made(heated(RK4(K, 0.03)), tmp_path)
    edges = torch.tensor([[0, 1, 2, 3], [1, 2, 3, 0]])
    states = layer.rollout(drawn((3, 2, 4), 1), edge_index=edges)
    for method in (layer.energy, layer.readout, layer.flux):
        with pytest.raises(TypeError, match=method.__name__):
            method(states, edge_index=edges)
        method(states, edge_index=edges, t=0.03 * torch.arange(1, K + 1))
