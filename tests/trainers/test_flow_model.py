"""The models of densities: what they integrate to, what they keep, and the densities that they learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from trainers.flow_data import DENSITIES
from trainers.flow_model import HamiltonianFlow, RealNVP
from trainers.flow_networks import VARIANTS, Sizes, build
from trainers.flow_score import score, symmetry_error, volume_error
from trainers.sizes import parameters


def model_of(kind: str) -> torch.nn.Module:
    """A model in float64 whose networks are far from their start."""
    torch.manual_seed(3)
    made = RealNVP(3, 8) if kind == "realnvp" else HamiltonianFlow(2, 8, rotation=kind == "rotation")
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            parameter.add_(0.3 * torch.randn_like(parameter) * (not name.endswith("dt")))
    return made.double()


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


@pytest.mark.parametrize("name", DENSITIES)
def test_a_density_integrates_to_one_and_its_points_are_drawn_from_it(name: str) -> None:
    density, line = DENSITIES[name](), np.linspace(-4, 4, 161)
    grid = np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1).reshape(-1, 2)
    p = np.exp(density.log_density(grid)) * (line[1] - line[0]) ** 2
    assert p.sum() == pytest.approx(1, abs=1e-3)
    drawn = density.draw(20_000, np.random.default_rng(0))
    assert np.allclose(drawn.mean(0), (p[:, None] * grid).sum(0), atol=0.05)
    assert np.allclose(np.cov(drawn.T), np.cov(grid.T, aweights=p), atol=0.08)
    entropy = -(p * density.log_density(grid)).sum()
    assert -density.log_density(drawn).mean() == pytest.approx(entropy, abs=0.03)


def test_no_rotation_changes_the_rings() -> None:
    density, points = DENSITIES["rings"](), np.random.default_rng(0).normal(size=(50, 2))
    c, s = math.cos(0.4), math.sin(0.4)
    turned = points @ np.array([[c, s], [-s, c]])
    assert np.allclose(density.log_density(points), density.log_density(turned), atol=1e-9)


@pytest.mark.parametrize("kind", ["hamiltonian", "rotation"])
def test_the_flow_keeps_volumes_and_is_undone(kind: str) -> None:
    made, z = model_of(kind), numbers(6, 4)
    assert volume_error(made, z) < 1e-12
    assert torch.allclose(made.flow(made.flow(z), back=True), z, atol=1e-11)
    assert not torch.allclose(made.flow(z), z, atol=0.1)


def test_the_equivariant_flow_commutes_with_rotations_and_keeps_the_charge() -> None:
    made, q, noise = model_of("rotation"), numbers(20, 2), numbers(3, 20, 2, seed=1)
    assert symmetry_error(made, q, noise, np.random.default_rng(0)) < 1e-12
    assert symmetry_error(model_of("hamiltonian"), q, noise, np.random.default_rng(0)) > 1e-2
    z = numbers(20, 4)
    moved = made.flow(z)
    charge = [x[:, 0] * x[:, 3] - x[:, 1] * x[:, 2] for x in (z, moved)]
    assert torch.allclose(*charge, atol=1e-12)


def test_the_density_of_realnvp_integrates_to_one() -> None:
    line = torch.linspace(-9, 9, 91, dtype=torch.float64)
    with torch.no_grad():
        density = model_of("realnvp")(torch.cartesian_prod(line, line), numbers(1, 1, 2)).exp()
    assert float(density.sum() * (line[1] - line[0]) ** 2) == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("kind", ["hamiltonian", "rotation"])
def test_a_weight_is_the_density_of_where_a_point_goes_over_that_of_its_momentum(kind: str) -> None:
    made, q, noise = model_of(kind), numbers(7, 2), numbers(3, 7, 2, seed=1)
    mean, log_scale = made.encoder(q)
    p = mean + log_scale.exp() * noise
    goes = made.flow(torch.cat((q.expand_as(p), p), dim=-1).flatten(0, 1)).unflatten(0, (3, 7))
    above = torch.distributions.Normal(0, made.base.exp()).log_prob(goes).sum(-1)
    below = torch.distributions.Normal(mean, log_scale.exp()).log_prob(p).sum(-1)
    assert torch.allclose(made.log_weights(q, noise), above - below, atol=1e-11)
    assert torch.allclose(made(q, noise), (above - below).exp().mean(0).log(), atol=1e-11)


def test_more_momenta_tighten_the_bound() -> None:
    made, q = model_of("hamiltonian"), numbers(200, 2)
    with torch.no_grad():
        one, many = (float(made(q, numbers(k, 200, 2, seed=1)).mean()) for k in (1, 64))
    assert many > one


def test_samples_of_realnvp_have_its_density() -> None:
    made = model_of("realnvp")
    with torch.no_grad():
        drawn = made.sample(numbers(4000, 4))
        assert drawn.shape == (4000, 2)
        z = numbers(50, 4)
        q = made.sample(z).requires_grad_()
    jacobian = [
        torch.autograd.functional.jacobian(lambda e: made.sample(torch.cat((e, e), dim=-1)[None])[0], x[:2]) for x in z
    ]
    base = -(z[:, :2] ** 2).sum(-1) / 2 - math.log(2 * math.pi)
    expected = base - torch.stack([torch.linalg.slogdet(J)[1] for J in jacobian])
    assert torch.allclose(made(q, z), expected, atol=1e-9)


def test_models_have_equal_parameters() -> None:
    sizes = Sizes(4, 24, 6)
    counts = {name: parameters(build(name, sizes)) for name in VARIANTS}
    assert max(counts.values()) <= 1.06 * min(counts.values()), counts


def test_figures_of_a_model() -> None:
    made = HamiltonianFlow(1, 4)
    figures = score(made, DENSITIES["moons"](), seed=0, points=16, importance=4)
    assert figures["volume64"] < 1e-12
    assert figures["nats"] > figures["nats_of_density"]
    assert figures["importance"] == 4
    assert next(made.parameters()).dtype == torch.float32
    assert score(RealNVP(2, 4), DENSITIES["moons"](), seed=0, points=16, importance=4)["importance"] == 1
