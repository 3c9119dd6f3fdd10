"""The Legendre decision tree: what is transformed, and what is refused with a lesson."""

from __future__ import annotations

import pytest
import sympy as sp
from zoo import LINE, PLANE, POINT, field, x, y

from metrigen import Lattice, Param, SpecError, StructureError, System, derive, mix, momentum, t
from metrigen.physics.jets import to_jets
from metrigen.physics.zero import is_zero

u, q, r = field("u"), field("q", POINT), field("r", POINT)
p, s = momentum(q), momentum(r)


def transform(lagrangian: sp.Expr, domain: Lattice = LINE):
    return derive(System("s", domain, lagrangian=lagrangian))


def same(a: sp.Expr, b: sp.Expr) -> bool:
    return is_zero(to_jets(sp.sympify(a)) - to_jets(sp.sympify(b)))


HAMILTONIANS = {
    "mass": (Param("m", positive=True) * q.diff(t) ** 2 / 2 - q**2, p**2 / (2 * Param("m", positive=True)) + q**2),
    "polar": (q.diff(t) ** 2 / 2 + q**2 * r.diff(t) ** 2 / 2 + 1 / q, p**2 / 2 + s**2 / (2 * q**2) - 1 / q),
    "linear term": (q.diff(t) ** 2 / 2 + q * q.diff(t) - q**2, (p - q) ** 2 / 2 + q**2),
    "coupled": (q.diff(t) ** 2 + q.diff(t) * r.diff(t) + r.diff(t) ** 2, (p**2 - p * s + s**2) / 3),
    "relativistic": (-sp.sqrt(1 - q.diff(t) ** 2) - q**2, sp.sqrt(1 + p**2) + q**2),
    "relativistic plane": (-sp.sqrt(1 - q.diff(t) ** 2 - r.diff(t) ** 2), sp.sqrt(1 + p**2 + s**2)),
    "hyperbolic": (sp.cosh(q.diff(t)), p * sp.asinh(p) - sp.sqrt(1 + p**2)),
    "quartic": (q.diff(t) ** 4 / 4, sp.Rational(3, 4) * sp.Abs(p) ** sp.Rational(4, 3)),
    "of positive velocities": (q.diff(t) * sp.log(q.diff(t)) - q**2, sp.exp(p - 1) + q**2),
    "of positive momenta": (sp.exp(q.diff(t)) - q**2, p * sp.log(p) - p + q**2),
    "explicit time": (t**2 * q.diff(t) ** 2 / 2, p**2 / (2 * t**2)),
}


