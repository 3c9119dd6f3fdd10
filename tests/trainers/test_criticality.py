"""Locating a critical point: crossings and peaks of known curves, what is sampled, a run in small and going on."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file

from generated.criticality import Criticality
from trainers.common import CHECKPOINT, Display, Run, make_fabric
from trainers.criticality_analysis import AnalysisError, Curve, crossing, curve_of, findings, peak
from trainers.criticality_sampling import Options, Unstable, advance, cells_of, control_values, noise, sample

TINY = Options(sizes=(4, 8), search=((4, 8),), dts=(0.3,), points=3, sites=256, span=40.0, blocks=4, burn=1, samples=4)


def curve(size: int, centre: float, dt: float = 0.1, noise: float = 0.0) -> Curve:
    """A cumulant of the finite-size form f(L (x - centre)), and a peak that is shifted by 1/L."""
    x = np.linspace(centre - 2 / size - 0.02, centre + 2 / size - 0.01, 9)
    share = 1 / (1 + np.exp(3 * size * (x - centre) - 2)) + noise * np.cos(40 * np.arange(9))
    return Curve(size, dt, x, share * 2 / 3, size**1.75 / (1 + (size * (x - centre) + 0.5) ** 2))


def test_the_crossing_of_known_curves_is_found() -> None:
    assert crossing(curve(16, -1.27), curve(32, -1.27)) == pytest.approx(-1.27, abs=1e-4)
    assert crossing(curve(32, 0.7), curve(16, 0.7)) == pytest.approx(0.7, abs=1e-4)
    assert crossing(curve(16, 0.7, noise=0.01), curve(32, 0.7, noise=0.01)) == pytest.approx(0.7, abs=0.01)


def test_no_crossing_and_no_peak_are_errors() -> None:
    with pytest.raises(AnalysisError, match="do not cross"):
        crossing(curve(16, -1.27), curve(32, -1.5))
    flat = Curve(8, 0.1, np.arange(5.0), np.arange(5.0), np.exp(np.arange(5.0)))
    with pytest.raises(AnalysisError, match="no peak"):
        peak(flat)


def test_step_and_size_are_extrapolated() -> None:
    curves = [curve(size, -1.27 - 0.8 * dt**2, dt) for dt in (0.1, 0.2) for size in (16, 32, 64)]
    found = findings(curves)
    assert found["binder"] == pytest.approx(-1.27, abs=1e-4)
    assert found["susceptibility"] == pytest.approx(-1.27, abs=2e-3)
    assert found["crossings"][1][0] == pytest.approx(-1.302, abs=1e-4)


def test_moments_of_a_coin_and_of_a_bell() -> None:
    block = {"size": 2, "dt": 0.1, "values": [0.0, 1.0], "m1": [1.0, (2 / np.pi) ** 0.5], "m2": [1.0, 1.0],
             "m4": [1.0, 3.0]}  # fmt: skip
    found = curve_of([block, block], 1.0)
    assert found.binder == pytest.approx([2 / 3, 0])
    assert found.susceptibility == pytest.approx([0, 4 * (1 - 2 / np.pi)])


def test_a_free_field_has_the_variance_of_its_temperature() -> None:
    layer = Criticality(2, steps=1, dt=0.1, init={"r": [1.0, 0.5], "lam": 1e-6, "T": [1.0, 2.0], "gamma": 1.0})
    state = torch.zeros(400, 2, 4, 4), torch.zeros(400, 2, 4, 4)
    state, _ = advance(layer, state, 200, 1, noise(0, 0, 0))
    _, (_, m2, _) = advance(layer, state, 20, 40, noise(0, 0, 1))
    # exp(-H/T) of the mean: variance T / (r L^2); some 8,000 independent samples
    assert m2 == pytest.approx([1 / 16, 4 / 16], rel=0.06)


def test_the_energy_of_allen_and_cahn_is_phi4_by_another_scale() -> None:
    """phi = T^(1/2) psi: the bath of temperature T with lam = 1 is that of temperature 1 with lam = T."""
    warm = Criticality(1, steps=40, dt=0.1, init={"r": -1.0, "lam": 1.0, "T": 0.7, "gamma": 0.5})
    phi4 = Criticality(1, steps=40, dt=0.1, init={"r": -1.0, "lam": 0.7, "T": 1.0, "gamma": 0.5})
    psi, pi = torch.randn(2, 2, 1, 8, 8, generator=torch.Generator().manual_seed(0)) / 3
    with torch.no_grad():
        one = warm(0.7**0.5 * psi, 0.7**0.5 * pi, generator=noise(0, 0, 0))
        other = phi4(psi, pi, generator=noise(0, 0, 0))
    assert torch.allclose(one.phi, 0.7**0.5 * other.phi, atol=1e-4)
    assert float((one.phi - psi).abs().max()) > 0.5


def test_a_step_that_is_too_long_is_told() -> None:
    layer = Criticality(1, steps=1, dt=0.3, init={"r": -1.0, "lam": 1.0, "T": 1.0, "gamma": 0.5})
    with pytest.raises(Unstable, match="shorter"):
        advance(layer, (torch.full((1, 1, 4, 4), 9.0), torch.zeros(1, 1, 4, 4)), 50, 1, noise(0, 0, 0))


def test_the_search_narrows_around_what_it_found() -> None:
    cells = cells_of(TINY)
    assert [cell.stage for cell in cells] == [0, 0, 1, 1]
    records = []
    for cell in cells[:2]:
        x = np.asarray(control_values(TINY, cell, []))
        share = 1 / (1 + np.exp(0.4 * cell.size * (x + 1.3) - 0.5))
        # with <m^2> = 1 the cumulant is 1 - <m^4>/3
        records += [
            {"size": cell.size, "dt": cell.dt, "stage": 0, "block": k, "values": x.tolist(), "m1": [0.5] * len(x),
             "m2": [1.0] * len(x), "m4": (3 - 2 * share).tolist()} for k in range(4)
        ]  # fmt: skip
    values = control_values(TINY, cells[3], records)
    assert values[1] == pytest.approx(-1.3, abs=0.02)
    assert values[2] - values[0] == pytest.approx(4 * 0.24)


def fit(folder: Path, **more: object) -> tuple[dict[str, torch.Tensor], Run]:
    run, display = Run(folder), Display(Console(file=StringIO()), "sample")
    sample(make_fabric("cpu", 1, "32-true"), TINY, run, display, **more)
    return load_file(folder / CHECKPOINT), run


@pytest.mark.parametrize("stop", [3, 4])  # within a cell, and between two
def test_a_resumed_run_is_the_run_that_never_stopped(tmp_path: Path, stop: int) -> None:
    whole, run = fit(tmp_path / "whole", stop_after=8)
    fit(tmp_path / "parts", stop_after=stop)
    parts, resumed = fit(tmp_path / "parts", resume=True, stop_after=8)
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    assert run.records("block") == resumed.records("block")
    assert len(run.records("block")) == 8


def test_smoke(run_module: Callable[..., CompletedProcess[str]], tmp_path: Path) -> None:
    done = run_module("trainers.criticality", "--smoke", "--out", str(tmp_path), "--name", "it")
    assert done.returncode == 0, done.stdout + done.stderr
    (result,) = [json.loads(line) for line in (tmp_path / "it" / "results.jsonl").read_text().splitlines()]
    assert result["sizes"] == [4, 8]
    assert -2 < result["binder"] < -0.6
    assert (tmp_path / "it" / "seed0" / "transition.png").stat().st_size > 0
    assert "published: -1.27251" in done.stdout
    again = run_module("trainers.criticality", "--resume", str(tmp_path / "it"))
    assert again.returncode == 0, again.stdout + again.stderr
