"""What a layer in a bath does in the long run: covariances of its step, densities exp(-V/T)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import sympy as sp
import torch

from metrigen import Field, Lattice, Param, Strang, System, energy_density
from tests.lattice.emitted import layer_class, package
from tests.temperature.systems import chain, flow, stationary, step_of, wave

Number = np.ndarray | sp.Expr
H, STEPS, A, GAMMA, K, T = 0.3, 80, (0.8, 1.3), (0.9, 0.5), (1.2, 0.7), 0.6


def scores(found: np.ndarray, expected: np.ndarray, count: int) -> np.ndarray:
    """Deviations of the entries of a sample covariance with a known mean, in standard errors."""
    own = np.diag(expected)
    return (found - expected) / np.sqrt((np.outer(own, own) + expected**2) / count)


def sampled(rank: int, samples: int, scale: float, folder: Path) -> tuple[list[np.ndarray], int]:
    """The covariance of (q, p) of every channel after many steps, the momenta started at rest."""
    module = package(wave(rank), folder, f"noisy_wave_{rank}")
    numbers = {"a": torch.tensor(A), "gamma": torch.tensor(GAMMA), "k": torch.tensor(K), "T": T}
    layer = layer_class(module)(2, init=numbers, dt=H).double()
    start = torch.zeros(samples, 2, *(4,) * rank, dtype=torch.float64)
    options = {"generator": torch.Generator().manual_seed(11)}
    if scale != 1:
        shape = (samples, 2, STEPS, *(4,) * rank)
        options = {"noise": scale * torch.randn(shape, dtype=torch.float64, generator=options["generator"])}
    with torch.no_grad():
        end = layer(start, start, steps=STEPS, **options)
    both = [torch.cat([x[:, c].reshape(samples, -1) for x in (end.q, end.p)], 1).numpy() for c in (0, 1)]
    return [z.T @ z / samples for z in both], samples


@pytest.mark.parametrize(("rank", "samples"), [(0, 20_000), (1, 5_000)], ids=["oscillator", "wave"])
@pytest.mark.parametrize("scale", [1.0, 1.05])
def test_the_covariance_is_that_of_the_step(rank: int, samples: int, scale: float, tmp_path: Path) -> None:
    found, count = sampled(rank, samples, scale, tmp_path)
    worst = 0.0
    for c, covariance in enumerate(found):
        stiffness = chain(4, K[c]) if rank else np.array([[K[c]]])
        exact = stationary(*step_of(A[c], GAMMA[c], stiffness, T, H))
        worst = max(worst, float(np.abs(scores(covariance, exact, count)).max()))
    assert (worst < 4) == (scale == 1), worst


def test_the_bias_of_the_splitting_is_of_order_two() -> None:
    """The exact covariance of the step comes to T/k and T m as h^2."""
    wrong = []
    for h in (0.2, 0.1, 0.05):
        covariance = stationary(*step_of(A[0], GAMMA[0], np.array([[K[0]]]), T, h))
        wrong.append(np.abs(np.diag(covariance) / np.array([T / K[0], T / A[0]]) - 1).max())
    assert wrong[0] < 0.02
    assert np.log2(wrong[0] / wrong[1]) == pytest.approx(2, abs=0.05)
    assert np.log2(wrong[1] / wrong[2]) == pytest.approx(2, abs=0.05)


def density_scores(values: np.ndarray, potential, temperature: float, reach: float) -> np.ndarray:
    """Deviations of independent values from exp(-V/T), in standard errors: of a histogram, and of the mean of V, which
    tells a wrong temperature from the least values."""
    edges = np.linspace(-reach, reach, 21)
    fine = np.linspace(-reach - 2, reach + 2, 40_001)
    weight = np.exp(-potential(fine) / temperature)
    mean = (weight * potential(fine)).sum() / weight.sum()
    spread = np.sqrt((weight * (potential(fine) - mean) ** 2).sum() / weight.sum())
    energy = (potential(values).mean() - mean) * np.sqrt(len(values)) / spread
    below = np.concatenate([[0], np.cumsum(weight[1:] + weight[:-1])])
    share = np.diff(np.interp(edges, fine, below / below[-1]))
    count = np.histogram(values, edges)[0]
    return np.append((count - len(values) * share) / np.sqrt(len(values) * share * (1 - share)), energy)


def double_well() -> System:
    point = Lattice()
    q, p = Field("q", point), Field("p", point)
    return System(
        "noisy_well", point, (q, p), hamiltonian=p**2 / 2 + (q**2 - 1) ** 2 / 4,
        bracket=lambda F, G: F[q] * G[p] - F[p] * G[q], metric=lambda F, G: F[p] * G[p],
        integrator=Strang(8, 0.1), readout=energy_density(), temperature=sp.Rational(1, 4),
    )  # fmt: skip


def well(u: Number) -> Number:
    return (u**2 - 1) ** 2 / 4


def parabola(u: Number) -> Number:
    return u**2 / 2


DENSITIES = {
    "langevin": (double_well, well, 0.25, 1.8, 0.1, 200),
    "overdamped": (lambda: flow(lambda u: 1, well, sp.Rational(1, 4)), well, 0.25, 1.7, 0.01, 600),
    "multiplicative": (lambda: flow(lambda u: (1 + u**2) / 2, parabola), parabola, 0.5, 2.0, 0.01, 400),
}  # fmt: skip


@pytest.mark.parametrize("case", DENSITIES)
@pytest.mark.parametrize("scale", [1.0, 1.05])
def test_the_density_is_that_of_the_bath(case: str, scale: float, tmp_path: Path) -> None:
    system, potential, temperature, reach, dt, steps = DENSITIES[case]
    samples = 12_000
    layer = layer_class(package(system(), tmp_path, f"noisy_{case}"))(1).double()
    generator = torch.Generator().manual_seed(7)
    fields = len(layer.FIELDS)
    first = (2 * torch.arange(samples, dtype=torch.float64) % 4 - 1).reshape(-1, 1)
    start = [first, *(torch.zeros_like(first) for _ in range(fields - 1))]
    noise = scale * torch.randn(samples, 1, steps, dtype=torch.float64, generator=generator)
    with torch.no_grad():
        end = layer(*start, dt=dt, **({"generator": generator, "steps": steps} if scale == 1 else {"noise": noise}))
    worst = np.abs(density_scores(end[0].numpy().flatten(), potential, temperature, reach)).max()
    assert (worst < 4) == (scale == 1), worst


def test_energies_of_a_lattice_with_a_spacing_are_of_its_cells(tmp_path: Path) -> None:
    """Every momentum and every mode has the energy T/2 in the units of ``layer.energy``, whatever the spacing is."""
    system = wave(1, spacing=sp.Rational(1, 4), temperature=Param("T", positive=True, init=0.6), name="noisy_spaced")
    layer = layer_class(package(system, tmp_path, "noisy_spaced"))(1, dt=0.05).double()
    start = torch.zeros(3000, 1, 8, dtype=torch.float64)
    with torch.no_grad():
        end = layer(start, start, steps=200, generator=torch.Generator().manual_seed(3))
        kinetic = 0.25 * (layer.a.double() * end.p**2 / 2).flatten(1).sum(1)
        whole = layer.energy(end)
    for energy, degrees in ((kinetic, 8), (whole, 16)):
        expected = degrees * 0.6 / 2
        assert abs(energy.mean() - expected) < 4 * 0.6 * (degrees / 2 / 3000) ** 0.5 + 0.02 * expected