@pytest.mark.parametrize("name", HAMILTONIANS)
def test_hamiltonians(name: str) -> None:
    lagrangian, hamiltonian = HAMILTONIANS[name]
    derivation = transform(lagrangian, POINT)
    assert same(derivation.hamiltonian, hamiltonian), derivation.hamiltonian
    assert derivation.momenta[q] == p
    assert derivation.fields[: len(derivation.fields) // 2] == tuple(derivation.momenta)
    for function, velocity in derivation.velocities.items():
        assert same(derivation.equations[function], velocity)


@pytest.mark.parametrize(
    ("name", "verdict", "detail"),
    [
        ("mass", "proved", ""),
        ("polar", "conditional", "q(t)**2 != 0"),
        ("relativistic", "conditional", "1 - Derivative(q(t), t)**2 > 0"),
        ("quartic", "conditional", "3*Derivative(q(t), t)**2 != 0"),
    ],
)
def test_verdicts(name: str, verdict: str, detail: str) -> None:
    law = transform(HAMILTONIANS[name][0], POINT).law("legendre")
    assert (law.verdict, law.detail) == (verdict, detail)


def test_first_order_lagrangian_gets_its_inverse_symplectic_matrix() -> None:
    derivation = transform(q * r.diff(t) * 3 - q**2 - r**2, POINT)
    assert derivation.momenta == {}
    assert same(derivation.equations[r], 2 * q / 3)
    assert same(derivation.equations[q], -2 * r / 3)
    assert derivation.law("jacobi").verdict == "proved"


def test_state_dependent_symplectic_matrix_is_poisson() -> None:
    derivation = transform(q**2 * r.diff(t) - r**2, POINT)
    assert derivation.law("legendre").verdict == "conditional"
    assert derivation.law("jacobi").verdict == "proved"


A0, A1, A2 = (field(f"A{i}", PLANE) for i in range(3))
MAXWELL = ((A1.diff(t) - A0.diff(x)) ** 2 + (A2.diff(t) - A0.diff(y)) ** 2 - (A2.diff(x) - A1.diff(y)) ** 2) / 2
REFUSED = {
    "gauge": (MAXWELL, PLANE, ("singular", "pi_A0 = 0", "D_t E[A0]", "A0 = 0")),
    "degenerate": ((q.diff(t) + r.diff(t)) ** 2 / 2 - q**2, POINT, ("singular", "-pi_q + pi_r = 0")),
    "no velocity": (u.diff(x) ** 2, LINE, ("no time derivative", "metric=")),
    "Ostrogradsky": (u.diff(t, 2) ** 2 - u**2, LINE, ("Ostrogradsky", "bounded")),
    "hidden total derivative": (u * u.diff(t, 2) - u**2, LINE, ("integrate by parts", "second order")),
    "mixed": (u.diff(t) ** 2 + u.diff(t, x) ** 2, LINE, ("mixed derivative", "elliptic")),
    "multivalued": (u.diff(t) ** 4 / 4 - u.diff(t) ** 2 / 2, LINE, ("multivalued", "several velocities")),
    "potential KdV": (u.diff(t) * u.diff(x) / 2 - u.diff(x) ** 3, LINE, ("derivatives", "not local")),
    "singular first order": (q * r.diff(t) - field("v", POINT) * q, POINT, ("singular", "constraints are")),
    "kinetic mixing": (
        u.diff(t) * mix(Param("M", shape=("C", "C"), symmetric=True), u.diff(t)),
        LINE,
        ("couples the channels", "channel matrix"),
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_teach(name: str) -> None:
    lagrangian, domain, phrases = REFUSED[name]
    with pytest.raises(StructureError) as caught:
        transform(lagrangian, domain)
    error = caught.value
    assert (error.law, error.part) == ("legendre", "lagrangian")
    assert isinstance(error.residual, sp.Expr)
    assert error.fix
    for phrase in phrases:
        assert phrase in str(error)


def test_temporal_gauge_is_regular() -> None:
    derivation = transform(MAXWELL.xreplace({A0: sp.S.Zero}).doit(), PLANE)
    assert same(derivation.equations[A1], momentum(A1))
    assert same(derivation.equations[momentum(A1)], A1.diff(y, 2) - A2.diff(x, y))


PSI = sp.Function("psi", complex=True)(t, x)
UNREADABLE = {
    "other domain": (lambda: System("s", LINE, lagrangian=field("w", PLANE).diff(t) ** 2), "w"),
    "parameter named as a field": (lambda: System("s", LINE, lagrangian=u.diff(t) ** 2 - Param("u") * u**2), "u"),
    "two parameters": (
        lambda: System("s", LINE, lagrangian=u.diff(t) ** 2 - Param("c") * u - Param("c", positive=True) * u**2),
        "c",
    ),
    "momentum": (lambda: System("s", LINE, lagrangian=u.diff(t) ** 2 - Param("pi_u") * u**2), "pi_u"),
    "axis": (lambda: System("s", LINE, lagrangian=u.diff(t) ** 2 - Param("x") * u**2), "x"),
    "complex": (
        lambda: System("s", LINE, (PSI,), hamiltonian=PSI * sp.conjugate(PSI), metric=lambda F, G: F[PSI] * G[PSI]),
        "psi",
    ),
    "not in fields": (
        lambda: System("s", LINE, (u,), hamiltonian=u * field("v"), metric=lambda F, G: F[u] * G[u]),
        "hamiltonian",
    ),
    "potential": (lambda: System("s", LINE, lagrangian=u.diff(t) ** 2 - sp.Function("V")(u)), "V"),
    "unknown functional derivative": (
        lambda: System("s", LINE, (u,), hamiltonian=u**2, metric=lambda F, G: F[field("v")] * G[u]),
        "metric",
    ),
    "quadratic bracket": (lambda: System("s", LINE, (u,), hamiltonian=u**2, bracket=lambda F, G: F[u] ** 2), "bracket"),
    "crash": (lambda: System("s", LINE, (u,), hamiltonian=u**2, bracket=lambda F, G: 1 / 0), "bracket"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_understood_is_named(name: str) -> None:
    make, part = UNREADABLE[name]
    with pytest.raises(SpecError) as caught:
        derive(make())
    assert caught.value.part == part


def test_plain_functions_symbols_and_static_inputs_are_understood() -> None:
    plain = sp.Function("phi", real=True)(t, x)
    stiffness = sp.Function("k", positive=True)(x)
    derivation = transform(plain.diff(t) ** 2 / 2 - stiffness * plain**2 / 2 - sp.Symbol("g") * plain)
    assert same(derivation.equations[momentum(plain)], -stiffness * plain - sp.Symbol("g"))


Q, R = q + sp.I * r, q - sp.I * r
REAL = {
    "modulus": (sp.conjugate(Q.diff(t)) * Q.diff(t) / 2 - sp.Abs(Q) ** 4, (p**2 + s**2) / 2 + (q**2 + r**2) ** 2),
    "absolute value": (sp.Abs(Q.diff(t)) ** 2 / 2 - R * Q, (p**2 + s**2) / 2 + q**2 + r**2),
    "waves": (q.diff(t) ** 2 / 2 - sp.exp(sp.I * q) - sp.exp(-sp.I * q), p**2 / 2 + 2 * sp.cos(q)),
    "first order": (sp.I * (R * Q.diff(t) - Q * R.diff(t)) / 2 - sp.Abs(Q) ** 2, q**2 + r**2),
}


@pytest.mark.parametrize("name", REAL)
def test_a_density_in_complex_numbers_that_is_real(name: str) -> None:
    lagrangian, hamiltonian = REAL[name]
    assert same(transform(lagrangian, POINT).hamiltonian, hamiltonian)


def test_a_density_that_is_not_real_is_refused() -> None:
    psi = sp.Function("psi")(t)  # may be complex: the imaginary part of psi* psi_t - psi psi*_t is no zero
    for density in (q.diff(t) ** 2 / 2 + sp.I * q, sp.I * (sp.conjugate(psi) * psi.diff(t)) - sp.Abs(psi) ** 2):
        with pytest.raises(SpecError, match="is complex") as caught:
            transform(density, POINT)
        assert "two real ones" in (caught.value.fix or "")
