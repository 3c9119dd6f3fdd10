"""Stress-energy, currents and balance laws, checked against formulas and off shell."""

from __future__ import annotations

import pytest
import sympy as sp
import zoo
from zoo import LINE, PLANE, POINT, field, x, y

from metrigen import Input, Param, StructureError, System, derive, mix, momentum, t
from metrigen.physics.jets import to_jets
from metrigen.physics.variation import euler_lagrange, total_derivative
from metrigen.physics.zero import is_zero

u, v, phi, w = field("u"), field("v"), field("phi"), field("w", PLANE)
a, b = field("a"), field("b")


def same(left: sp.Expr, right: sp.Expr) -> bool:
    return is_zero(to_jets(sp.sympify(left)) - to_jets(sp.sympify(right)))


def test_klein_gordon_in_the_plane() -> None:
    c2, kappa = Param("c2", per="channel", positive=True), Input("V", PLANE)
    lagrangian = w.diff(t) ** 2 / 2 - c2 * (w.diff(x) ** 2 + w.diff(y) ** 2) / 2 - kappa * w**2
    derivation = derive(System("s", PLANE, lagrangian=lagrangian))
    T = derivation.stress_energy
    energy = w.diff(t) ** 2 / 2 + c2 * (w.diff(x) ** 2 + w.diff(y) ** 2) / 2 + kappa * w**2
    assert list(T) == [(m, n) for m in (t, x, y) for n in (t, x, y)]
    assert same(T[t, t], energy)
    assert same(T[x, t], -c2 * w.diff(x) * w.diff(t))
    assert same(T[t, y], w.diff(t) * w.diff(y))
    assert same(T[x, y], -c2 * w.diff(x) * w.diff(y))
    assert same(T[x, y], T[y, x])
    assert same(derivation.sources[x], kappa.diff(x) * w**2)


def test_second_space_derivatives_need_the_full_peel() -> None:
    EI, beam = Param("EI", positive=True), field("w")
    T = derive(zoo.beam()).stress_energy
    assert same(T[x, t], EI * (beam.diff(t) * beam.diff(x, 3) - beam.diff(x, 2) * beam.diff(t, x)))


@pytest.mark.parametrize(
    "lagrangian",
    [
        u.diff(t) ** 2 / 2 - u.diff(x, 2) ** 2 / 2 + u.diff(x) ** 2 * u,
        u.diff(t) ** 2 * (1 + u**2) - u.diff(x) ** 4 + x * u * t,
        u.diff(t) ** 2 + u.diff(t) * v.diff(t) + v.diff(t) ** 2 - u.diff(x) ** 2 - v.diff(x, 2) ** 2 - u * v**3,
        v * u.diff(t) - u.diff(x, 2) ** 2 - v**2 * u,
    ],
)
def test_the_off_shell_identity_holds_outside_the_compiler(lagrangian: sp.Expr) -> None:
    T = derive(System("s", LINE, lagrangian=lagrangian)).stress_energy
    fields = [f for f in (u, v) if lagrangian.has(f)]
    for nu in (t, x):
        held = {f: sp.Symbol(str(f.func)) for f in fields}
        explicit = lagrangian.diff(nu) - sp.Add(
            *(
                sp.diff(to_jets(lagrangian), j) * to_jets(j.function().diff(nu))
                for j in sorted(to_jets(lagrangian).free_symbols, key=str)
                if getattr(j, "base", None) in held
            )
        )
        divergence = sp.Add(*(total_derivative(T[mu, nu], mu) for mu in (t, x)))
        force = sp.Add(*(euler_lagrange(lagrangian, f) * f.diff(nu) for f in fields))
        assert is_zero(to_jets(divergence) + to_jets(force) + to_jets(explicit))


def test_friction_is_the_source_of_the_balance_law() -> None:
    gamma = Param("gamma", nonnegative=True)
    sources = derive(zoo.damped()).sources
    assert same(sources[t], -gamma * phi.diff(t) ** 2)
    assert same(sources[x], -gamma * phi.diff(t) * phi.diff(x))


@pytest.mark.parametrize(
    "make", [zoo.kdv, zoo.kdv2, zoo.burgers, zoo.shallow_water, zoo.gas, zoo.maxwell, zoo.friction_heat, zoo.vorticity]
)
def test_energy_flux_of_bracket_systems_along_the_equations(make) -> None:
    """D_t h + D_i T^i_t = source with every u_t replaced by its equation."""
    derivation = derive(make())
    T, h = derivation.stress_energy, derivation.hamiltonian
    axes = derivation.system.domain.axes
    rate = total_derivative(h, t)
    on_shell = {}
    for function, equation in derivation.equations.items():
        for j in sorted(to_jets(rate).free_symbols, key=str):
            if getattr(j, "base", None) == function and j.order_in(t):
                value = equation
                for axis in j.directions():
                    value = total_derivative(value, axis) if axis != t else value
                on_shell[j] = to_jets(value)
    left = to_jets(rate).xreplace(on_shell) + sp.Add(*(to_jets(total_derivative(T[i, t], i)) for i in axes))
    assert is_zero(left - to_jets(derivation.sources[t]))


