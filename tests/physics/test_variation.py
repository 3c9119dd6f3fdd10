"""The one variation operator: against SymPy, through channel maps, and as a null test."""

from __future__ import annotations

import random

import pytest
import sympy as sp
from sympy.calculus.euler import euler_equations
from zoo import LINE, PLANE, field, x, y

from metrigen import Input, Param, SpecError, mix, t, total
from metrigen.physics.channels import canonical, explicit, indexed
from metrigen.physics.jets import from_jets, jet, jets_of, to_jets
from metrigen.physics.variation import euler, euler_lagrange, total_derivative
from metrigen.physics.zero import is_zero
from metrigen.spec.symbols import transposed

u, v, w = field("u"), field("v"), field("w", PLANE)
K = Param("K", shape=("C", "C"), symmetric=True)
B = Param("B", shape=("C", "C"), antisymmetric=True)
A = Param("A", shape=("C", "C"))
c, g = Param("c"), Param("g", per="channel")


def same(a, b) -> bool:
    return is_zero(to_jets(sp.sympify(a)) - to_jets(sp.sympify(b)))


def random_density(seed: int) -> sp.Expr:
    source = random.Random(seed)
    atoms = [u, v, u.diff(x), u.diff(t), v.diff(x), v.diff(x, 2), u.diff(x, 2), u.diff(t, x), sp.sin(u), x, t]
    terms = [
        sp.Rational(source.randint(-5, 5), 3) * sp.Mul(*(source.choice(atoms) for _ in range(source.randint(1, 3))))
        for _ in range(4)
    ]
    return sp.Add(*terms)


@pytest.mark.parametrize("seed", range(25))
def test_euler_lagrange_equals_sympy(seed: int) -> None:
    density = random_density(seed) + c * (u + v)  # SymPy drops an equation without any symbol
    for equation, function in zip(euler_equations(density, [u, v], [t, x]), [u, v], strict=True):
        assert same(euler_lagrange(density, function), equation.lhs.doit())


@pytest.mark.parametrize("seed", range(25, 40))
def test_total_derivatives_have_no_variation(seed: int) -> None:
    density = random_density(seed)
    divergence = total_derivative(density, t) + total_derivative(random_density(seed + 100), x)
    assert is_zero(to_jets(euler_lagrange(divergence, u)))
    assert is_zero(to_jets(euler_lagrange(divergence, v)))


def test_space_variation_treats_velocities_as_other_fields() -> None:
    assert same(euler(u.diff(t) * u + u.diff(x) ** 2 / 2, u), u.diff(t) - u.diff(x, 2))


def test_jets_round_trip() -> None:
    expr = w.diff(x, 2, y) * sp.sin(w) + w.diff(t) ** 2 + x * w
    assert from_jets(to_jets(expr)) == expr
    assert {j.order for j in jets_of(to_jets(expr))} == {0, 1, 3}
    assert jet(w, x, y) == jet(w, y, x)


@pytest.mark.parametrize(
    ("density", "expected"),
    [
        (u * mix(K, u) / 2, mix(K, u)),
        (u * mix(B, u), 0),
        (u * mix(A, v), mix(A, v)),
        (v * mix(A, u), mix(transposed(A), v)),
        (v * mix(A, u**2), 2 * u * mix(transposed(A), v)),
        (v * mix(A, g * mix(K, u)), mix(K, g * mix(transposed(A), v))),
        (v * mix(B, u), -mix(B, v)),
        (u * total(u**2), total(u**2) + 2 * u * total(u)),
        (total(u) * v, total(v)),
        (mix(A, u.diff(x)) * v, -mix(transposed(A), v.diff(x))),
    ],
)
def test_variation_goes_through_channel_maps(density: sp.Expr, expected: sp.Expr) -> None:
    assert same(euler(density, u), expected)


@pytest.mark.parametrize(
    "density",
    [
        u * mix(A, sp.sin(u)) * v,
        mix(A, u**2) * mix(K, u * v),
        u**2 * total(u * mix(A, v)),
        mix(A, u * mix(B, g * u**2)) * v,
    ],
)
def test_variation_equals_the_one_of_explicit_channels(density: sp.Expr) -> None:
    n = 3
    summed = sp.Add(*explicit(to_jets(density), n))
    varied = explicit(to_jets(euler(density, u)), n)
    for channel in range(n):
        assert sp.expand(summed.diff(indexed(jet(u), channel)) - varied[channel]) == 0


def test_normal_form_of_channel_maps() -> None:
    f, h = to_jets(u), to_jets(v)
    assert canonical(mix(A, 2 * c * f + g * h)) == 2 * c * mix(A, f) + mix(A, g * h)
    assert canonical(mix(transposed(K), f)) == mix(K, f)
    assert canonical(mix(transposed(B), f)) == -mix(B, f)
    assert canonical(mix(A, total(f) * h)) == total(f) * mix(A, h)
    assert canonical(mix(A, f + h) - mix(A, f) - mix(A, h)) == 0


def test_total_derivative_keeps_inputs_and_explicit_coordinates() -> None:
    kappa = Input("kappa", LINE)
    expected = kappa.diff(x) * u + kappa * u.diff(x) + 1
    assert same(total_derivative(kappa * u + x, x), expected)
    assert same(total_derivative(kappa * u + x, t), kappa * u.diff(t))
    assert same(total_derivative(mix(A, u**2), x), mix(A, 2 * u * u.diff(x)))


def test_zero_test_decides_what_expansion_does_not() -> None:
    s = to_jets(u)
    assert is_zero(sp.sin(s) ** 2 + sp.cos(s) ** 2 - 1)
    assert not is_zero(sp.sin(s) ** 2 + sp.cos(s) ** 2 - 1 - sp.Rational(1, 10**12))
    assert is_zero(sp.sqrt(s**2 + 2 * s + 1) ** 2 - (s + 1) ** 2)


def test_a_function_of_a_field_is_refused_by_name() -> None:
    with pytest.raises(SpecError, match="V"):
        to_jets(sp.Function("V")(u))
