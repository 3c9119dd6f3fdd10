"""Systems in a bath: what they do in the long run, against the density exp(-H/T)."""

from __future__ import annotations

import torch

from tests.gallery.layers import layer, rough


def brownian_well() -> None:
    """The mean of q^2 and the share between the wells are those of exp(-V/T), at two mobilities."""
    samples, T = 20_000, 0.25
    z = torch.linspace(-3, 3, 20_001, dtype=torch.float64)
    weight = torch.exp(-((z**2 - 1) ** 2) / 4 / T)
    made = layer("brownian_well", channels=2, dt=0.01, steps=600, b=[1.0, 0.7], T=T)
    start = (2 * torch.arange(samples, dtype=torch.float64) % 4 - 1).reshape(-1, 1).expand(-1, 2)
    with torch.no_grad():
        q = made(start, generator=torch.Generator().manual_seed(2)).q
    for value in (lambda x: x**2, lambda x: (x.abs() < 0.5).double()):
        mean = (value(z) * weight).sum() / weight.sum()
        spread = ((value(z) - mean) ** 2 * weight).sum() / weight.sum()
        score = (value(q).mean(0) - mean) / (spread / samples) ** 0.5
        assert score.abs().max() < 4, score


def langevin_chain() -> None:
    """Every wave has the energy T/2 in motion and, up to the bias h^2 of the splitting, T/2 in place."""
    samples, sites, T, k, h = 3000, 8, 0.3, 0.5, 0.1
    made = layer("langevin_chain", dt=h, steps=300, T=T, k=k)
    rest = torch.zeros(samples, 1, sites, dtype=torch.float64)
    with torch.no_grad():
        end = made(rest, rest, generator=torch.Generator().manual_seed(4))
    stiffness = k + 4 * torch.sin(torch.pi * torch.arange(sites, dtype=torch.float64) / sites) ** 2
    for x, weight in ((end.pi, torch.ones(sites)), (end.q, stiffness)):
        energy = weight * torch.fft.fft(x[:, 0], dim=-1, norm="ortho").abs() ** 2 / 2
        error = (2 / samples) ** 0.5 * T / 2
        assert (energy.mean(0) - T / 2).abs().max() < 4 * error + h**2 * T


def soft_spins() -> None:
    """Steps of any length h that have come to rest keep the mean of phi^2: that of phi g - h g^2/2 is T, g = dF/dphi.

    Far above the critical temperature the mean field is normal, its Binder cumulant 0; far below it has one size, 2/3.
    """
    samples, h = 300, 0.05
    T = torch.tensor([[0.3], [3.0]], dtype=torch.float64)
    made = layer("soft_spins", channels=2, dt=h, steps=400, T=T.flatten())
    start = rough(samples, 2, 6, 6, size=0.1) + torch.tensor([1.0, -1.0]).repeat(samples // 2).reshape(-1, 1, 1, 1)
    with torch.no_grad():
        end = made(start, generator=torch.Generator().manual_seed(3))
        phi, slope = end.phi, -made.rates(end).phi
    value = (phi * slope - h * slope**2 / 2).mean((2, 3))
    assert ((value.mean(0) - T[:, 0]).abs() < 4 * value.std(0) / samples**0.5).all(), value.mean(0)
    m = phi.mean((2, 3))
    cumulant = 1 - (m**4).mean(0) / (3 * (m**2).mean(0) ** 2)
    assert cumulant[0] > 0.65
    assert cumulant[1] < 0.15


CHECKS = (brownian_well, langevin_chain, soft_spins)
