"""Symmetry, positivity and degeneracy of the dissipative bracket."""

from __future__ import annotations

import pytest
import sympy as sp
import zoo
from zoo import LINE, field, x

from metrigen import Dissipation, Input, Param, StructureError, System, derive, mix, momentum, t

u = field("u")
a, b = field("a"), field("b")
A = Param("A", shape=("C", "C"))
S = Param("S", shape=("C", "C"), symmetric=True)


def flow(metric, fields=(u,), energy=None) -> System:
    density = sp.Add(*(f.diff(x) ** 2 / 2 + f**2 / 2 for f in fields)) if energy is None else energy
    return System("s", LINE, fields, hamiltonian=density, metric=metric)


def verdict(metric, fields=(u,)) -> tuple[str, str]:
    law = derive(flow(metric, fields)).law("metric_psd")
    return law.verdict, law.detail


PROVED = {
    "number": lambda F, G: 2 * F[u] * G[u],
    "square": lambda F, G: u**2 * F[u] * G[u],
    "even polynomial": lambda F, G: (u**4 - u**2 + 1) * F[u] * G[u],
    "bounded function": lambda F, G: (2 + sp.sin(u)) * F[u] * G[u],
    "gradient": lambda F, G: F[u].diff(x) * G[u].diff(x),
    "not by parts": lambda F, G: -F[u] * G[u].diff(x, 2) + F[u] * G[u],
    "variable coefficient": lambda F, G: -F[u] * ((1 + u**2) * G[u].diff(x)).diff(x),
    "perfect square symbol": lambda F, G: F[u] * (G[u].diff(x, 4) + 2 * G[u].diff(x, 2) + G[u]),
    "mixing factored": lambda F, G: mix(A, F[u]) * mix(A, G[u]),
    "positive input": lambda F, G: Input("kappa", LINE, positive=True) * F[u].diff(x) * G[u].diff(x),
    "factored": Dissipation((1, lambda F: F[u]), (u**2, lambda F: F[u].diff(x, 2))),
}


@pytest.mark.parametrize("name", PROVED)
def test_positive_metrics_are_proved(name: str) -> None:
    assert verdict(PROVED[name]) == ("proved", "")


def test_matrices_by_their_pivots() -> None:
    assert verdict(lambda F, G: 2 * F[a] * G[a] + 2 * F[b] * G[b] + F[a] * G[b] + F[b] * G[a], (a, b))[0] == "proved"
    with pytest.raises(StructureError, match="not positive") as caught:
        verdict(lambda F, G: F[a] * G[a] + F[b] * G[b] + 2 * F[a] * G[b] + 2 * F[b] * G[a], (a, b))
    assert caught.value.law == "metric_psd"
    assert "gives (F, F) = -" in caught.value.witness


@pytest.mark.parametrize(
    ("weight", "detail"),
    [(u, "u(t, x) >= 0"), (1 - u**2, "1 - u(t, x)**2 >= 0"), (Param("gamma"), "gamma >= 0")],
)
def test_what_depends_on_the_state_is_conditional(weight: sp.Expr, detail: str) -> None:
    assert verdict(Dissipation((weight, lambda F: F[u]))) == ("conditional", detail)
    assert verdict(lambda F, G: weight * F[u] * G[u]) == ("conditional", detail)


def test_a_free_channel_matrix_is_conditional() -> None:
    assert verdict(lambda F, G: F[u] * mix(S, G[u])) == ("conditional", "positive semi-definite S")


NEGATIVE = {
    "number": lambda F, G: -F[u] * G[u],
    "square": Dissipation((-1 - u**2, lambda F: F[u])),
    "parameter": lambda F, G: -Param("gamma", nonnegative=True) * F[u] * G[u],
    "sign of the Laplacian": lambda F, G: F[u] * G[u].diff(x, 2),
    "band of wave numbers": lambda F, G: F[u] * (G[u].diff(x, 4) + 3 * G[u].diff(x, 2) + G[u]),
}


@pytest.mark.parametrize("name", NEGATIVE)
def test_negative_metrics_are_refused(name: str) -> None:
    with pytest.raises(StructureError) as caught:
        verdict(NEGATIVE[name])
    error = caught.value
    assert (error.law, error.part) == ("metric_psd", "metric")
    assert any(digit in error.witness for digit in "0123456789")


def test_an_asymmetric_metric_is_refused_with_its_parts() -> None:
    with pytest.raises(StructureError, match="not symmetric") as caught:
        verdict(lambda F, G: F[a] * G[a] + F[a] * G[b], (a, b))
    error = caught.value
    assert error.law == "metric_symmetry"
    assert "bracket=" in error.fix
    with pytest.raises(StructureError, match="not symmetric"):
        verdict(lambda F, G: F[u] * mix(A, G[u]))
    with pytest.raises(StructureError, match="not symmetric"):
        verdict(lambda F, G: F[u] * G[u].diff(x))


def test_a_metric_that_loses_energy_is_refused() -> None:
    p = field("p")
    with pytest.raises(StructureError, match="does not conserve energy") as caught:
        derive(zoo.friction_heat(metric=Dissipation((1, lambda F: F[p]))))
    error = caught.value
    assert (error.law, error.part) == ("energy_degeneracy", "metric")
    assert error.residual == p
    assert "p=" in error.witness


def test_an_entropy_that_is_no_casimir_is_refused() -> None:
    q, p = field("q"), field("p")
    e = sp.Function("e", positive=True)(t, x)

    def bracket(F, G):
        return F[q] * G[p] - F[p] * G[q] + F[e] * G[p].diff(x) + F[p] * G[e].diff(x)

    with pytest.raises(StructureError, match="Casimir") as caught:
        derive(zoo.friction_heat(bracket=bracket))
    assert (caught.value.law, caught.value.part) == ("entropy_degeneracy", "entropy")


def test_the_free_energy_falls_and_the_entropy_rises() -> None:
    """dF/dt = -(F, F) for a free energy, dS/dt = (S, S) for an entropy: the sign of the dissipative rates."""
    pi = momentum(field("phi"))
    gamma = Param("gamma", nonnegative=True)
    assert derive(zoo.damped()).equations[pi].coeff(gamma) == -pi
    e = sp.Function("e", positive=True)(t, x)
    assert derive(zoo.friction_heat()).equations[e] == gamma * field("p") ** 2
