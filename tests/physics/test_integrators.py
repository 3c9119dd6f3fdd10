"""Steady-state classes, the fit of integrators, step limits and well-posedness."""

from __future__ import annotations

import pytest
import sympy as sp
import zoo
from zoo import LINE, POINT, field, x

from metrigen import (
    RK4,
    Dissipation,
    ExplicitEuler,
    Input,
    Lattice,
    Leapfrog,
    Param,
    SpecError,
    SteadyState,
    Strang,
    StructureError,
    System,
    derive,
    mix,
    momentum,
    t,
)

u, v, phi = field("u"), field("v"), field("phi")
pi = momentum(phi)
S = Param("S", shape=("C", "C"), symmetric=True)
B = Param("B", shape=("C", "C"), antisymmetric=True)


def relax(energy: sp.Expr, fields=(u,), domain: Lattice = LINE, **parts) -> System:
    metric = Dissipation(*((1, lambda F, f=f: F[f]) for f in fields))
    return System("s", domain, tuple(fields), hamiltonian=energy, **{"metric": metric, **parts})


GRADIENT = u.diff(x) ** 2 / 2
POSITIVE = Param("m2", positive=True)
SOLVABLE = {
    "screened": GRADIENT + POSITIVE * u**2 / 2 - Input("s", LINE) * u,
    "conductivity": Input("kappa", LINE, nonnegative=True) * GRADIENT + u**2,
    "above threshold": u.diff(x, 2) ** 2 / 2 - u.diff(x) ** 2 + u**2 * sp.Rational(3, 4),
    "no derivative": u**2 - u,
}
NOT_SOLVABLE = {
    "negative screening": (GRADIENT - u**2 / 2, "indefinite"),
    "screening of unknown sign": (GRADIENT + Param("m2") * u**2, "not known to be positive"),
    "no screening": (GRADIENT, "not unique"),
    "screening that may vanish": (GRADIENT + Param("m2", nonnegative=True) * u**2, "may vanish"),
    "quartic": (GRADIENT + u**4, "not quadratic"),
    "free channel matrix": (GRADIENT + POSITIVE * u**2 + u * mix(S, u), "channel matrix"),
    "wrong sign of the gradient": (POSITIVE * u**2 - GRADIENT, "indefinite"),
}


@pytest.mark.parametrize("name", SOLVABLE)
def test_solvable_steady_states(name: str) -> None:
    steady = derive(relax(SOLVABLE[name], integrator=SteadyState())).steady_state
    assert (steady.linear, steady.spd) == (True, True)


@pytest.mark.parametrize("name", NOT_SOLVABLE)
def test_refused_steady_states(name: str) -> None:
    energy, reason = NOT_SOLVABLE[name]
    with pytest.raises(SpecError, match="SteadyState") as caught:
        derive(relax(energy, integrator=SteadyState()))
    assert caught.value.part == "integrator"
    assert reason in caught.value.why


def test_indefinite_steady_states_come_with_numbers() -> None:
    coupled = u.diff(x) ** 2 + v.diff(x) ** 2 + u**2 + v**2 + 3 * u * v
    with pytest.raises(SpecError) as caught:
        derive(relax(coupled, (u, v), integrator=SteadyState()))
    assert caught.value.witness == "u=1, v=-1 gives the second variation of F = -2"


def test_two_fields_and_closed_walls() -> None:
    coupled = u.diff(x) ** 2 + v.diff(x) ** 2 + u**2 + v**2 + u * v
    assert derive(relax(coupled, (u, v), integrator=SteadyState())).steady_state.spd
    walls = Lattice(x, boundary="zero")
    assert derive(relax(GRADIENT, domain=walls, integrator=SteadyState())).steady_state.spd


def test_steady_state_needs_an_invertible_metric_and_no_bracket() -> None:
    energy = SOLVABLE["screened"]
    with pytest.raises(SpecError, match="SteadyState") as caught:
        derive(relax(energy, integrator=SteadyState(), bracket=lambda F, G: F[u] * G[u].diff(x)))
    assert "not symmetric" in caught.value.why
    with pytest.raises(SpecError) as caught:
        derive(relax(energy, integrator=SteadyState(), metric=lambda F, G: F[u].diff(x) * G[u].diff(x)))
    assert "conserves constants" in caught.value.why


def rotation(F, G):
    return F[phi] * G[pi] - F[pi] * G[phi] + F[pi] * mix(B, G[pi])


