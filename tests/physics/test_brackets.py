"""Antisymmetry and Jacobi: true, false and broken brackets."""

from __future__ import annotations

import pytest
import sympy as sp
import zoo
from zoo import LINE, PLANE, POINT, field, kdv_second_bracket, x, y

from metrigen import Lattice, StructureError, System, derive, t
from metrigen.physics.jets import to_jets
from metrigen.physics.operators import Form, build_form
from metrigen.physics.variation import euler_jets
from metrigen.physics.zero import is_zero

u = field("u")
a, b = field("a"), field("b")


def on_line(bracket, fields=(u,), **parts) -> System:
    return System("s", LINE, fields, hamiltonian=sp.Add(*(f**2 for f in fields)), bracket=bracket, **parts)


def scaled_pencil(s: int):
    return lambda F, G: kdv_second_bracket(F, G) + s * F[u] * G[u].diff(x)


POISSON = {
    "d": on_line(lambda F, G: F[u] * G[u].diff(x)),
    "second KdV": on_line(kdv_second_bracket),
    "pencil": on_line(scaled_pencil(7)),
    "burgers": zoo.burgers(),
    "gas": zoo.gas(),
    "vorticity": zoo.vorticity(),
    "d cubed": on_line(lambda F, G: F[u] * G[u].diff(x, 3)),
    "u2 d": on_line(lambda F, G: F[u] * (u**2 * G[u].diff(x) + u * u.diff(x) * G[u])),
    "lie poisson semidirect": on_line(
        lambda F, G: b * (F[a] * G[b].diff(x) - G[a] * F[b].diff(x)) + a * (F[a] * G[a].diff(x) - G[a] * F[a].diff(x)),
        (a, b),
    ),
    "explicit x": on_line(lambda F, G: x**2 * F[a] * G[b] - x**2 * F[b] * G[a], (a, b)),
}
NOT_POISSON = {
    "d3 + u2 d": on_line(lambda F, G: F[u] * (G[u].diff(x, 3) + u**2 * G[u].diff(x) + u * u.diff(x) * G[u])),
    "diag(b, 1) d": on_line(
        lambda F, G: F[a] * (b * G[a].diff(x) + b.diff(x) * G[a] / 2) + F[b] * G[b].diff(x), (a, b)
    ),
    "coupled": on_line(lambda F, G: F[u] * (u.diff(x) ** 2 * G[u].diff(x) + u.diff(x) * u.diff(x, 2) * G[u]), (u,)),
}


@pytest.mark.parametrize("name", POISSON)
def test_poisson_brackets_are_proved(name: str) -> None:
    derivation = derive(POISSON[name])
    assert derivation.law("antisymmetry").verdict == derivation.law("jacobi").verdict == "proved"


@pytest.mark.parametrize("name", NOT_POISSON)
def test_jacobi_failures_are_refused_with_a_witness(name: str) -> None:
    with pytest.raises(StructureError, match="Jacobi") as caught:
        derive(NOT_POISSON[name])
    error = caught.value
    assert (error.law, error.part) == ("jacobi", "bracket")
    assert isinstance(error.residual, sp.Expr)
    assert error.residual != 0
    assert "gives" in error.witness
    assert "almost_poisson" in error.fix


def test_almost_poisson_keeps_the_verdict_failed() -> None:
    bracket = NOT_POISSON["d3 + u2 d"].bracket
    law = derive(on_line(bracket, almost_poisson=True)).law("jacobi")
    assert law.verdict == "failed"
    assert "gives" in law.witness


def three_dimensional(n) -> System:
    """J_ij = eps_ijk n_k: Poisson exactly when n . curl n = 0."""
    z = [field(f"z{i}", POINT) for i in range(3)]

    def bracket(F, G):
        f, g = sp.Matrix([F[v] for v in z]), sp.Matrix([G[v] for v in z])
        return sp.Matrix(n(*z)).dot(f.cross(g))

    return System("s", POINT, tuple(z), hamiltonian=z[0] ** 2, bracket=bracket)


