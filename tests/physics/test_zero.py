"""The zero test: what it proves, what it only samples, and what it calls not zero."""

from __future__ import annotations

import pytest
import sympy as sp
from zoo import LINE, POINT, field, x

from metrigen import Param, System, derive, mix, total
from metrigen.physics.jets import to_jets
from metrigen.physics.normal import vanishes_by_algebra
from metrigen.physics.size import expanded_terms
from metrigen.physics.zero import Zero, every, zero_test
from metrigen.spec.symbols import transposed

u, v = to_jets(field("u")), to_jets(field("v"))

PROVED = {
    "expansion": (u + v) ** 3 - u**3 - 3 * u**2 * v - 3 * u * v**2 - v**3,
    "denominators": 1 / (1 + u**2) + u**2 / (1 + u**2) - 1,
    "roots": sp.sqrt(1 + u**2) ** 3 - (1 + u**2) * sp.sqrt(1 + u**2),
    "root in a denominator": u**2 / sp.sqrt(1 + u**2) - sp.sqrt(1 + u**2) + 1 / sp.sqrt(1 + u**2),
    "nested": sp.sqrt(1 + sp.sqrt(1 + u**2)) ** 4 - 2 - u**2 - 2 * sp.sqrt(1 + u**2),
    "circle": sp.sin(u) ** 4 - (1 - sp.cos(u) ** 2) ** 2,
    "hyperbola": sp.cosh(u) ** 2 - sp.sinh(u) ** 2 - 1,
}
SAMPLED = {
    "addition theorem": sp.sin(u + v) - sp.sin(u) * sp.cos(v) - sp.cos(u) * sp.sin(v),
    "too large": (u + v) ** 90 * (u + v + 1) ** 90 - ((u + v) ** 2 + u + v) ** 90,
}
NOT_ZERO = {
    "small": u * sp.Rational(1, 10**20),
    "a root less": sp.sqrt(1 + u**2) - 1 - u**2 / 2,
    "far": sp.sqrt(u - 10) - sp.sqrt(u - 11),
}


@pytest.mark.parametrize("name", PROVED)
def test_algebra_is_a_proof(name: str) -> None:
    assert zero_test(PROVED[name]) == Zero(True, "expansion")


@pytest.mark.parametrize("name", SAMPLED)
def test_points_are_no_proof(name: str) -> None:
    found = zero_test(SAMPLED[name])
    assert found
    assert found.by == "points"
    assert not found.proved


@pytest.mark.parametrize("name", NOT_ZERO)
def test_what_is_not_zero(name: str) -> None:
    assert not zero_test(NOT_ZERO[name])


def test_the_weakest_ground_counts() -> None:
    assert every([Zero(True), Zero(True, "channels"), Zero(True)]) == Zero(True, "channels")
    assert every([Zero(True, "channels"), Zero(True, "points")]) == Zero(True, "points")
    assert not every([Zero(True), Zero(False), Zero(True)])


def test_sizes_are_bounds_of_the_expansion() -> None:
    for expr in ((u + v + 1) ** 5, (u + v) * (u - v) * (1 + u) ** 2, sp.sin((u + v) ** 3), 1 / (1 + u) ** 3):
        assert len(sp.Add.make_args(sp.expand(expr))) <= expanded_terms(expr)
    assert expanded_terms((u + v + 1) ** 5) == 21
    assert not vanishes_by_algebra((u + v + 1) ** 500 - u)


def test_a_law_that_points_decided_reads_sampled() -> None:
    f, g = field("f"), field("g")
    weight = sp.sin(f + g) - sp.sin(f) * sp.cos(g) - sp.cos(f) * sp.sin(g)

    def bracket(F, G):
        return F[f] * G[g].diff(x) + F[g] * G[f].diff(x) + weight * F[f] * G[f]

    law = derive(System("s", LINE, (f, g), hamiltonian=f**2 + g**2, bracket=bracket)).law("antisymmetry")
    assert law.verdict == "sampled"
    assert "points" in law.how


def test_transposes_cancel_in_a_sum_over_any_number_of_channels() -> None:
    a, b = (to_jets(field(name, POINT)) for name in "ab")
    K = Param("K", shape=("C", "C"))
    chain = lambda f: mix(K, mix(K, mix(K, f)))
    inside = sp.exp(mix(K, b) + total(a) ** 4)
    assert zero_test(mix(transposed(K), inside) * a - inside * mix(K, a), summed=True).proved
    assert zero_test(total(a**2) * chain(b) * a**2 - total(a**2 * chain(b)) * a**2, summed=True).proved
    assert not zero_test(mix(transposed(K), inside) * a - inside * mix(transposed(K), a), summed=True)
    assert not zero_test(mix(transposed(K), inside) * a - inside * mix(K, a))