q = field("q", POINT)
LEAP, SPLIT = Leapfrog(steps=1, dt=0.1), Strang(steps=1, dt=0.1)
FITS = {
    "leapfrog": lambda: zoo.klein_gordon(integrator=LEAP),
    "leapfrog phi4": lambda: zoo.phi4(integrator=LEAP),
    "strang": lambda: zoo.damped(integrator=SPLIT),
    "strang with rotation": lambda: zoo.klein_gordon(integrator=SPLIT, bracket=rotation),
    "rk4 anything": lambda: zoo.kdv(integrator=RK4(steps=1, dt=0.1)),
    "hamiltonian pairs": lambda: System(
        "s",
        LINE,
        (u, v),
        hamiltonian=v**2 / 2 + u.diff(x) ** 2 / 2,
        bracket=lambda F, G: F[u] * G[v] - F[v] * G[u],
        integrator=LEAP,
    ),
}
MISFITS = {
    "friction": (lambda: zoo.damped(integrator=LEAP), "Leapfrog has no friction", "Strang"),
    "not separable": (
        lambda: System("s", POINT, lagrangian=q**2 * q.diff(t) ** 2 / 2, integrator=LEAP),
        "not separable",
        "RK4",
    ),
    "not canonical": (lambda: zoo.kdv(integrator=LEAP), "not canonical", "RK4"),
    "rotation": (lambda: zoo.klein_gordon(integrator=LEAP, bracket=rotation), "holds more than", "Strang"),
    "first order": (lambda: zoo.schroedinger(integrator=SPLIT), "not canonical", "RK4"),
    "nonlinear friction": (
        lambda: zoo.klein_gordon(integrator=SPLIT, metric=lambda F, G: pi**2 * F[pi] * G[pi]),
        "not linear friction",
        "RK4",
    ),
    "diffusion": (
        lambda: zoo.klein_gordon(integrator=SPLIT, metric=lambda F, G: F[phi] * G[phi]),
        "not a momentum",
        "RK4",
    ),
    "relativistic": (
        lambda: System("s", POINT, lagrangian=-sp.sqrt(1 - q.diff(t) ** 2), integrator=SPLIT),
        "constant times the momentum",
        "RK4",
    ),
    "dissipative alone": (lambda: zoo.heat(integrator=LEAP), "no friction", "RK4"),
}


@pytest.mark.parametrize("name", FITS)
def test_integrators_that_fit(name: str) -> None:
    derive(FITS[name]())


@pytest.mark.parametrize("name", MISFITS)
def test_integrators_that_do_not_fit(name: str) -> None:
    make, reason, alternative = MISFITS[name]
    with pytest.raises(SpecError) as caught:
        derive(make())
    assert caught.value.part == "integrator"
    assert reason in caught.value.why
    assert alternative in caught.value.fix


c2, m2 = Param("c2", positive=True), Param("m2", nonnegative=True)
k, eps, m = (Param(n, positive=True) for n in ("k", "eps", "m"))
EULER = ExplicitEuler(steps=1, dt=0.1)
LIMITS = {
    "wave": (lambda: zoo.klein_gordon(integrator=LEAP), 2 / sp.sqrt(4 * c2 + m2)),
    "damped": (lambda: zoo.damped(integrator=SPLIT), 2 / sp.sqrt(4 * c2 + m2)),
    "wave by RK4": (lambda: zoo.klein_gordon(integrator=RK4(1, 0.1)), 2 * sp.sqrt(2) / sp.sqrt(4 * c2 + m2)),
    "beam": (lambda: zoo.beam(integrator=LEAP), 2 / sp.sqrt(16 * Param("EI", positive=True))),
    "heat": (lambda: zoo.heat(integrator=EULER), 2 / (8 * k)),
    "Allen-Cahn": (lambda: zoo.allen_cahn(integrator=EULER), 2 / (8 * eps)),
    "Cahn-Hilliard": (lambda: zoo.cahn_hilliard(integrator=EULER), 2 / (64 * eps * m)),
}


@pytest.mark.parametrize("name", LIMITS)
def test_step_limits(name: str) -> None:
    make, limit = LIMITS[name]
    assert sp.expand(derive(make()).step_limit / limit) == 1


def test_step_limit_of_a_finer_lattice_and_of_a_coupling() -> None:
    fine = Lattice(x, spacing=sp.Rational(1, 2))
    w = field("phi", fine)
    system = System("s", fine, lagrangian=w.diff(t) ** 2 / 2 - w.diff(x) ** 2 / 2 - w * mix(S, w) / 2, integrator=LEAP)
    assert derive(system).step_limit == 2 / sp.sqrt(16 + sp.Symbol("norm_S", nonnegative=True))
    assert derive(zoo.klein_gordon(integrator=ExplicitEuler(1, 0.1))).step_limit is None


ILL_POSED = {
    "backward heat": lambda: relax(-GRADIENT),
    "elliptic wave": lambda: System("s", LINE, lagrangian=u.diff(t) ** 2 / 2 + u.diff(x) ** 2 / 2),
    "wrong fourth order": lambda: relax(-(u.diff(x, 2) ** 2) + u.diff(x) ** 2),
    "entropy of the wrong convexity": lambda: System(
        "s",
        LINE,
        (u,),
        hamiltonian=u,
        entropy=u**2,
        metric=Dissipation((1, lambda F: F[u].diff(x))),
    ),
}


@pytest.mark.parametrize("name", ILL_POSED)
def test_ill_posed_equations_are_refused(name: str) -> None:
    with pytest.raises(StructureError, match="ill-posed") as caught:
        derive(ILL_POSED[name]())
    assert caught.value.law == "well_posed"
    assert "growth rate" in caught.value.witness


def test_ill_posed_at_some_states_is_conditional() -> None:
    perona_malik = relax(sp.log(1 + u.diff(x) ** 2) / 2)
    law = derive(perona_malik).law("well_posed")
    assert law.verdict == "conditional"
    assert "u_x=" in law.witness


def test_a_metric_of_unknown_sign_is_not_proved_well_posed() -> None:
    free = Param("d")
    law = derive(relax(u**2 / 2, metric=lambda F, G: free * F[u].diff(x) * G[u].diff(x))).law("well_posed")
    assert law.verdict == "conditional"
    assert "d=-" in law.witness
