"""``SteadyState``: the stationary point dF = 0 of a dissipative system, solved instead of stepped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from metrigen.discretise.dynamics import Dynamics
from metrigen.errors import SpecError
from metrigen.physics.clock import is_timed
from metrigen.physics.derivation import Derivation
from metrigen.physics.jets import jets_of, to_jets
from metrigen.physics.preconditions import explicit, rows, unfit
from metrigen.physics.zero import is_zero
from metrigen.spec.contracts import Solver
from metrigen.spec.domain import ANY
from metrigen.spec.neural import learned_functions
from metrigen.spec.numbers import MOST_STEPS, check_number

if TYPE_CHECKING:
    from metrigen.discretise.base import Made

SOLVERS = ("cg", "monotone", "newton")


@dataclass(frozen=True)
class SteadyState(Solver):
    """Solve dF = 0.

    solver    "cg": conjugate gradient, error small in norm. "monotone": the fixed point u <- (s + sum w u_nb)/(m2 +
              sum w), free of cancellation, so every site is accurate relative to its own value, however small.
              "newton": Newton's method with conjugate gradient inside, for an F that is convex and not quadratic
    rtol      stop at ||r|| <= max(rtol ||s||, atol), per sample (monotone: relative change of every site <= rtol;
              newton: r = dF(u), s = dF(0))
    atol      absolute floor of the same test
    max_iter  iterations after which a sample is given up and reported in the status
    """

    solver: str = "cg"
    rtol: float = 1e-6
    atol: float = 0.0
    max_iter: int = 1000

    keeps: ClassVar[str] = "nothing that moves: it is where a descent ends, to the tolerance"

    def __post_init__(self) -> None:
        if self.solver not in SOLVERS:
            raise SpecError(
                f"unknown solver={self.solver!r}",
                part="integrator",
                fix="one of " + ", ".join(map(repr, SOLVERS)),
                see="steady-options",
            )
        check_number(self.rtol, "rtol", "integrator", "rtol=1e-6")
        check_number(self.atol, "atol", "integrator", "atol=0.0")
        if (
            not (0 < self.rtol < 1)
            or self.atol < 0
            or not isinstance(self.max_iter, int)
            or not 1 <= self.max_iter <= MOST_STEPS
        ):
            raise SpecError(
                "SteadyState needs 0 < rtol < 1, atol >= 0 and max_iter >= 1",
                part="integrator",
                why=f"rtol={self.rtol!r}, atol={self.atol!r}, max_iter={self.max_iter!r}",
                fix="SteadyState(rtol=1e-6, atol=0.0, max_iter=1000)",
                see="steady-options",
            )

    def check(self, derivation: Derivation) -> None:
        """A gradient flow of every field, without derivatives in its metric, whose F is quadratic and positive
        definite, or convex for Newton's method."""
        derivation.system.domain.check_solver(self.solver)
        _check_timeless(derivation)
        _check_flow(derivation)
        _check_solvable(derivation, self.solver == "newton")

    def programs(self, dynamics: Dynamics) -> Made:
        return dynamics.lowering.solve(dynamics, self.solver)


def _check_timeless(derivation: Derivation) -> None:
    structure = derivation.structure
    parts = {"hamiltonian": structure.hamiltonian, "entropy": derivation.system.entropy}
    parts |= {p: b.form for p, b in structure.forms.items()}
    for part, expr in parts.items():
        if expr is not None and is_timed(expr):
            why = f"{part}= depends on t, and a solve of dF = 0 is at no time: what it finds is not steady"
            fix = f'hand in what moves, drive = Input("drive", domain), and solve once a moment; or step in time; {ANY}'
            raise unfit(derivation, why, fix)


def _check_flow(derivation: Derivation) -> None:
    structure = derivation.structure
    if structure.constraints:
        auxiliary = ", ".join(psi.func.__name__ for psi in structure.constraints)
        why = f"the free energy holds {auxiliary} of an elliptic constraint, and dF = 0 would be a solve inside a solve"
        raise unfit(derivation, why, "step in time with RK4 or ExplicitEuler")
    metric_form = () if structure.metric is None else (structure.metric.form,)
    names = [head.name for head in learned_functions(structure.hamiltonian, *metric_form) if head.network is None]
    if names:
        raise unfit(
            derivation,
            f"its solve is one operator with an implicit gradient, and an operator cannot hold a module: {names[0]}",
            "declare the function with hidden=, or apply the module before the layer and hand its values in as an "
            f"Input, or step in time; {ANY}",
        )
    gradient_flow = "give hamiltonian=F and metric=Dissipation((1, lambda F: F[u])) alone"
    if structure.bracket is not None:
        raise unfit(
            derivation,
            "beside a Poisson bracket the operator of the steady state is not symmetric, and conjugate gradients need "
            "a symmetric one",
            f"{gradient_flow}, or step in time with Strang or RK4",
        )
    if derivation.system.entropy is not None or derivation.steady_state is None or structure.metric is None:
        raise unfit(derivation, "the steady state of an entropy is not the minimum of a free energy", gradient_flow)
    metric = to_jets(structure.metric.form)
    if any(j.order for j in jets_of(metric, *structure.metric.left, *structure.metric.right)):
        raise unfit(
            derivation,
            "the metric contains derivatives: it conserves constants, so the flow stops before dF = 0",
            "use an order-zero metric, Dissipation((1, lambda F: F[u])), or step in time",
        )
    for u, row in zip(structure.fields, rows(structure.metric), strict=True):
        if is_zero(row):
            raise unfit(derivation, f"the metric does not act on {u.func.__name__}", gradient_flow)


def _check_solvable(derivation: Derivation, newton: bool) -> None:
    steady = derivation.steady_state
    assert steady is not None
    if not steady.linear and not (newton and steady.convex):
        descend = explicit(derivation) or "DiscreteGradient and AverageVectorField descend at any dt"
        descend = f"step in time: {descend}"
        why = f"the free energy is not quadratic: {steady.detail}"
        if newton:
            why = f"the free energy is not known to be convex, so dF = 0 may have many solutions; {steady.why_not}"
            descend = f"declare the coefficients of F positive or nonnegative, or {descend}"
        elif steady.convex:
            descend = f'SteadyState(solver="newton"), since F is convex, or {descend}'
        raise unfit(derivation, why, descend, (newton and steady.witness) or None)
    if not steady.convex and not steady.spd:
        raise unfit(
            derivation,
            f"the operator of dF = 0 is not known to be positive definite; {steady.detail}",
            'declare the screening positive, Input("m2", grid, positive=True) or Param("m2", positive=True), and every '
            "coefficient of a squared derivative nonnegative",
            steady.witness or None,
        )
