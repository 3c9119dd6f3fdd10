"""A trajectory whose reading depends on the time is read at its times, or not at all."""

from __future__ import annotations

import re
from typing import Any

import pytest
import sympy as sp
import torch

from metrigen import RK4, Dissipation, Field, Graph, Input, Leapfrog, System, energy_density, grad, t
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
    """A flow on a graph with a conductance that moves, and a source with a value for every step."""
    graph = Graph()
    u, s, w = Field("u", graph), Input("s", graph, time_dependent=True), Input("w", graph.edges, nonnegative=True)
    return System("heated", graph, (u,), readout=energy_density(), integrator=method,
                  hamiltonian=(2 + sp.cos(t)) * w * grad(u).square / 2 - s * u, metric=Dissipation((1, lambda F: F[u])),
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


def test_inputs_and_times_of_another_trajectory_are_refused(tmp_path) -> None:
    layer = made(heated(RK4(K, 0.03)), tmp_path)
    edges, shape = torch.tensor([[0, 1, 2], [1, 2, 0]]), (2, 2, 4)
    given = {"w": drawn((1, 1, 3), 2).abs(), "edge_index": edges}
    states = layer.rollout(drawn(shape, 1), s=drawn((2, 2, K, 4), 3), **given)
    for wrong in (drawn((2, 2, K - 1, 4), 3), drawn((3, 2, K, 4), 3)):
        with pytest.raises(
            ValueError, match=r"s has sizes .* the trajectory has 6 states of 2 samples over sites \(4,\)"
        ):
            layer.energy(states, s=wrong, t=0.0, **given)
    with pytest.raises(ValueError, match=r"t has sizes \(5,\)"):
        layer.energy(states, s=drawn((2, 2, K, 4), 3), t=torch.zeros(K - 1), **given)
    for wrong, error in ((drawn((2, 2, 4), 3), ValueError), ([1.0], TypeError), (None, TypeError), (0.5, TypeError)):
        with pytest.raises(error, match="s "):
            layer.check_step(drawn(shape, 1), s=wrong, **given)


@pytest.mark.parametrize(
    ("time", "error", "words"),
    [
        (float("nan"), ValueError, "must be finite, not nan"),
        (torch.tensor([0.0, float("inf"), 0.0]), ValueError, "must be finite"),
        ([0.0, 1.0, 2.0], TypeError, "not list; torch.tensor makes one"),
        (1j, TypeError, "not complex"),
        ("a", TypeError, "not str"),
        (True, TypeError, "not bool"),
        (torch.tensor(1j), ValueError, "complex64"),
        (torch.zeros(2), ValueError, "(), or (3,)"),
    ],
    ids=str,
)
def test_what_is_no_time_is_refused(time: Any, error: type[Exception], words: str, tmp_path) -> None:
    layer = made(oscillator(Leapfrog(K, DT), damped=False, moving=False), tmp_path)
    start = layer.STATE(drawn((3, 2), 1), drawn((3, 2), 2))
    for method in (layer.forward, layer.rollout, layer.rollout_readout, layer.check_step):
        with pytest.raises(error, match=re.escape(words)):
            method(start, t0=time)
    for method in (layer.energy, layer.readout, layer.rates):
        with pytest.raises(error, match=re.escape(words)):
            method(start, t=time)


def test_a_reading_without_t_asks_for_none(tmp_path) -> None:
    layer = made(turning(RK4(K, DT)), tmp_path)
    states = layer.rollout(drawn((3, 2), 1), drawn((3, 2), 2), t0=0.4)
    assert torch.equal(layer.energy(states), layer.energy(states, t=2.0))
    assert layer.readout(states).shape == (3, 2, K)
    with pytest.raises(TypeError, match="rates"):
        layer.rates(states)


W = {"edges": (4,), "channels of pairs": (2, 4, 4), "pairs": (3, 2, 4, 4)}


@pytest.mark.parametrize("name", W)
@pytest.mark.parametrize("backend", ["torch", "auto"])
def test_a_graph_is_read_alike(name: str, backend: str, tmp_path) -> None:
    """By a list of edges or of all pairs, with weights that samples share or not, samples at times of their own, by the
    operators as well: state by state, and as a layer in a row reads its last state."""
    layer = made(heated(RK4(K, 0.03)), tmp_path)
    layer.backend = backend
    edges = {"edge_index": torch.tensor([[0, 1, 2, 3], [1, 2, 3, 0]])} if name == "edges" else {}
    u, s, w = drawn((3, 2, 4), 1), drawn((3, 2, K, 4), 2), drawn(W[name], 3, True)
    t0 = torch.tensor([0.0, 0.3, 1.0], dtype=torch.float64)
    states = layer.rollout(u, s=s, w=w, t0=t0, **edges)
    times = t0[:, None] + 0.03 * torch.arange(1, K + 1, dtype=torch.float64)
    for method in (layer.energy, layer.readout, layer.flux):
        with pytest.raises(TypeError, match=method.__name__):
            method(states, s=s, w=w, **edges)
        found = method(states, s=s, w=w, t=times, **edges)
        for b, k in ((0, 0), (1, 2), (2, K - 1)):
            state, own = layer.STATE(states.u[b : b + 1, :, k]), w[b : b + 1] if name == "pairs" else w
            one = method(state, s=s[b : b + 1, :, k], w=own, t=times[b, k], **edges)
            torch.testing.assert_close(found[b, k] if found.dim() == 2 else found[b, :, k], one[0])
    last, read = layer.rollout_readout(u, s=s, w=w, t0=t0, **edges)
    assert torch.equal(read, layer.readout(states, s=s, w=w, t=times, **edges))
    ended = layer.readout(layer(u, s=s, w=w, **edges), s=s[:, :, -1], w=w, t=K * 0.03, **edges)
    torch.testing.assert_close(layer.sequential(s=s, w=w, **edges)(u), ended)
    still, nothing = layer.rollout_readout(u, s=s[:, :, :1], w=w, steps=0, **edges)
    assert torch.equal(still.u, u)
    assert nothing.shape == (3, 2, 0, 4)
    assert torch.equal(last.u, states.last.u)
    if edges:
        graphs = layer.energy(states, s=s, w=w, t=times, batch=torch.tensor([0, 0, 1, 1]), **edges)
        torch.testing.assert_close(graphs.sum(1), layer.energy(states, s=s, w=w, t=times, **edges))


def test_a_call_without_steps_or_samples_has_gradients(tmp_path) -> None:
    """Those of no sample are zero, and not NaN, whatever their time steps are."""
    layer = made(oscillator(Leapfrog(K, DT), damped=False, moving=False), tmp_path)
    q = drawn((3, 2), 1).requires_grad_()
    layer.rollout(q, q, steps=0).q.sum().backward()
    assert torch.equal(q.grad, torch.zeros_like(q))
    dt = torch.zeros(0, dtype=torch.float64, requires_grad=True)
    for backend in ("torch", "auto"):
        layer.backend = backend
        layer.zero_grad()
        layer(q[:0], q[:0], dt=dt).q.sum().backward()
        assert dt.grad.shape == (0,)
        assert all(torch.equal(x.grad, torch.zeros_like(x)) for x in layer.parameters() if x.grad is not None)
