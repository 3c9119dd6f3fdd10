"""Textbook systems: their equations, laws and time budget."""

from __future__ import annotations

import time

import pytest
import sympy as sp
import zoo
from zoo import PLANE, POINT, SPACE, curl, field, x, y

from metrigen import Input, Param, derive, momentum, t
from metrigen.physics.jets import to_jets
from metrigen.physics.zero import is_zero

u, phi, w = field("u"), field("phi"), field("w", PLANE)
pi = momentum(phi)


def same(a: sp.Expr, b: sp.Expr) -> bool:
    return is_zero(to_jets(sp.sympify(a)) - to_jets(sp.sympify(b)))


@pytest.mark.parametrize("make", zoo.TEXTBOOK, ids=lambda make: make.__name__)
def test_every_law_holds_within_its_budget(make) -> None:
    start = time.process_time()
    derivation = derive(make())
    assert time.process_time() - start < 4
    for law in derivation.laws:
        assert law.verdict in ("proved", "sampled"), law
        assert law.verdict == "proved" or law.name == "well_posed", law
    assert set(derivation.equations) == set(derivation.fields)


def check(make, expected: dict) -> None:
    equations = derive(make()).equations
    for function, rate in expected.items():
        assert same(equations[function], rate), (function, equations[function])


def test_damped_klein_gordon() -> None:
    c2, m2, gamma = Param("c2", positive=True), Param("m2", nonnegative=True), Param("gamma", nonnegative=True)
    check(zoo.damped, {phi: pi, pi: c2 * phi.diff(x, 2) - m2 * phi - gamma * pi})


def test_sine_gordon() -> None:
    check(zoo.sine_gordon, {pi: phi.diff(x, 2) - sp.sin(phi)})


def test_beam() -> None:
    b, EI = field("w"), Param("EI", positive=True)
    check(zoo.beam, {momentum(b): -EI * b.diff(x, 4)})


def test_schroedinger() -> None:
    a, b, g = field("a"), field("b"), Param("g")
    check(zoo.schroedinger, {a: -b.diff(x, 2) / 2 + g * (a**2 + b**2) * b / 2})
    check(zoo.schroedinger, {b: a.diff(x, 2) / 2 - g * (a**2 + b**2) * a / 2})


def test_korteweg_de_vries() -> None:
    check(zoo.kdv, {u: 6 * u * u.diff(x) - u.diff(x, 3)})
    check(zoo.kdv2, {u: -6 * u * u.diff(x) - u.diff(x, 3)})
    check(zoo.burgers, {u: -u * u.diff(x)})


def test_shallow_water() -> None:
    h, g = sp.Function("h", positive=True)(t, x), Param("g", positive=True)
    check(zoo.shallow_water, {h: -(h * u).diff(x), u: -u * u.diff(x) - g * h.diff(x)})


def test_rigid_body() -> None:
    L = [field(f"L{i}", POINT) for i in range(3)]
    omega = [v / Param(f"I{i}", positive=True) for i, v in enumerate(L)]
    torque = sp.Matrix(L).cross(sp.Matrix(omega))
    check(zoo.rigid_body, dict(zip(L, torque, strict=True)))


def test_maxwell() -> None:
    E, B = ([field(f"{n}{i}", SPACE) for i in range(3)] for n in "EB")
    check(zoo.maxwell, {**dict(zip(E, curl(B), strict=True)), **{b: -c for b, c in zip(B, curl(E), strict=True)}})


def test_vorticity() -> None:
    psi = Input("psi", PLANE, time_dependent=True)
    check(zoo.vorticity, {w: psi.diff(y) * w.diff(x) - psi.diff(x) * w.diff(y)})


def test_gradient_flows() -> None:
    q, k = field("u", PLANE), Param("k", positive=True)
    eps, m = Param("eps", positive=True), Param("m", positive=True)

    def laplacian(f: sp.Expr) -> sp.Expr:
        return f.diff(x, 2) + f.diff(y, 2)

    potential = q**3 - q - eps * laplacian(q)
    check(zoo.heat, {q: k * laplacian(q)})
    check(zoo.allen_cahn, {q: -potential})
    check(zoo.cahn_hilliard, {q: m * laplacian(potential)})


def test_friction_with_heat_keeps_energy_and_makes_entropy() -> None:
    p, q = field("p"), field("q")
    e, gamma = sp.Function("e", positive=True)(t, x), Param("gamma", nonnegative=True)
    check(zoo.friction_heat, {q: p, p: q.diff(x, 2) - gamma * p, e: gamma * p**2})
    derivation = derive(zoo.friction_heat())
    assert derivation.law("energy_degeneracy").verdict == derivation.law("entropy_degeneracy").verdict == "proved"


def test_only_the_laws_that_apply_are_listed() -> None:
    names = {make.__name__: [law.name for law in derive(make()).laws] for make in (zoo.klein_gordon, zoo.heat)}
    assert names["klein_gordon"] == ["legendre", "antisymmetry", "jacobi", "noether", "well_posed"]
    assert names["heat"] == ["metric_symmetry", "metric_psd", "noether", "well_posed"]
    assert "well_posed" not in [law.name for law in derive(zoo.rigid_body()).laws]


def test_latex_names_everything() -> None:
    text = derive(zoo.damped())._repr_latex_()
    assert text.startswith("$\\displaystyle")
    for piece in (r"\mathcal{H}", r"\partial_t \pi_{\phi}", r"T^{t}{}_{x}", r"metric\_psd", "proved"):
        assert piece in text
    assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")
