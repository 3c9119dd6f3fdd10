"""What is said of systems that depend on the time: laws, what is refused and why, and what ``metrigen show`` prints."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import sympy as sp

from metrigen import (
    RK4,
    AverageVectorField,
    DiscreteGradient,
    Dissipation,
    Exponential,
    Field,
    Graph,
    ImplicitMidpoint,
    Leapfrog,
    Param,
    Sequence,
    SpecError,
    SteadyState,
    Strang,
    StructureError,
    System,
    derive,
    energy_density,
    grad,
    mix,
    momentum,
    t,
)
from metrigen.package.stencils import boundary_sentence
from metrigen.physics.clock import broken_later, explicit_rate, is_timed
from metrigen.physics.derivation import Law
from metrigen.programs import discretised
from tests.show.systems import report
from tests.time.systems import DT, POINT, RING, A, descent, eps, gamma, m2, network, oscillator, w, wave, x


def laws_of(system: System) -> dict[str, Law]:
    layer, made = discretised(derive(system))
    found = (*layer.derivation.laws, *layer.lowering.laws(layer, made))
    return {law.name: law for law in found}


def with_metric(weight: sp.Expr, method: object = None) -> System:
    q = Field("q", POINT)
    p = momentum(q)
    return System("weighed", POINT, lagrangian=q.diff(t) ** 2 / 2 - q**2 / 2, integrator=method or Strang(1, DT),
                  metric=lambda F, G: weight * F[p] * G[p])  # fmt: skip


def test_the_explicit_rate_is_taken_at_a_fixed_state() -> None:
    u = Field("u", RING)
    density = sp.cos(w * t) * u.diff(x) ** 2 + (t * u**2).diff(x) + u.diff(x) * u
    assert is_timed(density)
    assert not is_timed(u.diff(x) ** 2 + u)
    rate = explicit_rate(density)
    assert sp.expand(rate - (-w * sp.sin(w * t) * u.diff(x) ** 2 + (u**2).diff(x))) == 0
    assert explicit_rate(u.diff(x) ** 2 + m2 * u) == 0


def test_the_energy_is_conserved_but_for_its_own_dependence_on_the_time() -> None:
    laws = laws_of(oscillator(Leapfrog(1, DT), damped=False, moving=False))
    told = "conserved but for the explicit dH/dt = A*w*q*sin(w*t)"
    assert laws["lattice_energy"].verdict == "proved"
    assert laws["lattice_energy"].detail == told
    assert laws["lattice_energy"].how == "dH/dt = (dH/dt)_z + dH.J dH = 0: the stencil is skew"
    assert laws["noether"].detail == f"energy {told}"
    assert "the energy but for the explicit dH/dt" in laws["lattice_noether"].how
    driven = laws_of(wave(Leapfrog(1, DT)))
    assert "explicit dH/dt = int " in driven["lattice_energy"].detail
    assert driven["well_posed"].verdict == "proved"


def test_the_energy_falls_but_for_its_own_dependence_on_the_time() -> None:
    laws = laws_of(descent(RK4(1, DT)))
    assert laws["lattice_energy"].detail.startswith("never rises but for the explicit dH/dt = ")
    assert laws["lattice_energy"].how == "dH/dt = (dH/dt)_z - dH.M dH <= (dH/dt)_z by lattice_metric_psd"
    assert laws["lattice_noether"].how.endswith("nothing, the energy decays but for the explicit dH/dt")
    graph = laws_of(network(RK4(1, DT)))
    assert "never rises but for the explicit dH/dt = sum " in graph["graph_energy"].detail
    assert graph["graph_energy"].how == "dH/dt = (dH/dt)_z - sum dH.M dH <= (dH/dt)_z by graph_metric_psd"
    assert "difference(u(t, node))**2" in graph["graph_energy"].detail


def test_an_energy_that_does_not_move_is_conserved_whatever_its_operators_do() -> None:
    q, p = Field("q", POINT), Field("p", POINT)
    turning = System("turning", POINT, (q, p), hamiltonian=p**2 / 2 + q**4 / 4, integrator=AverageVectorField(1, DT),
                     bracket=lambda F, G: (2 + sp.cos(w * t)) * (F[q] * G[p] - F[p] * G[q]))  # fmt: skip
    laws = laws_of(turning)
    assert laws["jacobi"].verdict == "proved"
    assert laws["lattice_energy"].detail == ""
    assert laws["lattice_noether"].how == "kept on the lattice: the energy"
    assert "t + dt/2" not in turning.stepper.kept(derive(turning))


def test_a_charge_that_depends_on_the_time_is_kept_on_the_lattice() -> None:
    """A force that is the same everywhere: the momentum less what the drive has put in."""
    u = Field("u", RING)
    drive = A * sp.cos(w * t) * u
    free = u.diff(t) ** 2 / 2 - u.diff(x) ** 2 / 2

    def laws(potential: sp.Expr) -> Law:
        return laws_of(System("shifted", RING, lagrangian=free + drive - potential, integrator=Leapfrog(1, DT),
                              symmetries={"shift": {u: sp.S.One}}))["lattice_noether"]  # fmt: skip

    kept = laws(sp.S.Zero)
    assert "the charge of 'shift'" in kept.how
    assert "on random states" not in kept.how
    assert kept.verdict == "proved"
    assert "total u" not in kept.how
    current = derive(System("shifted", RING, lagrangian=free + drive, symmetries={"shift": {u: sp.S.One}}))
    assert sp.simplify(current.currents["shift"][0] - (u.diff(t) - A * sp.sin(w * t) / w)) == 0
    with pytest.raises(StructureError, match="shift"):
        laws(u**4)


def test_a_legendre_transform_at_every_time() -> None:
    q = Field("q", POINT)
    grown = derive(System("grown", POINT, lagrangian=sp.exp(gamma * t) * (q.diff(t) ** 2 - q**2) / 2))
    p = momentum(q)
    assert sp.simplify(grown.hamiltonian - (sp.exp(-gamma * t) * p**2 + sp.exp(gamma * t) * q**2) / 2) == 0
    assert grown.law("legendre").verdict == "proved"
    late = derive(System("late", POINT, lagrangian=t * q.diff(t) ** 2 / 2 - q**2 / 2))
    assert late.law("legendre").detail == "t != 0"


def test_a_symplectic_form_that_moves_is_refused() -> None:
    q, p = Field("q", POINT), Field("p", POINT)
    lagrangian = (1 + t**2) * q * p.diff(t) - q**2 - p**2
    with pytest.raises(StructureError, match="symplectic form that moves with the time") as caught:
        derive(System("moving", POINT, lagrangian=lagrangian, integrator=ImplicitMidpoint(1, DT)))
    assert "2*t*q" in str(caught.value.why)
    derive(System("still", POINT, lagrangian=q * p.diff(t) - q**2 - t**2 * p**2, integrator=ImplicitMidpoint(1, DT)))


@pytest.mark.parametrize("weight", [sp.cos(t), m2 * sp.cos(w * t), A**2 * sp.sin(t), 1 - t, m2 - t], ids=str)
def test_a_metric_that_a_time_to_come_breaks_is_refused(weight: sp.Expr) -> None:
    with pytest.raises(StructureError, match="not positive at every time") as caught:
        derive(with_metric(weight))
    assert caught.value.law == "metric_psd"
    named, value = str(caught.value.witness).split(" gives ")
    point = {name: float(number) for name, number in (pair.split("=") for pair in named.split(", "))}
    assert point["t"] > 0
    exact = weight.xreplace({s: sp.Float(point[s.name]) for s in weight.free_symbols})
    assert float(value) < 0
    assert abs(float(exact) - float(value)) < 0.02 * max(1, abs(float(value)))


def test_a_metric_that_holds_at_every_time_that_comes() -> None:
    held = {1 + sp.cos(w * t): "proved", gamma * sp.exp(-t): "proved", sp.cos(t) ** 2: "proved",
            3 / t: "conditional", t: "conditional", 1 + eps * sp.cos(w * t): "conditional"}  # fmt: skip
    for weight, verdict in held.items():
        law = derive(with_metric(weight)).law("metric_psd")
        assert law.verdict == verdict, weight
    assert derive(with_metric(1 + eps * sp.cos(w * t))).law("metric_psd").detail == "eps*cos(w*t) + 1 >= 0"
    assert broken_later(1 + eps * sp.cos(w * t)) == ""


def test_a_wave_whose_energy_moves_is_no_energy_estimate() -> None:
    u = Field("u", RING)
    lagrangian = u.diff(t) ** 2 / 2 - (2 + sp.cos(t)) * u.diff(x) ** 2 / 2
    law = derive(System("moving", RING, lagrangian=lagrangian, integrator=Leapfrog(1, DT))).law("well_posed")
    assert "energy estimate" not in law.how
    mass = u.diff(t) ** 2 / 2 - u.diff(x) ** 2 / 2 - (2 + sp.cos(t)) * u**2 / 2
    law = derive(System("mass", RING, lagrangian=mass, integrator=Leapfrog(1, DT))).law("well_posed")
    assert law.how.startswith("semilinear")
    weak = u.diff(t) ** 2 / 2 - sp.sin(t) ** 2 * u.diff(x) ** 2 / 2
    law = derive(System("weak", RING, lagrangian=weak, integrator=Leapfrog(1, DT))).law("well_posed")
    assert law.verdict != "proved"


def test_a_steady_state_has_no_time() -> None:
    u = Field("u", RING)
    source = System("source", RING, (u,), hamiltonian=grad(u).square / 2 + u**2 / 2 - sp.cos(t) * u,
                    metric=Dissipation((1, lambda F: F[u])), integrator=SteadyState())  # fmt: skip
    with pytest.raises(SpecError, match="SteadyState does not fit") as caught:
        derive(source)
    assert "hamiltonian= depends on t" in str(caught.value.why)
    assert "Input" in str(caught.value.fix)
    graph = Graph()
    v = Field("v", graph)
    with pytest.raises(SpecError, match="SteadyState does not fit"):
        derive(System("graph", graph, (v,), hamiltonian=(2 + sp.cos(t)) * grad(v).square / 2 + v**2 / 2,
                      metric=Dissipation((1, lambda F: F[v])), integrator=SteadyState()))  # fmt: skip


def test_a_token_does_not_know_when_it_comes() -> None:
    tokens = Sequence()
    h = Field("h", tokens)
    system = System("cell", tokens, (h,), hamiltonian=h**2 / 2 - sp.cos(t) * h, integrator=Exponential(),
                    metric=Dissipation((1, lambda F: F[h])))  # fmt: skip
    with pytest.raises(SpecError, match="explicit dependence on the time cannot be emitted on a sequence") as caught:
        discretised(derive(system))
    assert 'Input("phase", tokens)' in str(caught.value.fix)


def test_an_elliptic_constraint_that_moves_is_refused_by_name() -> None:
    u, psi = Field("u", RING), Field("psi", RING)
    for constraint in (psi.diff(x, 2) - (1 + t**2) * psi + u, psi.diff(x, 2) - psi + sp.cos(t) * u):
        with pytest.raises(SpecError, match="the constraint of psi depends on the time") as caught:
            derive(System("elliptic", RING, (u,), hamiltonian=u**2 / 2 + u * psi / 2, constraints={psi: constraint},
                          metric=Dissipation((1, lambda F: F[u])), integrator=RK4(1, DT)))  # fmt: skip
        assert caught.value.part == "constraints"
        assert "psi = cos(w*t)*phi" in str(caught.value.fix)


def test_a_casimir_does_not_move() -> None:
    a, b, c = (Field(name, POINT) for name in "abc")

    def tops(casimir: sp.Expr) -> System:
        return System("top", POINT, (a, b, c), hamiltonian=(a**2 + b**2 + c**2) / 2 - t * a, integrator=RK4(1, DT),
                      bracket=lambda F, G: F[a] * G[b] - F[b] * G[a], casimirs={"c": casimir})  # fmt: skip

    with pytest.raises(SpecError, match="the Casimir 'c' depends on the time"):
        derive(tops(t * c))
    assert derive(tops(c**2)).law("casimir").verdict == "proved"


def test_coefficients_that_a_method_works_out_once_must_not_move() -> None:
    with pytest.raises(SpecError, match="Exponential does not fit") as caught:
        derive(with_metric(2 + sp.cos(t), Exponential(1, DT)))
    assert "depends on the time" in str(caught.value.why)
    assert "Strang" in str(caught.value.fix)
    u = Field("u", RING)
    p = momentum(u)
    B = Param("B", shape=("C", "C"), antisymmetric=True)

    def turned(method: object, rate: sp.Expr) -> System:
        return System("turned", RING, lagrangian=u.diff(t) ** 2 / 2 - u**2 / 2, integrator=method,
                      bracket=lambda F, G: F[u] * G[p] - F[p] * G[u] + rate * F[p] * mix(B, G[p]))  # fmt: skip

    with pytest.raises(SpecError, match="Strang does not fit") as caught:
        derive(turned(Strang(1, DT), 1 + sp.cos(t) / 2))
    assert "rotates the channels depends on the time" in str(caught.value.why)
    derive(turned(Strang(1, DT), sp.S.One))
    derive(turned(ImplicitMidpoint(1, DT), 1 + sp.cos(t) / 2))


def test_no_step_limit_where_the_frequency_moves() -> None:
    moving = derive(wave(Leapfrog(1, DT)))
    assert moving.step_limit is None
    driven = derive(oscillator(Strang(1, DT), moving=False))
    assert driven.step_limit == 2


def test_show_speaks_of_systems_that_move() -> None:
    moving = report(wave(Strang(1, DT), damped=True))
    assert "the coefficients depend on the time" in " ".join(moving.waves.notes)
    assert moving.cost(None, 20.0).programs
    u = Field("u", RING)
    lagrangian = u.diff(t) ** 2 / 2 - grad(u).square / 2 - m2 * u**2 / 2 + A * sp.cos(w * t) * u
    driven = report(System("driven", RING, lagrangian=lagrangian, integrator=Leapfrog(1, DT)))
    assert driven.waves.symbols is not None
    assert driven.waves.symbols.continuum is not None
    assert "t = 0" in driven.waves.state_sentence()
    assert np.isfinite(float(driven.derivation.step_limit.subs({m2: 1})))


def test_names_of_the_time() -> None:
    q = Field("q", POINT)
    for foreign in (sp.Symbol("t"), sp.Symbol("t", positive=True), Param("t")):
        with pytest.raises(SpecError, match="two different symbols are called 't'"):
            derive(System("foreign", POINT, lagrangian=q.diff(t) ** 2 / 2 + sp.cos(foreign) * q))
    f = sp.Function("t", real=True)(t)
    with pytest.raises(SpecError, match="two different symbols are called 't'"):
        derive(System("field", POINT, lagrangian=f.diff(t) ** 2 / 2 - f**2 / 2, readout=energy_density()))


def test_a_gradient_of_the_middle_for_energies_that_move() -> None:
    for method in (AverageVectorField(1, DT), DiscreteGradient(1, DT)):
        assert "of the time t + dt/2" in method.kept(derive(descent(method)))


def test_what_the_energy_gains_by_itself_and_by_noise_is_one_list() -> None:
    system = replace(oscillator(Strang(1, DT), moving=False), temperature=sp.Rational(1, 2))
    told = "never rises but for the noise and the explicit dH/dt = A*w*q*sin(w*t)"
    laws = laws_of(system)
    assert laws["noether"].detail.endswith(f"energy {told}")
    assert laws["lattice_energy"].detail == told


def test_a_system_without_axes_has_no_boundary() -> None:
    layer, _ = discretised(derive(oscillator(Strang(1, DT))))
    assert boundary_sentence(layer) == "The system has no axis: its stencil is the site itself."
