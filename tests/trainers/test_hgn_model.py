"""Films of mechanical systems, and what moves through them: energy, time turned round, equal sizes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from generated.hgn import Hgn
from generated.hgn_euler import HgnEuler
from trainers.hgn_model import PHASE, VARIANTS, Film, Hamiltonian, Recurrent, Sizes, build
from trainers.hgn_systems import SIDE, SYSTEMS, Orbit, frames_of, pendulum, quarter, rendered, sn, spring, two_bodies
from trainers.hgn_training import energy_drifts
from trainers.sizes import parameters

SMALL = Sizes(seen=3, glance=4, width=8, recurrent=4)
TWO = replace(SMALL, planes=2)


def moments(step: float = 1e-3) -> np.ndarray:
    return np.arange(-1.0, 8.0, 0.9)[:, None] + np.array([-step, 0.0, step])


def accelerations(orbit: Orbit, step: float = 1e-3) -> tuple[np.ndarray, np.ndarray]:
    """Places and second differences, (N, T, bodies, 2) each."""
    places = orbit(moments(step).reshape(-1)).reshape(5, -1, 3, orbit(np.zeros(1)).shape[2], 2)
    return places[:, :, 1], (places[:, :, 0] - 2 * places[:, :, 1] + places[:, :, 2]) / step**2


def test_the_elliptic_sine_is_between_a_sine_and_a_hyperbolic_tangent() -> None:
    u = np.linspace(-1.5, 1.5, 7)
    assert np.allclose(sn(u, np.full(1, 1e-6)), np.sin(u), atol=1e-9)
    assert np.allclose(sn(u, np.full(1, 1 - 1e-9)), np.tanh(u), atol=1e-6)
    k = np.array([[0.3], [0.9]])
    assert np.allclose(sn(quarter(k), k), 1, atol=1e-12)
    assert np.allclose(sn(u + 2 * quarter(k), k), -sn(u, k), atol=1e-12)


def test_orbits_obey_newton() -> None:
    places, found = accelerations(spring(5, np.random.default_rng(0)))
    assert np.allclose(found, -places, atol=1e-5)
    places, found = accelerations(two_bodies(5, np.random.default_rng(0)))
    apart = places[:, :, 0] - places[:, :, 1]
    pull = -apart / np.linalg.norm(apart, axis=-1, keepdims=True) ** 3
    assert np.allclose(found[:, :, 0] - found[:, :, 1], pull, atol=1e-5)
    orbit, step = pendulum(5, np.random.default_rng(0)), 1e-3
    at = orbit(moments(step).reshape(-1))[:, :, 0]
    theta = np.unwrap(np.arctan2(at[..., 0], -at[..., 1])).reshape(5, -1, 3)
    assert np.abs(theta).max() > 1.5
    found = (theta[..., 0] - 2 * theta[..., 1] + theta[..., 2]) / step**2
    assert np.allclose(found, -np.sin(theta[..., 1]), atol=1e-5)


def test_a_frame_shows_a_body_where_it_is() -> None:
    middle = (np.arange(SIDE) + 0.5) * 2 / SIDE - 1
    place = np.array([middle[20], middle[27]])  # column 20, row 27 from below
    frame = rendered(place[None, None, None], (0.5,)).reshape(SIDE, SIDE)
    assert int(frame.argmax()) == (SIDE - 1 - 27) * SIDE + 20
    assert float(frame.max()) == pytest.approx(0.5)


@pytest.mark.parametrize("name", SYSTEMS)
def test_films_are_of_one_shape_and_stay_in_the_picture(name: str) -> None:
    system = SYSTEMS[name]
    films = frames_of(system, system.orbits(4, np.random.default_rng(0)), np.arange(40))
    assert films.shape == (4, 40, SIDE * SIDE)
    assert films.dtype == torch.float32
    assert float(films.amax(-1).min()) > 0.9 * max(system.bright)
    edge = films.reshape(4, 40, SIDE, SIDE)
    assert float(torch.cat((edge[:, :, 0], edge[:, :, -1], edge[..., 0], edge[..., -1])).max()) < 0.5


def layer_of(kind: type) -> Hamiltonian:
    """A layer in float64, the network of its potential well away from its start, whose potential is the same for both
    kinds."""
    motion = Hamiltonian(kind(1))
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in motion.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return motion.double()


def starts() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(1).normal(size=(6, PHASE)))


def test_leapfrog_keeps_the_learned_energy_and_euler_does_not() -> None:
    drifts = {}
    for kind in (Hgn, HgnEuler):
        torch.manual_seed(0)
        drifts[kind] = float(energy_drifts(layer_of(kind).energy(starts(), 200)).detach().median())
    assert drifts[Hgn] < 0.05
    assert drifts[HgnEuler] > 5 * drifts[Hgn]


def test_a_film_runs_backwards_faster_and_slower() -> None:
    torch.manual_seed(0)
    motion, start = layer_of(Hgn), starts()
    states = motion.states(start, 9)
    end = torch.cat([x[..., -1] for x in states], -1)
    back = motion(end, 9, pace=-1.0)
    assert torch.allclose(back.flip(1), motion(start, 9), atol=1e-10)
    assert torch.allclose(motion(start, 5, pace=2.0), motion(start, 9)[:, ::2], atol=0.05)  # steps of twice the length
    assert torch.allclose(motion(start, 9, pace=0.5)[:, ::2], motion(start, 5), atol=0.05)
    with pytest.raises(ValueError, match=r"dt=-0\.125 must be positive"):
        layer_of(HgnEuler)(start, 3, pace=-1.0)
    with pytest.raises(ValueError, match="has no time step"):
        Recurrent(SMALL).double()(start, 3, pace=2.0)


def test_planes_are_worlds_of_their_own_and_their_energies_add_up() -> None:
    torch.manual_seed(0)
    both, start = Hamiltonian(Hgn(2)).double(), torch.from_numpy(np.random.default_rng(1).normal(size=(6, 2 * PHASE)))
    alone, energy = [], torch.zeros(6, 5, dtype=torch.float64)
    for plane in range(2):
        one = Hamiltonian(Hgn(1)).double()
        with torch.no_grad():
            for mine, theirs in zip(one.parameters(), both.parameters(), strict=True):
                mine.copy_(theirs if mine.shape == theirs.shape else theirs[plane : plane + 1])
        own = start[:, plane::2]  # x of both planes, then y, then the momenta
        alone.append(one(own, 5))
        energy += one.energy(own, 5)
    assert torch.allclose(both(start, 5), torch.stack(alone, -1).flatten(-2))
    assert torch.allclose(both.energy(start, 5), energy)


def test_drift_does_not_depend_on_the_zero_or_the_unit_of_energy() -> None:
    energy = torch.tensor([[1.0, 1.5, 0.5], [3.0, 3.0, 2.0], [8.0, 9.0, 8.0]])
    assert torch.allclose(energy_drifts(7 * energy + 100), energy_drifts(energy))
    assert torch.allclose(energy_drifts(energy) * energy[:, 0].std(), torch.tensor([0.5, 1.0, 1.0]))


@pytest.mark.parametrize(("name", "sizes"), [*((name, SMALL) for name in VARIANTS), ("hamiltonian", TWO)])
def test_a_film_begins_with_where_the_encoder_says(name: str, sizes: Sizes) -> None:
    network = build(name, sizes)
    seen = torch.rand(2, 3, SIDE * SIDE)
    start = network.start(seen)
    film = network.film(start, 4)
    assert film.shape == (2, 4, SIDE * SIDE)
    assert torch.allclose(film[:, 0], torch.sigmoid(network.decoder(start[:, : sizes.phase // 2])))
    logits, entropy = network(seen, torch.zeros(2, sizes.phase), 4)
    assert torch.allclose(torch.sigmoid(logits), film)
    mean, log_scale = network.encoder(seen)
    normal = torch.distributions.Normal
    known = torch.distributions.kl_divergence(normal(mean, log_scale.exp()), normal(torch.zeros(1), torch.ones(1)))
    assert torch.allclose(entropy, known.sum(-1), atol=1e-5)


def test_gradients_reach_every_number_that_is_learned() -> None:
    for name in VARIANTS:
        network: Film = build(name, TWO)
        logits, entropy = network(torch.rand(2, 3, SIDE * SIDE), torch.randn(2, TWO.phase), 4)
        (logits.square().mean() + entropy.mean()).backward()
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters() if p.requires_grad)


def test_the_models_are_of_equal_size_but_for_more_in_the_recurrent_one() -> None:
    for planes in (1, 2):
        counts = {name: parameters(build(name, Sizes(planes=planes))) for name in VARIANTS}
        assert counts["hamiltonian"] == counts["euler"]
        assert 1 < counts["recurrent"] / counts["hamiltonian"] < 1.05


def test_an_unknown_model_is_refused() -> None:
    with pytest.raises(ValueError, match="known are hamiltonian"):
        build("lstm", SMALL)
