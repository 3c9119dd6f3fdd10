"""The programs of a layer that depends on the time: what reads t, what is varied by it, and what is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import sympy as sp

from metrigen import (
    RK4,
    AverageVectorField,
    Composed,
    Derivation,
    DiscreteGradient,
    Dissipation,
    Field,
    ImplicitMidpoint,
    Lattice,
    Leapfrog,
    Param,
    SpecError,
    Strang,
    System,
    derive,
    energy_density,
    t,
)
from metrigen.discretise.dynamics import Builder, Dynamics, RightHandSide, after
from metrigen.integrators.base import TimeStepper
from metrigen.ir.interpreter import run
from metrigen.ir.nodes import Array, Kind, Program
from metrigen.passes.pipeline import BUILT, apply
from metrigen.passes.vary import bar
from metrigen.programs import Lowered, optimise
from metrigen.spec.contracts import Method
from tests.lattice.arrays import dot_defect
from tests.time.systems import (
    DT,
    POINT,
    VALUES,
    A,
    Numbers,
    descent,
    eps,
    gamma,
    lowered,
    network,
    oscillator,
    start_of,
    w,
    wave,
    x,
)

pytestmark = pytest.mark.covering

TIME = Array("t", Kind.SCALAR, driven=True)
WALLS = Lattice(x, boundary="zero")
RING = np.array([[-1.0, 1, 0], [0, -1, 1], [1, 0, -1]])


def hot(method: Method) -> System:
    """A driven oscillator whose friction, which moves, heats it: T = exp(s)."""
    q, p, s = (Field(name, POINT) for name in "qps")
    T = sp.exp(s)
    return System(
        "hot", POINT, (q, p, s), hamiltonian=p**2 / 2 + (1 + eps * sp.cos(w * t)) * q**2 / 2 + T, entropy=s,
        bracket=lambda F, G: F[q] * G[p] - F[p] * G[q], integrator=method, readout=energy_density(),
        metric=Dissipation((gamma * (1 + sp.cos(t) / 2) * T, lambda F: F[p] - p / T * F[s])),
    )  # fmt: skip


def screened(method: Method) -> System:
    """A descent with a potential psi - psi_xx = u, whose local energy moves."""
    u, psi = Field("u", WALLS), Field("psi", WALLS)
    return System(
        "screened", WALLS, (u,), hamiltonian=(1 + eps * sp.cos(w * t)) * u**2 / 2 + u * psi / 2, integrator=method,
        metric=Dissipation((1, lambda F: F[u])), constraints={psi: psi.diff(x, 2) - psi + u}, readout=energy_density(),
    )  # fmt: skip


def damped_wave(method: Method) -> System:
    return wave(method, damped=True, domain=WALLS)


def test_what_depends_on_the_time_reads_it_and_nothing_else_does() -> None:
    made = lowered(oscillator(Strang(1, DT)))
    for name in ("step", "step_adjoint", "readout", "readout_adjoint", "energy", "power", "stress_energy"):
        assert TIME in made.programs()[name].inputs, name
    assert bar("t") in made.programs()["step_adjoint"].outputs
    q, p = Field("q", POINT), Field("p", POINT)
    rate = gamma * (1 + sp.cos(w * t) / 2)
    moving = System(
        "moving", POINT, (q, p), hamiltonian=p**2 / 2 + q**2 / 2, bracket=lambda F, G: F[q] * G[p] - F[p] * G[q],
        metric=lambda F, G: rate * F[p] * G[p], integrator=Strang(1, DT), readout=energy_density(),
    )  # fmt: skip
    reads = {name for name, program in lowered(moving).programs().items() if TIME in program.inputs}
    assert reads == {"step", "step_adjoint", "power", "rates"}


def test_the_fluxes_and_the_tensor_read_it() -> None:
    assert TIME in lowered(network(RK4(1, DT))).programs()["flux"].inputs
    assert TIME in lowered(damped_wave(Strang(1, DT))).programs()["stress_energy"].inputs
    assert TIME in lowered(hot(DiscreteGradient(1, DT))).programs()["power"].inputs


def test_the_prologue_holds_what_is_the_same_at_every_step() -> None:
    """A decay at a constant rate is worked out once; one that moves, in the step, whatever it is made of."""
    still = lowered(oscillator(Strang(1, DT), moving=False))
    assert still.prologue is not None
    assert len(still.prologue.outputs) == 1
    assert TIME not in still.prologue.inputs
    assert TIME in still.programs()["step"].inputs
    moving = lowered(oscillator(Strang(1, DT)))
    assert moving.prologue is not None
    assert moving.prologue.body == ()
    for made in (still, moving):
        values = {**VALUES, **start_of(("q", "p")), "dt": 0.1, "t": 0.7}
        early = run(made.prologue, values)
        whole, parts = run(made.step.whole, values), run(made.step.body, {**values, **early})
        assert all(np.array_equal(whole[name], parts[name]) for name in whole)


ADJOINTS: dict[str, tuple[Callable[[Method], System], Method, int]] = {
    "strang": (damped_wave, Strang(1, DT), 1), "rk4": (damped_wave, RK4(1, DT), 1),
    "composed": (lambda m: wave(m, domain=WALLS), Composed(Leapfrog(1, DT)), 1),
    "midpoint": (oscillator, ImplicitMidpoint(1, DT), 0), "gradient": (hot, DiscreteGradient(1, DT), 0),
    "heat": (hot, Strang(1, DT), 0), "descent": (descent, AverageVectorField(1, DT), 0),
    "screened": (screened, RK4(1, DT), 1),
}  # fmt: skip


def with_time(made: Lowered) -> tuple[Program, Program]:
    """The step, and its adjoint with the cotangent of the time, which kernels do without."""
    step = made.programs()["step"]
    return step, apply(BUILT, made.dynamics.lowering.adjoint(step, [n for n in made.step.constants if n != "t"]))


@pytest.mark.parametrize("name", ADJOINTS)
def test_the_adjoint_of_a_step_knows_the_time(name: str) -> None:
    make, method, rank = ADJOINTS[name]
    step, adjoint = with_time(lowered(make(method)))
    assert TIME in step.inputs
    if not name.startswith(("midpoint", "gradient", "descent")):  # a Newton iteration has no complex step
        assert dot_defect(step, adjoint, rank) < 1e-11
        assert dot_defect(optimise(step)[0], optimise(adjoint)[0], rank) < 1e-11
    sites = (2, 3, *(5,) * rank)
    rng = np.random.default_rng(3)
    values = {a.name: 0.4 + 0.2 * rng.normal(size=sites if a.kind is Kind.SITE else ()) for a in step.inputs}
    values |= {n: np.float64(v) for n, v in (VALUES | {"dt": 0.1, "t": 0.6}).items() if n in values}
    cotangents = {bar(out): rng.normal(size=sites) for out in step.outputs}

    def paired(time: float) -> float:
        ends = run(step, {**values, "t": np.float64(time)})
        return float(sum((ends[out] * cotangents[bar(out)]).sum() for out in step.outputs))

    h = 1e-4
    exact = (8 * (paired(0.6 + h) - paired(0.6 - h)) - (paired(0.6 + 2 * h) - paired(0.6 - 2 * h))) / (12 * h)
    found = float(run(adjoint, {**values, **cotangents})[bar("t")])
    assert abs(found - exact) < 1e-8 * max(1.0, abs(exact))
    assert abs(exact) > 1e-4


def test_the_gradient_to_the_time_of_the_first_step() -> None:
    """Cotangents of t add up over the steps of a run, as each begins dt after the one before."""
    (step, adjoint), dt, count = with_time(lowered(oscillator(Strang(1, DT)))), 0.1, 6

    def states(t0: float) -> list[Numbers]:
        found = [start_of(("q", "p"))]
        for k in range(count):
            ends = run(step, {**VALUES, **found[-1], "dt": dt, "t": t0 + k * dt})
            found.append({n: ends[after(n)] for n in "qp"})
        return found

    end: Callable[[float], float] = lambda t0: float(states(t0)[-1]["q"].sum())
    exact = (8 * (end(0.3 + 1e-3) - end(0.3 - 1e-3)) - (end(0.3 + 2e-3) - end(0.3 - 2e-3))) / 12e-3
    run_through, flowed, total = states(0.3), {"q": np.ones((1, 2)), "p": np.zeros((1, 2))}, 0.0
    for k in reversed(range(count)):
        given = {**VALUES, **run_through[k], "dt": dt, "t": 0.3 + k * dt, **{bar(after(n)): flowed[n] for n in "qp"}}
        out = run(adjoint, given)
        flowed, total = {n: out[bar(n)] for n in "qp"}, total + float(out[bar("t")])
    assert abs(total - exact) < 1e-9
    assert abs(exact) > 1e-3


POWERS: dict[str, tuple[Callable[[Method], System], tuple[int, ...], np.ndarray | None]] = {
    "oscillator": (oscillator, (), None), "walls": (damped_wave, (5,), None), "descent": (descent, (), None),
    "heat": (hot, (), None), "graph": (network, (3,), RING), "constraint": (screened, (5,), None),
}  # fmt: skip


@pytest.mark.parametrize("name", POWERS)
def test_the_power_is_what_the_energy_does(name: str) -> None:
    """dH/dt along the flow, the explicit part with it, against differences of the energy over short steps."""
    make, sites, incidence = POWERS[name]
    made = lowered(make(RK4(1, DT)))
    fields = tuple(a.name for a in made.dynamics.state)
    start, time = start_of(fields, sites), 0.9
    step, power = made.step.whole, made.values["power"]
    assert step is not None

    def energy_at(h: float) -> float:
        ends = run(step, {**VALUES, **start, "dt": h, "t": time}, incidence=incidence)
        state = {n: ends[after(n)] for n in fields}
        return float(
            run(made.values["energy"], {**VALUES, **state, "t": time + h}, incidence=incidence)["energy__density"].sum()
        )

    h = 2e-3
    exact = (8 * (energy_at(h) - energy_at(-h)) - (energy_at(2 * h) - energy_at(-2 * h))) / (12 * h)
    found = float(run(power, {**VALUES, **start, "t": time}, incidence=incidence)["power__density"].sum())
    assert abs(found - exact) < 1e-8 * max(1.0, abs(exact))
    if name == "heat":  # the metric keeps the energy, and all that is left is the explicit part
        explicit = -VALUES["eps"] * VALUES["w"] * np.sin(VALUES["w"] * time) * start["q"] ** 2 / 2
        assert abs(found - explicit.sum()) < 1e-12


@pytest.mark.parametrize("method", [AverageVectorField(1, DT), DiscreteGradient(1, DT)], ids=["average", "gradient"])
def test_the_energy_of_the_middle_of_a_step_is_kept(method: Method) -> None:
    made, dt, time = lowered(oscillator(method, damped=False)), 0.4, 0.7
    state = start_of(("q", "p"))
    ends = run(made.step.whole, {**VALUES, **state, "dt": dt, "t": time})
    energy = lambda z, at: run(made.values["energy"], {**VALUES, **z, "t": at})["energy__density"]
    end = {n: ends[after(n)] for n in "qp"}
    assert np.abs(energy(end, time + dt / 2) - energy(state, time + dt / 2)).max() < 1e-13
    assert np.abs(energy(end, time + dt) - energy(state, time)).max() > 1e-3
    assert "of the time t + dt/2" in made.dynamics.derivation.system.stepper.kept(made.dynamics.derivation)


def test_energy_and_entropy_of_the_middle_of_a_step_that_heats() -> None:
    for method in (DiscreteGradient(1, DT), Strang(1, DT)):
        made, dt, time = lowered(hot(method)), 0.2, 0.7
        state = start_of(("q", "p", "s"))
        ends = run(made.step.whole, {**VALUES, **state, "dt": dt, "t": time})
        end = {n: ends[after(n)] for n in "qps"}
        gap = [run(made.values["energy"], {**VALUES, **z, "t": time + dt / 2})["energy__density"] for z in (state, end)]
        assert np.abs(gap[1] - gap[0]).max() < (1e-13 if isinstance(method, DiscreteGradient) else 1e-2)
        assert (end["s"] > state["s"]).all()


@dataclass(frozen=True)
class Heun(TimeStepper):
    """k1 = f(z), k2 = f(z + h k1), z += h (k1 + k2)/2: a method of one's own that never heard of the time."""

    order: ClassVar[int] = 2
    keeps: ClassVar[str] = "linear Casimirs"

    def check(self, derivation: Derivation) -> None:
        """Any right-hand side."""

    def moments(self, dynamics: Dynamics) -> tuple[sp.Expr | None, sp.Expr | None]:
        return None, None

    def step(self, dynamics: Dynamics) -> Program:
        builder, equations = Builder(dynamics), RightHandSide.of(dynamics)
        start, (first, second) = {a.name: dynamics.load(a.name) for a in dynamics.state}, self.moments(dynamics)
        one = equations.at(builder, start, first)
        there = {n: builder.map(f"{n}__at", start[n] + self.dt * k) for n, k in one.items()}
        two = equations.at(builder, there, second)
        return builder.finish({n: start[n] + self.dt * (one[n] + two[n]) / 2 for n in start})