def test_known_fluxes() -> None:
    assert same(derive(zoo.burgers()).stress_energy[x, t], u**3 / 3)
    h, g = sp.Function("h", positive=True)(t, x), Param("g", positive=True)
    assert same(derive(zoo.shallow_water()).stress_energy[x, t], h * u * (u**2 / 2 + g * h))


def conserved(lagrangian: sp.Expr, q: dict, domain=LINE) -> tuple[sp.Expr, ...]:
    derivation = derive(System("s", domain, lagrangian=lagrangian, symmetries={"s": q}))
    current = derivation.currents["s"]
    coordinates = (t, *domain.axes)
    divergence = sp.Add(*(total_derivative(j, mu) for j, mu in zip(current, coordinates, strict=True)))
    forces = sp.Add(*(sp.sympify(value) * euler_lagrange(lagrangian, f) for f, value in q.items()))
    assert is_zero(to_jets(divergence) + to_jets(forces))
    assert "s" in derivation.law("noether").how
    return current


def test_charge_of_the_schroedinger_field() -> None:
    system = zoo.schroedinger(symmetries={"u1": {a: -b, b: a}})
    density, flux = derive(system).currents["u1"]
    assert same(density, -(a**2) - b**2)
    assert same(flux, b * a.diff(x) - a * b.diff(x))


WAVE = u.diff(t) ** 2 / 2 - u.diff(x) ** 2 / 2


def test_translations_boosts_and_shifts() -> None:
    assert same(conserved(WAVE - u**4, {u: u.diff(t)})[0], u.diff(t) ** 2 / 2 + u.diff(x) ** 2 / 2 + u**4)
    conserved(WAVE - u**4, {u: x * u.diff(t) + t * u.diff(x)})
    assert same(conserved(WAVE, {u: sp.S.One})[0], u.diff(t))
    conserved(WAVE, {u: t})
    conserved(WAVE, {u: x * t})
    conserved(WAVE, {u: t * u.diff(t) + x * u.diff(x)})


def test_rotations_in_the_plane_and_among_fields() -> None:
    plane = w.diff(t) ** 2 / 2 - (w.diff(x) ** 2 + w.diff(y) ** 2) / 2 - w**4
    conserved(plane, {w: x * w.diff(y) - y * w.diff(x)}, PLANE)
    pair = u.diff(t) ** 2 / 2 + v.diff(t) ** 2 / 2 - u.diff(x) ** 2 / 2 - v.diff(x) ** 2 / 2 - (u**2 + v**2) ** 2
    assert same(conserved(pair, {u: -v, v: u})[0], -v * u.diff(t) + u * v.diff(t))


def test_rotation_of_channels_by_an_antisymmetric_matrix() -> None:
    B = Param("B", shape=("C", "C"), antisymmetric=True)
    derivation = derive(System("s", LINE, lagrangian=WAVE - u**2, symmetries={"turn": {u: mix(B, u)}}))
    assert same(derivation.currents["turn"][0], u.diff(t) * mix(B, u))
    with pytest.raises(StructureError, match="not a symmetry"):
        derive(System("s", LINE, lagrangian=WAVE - u**4, symmetries={"turn": {u: mix(B, u)}}))


def test_a_false_symmetry_is_refused_with_its_defect() -> None:
    g1, g2 = Param("g1"), Param("g2")
    lagrangian = u.diff(t) ** 2 / 2 + v.diff(t) ** 2 / 2 - g1 * u**2 / 2 - g2 * v**2 / 2
    with pytest.raises(StructureError, match="not a symmetry") as caught:
        derive(System("s", LINE, lagrangian=lagrangian, symmetries={"rotation": {u: -v, v: u}}))
    error = caught.value
    assert (error.law, error.part) == ("noether", "symmetries")
    assert sp.expand(error.residual - (g1 - g2) * u * v) == 0
    assert "gives" in error.witness


def test_symmetry_of_a_hamiltonian_system() -> None:
    q, p = [field(f"q{i}", POINT) for i in range(2)], [field(f"p{i}", POINT) for i in range(2)]
    system = System(
        "s",
        POINT,
        (*q, *p),
        hamiltonian=p[0] ** 2 / 2 + p[1] ** 2 / 2 + sp.exp(q[0] ** 2 + q[1] ** 2),
        bracket=lambda F, G: sp.Add(*(F[a] * G[b] - F[b] * G[a] for a, b in zip(q, p, strict=True))),
        symmetries={"rotation": {q[0]: -q[1], q[1]: q[0], p[0]: -p[1], p[1]: p[0]}},
    )
    derivation = derive(system)
    (momentum_,) = derivation.currents["rotation"]
    rate = total_derivative(momentum_, t).xreplace({f.diff(t): r for f, r in derivation.equations.items()})
    assert same(rate, 0)


def test_a_parameter_of_the_site_is_a_function_of_space() -> None:
    c2 = Param("c2", per="site", positive=True)
    derivation = derive(System("s", LINE, lagrangian=u.diff(t) ** 2 / 2 - c2 * u.diff(x) ** 2 / 2))
    slope = sp.Symbol("slope")
    rate = derivation.equations[momentum(u)]
    rate = rate.xreplace({d: slope for d in rate.atoms(sp.Derivative) if d.expr != u})
    assert rate == c2 * u.diff(x, 2) + slope * u.diff(x)
    assert derivation.hamiltonian.has(c2)
    assert derivation.sources[x] != 0
