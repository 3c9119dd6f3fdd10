"""Systems of other tests that reach what no shipped spec and none of the gallery does: every integrator, boundary and
number of axes, implicit steps and steady states, elliptic constraints, learned functions, graphs and coupled scans."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from metrigen import Composed, DiscreteGradient, ImplicitMidpoint, Leapfrog, Strang, System
from tests.graph import systems as graphs
from tests.integrators import methods, test_composition, test_exponential, test_heat, test_newton
from tests.integrators.systems import DT, coupled_wave, gallery, hot_wave
from tests.kernels import ladder, test_implicit, test_point, test_strang
from tests.kernels.systems import composed, driven, rotating, transcendental
from tests.lattice import test_constraints, test_learned
from tests.lattice.systems import membrane, oscillator, rough_wave, screened, steppers, transport
from tests.sequence import coupled, systems

Make = Callable[[], System]


def _steppers() -> dict[str, Make]:
    """Explicit steps: every integrator, boundary and number of axes."""
    rough = (("ExplicitEuler", "periodic"), ("Leapfrog", "neumann"), ("Strang", "zero"))
    made: dict[str, Make] = {f"rough-{m}-{w}": partial(rough_wave, w, steppers()[m]) for m, w in rough}
    made |= {f"transport-{w}": partial(transport, w) for w in ("periodic", "neumann")}
    made |= {f"membrane-{w}": partial(membrane, w) for w in ("periodic", "zero")}
    made |= {f"point-{m.__name__}": partial(test_point.system, m) for m in test_point.METHODS}
    made["oscillator"] = lambda: oscillator(Leapfrog(steps=2, dt=DT))
    made |= {"driven-zero": partial(driven, "zero"), "transcendental": transcendental}
    made |= {"rotating-2": partial(rotating, 2), "rotating-all": partial(rotating, None, "periodic")}
    made |= {f"strang-{n}": partial(test_strang.SYSTEMS.__getitem__, n) for n in ("space", "rough", "turning", "axis")}
    cells = ("explicit-zero-1", "rk4-neumann-2", "symplectic-periodic-3", "leapfrog-neumann-3", "strang-zero-1",
             "coupled-periodic-0")  # fmt: skip
    return made | {f"ladder-{cell}": partial(_ladder, cell) for cell in cells}


def _ladder(cell: str) -> System:
    method, wall, rank = cell.split("-")
    return ladder.system(method, wall, int(rank))


def _solved() -> dict[str, Make]:
    """Steps and steady states that are solved for, and compositions of two integrators."""
    cells = ("midpoint-periodic-0", "gonzalez-zero-2", "average-neumann-1", "steady-zero-3", "monotone-neumann-2")
    made: dict[str, Make] = {f"ladder-{cell}": partial(_ladder, cell) for cell in cells}
    made |= {f"screened-{w}": partial(screened, w) for w in ("zero", "periodic")}
    made["screened-harmonic"] = partial(screened, "neumann", average="harmonic")
    made |= {"newton-neumann": partial(test_newton.quartic, "neumann"), "newton-point": test_newton.saturating}
    made |= {f"exponential-{w}": partial(test_exponential.lattice, w) for w in ("periodic", "neumann")}
    made["exponential-point"] = partial(test_exponential.oscillator, 1)
    made |= {f"composed-{n}": partial(test_composition.SYSTEMS.__getitem__, n) for n in ("gas_piston", "wave")}
    made |= {f"heat-{account}": partial(test_heat.free, account) for account in ("linear", "exponential")}
    made["hot_wave"] = lambda: hot_wave("neumann", Strang(2, DT, bracket=Leapfrog, metric=DiscreteGradient))
    made["hot_harmonic"] = lambda: methods.harmonic(DiscreteGradient(1, DT), hot=True)
    made["coupled_wave"] = lambda: coupled_wave("zero", ImplicitMidpoint(2, DT))
    made |= {"composed-point": lambda: gallery("henon_heiles", Composed(Strang(2, DT), order=6))}
    made["composed-neumann"] = partial(composed, "neumann")
    made["wells"] = partial(methods.wells, DiscreteGradient(1, DT))
    return made | {"blocks": test_implicit.blocks, "solid": test_implicit.solid}


def _constrained() -> dict[str, Make]:
    """Elliptic constraints and learned functions."""
    names = ("variable-neumann", "nested-periodic", "fourth-zero", "attracted-zero")
    made: dict[str, Make] = {f"constraint-{n}": partial(test_constraints.SYSTEMS.__getitem__, n) for n in names}
    learned = ("Strang", "Leapfrog", "RK4", "mobility-periodic", "gradient")
    return made | {f"learned-{n}": partial(test_learned.SYSTEMS[n][0], learned=True) for n in learned}


def _elsewhere() -> dict[str, Make]:
    """Graphs and sequences."""
    made: dict[str, Make] = {f"graph-{n}": partial(graphs.SYSTEMS.__getitem__, n) for n in graphs.SYSTEMS}
    made["graph-poisson"] = graphs.poisson
    for table in (systems.SYSTEMS, coupled.COUPLED):
        made |= {f"sequence-{n}": partial(table.__getitem__, n) for n in table}
    return made


SYSTEMS = _steppers() | _solved() | _constrained() | _elsewhere()
