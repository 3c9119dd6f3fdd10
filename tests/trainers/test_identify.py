"""Least squares with shared and local unknowns: against plain linear algebra, and against repeated noise."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from trainers.identify import LevenbergMarquardt, physical_errors, uncertainty


class Decays(nn.Module):
    """Residuals of y0 exp(-rate t) in windows with starts of their own; ``idle`` is in none of them."""

    def __init__(self, count: int, *, idle: bool = False) -> None:
        super().__init__()
        self.rate = nn.Parameter(torch.tensor([0.3], dtype=torch.float64))
        self.idle = nn.Parameter(torch.zeros(1, dtype=torch.float64)) if idle else None
        self.starts = nn.Parameter(torch.ones(count, 1, dtype=torch.float64))

    def forward(self, seen: Tensor) -> Tensor:
        times = torch.arange(seen.shape[1], dtype=torch.float64)
        return self.starts * (-self.rate * times).exp() - seen


def decays(noise: float, seed: int, count: int = 4) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    starts = 1 + torch.rand(count, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    clean = starts * (-0.5 * torch.arange(6, dtype=torch.float64)).exp()
    return clean + noise * torch.randn(clean.shape, generator=generator, dtype=torch.float64)


def fitted(model: nn.Module, seen: Tensor, steps: int = 12) -> LevenbergMarquardt:
    optimiser = LevenbergMarquardt(model, local=("starts",))
    left = [optimiser.step(seen) for _ in range(steps)]
    assert left == sorted(left, reverse=True)
    return optimiser


def test_unknowns_without_noise_are_found_to_rounding() -> None:
    model = Decays(4)
    fitted(model, decays(0.0, 1))
    assert model.rate.item() == pytest.approx(0.5, abs=1e-10)
    assert torch.allclose(model.starts[:, 0], decays(0.0, 1)[:, 0], atol=1e-10)


def test_eliminating_the_starts_is_the_inverse_of_the_whole_matrix() -> None:
    model, seen = Decays(4), decays(0.05, 2)
    found = fitted(model, seen).curvature(seen)

    def residuals(rate: Tensor, starts: Tensor) -> Tensor:
        return (starts * (-rate * torch.arange(6, dtype=torch.float64)).exp() - seen).flatten()

    blocks = torch.autograd.functional.jacobian(residuals, (model.rate, model.starts))
    whole = torch.cat([block.reshape(24, -1) for block in blocks], 1)
    left = residuals(model.rate, model.starts).square().sum() / (24 - 5)
    covariance = left * torch.linalg.inv(whole.T @ whole)
    said = uncertainty(found)
    assert said.errors.item() == pytest.approx(covariance[0, 0].sqrt().item(), rel=1e-9)
    assert said.residual == pytest.approx(left.sqrt().item())


def test_the_error_is_the_spread_over_noises() -> None:
    rates, errors = [], []
    for seed in range(40):
        model, seen = Decays(4), decays(0.02, seed)
        optimiser = fitted(model, seen, 6)
        rates.append(model.rate.item())
        errors.append(uncertainty(optimiser.curvature(seen)).errors.item())
    spread = torch.tensor(rates)
    assert spread.mean().item() == pytest.approx(0.5, abs=4 * spread.std().item() / 40**0.5)
    assert torch.tensor(errors).mean().item() == pytest.approx(spread.std().item(), rel=0.4)


def test_what_the_data_do_not_tell_has_no_finite_error_and_does_not_move() -> None:
    model, seen = Decays(4, idle=True), decays(0.02, 3)
    said = uncertainty(fitted(model, seen).curvature(seen))
    assert [bool(x.isinf()) for x in said.errors] == [False, True]
    assert said.silent[:, 0].abs().tolist() == pytest.approx([0, 1], abs=1e-6)
    assert model.idle is not None
    assert model.idle.item() == 0


def test_no_unknown_moves_further_than_its_reach() -> None:
    model, seen = Decays(4), decays(0.0, 1)
    LevenbergMarquardt(model, local=("starts",), damping=1e-9, reach=0.01).step(seen)
    assert 0 < abs(model.rate.item() - 0.3) <= 0.01 + 1e-12


def test_a_resumed_optimiser_goes_on_as_if_it_had_not_stopped() -> None:
    seen, whole, parts = decays(0.02, 4), Decays(4), Decays(4)
    fitted(whole, seen, 5)
    first = fitted(parts, seen, 2)
    again = Decays(4)
    again.load_state_dict(parts.state_dict())
    optimiser = LevenbergMarquardt(again, local=("starts",))
    optimiser.load_state_dict(first.state_dict())
    for _ in range(3):
        optimiser.step(seen)
    assert torch.equal(again.rate, whole.rate)
    assert torch.equal(again.starts, whole.starts)


def test_errors_of_parameters_are_those_behind_their_sign() -> None:
    from generated.reacher import Reacher

    layer = Reacher(1, dtype=torch.float64, init={"a": 2.0, "c": 0.5})
    found = physical_errors(layer, ["a", "c"], torch.tensor([0.01, 0.02]))
    slope = 1 - torch.exp(torch.tensor(-2.0))  # of softplus, where it is 2
    assert found == {"a": pytest.approx(0.01 * slope.item()), "c": pytest.approx(0.02)}