@pytest.mark.parametrize(
    ("n", "poisson"),
    [
        (lambda p, q, r: [p, q, r], True),
        (lambda p, q, r: [2 * p * q, p**2, 3 * r**2], True),
        (lambda p, q, r: [r * p, r * q, r * r], True),
        (lambda p, q, r: [q, 0, 1], False),
        (lambda p, q, r: [q * r, p, r], False),
    ],
)
def test_three_dimensions(n, poisson: bool) -> None:
    if poisson:
        assert derive(three_dimensional(n)).law("jacobi").verdict == "proved"
    else:
        with pytest.raises(StructureError, match="Jacobi"):
            derive(three_dimensional(n))


def charged_particle(field_strength) -> System:
    """{p_i, p_j} = eps_ijk B_k(q): Poisson exactly when div B = 0; six dimensions."""
    q, p = ([field(f"{n}{i}", POINT) for i in range(3)] for n in "qp")

    def bracket(F, G):
        f, g = sp.Matrix([F[v] for v in p]), sp.Matrix([G[v] for v in p])
        canonical = sp.Add(*(F[c] * G[d] - F[d] * G[c] for c, d in zip(q, p, strict=True)))
        return canonical + sp.Matrix(field_strength(*q)).dot(f.cross(g))

    return System("s", POINT, (*q, *p), hamiltonian=sp.Add(*(v**2 / 2 for v in p)), bracket=bracket)


def test_divergence_free_magnetic_field() -> None:
    assert derive(charged_particle(lambda x, y, z: [y * z, z, x * y])).law("jacobi").verdict == "proved"
    with pytest.raises(StructureError, match="Jacobi"):
        derive(charged_particle(lambda x, y, z: [x, 0, 0]))


def test_an_asymmetric_bracket_is_refused_with_both_parts() -> None:
    with pytest.raises(StructureError, match="not antisymmetric") as caught:
        derive(on_line(lambda F, G: F[u] * u * G[u].diff(x)))
    error = caught.value
    assert error.law == "antisymmetry"
    assert "skew part" in error.fix
    assert "symmetric part" in error.fix
    assert "metric=" in error.fix
    assert "u_x" in error.witness


MUTATIONS = {
    "sign of the canonical bracket": lambda F, G: F[a] * G[b] + F[b] * G[a],
    "even derivative": lambda F, G: F[a] * G[b].diff(x, 2) - F[b] * G[a],
    "missing derivative of the coefficient": lambda F, G: F[a] * a * G[a].diff(x) + F[b] * G[b].diff(x),
    "diagonal": lambda F, G: F[a] * G[b] - F[b] * G[a] + F[b] * G[b],
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_mutated_brackets_are_caught(name: str) -> None:
    with pytest.raises(StructureError) as caught:
        derive(on_line(MUTATIONS[name], (a, b)))
    assert caught.value.law == "antisymmetry"


def test_advection_in_the_plane_is_skew_but_its_half_is_not() -> None:
    w = field("w", PLANE)
    good = System(
        "s",
        PLANE,
        (w,),
        hamiltonian=w**2 / 2,
        bracket=lambda F, G: w * (F[w].diff(x) * G[w].diff(y) - F[w].diff(y) * G[w].diff(x)),
    )
    assert derive(good).equations[w] == 0
    bad = System("s", PLANE, (w,), hamiltonian=w**2, bracket=lambda F, G: w * F[w].diff(x) * G[w].diff(y))
    with pytest.raises(StructureError, match="antisymmetric"):
        derive(bad)


def test_prescribed_coefficients_of_time_are_constant_for_jacobi() -> None:
    point = Lattice()
    q, p = field("q", point), field("p", point)
    system = System("s", point, (q, p), hamiltonian=p**2, bracket=lambda F, G: t * (F[q] * G[p] - F[p] * G[q]))
    assert derive(system).law("jacobi").verdict == "proved"


def is_casimir(form: Form, density: sp.Expr) -> bool:
    """J dC = 0 for C = int density (in jets)."""
    return all(is_zero(component) for component in form.apply([euler_jets(density, f) for f in form.state]))


def test_casimirs() -> None:
    w = field("w", PLANE)
    form, _ = build_form("bracket", zoo.vorticity().bracket, (w,))
    assert is_casimir(form, to_jets(sp.sin(w) + w**3))
    assert not is_casimir(form, to_jets(x * w))
    korteweg, _ = build_form("bracket", zoo.kdv().bracket, (u,))
    assert is_casimir(korteweg, to_jets(u))
    assert not is_casimir(korteweg, to_jets(u**2))
