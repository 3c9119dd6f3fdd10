"""The laws ``volume`` and ``lattice_volume``: flow and step that keep the volume of phase space."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import sympy as sp

from metrigen import (
    RK4,
    ExplicitEuler,
    Field,
    Graph,
    ImplicitMidpoint,
    Lattice,
    Leapfrog,
    NeuralFunction,
    Param,
    SpecError,
    SteadyState,
    Strang,
    StructureError,
    SymplecticEuler,
    System,
    derive,
    grad,
    mix,
    t,
)
from metrigen.discretise.lattice_probe import Stencil
from metrigen.discretise.lattice_volume import lattice_volume, log_determinant, shears
from metrigen.ir.nodes import Load, Map
from metrigen.programs import discretised
from tests.lattice.systems import lattice_dynamics

x, y = sp.symbols("x y", real=True)
POINT, LINE = Lattice(), Lattice(x)
q, p, r = (Field(n, POINT) for n in "qpr")
canonical = lambda F, G: F[q] * G[p] - F[p] * G[q]
K = Param("K", shape=("C", "C"), symmetric=True)
V = NeuralFunction("V", q, hidden=(4,))


LEAPFROG = Leapfrog(4, 0.1)


def pendulum(integrator=LEAPFROG, **changes) -> System:
    spec = {"hamiltonian": p**2 / 2 - sp.cos(q), "bracket": canonical, "volume_preserving": True} | changes
    return System("s", POINT, spec.pop("fields", (q, p)), integrator=integrator, **spec)


def wave(boundary: str) -> System:
    grid = Lattice(x, y, boundary=boundary)
    u = Field("u", grid)
    density = u.diff(t) ** 2 / 2 - grad(u).square * (1 + u**2) / 2 - u**4
    return System("s", grid, lagrangian=density, integrator=LEAPFROG, volume_preserving=True)


SHEARS = {
    "leapfrog": pendulum(),
    "symplectic euler": pendulum(SymplecticEuler(4, 0.1)),
    "strang": pendulum(Strang(4, 0.1)),
    "learned": pendulum(hamiltonian=sp.cosh(p) + V),
    "coupled channels": pendulum(hamiltonian=p**2 / 2 + q * mix(K, q) / 2),
    "learned step": pendulum(Leapfrog(4, Param("dt", positive=True))),
    "periodic": wave("periodic"),
    "walls": wave("neumann"),
}


def law_of(system: System):
    return lattice_volume(*discretised(derive(system)))


@pytest.mark.parametrize("name", SHEARS)
def test_kicks_and_drifts_are_shears_and_their_determinant_is_one(name: str) -> None:
    derivation = derive(SHEARS[name])
    assert derivation.law("volume").verdict == "proved"
    dynamics, step = discretised(derivation)
    assert lattice_volume(dynamics, step).verdict == "proved"
    names = tuple(a.name for a in dynamics.state)
    for values in Stencil.of(dynamics).states():
        size = log_determinant(step, names, values)
        assert not np.isfinite(size) or abs(size) < 1e-5


def test_a_step_that_is_no_composition_of_shears_is_measured() -> None:
    law = law_of(pendulum(ImplicitMidpoint(4, 0.1)))
    assert law.verdict == "sampled"
    assert "log|det|" in law.detail


def refusal(method) -> StructureError:
    with pytest.raises(StructureError) as refused:
        law_of(pendulum(method))
    assert refused.value.law == "lattice_volume"
    return refused.value


def test_a_step_that_changes_volumes_is_refused_with_its_determinant() -> None:
    """A step of Euler of a pendulum has the determinant 1 + h^2 cos(q), each channel for itself."""
    size = float(refusal(ExplicitEuler(4, 0.1)).witness.split("=")[1].split()[0])
    dynamics, _ = discretised(derive(pendulum(ExplicitEuler(4, 0.1))))
    values = next(Stencil.of(dynamics).states())
    assert size == pytest.approx(float(np.log(1 + values["dt"] ** 2 * np.cos(values["q"])).sum()), rel=1e-3)
    assert "random state" in refusal(RK4(4, 0.1)).witness


def test_an_update_that_reads_what_has_moved_is_no_shear() -> None:
    step, names = discretised(derive(pendulum(SymplecticEuler(1, 0.1))))[1], ("q", "p")
    assert shears(step, names) == 2
    ahead = Map(stores=(("q__9", Load("q", ()) + Load("p", ())),))
    assert shears(replace(step, body=(ahead, *step.body)), names) is None  # q has moved, the kick reads where it was
    assert shears(discretised(derive(pendulum(ExplicitEuler(1, 0.1))))[1], names) is None


def test_a_factor_is_no_shear() -> None:
    damped = pendulum(Strang(1, 0.1), metric=lambda F, G: F[p] * G[p], volume_preserving=False)
    step = discretised(derive(damped))[1]
    assert shears(step, ("q", "p")) is None


def test_a_metric_is_refused() -> None:
    with pytest.raises(StructureError) as refused:
        derive(pendulum(Strang(4, 0.1), metric=lambda F, G: F[p] * G[p]))
    assert (refused.value.law, refused.value.part) == ("volume", "metric")


def test_a_bracket_whose_flow_has_a_divergence_is_refused() -> None:
    skew = lambda F, G: q * (F[q] * G[p] - F[p] * G[q])
    with pytest.raises(StructureError) as refused:
        derive(pendulum(ImplicitMidpoint(1, 0.1), bracket=skew, hamiltonian=p**2 / 2 + p))
    assert (refused.value.law, refused.value.part) == ("volume", "bracket")
    assert "gives" in refused.value.witness


def test_a_spin_keeps_volumes_though_its_bracket_moves() -> None:
    spin = lambda F, G: (
        q * (F[p] * G[r] - F[r] * G[p]) + p * (F[r] * G[q] - F[q] * G[r]) + r * (F[q] * G[p] - F[p] * G[q])
    )
    law = derive(pendulum(RK4(1, 0.1), fields=(q, p, r), bracket=spin, hamiltonian=q**2 + 2 * p**2 + r**4)).law(
        "volume"
    )
    assert law.verdict == "proved"


def test_the_law_is_of_systems_that_ask_for_it() -> None:
    plain = pendulum(volume_preserving=False)
    assert "volume" not in {law.name for law in derive(plain).laws}
    dynamics = lattice_dynamics(plain)
    assert not any(
        law.name == "lattice_volume" for law in dynamics.lowering.laws(dynamics, discretised(derive(plain))[1])
    )


def test_what_has_no_step_on_a_lattice_is_refused() -> None:
    u = Field("u", Graph())
    with pytest.raises(SpecError, match="is no lattice"):
        System("s", Graph(), (u,), hamiltonian=u**2, metric=lambda F, G: F[u] * G[u], volume_preserving=True)
    w = Field("w", LINE)
    with pytest.raises(SpecError, match="speaks of steps"):
        System("s", LINE, (w,), hamiltonian=w**2 + grad(w).square, metric=lambda F, G: F[w] * G[w],
               integrator=SteadyState(), volume_preserving=True)  # fmt: skip
