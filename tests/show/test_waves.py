"""Dispersion and amplification against the formulas of textbooks, and against a run of the step itself."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import sympy as sp

from metrigen import (
    RK4,
    Dissipation,
    Field,
    Lattice,
    Leapfrog,
    Param,
    System,
    derive,
    energy_density,
    grad,
    t,
)
from metrigen.ir.interpreter import run
from metrigen.package.pictures import wave_pictures
from metrigen.package.von_neumann import WaveReport, directions, formulas, wave_markdown, wave_text, wave_vectors
from metrigen.physics.latex import formula
from tests.lattice.emitted import compiled
from tests.show.systems import decay, flow, heat, report, screened, wave, x, y

FRACTIONS = (0.1, 0.35, 0.6, 0.85, 1.0)
K = np.pi * np.asarray(FRACTIONS)


def along(waves: WaveReport, spacing: float = 1.0, which: int = 0) -> np.ndarray:
    return wave_vectors(FRACTIONS, directions(waves.rank)[which][1], spacing)


def factors(waves: WaveReport) -> np.ndarray:
    assert waves.step is not None
    return waves.step.factors(along(waves))[0]


def test_strang_damps_every_wave_alike() -> None:
    for axes in ((x,), (x, y)):
        waves = report(wave(gamma=0.4, dt=0.2, axes=axes)).waves
        np.testing.assert_allclose(np.abs(factors(waves)), np.exp(-0.4 * 0.2 / 2), rtol=1e-12)


def test_leapfrog_has_its_own_dispersion_and_is_stable_up_to_the_limit() -> None:
    waves = report(wave(dt=0.3)).waves
    squared = 2.0 * 4 * np.sin(K / 2) ** 2 + 0.3
    expected = np.arccos(1 - 0.3**2 * squared / 2)  # 2 sin(w dt/2) = dt w0
    found = np.abs(np.angle(factors(waves)))
    np.testing.assert_allclose(found, np.stack([expected, expected], axis=1), rtol=1e-10)
    limit = 2 / np.sqrt(2.0 * 4 + 0.3)
    assert waves.limit == pytest.approx(limit, rel=1e-12)
    below, above = (report(wave(dt=limit * s)).waves for s in (0.999, 1.001))
    assert np.abs(factors(below)).max() == pytest.approx(1.0, abs=1e-9)
    assert np.abs(factors(above)).max() > 1.05


def test_the_sweep_crosses_one_at_the_step_limit() -> None:
    waves = report(wave(dt=0.3)).waves
    assert waves.sweep is not None
    assert waves.limit is not None
    worst = np.abs(waves.sweep.factors(along(waves))).max(axis=(1, 2))
    stable = waves.sweep.dt < waves.limit
    assert stable.any()
    assert not stable.all()
    assert worst[stable].max() == pytest.approx(1.0, abs=1e-6)
    assert worst[~stable].min() > 1.01


def test_explicit_euler_on_heat_is_one_minus_dt_k_squared() -> None:
    expected = 1 - 0.1 * 0.8 * 4 * np.sin(K / 2) ** 2
    np.testing.assert_allclose(factors(report(heat()).waves)[:, 0], expected, rtol=1e-12, atol=1e-14)
    plane = report(heat(axes=(x, y))).waves
    assert plane.step is not None
    diagonal = plane.step.factors(along(plane, which=1))[0][:, 0]
    np.testing.assert_allclose(diagonal, 1 - 0.1 * 0.8 * 8 * np.sin(K / 2) ** 2, rtol=1e-12, atol=1e-14)


def test_rk4_is_the_taylor_polynomial() -> None:
    waves = report(heat(RK4(steps=2, dt=0.2))).waves
    z = -0.2 * 0.8 * 4 * np.sin(K / 2) ** 2
    np.testing.assert_allclose(factors(waves)[:, 0], 1 + z + z**2 / 2 + z**3 / 6 + z**4 / 24, rtol=1e-12)


@pytest.mark.parametrize("spacing", [1, sp.Rational(1, 4)])
def test_symbols_of_the_continuum_and_of_the_lattice(spacing: sp.Rational) -> None:
    waves = report(wave(spacing=spacing, dt=0.01)).waves
    h = float(spacing)
    k = along(waves, h)
    exact = np.sqrt(2.0 * (K / h) ** 2 + 0.3)
    lattice = np.sqrt(2.0 * (2 / h * np.sin(K / 2)) ** 2 + 0.3)
    for continuum, expected in ((True, exact), (False, lattice)):
        spectrum = waves.spectrum(k, continuum)
        np.testing.assert_allclose(np.abs(spectrum.imag), np.stack([expected] * 2, axis=1), rtol=1e-10)
        np.testing.assert_allclose(spectrum.real, 0, atol=1e-9)


def test_formulas_are_exact_and_hold_the_state() -> None:
    found = {(left, where): e for _, left, where, e in formulas(report(wave()).waves.symbols)}  # type: ignore[arg-type]
    c2, m2, phi, k = sp.symbols("c2 m2 phi k_x", real=True)
    assert sp.expand(found["A[pi, phi]", "continuum"] + c2 * k**2 + m2 + 3 * phi**2) == 0
    assert sp.expand(found["A[pi, phi]", "lattice"] - 2 * c2 * (sp.cos(k) - 1) + m2 + 3 * phi**2) == 0
    assert found["A[phi, pi]", "lattice"] == 1


@pytest.mark.parametrize(("taken", "vector", "matrix"), [("k", "kappa", "A"), ("k_x", "kappa", "A"), ("A", "k", "M")])
def test_a_letter_of_the_spec_is_no_letter_of_the_waves(taken: str, vector: str, matrix: str) -> None:
    """Where a coefficient is called k, k_x is its derivative, so the wave vector is kappa."""
    line = Lattice(x)
    u, c = Field("u", line), Param(taken, positive=True)
    system = System("named", line, (u,), hamiltonian=c * grad(u).square / 2, integrator=RK4(1, 0.1),
                    metric=Dissipation((1, lambda F: F[u])), readout=energy_density())  # fmt: skip
    waves = report(system).waves
    ((_, left, _, exact), _) = formulas(waves.symbols)  # type: ignore[arg-type]
    assert left == f"{matrix}[u, u]"
    assert sp.expand(exact + sp.Symbol(taken, real=True) * sp.Symbol(f"{vector}_x", real=True) ** 2) == 0
    text, page = "\n".join(wave_text(waves)), wave_markdown(waves)
    assert f"exp(i {vector}.x) about a constant state obeys z_t = {matrix}({vector}) z" in text
    shown = formula(sp.Symbol(vector)).strip("$")
    assert rf"e^{{i {shown} \cdot x}}" in page
    assert rf"{matrix}({shown})" in page
    assert f"| {vector} h / pi |" in page
    picture = wave_pictures(waves)[0].svg
    assert f"{vector} h / π" in picture


def test_the_response_is_that_of_the_step_itself() -> None:
    """A small cosine on a ring, run by the interpreter from a state that is not zero."""
    made = report(wave(gamma=0.4, dt=0.2))
    assert made.lowered is not None
    waves, size, mode, small = made.waves, 16, 3, 1e-5
    assert waves.step is not None
    numbers = waves.numbers
    assert numbers is not None
    angle = 2 * np.pi * mode / size
    ring = np.cos(angle * np.arange(size)).reshape(1, 1, size)
    fixed = {a.name: np.asarray(numbers.values[a.name]) for a in made.lowered.step.whole.inputs}
    fixed["dt"] = np.asarray(0.2)
    matrix = np.zeros((2, 2))
    for j, name in enumerate(("phi", "pi")):
        state = {n: small * ring * (n == name) for n in ("phi", "pi")}
        out = run(made.lowered.step.whole, {**fixed, **state})
        matrix[:, j] = [float(np.vdot(out[f"{n}__next"], ring) / np.vdot(ring, ring)) / small for n in ("phi", "pi")]
    expected = np.sort_complex(np.linalg.eigvals(matrix))
    found = np.sort_complex(waves.step.factors(np.array([[angle]]))[0][0])
    np.testing.assert_allclose(found, expected, rtol=1e-7)


def test_a_steady_state_shows_its_operator() -> None:
    waves = report(screened()).waves
    assert waves.step is None
    k = along(waves)
    np.testing.assert_allclose(waves.spectrum(k, True)[:, 0], 0.5 + 2.0 * K**2)
    np.testing.assert_allclose(waves.spectrum(k, False)[:, 0], 0.5 + 2.0 * 4 * np.sin(K / 2) ** 2)
    assert "dF/du is shown instead" in wave_markdown(waves)


def test_without_an_axis_there_is_one_eigenvalue() -> None:
    waves = report(decay()).waves
    assert waves.step is not None
    assert waves.step.factors(np.zeros((1, 0)))[0][0, 0] == pytest.approx(0.95)
    assert "| -0.5000 | -0.5000 | -0.5129 | 0.9500 |" in wave_markdown(waves)


def test_a_positive_field_is_taken_at_one() -> None:
    grid = Lattice(x)
    rho = sp.Function("rho", positive=True)(t, x)
    numbers = report(flow(rho * sp.log(rho), rho, grid)).waves.numbers
    assert numbers is not None
    assert numbers.values["rho"] == 1.0
    assert not numbers.at_rest  # d(rho log rho) = 1 + log rho
    assert "not at rest" in report(flow(rho * sp.log(rho), rho, grid)).waves.state_sentence()


def test_what_cannot_be_shown_is_said_in_a_sentence() -> None:
    grid = Lattice(x)
    u = Field("u", grid)
    place = report(flow((1 + x**2) * u**2, u, grid)).waves
    assert place.notes == ("No waves are shown: the coefficients depend on the place.",)
    kink = report(flow(sp.Abs(u) * u**2, u, grid)).waves
    assert len(kink.notes) == 1
    assert kink.notes[0].startswith("No waves are shown: a term has a jump or a kink")
    assert wave_markdown(place) == place.notes[0]


def test_a_spec_without_integrator_has_symbols_and_no_step() -> None:
    grid = Lattice(x)
    u = Field("u", grid)
    system = System(name="free", domain=grid, fields=(u,), hamiltonian=u**2, metric=lambda F, G: F[u] * G[u])
    waves = report(system).waves
    assert waves.symbols is not None
    assert waves.step is None
    assert any("no step to judge" in note for note in waves.notes)


def test_a_time_step_made_of_parameters_is_not_swept() -> None:
    system = wave()
    scale = Param("scale", positive=True, init=0.5)
    waves = report(
        System(
            name="wave",
            domain=system.domain,
            lagrangian=system.lagrangian,
            integrator=Leapfrog(steps=1, dt=scale / 5),
        )
    ).waves
    assert waves.dt == pytest.approx(0.1)
    assert waves.sweep is None
    np.testing.assert_allclose(np.abs(factors(waves)), 1, atol=1e-9)


def test_notebooks_show_a_derivation_typeset() -> None:
    derivation = derive(wave(gamma=0.4))
    assert derivation.equations._repr_latex_().startswith(
        r"$\displaystyle \begin{aligned}\partial_t \phi &= \pi_{\phi}"
    )
    assert r"T^{t}{}_{x} &= " in derivation.stress_energy._repr_latex_()
    table = derivation.laws._repr_markdown_()
    html = derivation.laws._repr_html_()
    for law in derivation.laws:
        assert f"| {law.name} | {law.verdict} |" in table
        assert f"<td>{law.name}</td><td>{law.verdict}</td>" in html
        assert law._repr_markdown_().startswith(f"**{law.name}**: {law.verdict} (")
    assert isinstance(derivation.laws, tuple)
    assert dict(derivation.equations) == derivation.equations
    assert "t,x" not in wave()._repr_latex_().replace(" ", "")
    assert formula(sp.Symbol("lam")) == r"\lambda"
    assert derive(heat()).stress_energy._repr_latex_().startswith(r"$\displaystyle") or not derive(heat()).stress_energy


def test_a_rest_state_without_a_value_is_no_warning() -> None:
    """sin(u)/u has no value at u = 0 as it is written; the table of waves says so, and numpy says nothing."""
    u = Field("u", Lattice())
    energy = u.diff(t) ** 2 / 2 - u**2 / 2 - sp.sin(u) / u
    system = System("resting", Lattice(), lagrangian=energy, integrator=Leapfrog(steps=1, dt=0.1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert compiled(system).files["DERIVATION.md"]