class TimedHeun(Heun):
    """The same with the times of its stages."""

    def moments(self, dynamics: Dynamics) -> tuple[sp.Expr | None, sp.Expr | None]:
        return dynamics.time, dynamics.time + self.dt


def test_a_method_that_does_not_say_at_which_time_is_refused() -> None:
    with pytest.raises(SpecError, match="Heun does not say at which time") as caught:
        lowered(oscillator(Heun(1, DT)))
    assert "equations.at(builder, state, dynamics.time" in str(caught.value.fix)
    made = lowered(oscillator(TimedHeun(1, DT)))
    assert TIME in made.step.whole.inputs


def test_a_pulse_with_edges() -> None:
    """A source that is switched on: the power is that between the jumps."""
    u = Field("u", POINT)
    system = System("pulse", POINT, (u,), hamiltonian=u**2 / 2 - A * sp.Heaviside(t - 1) * u, readout=energy_density(),
                    metric=Dissipation((1, lambda F: F[u])), integrator=RK4(1, DT))  # fmt: skip
    made = lowered(system)
    given = {"A": 2.0, "dt": 0.1, "u": np.zeros((1, 1))}
    before, later = (float(run(made.step.whole, {**given, "t": at})["u__next"].sum()) for at in (0.5, 1.5))
    assert before == 0
    assert abs(later - 2 * (1 - np.exp(-0.1))) < 1e-6
    assert float(run(made.values["power"], {**given, "t": 1.5})["power__density"].sum()) == -4


def test_a_system_without_time_has_no_clock() -> None:
    q = Field("q", POINT)
    made: Lowered = lowered(
        System("still", POINT, lagrangian=q.diff(t) ** 2 / 2 - q**2 / 2, integrator=Leapfrog(1, DT))
    )
    assert not made.dynamics.timed
    assert not any(a.name == "t" for program in made.programs().values() for a in program.inputs)


def test_the_step_has_one_size() -> None:
    with pytest.raises(SpecError, match="depends on the time"):
        Strang(1, DT * sp.exp(-t))
    with pytest.raises(SpecError, match="two different symbols are called 't'"):
        derive(oscillator(Strang(1, Param("t", positive=True))))
