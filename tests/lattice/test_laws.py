"""Laws of the emitted stencil: what survives the differences is proved, what is lost is shown in numbers."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import sympy as sp

from metrigen import DiscreteGradient, Dissipation, Field, Lattice, Param, System, grad, mix, t, total
from metrigen.discretise.lattice_jacobi import _defect
from metrigen.discretise.lattice_laws import lattice_laws
from metrigen.discretise.lattice_probe import Stencil, applied, gradient_of, pairing
from metrigen.physics.derivation import Law
from tests.lattice.systems import lattice_dynamics, x, y

pytestmark = pytest.mark.covering

LINE, POINT = Lattice(x), Lattice()
u, v = Field("u", LINE), Field("v", LINE)


def laws(system: System) -> dict[str, Law]:
    return {law.name: law for law in lattice_laws(lattice_dynamics(system))}


def kdv(bracket) -> System:
    return System("s", LINE, (u,), hamiltonian=u**2 / 2 + u.diff(x) ** 2 / 2, bracket=bracket)


def second_kdv(F, G):
    return -F[u] * (G[u].diff(x, 3) + 4 * u * G[u].diff(x) + 2 * u.diff(x) * G[u])


def so3(fields):
    return lambda F, G: (
        -sp.Matrix(fields).dot(sp.Matrix([F[f] for f in fields]).cross(sp.Matrix([G[f] for f in fields])))
    )


def rigid_body() -> System:
    L = [Field(f"L{i}", POINT) for i in range(3)]
    return System("s", POINT, tuple(L), hamiltonian=sum((i + 1) * f**2 for i, f in enumerate(L)), bracket=so3(L))


def spins_beside_waves(boundary: str) -> System:
    """so(3) at every site beside a constant differential bracket: Poisson on the lattice as well."""
    grid = Lattice(x, boundary=boundary)
    L, (a, b) = [Field(f"L{i}", grid) for i in range(3)], (Field("a", grid), Field("b", grid))
    spin = so3(L)
    energy = sum(f**2 for f in (*L, a, b))
    return System(
        "s", grid, (*L, a, b), hamiltonian=energy,
        bracket=lambda F, G: spin(F, G) + F[a] * G[b].diff(x) - G[a] * F[b].diff(x),
    )  # fmt: skip


# Jacobi --------------------------------------------------------------------------------------------------------------


def test_the_first_kdv_bracket_keeps_jacobi() -> None:
    assert laws(kdv(lambda F, G: F[u] * G[u].diff(x)))["lattice_jacobi"].verdict == "proved"


def test_the_second_kdv_bracket_loses_jacobi_by_central_differences() -> None:
    found = laws(kdv(second_kdv))
    assert found["lattice_jacobi"].verdict == "failed"
    assert "{{P, Q}, R} + cyclic = 0." in found["lattice_jacobi"].witness
    assert found["lattice_energy"].verdict == "proved"


def test_a_finite_dimensional_bracket_inherits_jacobi() -> None:
    assert laws(rigid_body())["lattice_jacobi"].verdict == "proved"


@pytest.mark.parametrize("boundary", ["periodic", "zero", "neumann"])
def test_a_state_dependent_bracket_that_survives_is_proved_by_expansion(boundary: str) -> None:
    law = laws(spins_beside_waves(boundary))["lattice_jacobi"]
    assert law.verdict == "proved"
    assert "discrete variation" in law.how


def test_a_coefficient_that_nothing_moves_is_no_harm() -> None:
    w = Field("w", LINE)
    system = System(
        "s", LINE, (u, v, w), hamiltonian=u**2 + v**2 + w**2,
        bracket=lambda F, G: w**2 * (F[u] * G[v].diff(x) - G[u] * F[v].diff(x)),
    )  # fmt: skip
    assert laws(system)["lattice_jacobi"].verdict == "proved"


def test_the_trilinear_form_is_the_schouten_bracket_of_the_matrix() -> None:
    """The matrix J(u) on a ring of 9 sites, differentiated by finite differences, gives the same defect."""
    stencil = Stencil.of(lattice_dynamics(kdv(second_kdv)))
    state = next(iter(stencil.states()))
    n = state["u"].shape[-1]

    def matrix(values: np.ndarray) -> np.ndarray:
        columns = [applied(stencil.bracket, {**state, "u": values}, {"u": e.reshape(1, 1, n)})["u"] for e in np.eye(n)]
        return np.array([c[0, 0] for c in columns]).T

    z, step = state["u"][:, :1], 1e-5
    J = matrix(z)
    assert np.abs(J + J.T).max() < 1e-12
    slopes = [
        (matrix(z + step * e.reshape(1, 1, n)) - matrix(z - step * e.reshape(1, 1, n))) / (2 * step) for e in np.eye(n)
    ]
    P, Q, R = (stencil.covector(0, which)["u"][0, 0] for which in (1, 2, 3))
    terms = [np.array([A @ slope @ B for slope in slopes]) * (J @ C) for A, B, C in ((P, Q, R), (Q, R, P), (R, P, Q))]
    expected = abs(sum(term.sum() for term in terms)) / sum(np.abs(term).sum() for term in terms)
    one = {name: value[:, :1] for name, value in state.items()}
    covector = lambda trial, which: {"u": Stencil.covector(stencil, trial, which)["u"][:, :1]}
    alone = _Alone(stencil, covector)
    assert stencil.bracket is not None
    assert _defect(alone, stencil.bracket, pairing(stencil.bracket, ("u",), (0,)), 0, one) == pytest.approx(
        expected, rel=1e-5
    )


class _Alone:
    """A stencil whose covectors have one channel."""

    def __init__(self, stencil: Stencil, covector) -> None:
        self.names, self.covector = stencil.names, covector


# Energy and entropy --------------------------------------------------------------------------------------------------


def heated(energy) -> System:
    """Viscosity that heats: A(F) = D F_p - D(dh/dp) F_e, so that A(dH) = 0 by the product rule."""
    p, e = Field("p", LINE), sp.Function("e", positive=True)(t, x)
    slope = energy(p).diff(p)
    metric = Dissipation((e, lambda F: F[p].diff(x) - slope.diff(x) * F[e]))
    return System("s", LINE, (p, e), hamiltonian=energy(p) + e, metric=metric, entropy=sp.log(e))


def test_a_degeneracy_without_the_product_rule_survives() -> None:
    law = laws(heated(lambda p: p**2 / 2))["lattice_energy"]
    assert law.verdict == "proved"
    assert "M dH = 0" in law.how


def test_a_degeneracy_by_the_product_rule_is_lost_with_its_size() -> None:
    found = laws(heated(lambda p: p**4 / 4))
    assert found["lattice_energy"].verdict == "failed"
    assert "M dH is" in found["lattice_energy"].witness
    assert "the energy" in found["lattice_noether"].detail
    assert "restored" not in found["lattice_energy"].detail


def test_a_law_that_the_integrator_restores_says_so() -> None:
    """The flow of the stencil loses the energy, and the steps keep it: one row says both."""
    found = laws(replace(heated(lambda p: p**4 / 4), integrator=DiscreteGradient(steps=1, dt=0.01)))
    assert found["lattice_energy"].verdict == "failed"
    assert "restored by DiscreteGradient" in found["lattice_energy"].detail
    assert "restored by the step" in found["lattice_noether"].detail


@pytest.mark.parametrize(("casimir", "verdict"), [(lambda s, rho: s, "proved"), (lambda s, rho: s**2 / rho, "failed")])
def test_the_entropy_of_a_gas_is_a_casimir_of_the_lattice_if_it_is_linear(casimir, verdict: str) -> None:
    rho, a, b = (sp.Function(name, positive=True)(t, x) for name in ("rho", "a", "b"))
    m, s = Field("m", LINE), Field("s", LINE)

    def half(F, G):
        return sum(r * F[m] * G[r].diff(x) for r in (rho, m, s))

    system = System(
        "s", LINE, (rho, m, s, a, b), hamiltonian=m**2 / (2 * rho) + rho**2 + a + b,
        bracket=lambda F, G: half(G, F) - half(F, G), metric=Dissipation((1, lambda F: F[a] - F[b])),
        entropy=casimir(s, rho) + sp.log(a) + sp.log(b),
    )  # fmt: skip
    found = laws(system)
    assert found["lattice_entropy_degeneracy"].verdict == verdict
    assert found["lattice_energy"].verdict == "proved"


@pytest.mark.parametrize("boundary", ["periodic", "zero", "neumann"])
def test_a_weighted_diffusion_is_positive_by_proof(boundary: str) -> None:
    grid = Lattice(x, y, boundary=boundary)
    rho = sp.Function("rho", positive=True)(t, x, y)
    system = System(
        "s", grid, (rho,), hamiltonian=rho * sp.log(rho), metric=lambda F, G: rho * grad(F[rho]).dot(grad(G[rho]))
    )
    found = laws(system)
    assert found["lattice_metric_psd"].verdict == found["lattice_energy"].verdict == "proved"
    assert ("total rho" in found["lattice_noether"].how) == (boundary != "zero")


# Noether -------------------------------------------------------------------------------------------------------------


def wave(boundary: str, force, **parts) -> System:
    phi = Field("phi", Lattice(x, boundary=boundary))
    return System(
        "s", Lattice(x, boundary=boundary), lagrangian=phi.diff(t) ** 2 / 2 - phi.diff(x) ** 2 / 2 - force(phi), **parts
    )


def test_momentum_survives_a_quadratic_energy_and_is_lost_otherwise() -> None:
    linear = laws(wave("periodic", lambda phi: phi**2 / 2))["lattice_noether"]
    assert linear.verdict == "proved"
    assert "the momentum along x" in linear.how
    nonlinear = laws(wave("periodic", lambda phi: 1 - sp.cos(phi)))["lattice_noether"]
    assert nonlinear.verdict == "proved"
    assert "the momentum along x" in nonlinear.detail
    walls = laws(wave("neumann", lambda phi: phi**2 / 2))["lattice_noether"]
    assert "momentum" not in walls.how + walls.detail


def test_a_declared_translation_that_the_lattice_breaks_is_told_as_failed() -> None:
    phi = Field("phi", LINE)
    law = laws(wave("periodic", lambda f: f**4 / 4, symmetries={"shift": {phi: phi.diff(x)}}))["lattice_noether"]
    assert law.verdict == "failed"
    assert "'shift'" in law.witness


def test_internal_charges_survive() -> None:
    a, b = Field("a", LINE), Field("b", LINE)
    lagrangian = sp.Add(*((f.diff(t) ** 2 - f.diff(x) ** 2) / 2 for f in (a, b))) - (a**2 + b**2) ** 2 / 4
    system = System("s", LINE, lagrangian=lagrangian, symmetries={"phase": {a: -b, b: a}})
    law = laws(system)["lattice_noether"]
    assert law.verdict == "proved"
    assert "'phase'" in law.how
    assert "momentum" in law.detail


@pytest.mark.parametrize("boundary", ["periodic", "neumann"])
def test_a_massless_field_keeps_its_total_momentum_density(boundary: str) -> None:
    assert "total pi_phi" in laws(wave(boundary, lambda phi: 0 * phi))["lattice_noether"].how
    assert "total pi_phi" not in laws(wave(boundary, lambda phi: phi**2))["lattice_noether"].how


def test_coupled_channels_are_sampled() -> None:
    a, b = Field("a", POINT), Field("b", POINT)
    lagrangian = (a.diff(t) ** 2 + b.diff(t) ** 2) / 2 - total(a**2 + b**2) ** 2 / 8
    law = laws(System("s", POINT, lagrangian=lagrangian, symmetries={"phase": {a: -b, b: a}}))["lattice_noether"]
    assert law.verdict == "sampled"
    assert "the charge of 'phase' (on random states)" in law.how


def test_a_charge_with_parameters_of_its_own_is_not_tested_and_told() -> None:
    q, A = Field("q", POINT), Param("A", shape=("C", "C"), antisymmetric=True)
    system = System("s", POINT, lagrangian=q.diff(t) ** 2 / 2 - total(q**2) / 4, symmetries={"turn": {q: mix(A, q)}})
    assert "not tested: the charge of 'turn'" in laws(system)["lattice_noether"].detail


def test_laws_are_deterministic() -> None:
    first, second = (laws(kdv(second_kdv)) for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    ("boundary", "damped"), list(itertools.product(["periodic", "zero", "neumann"], [False, True]))
)
def test_the_energy_verdict_is_what_a_power_of_random_states_shows(boundary: str, damped: bool) -> None:
    grid = Lattice(x, boundary=boundary)
    a, b = Field("a", grid), Field("b", grid)
    nu = Param("nu", positive=True)
    system = System(
        "s", grid, (a, b), hamiltonian=a**2 / 2 + a**4 / 12 + b**2 / 2,
        bracket=lambda F, G: F[a] * G[b].diff(x) - G[a] * F[b].diff(x),
        metric=(lambda F, G: nu * F[a].diff(x) * G[a].diff(x)) if damped else None,
    )  # fmt: skip
    assert laws(system)["lattice_energy"].verdict == "proved"
    stencil = Stencil.of(lattice_dynamics(system))
    for state in stencil.states():
        slope = gradient_of(stencil.energy, state)
        flow = applied(stencil.bracket, state, slope)
        power = sum(float((slope[k] * flow[k]).sum()) for k in slope)
        assert abs(power) < 1e-10 * sum(float(np.abs(slope[k] * flow[k]).sum()) for k in slope)
        if damped:
            loss = applied(stencil.metric, state, slope)
            assert sum(float((slope[k] * loss[k]).sum()) for k in slope) > 0
