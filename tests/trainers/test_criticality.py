"""Locating a critical point: crossings and peaks of known curves, errors, what the steps sample, a run in small."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest
import torch
import typer
from rich.console import Console
from safetensors.torch import load_file
from typer.testing import CliRunner

from generated.criticality import Criticality
from trainers.common import CHECKPOINT, Display, ResumeError, Run, make_fabric, read_meta
from trainers.criticality import main
from trainers.criticality_analysis import (
    AnalysisError,
    Curve,
    autocorrelation_time,
    binned,
    crossing,
    error_of,
    findings,
    peak,
    without_step,
)
from trainers.criticality_sampling import (
    ACTIONS,
    Case,
    Cell,
    Chains,
    Options,
    Unstable,
    cells_of,
    control_values,
    noise,
    sample,
)

CASE, CELL = Case("phi4", 0), Cell(8, 0.3, True)
TINY = Options(seeds=(0,), sizes=(4, 8), search=4, dts=(0.2, 0.3), points=5, chains=16, span=64.0, blocks=2,
               burn=1, samples=2)  # fmt: skip


def curve(size: int, centre: float, dt: float = 0.1, spread: float = 0.0) -> Curve:
    """A cumulant of the finite-size form f(L (x - centre)), and a peak that is shifted by 1/L; in 40 bins."""
    x = np.linspace(centre - 2 / size - 0.02, centre + 2 / size - 0.01, 9)
    share = 1 / (1 + np.exp(3 * size * (x - centre) - 2))
    second = np.full((40, 9), 1.0)
    fourth = 3 - 2 * share + spread * np.random.default_rng(size).normal(size=(40, 9))
    first = np.sqrt(1 - size**-0.25 / (1 + (size * (x - centre) + 0.5) ** 2)) * second
    return Curve(size, dt, x, np.stack([first, second, fourth]), 1.0)


def test_the_crossing_of_known_curves_is_found() -> None:
    assert crossing(curve(16, -1.27), curve(32, -1.27)) == pytest.approx(-1.27, abs=1e-3)
    assert crossing(curve(32, 0.7), curve(16, 0.7)) == pytest.approx(0.7, abs=1e-3)
    assert crossing(curve(16, 0.7, spread=0.05), curve(32, 0.7, spread=0.05)) == pytest.approx(0.7, abs=0.01)


def test_no_crossing_and_no_peak_are_errors() -> None:
    with pytest.raises(AnalysisError, match="do not cross"):
        crossing(curve(16, -1.27), curve(32, -1.5))
    flat = curve(8, 0.1)
    rising = np.broadcast_to(np.sqrt(1 - np.exp(flat.values - 2)), (40, 9))
    with pytest.raises(AnalysisError, match="no peak"):
        peak(Curve(8, 0.1, flat.values, np.stack([rising, *flat.moments[1:]]), 1.0))


def test_step_and_size_are_extrapolated() -> None:
    found = findings([curve(size, -1.27 - 0.8 * dt**2, dt, 0.02) for dt in (0.1, 0.2) for size in (16, 32)])
    assert found["binder"] == pytest.approx(-1.27, abs=5 * found["binder_error"])
    assert 0 < found["binder_error"] < 0.01
    assert found["susceptibility"] == pytest.approx(-1.27, abs=5e-3)
    assert found["crossings"][1][0] == pytest.approx(-1.302, abs=5e-3)


def test_a_weighted_line_in_the_square_of_the_step() -> None:
    dts, errors = (0.1, 0.2, 0.3), (0.01, 0.02, 0.1)
    exact = without_step(dts, [1 + 2 * dt**2 for dt in dts], errors)
    assert (exact.value, exact.slope, exact.chi2) == pytest.approx((1, 2, 0))
    rng = np.random.default_rng(0)
    drawn = [without_step(dts, [1 + 2 * dt**2 + e * rng.normal() for dt, e in zip(dts, errors, strict=True)], errors)
             for _ in range(2000)]  # fmt: skip
    assert np.std([limit.value for limit in drawn]) == pytest.approx(exact.error, rel=0.1)
    assert np.mean([limit.chi2 for limit in drawn]) == pytest.approx(1, rel=0.15)  # three points, two numbers


def test_the_bootstrap_has_the_spread_of_new_data() -> None:
    """x_k = a x_(k-1) + noise: tau = 1/2 + a/(1 - a); the error of a mean of bins is that of a new chain."""
    rng, a = np.random.default_rng(0), 0.8
    x = np.zeros((4001, 60, 2))
    for k in range(1, len(x)):
        x[k] = a * x[k - 1] + rng.normal(size=x.shape[1:])
    assert autocorrelation_time(x[:, :, 0]) == pytest.approx(0.5 + a / (1 - a), rel=0.1)
    _, times, length = binned(x[1:, :8])
    assert times == pytest.approx(0.5 + a**2 / (1 - a**2), rel=0.3)  # of the square
    assert length == np.ceil(10 * times.max())
    curves = [Curve(2, 0.1, np.arange(2.0), binned(x[1:, i : i + 6])[0], 1.0) for i in range(0, 60, 6)]
    told = error_of(lambda c: float(c.moments[1].mean()), curves[:1])
    assert told == pytest.approx(np.std([c.moments[1].mean() for c in curves], ddof=1), rel=0.6)


def test_cumulants_of_a_coin_and_of_a_bell() -> None:
    series = np.stack(
        [np.sign(x) if k == 0 else x for k, x in enumerate(np.random.default_rng(0).normal(size=(2, 10**5)))]
    )
    found = Curve(2, 0.1, np.arange(2.0), binned(series.T[:, None, :])[0], 1.0)
    assert found.binder == pytest.approx([2 / 3, 0], abs=0.02)
    assert found.susceptibility == pytest.approx([0, 4 * (1 - 2 / np.pi)], abs=0.03)


def test_a_free_field_has_its_propagator_at_a_long_step() -> None:
    """<|phi_k|^2> = T / (r + k^2) with the k^2 = 4 sin^2(k_x/2) + 4 sin^2(k_y/2) of the lattice: for springs the steps
    err in the momenta alone."""
    size, chains, dt = 4, 4000, 0.5  # the limit is 0.63
    layer = Criticality(2, steps=1, dt=dt, init={"r": [1.0, 0.5], "lam": 1e-6, "T": [1.0, 2.0], "gamma": 1.0})
    rest = torch.zeros(chains, 2, size, size)
    with torch.no_grad():
        phi = layer(rest, rest, steps=round(30 / dt), generator=noise(CASE, CELL, 0)).phi.double()
    power = (torch.fft.fft2(phi, norm="ortho").abs() ** 2).mean(0)
    sines = 4 * torch.sin(torch.pi * torch.arange(size, dtype=torch.float64) / size) ** 2
    known = torch.tensor([1.0, 2.0])[:, None, None] / (torch.tensor([1.0, 0.5])[:, None, None] + sines[:, None] + sines)
    assert float((power / known - 1).abs().max()) < 5 * (2 / chains) ** 0.5


def test_soft_spins_are_phi4_by_another_scale() -> None:
    """phi = T^(1/2) psi: the bath of temperature T and coupling lam is that of temperature 1 and coupling lam T."""
    fixed = dict(ACTIONS["soft_spins"].fixed)
    T = ACTIONS["soft_spins"].published
    assert (fixed["r"], fixed["lam"] * T) == pytest.approx((ACTIONS["phi4"].published, 1.0))
    warm = Criticality(1, steps=40, dt=0.1, init={**fixed, "T": T, "gamma": 0.5})
    phi4 = Criticality(1, steps=40, dt=0.1, init={"r": fixed["r"], "lam": 1.0, "T": 1.0, "gamma": 0.5})
    psi, pi = torch.randn(2, 2, 1, 8, 8, generator=torch.Generator().manual_seed(0)) / 3
    with torch.no_grad():
        one = warm(T**0.5 * psi, T**0.5 * pi, generator=noise(CASE, CELL, 0))
        other = phi4(psi, pi, generator=noise(CASE, CELL, 0))
    assert torch.allclose(one.phi, T**0.5 * other.phi, atol=1e-4)
    assert float((one.phi - psi).abs().max()) > 0.5


def test_a_step_that_is_too_long_is_told() -> None:
    layer = Criticality(1, steps=1, dt=0.3, init={"r": -1.0, "lam": 1.0, "T": 1.0, "gamma": 0.5})
    chains = Chains(torch.full((1, 1, 4, 4), 9.0), torch.zeros(1, 1, 4, 4), torch.zeros(0, 1, 1, dtype=torch.float64))
    with pytest.raises(Unstable, match="shorter"):
        chains.advanced(layer, 50, 1, noise(CASE, CELL, 0))


def test_a_size_looks_where_the_one_before_it_orders() -> None:
    options, action = Options(), ACTIONS["phi4"]
    assert [(c.size, c.wide) for c in cells_of(options)[:4]] == [(16, True), (16, False), (32, False), (64, False)]
    records = [
        {"size": made.size, "dt": made.dt, "wide": wide, "values": made.values, "moments": made.moments}
        for wide, centre, size in ((True, -1.5, 16), (False, -1.4, 16), (False, -1.3, 32))
        for made in (curve(size, centre, 0.2),)
    ]
    records.insert(0, {**records[-1], "dt": 0.3})
    for count, (size, centre) in enumerate(((16, -1.5), (32, -1.4), (64, -1.3)), 2):
        values = control_values(options, action, Cell(size, 0.2, False), records[:count])
        # 3 U / 2 is 1 / (1 + exp(3 L (x - centre) - 2)), and 0.9 at log(9) = 2 - 3 L (x - centre)
        assert values[3] == pytest.approx(centre + (2 - np.log(9)) / (3 * max(16, size / 2)), abs=2e-3)
        assert values[6] - values[0] == pytest.approx(2 * action.width * 16 / size)
    disordered = [{**records[1], "values": records[1]["values"][7:], "moments": records[1]["moments"][:, :, 7:]}]
    with pytest.raises(AnalysisError, match="is below"):
        control_values(options, action, Cell(16, 0.2, False), disordered)


def fit(folder: Path, **more: object) -> tuple[dict[str, torch.Tensor], Run]:
    run, display = Run(folder), Display(Console(file=StringIO()), "sample")
    sample(make_fabric("cpu", 1, "32-true"), TINY, CASE, run, display, **more)
    return load_file(folder / CHECKPOINT), run


@pytest.mark.parametrize("stop", [5, 6])  # within a cell, and between two
def test_a_resumed_run_is_the_run_that_never_stopped(tmp_path: Path, stop: int) -> None:
    whole, run = fit(tmp_path / "whole", stop_after=9)
    fit(tmp_path / "parts", stop_after=stop)
    assert read_meta(tmp_path / "parts")["step"] == stop
    parts, resumed = fit(tmp_path / "parts", resume=True, stop_after=9)
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    for event, count in (("block", 9), ("cell", 4)):
        assert run.records(event) == resumed.records(event)
        assert len(run.records(event)) == count


def test_samples_of_another_spec_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fit(tmp_path, stop_after=1)
    monkeypatch.setattr("trainers.criticality_sampling.spec_hash", lambda package: "0" * 64)
    with pytest.raises(ResumeError, match="was trained with the spec"):
        fit(tmp_path, resume=True)


def test_smoke(run_module: Callable[..., CompletedProcess[str]], tmp_path: Path) -> None:
    done = run_module("trainers.criticality", "--smoke", "--out", str(tmp_path), "--name", "it")
    assert done.returncode == 0, done.stdout + done.stderr
    folder = tmp_path / "it"
    (result,) = [json.loads(line) for line in (folder / "comparison.jsonl").read_text().splitlines()]
    assert result["sizes"] == [4, 8]
    assert -2 < result["binder"] < -0.6
    assert all((folder / f"{name}.png").stat().st_size > 0 for name in ("transition", "step", "fields"))
    assert "published: -1.27251" in done.stdout
    command = typer.Typer()
    command.command()(main)
    again = CliRunner().invoke(command, ["--resume", str(folder)])  # nothing is left: the table once more
    assert again.exit_code == 0, again.output
    assert json.loads((folder / "comparison.jsonl").read_text()) == result


@pytest.mark.parametrize(
    "arguments", [("--action", "ising"), ("--seeds", "0,0"), ("--sizes", "16"), ("--dts", "0,0.1")]
)
def test_what_cannot_be_is_named(arguments: tuple[str, str]) -> None:
    command = typer.Typer()
    command.command()(main)
    done = CliRunner().invoke(command, arguments)
    assert done.exit_code == 2
    assert arguments[1] in done.output
