"""Every method on a graph: the layer is built, or the refusal says why and names methods that are built."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import pytest
import sympy as sp

import metrigen
from metrigen import Composed, Dissipation, Field, ImplicitMidpoint, Leapfrog, SteadyState, Strang, System, grad
from metrigen.errors import SpecError
from metrigen.integrators.methods import METHODS
from metrigen.physics.derive import derive
from metrigen.spec.contracts import Method
from tests.graph.systems import a, c, graph, poisson, q, s, w, wave
from tests.integrators.contract import edges, made
from tests.integrators.systems import DT
from tests.lowered import lower

QUARTIC = w * grad(q).square / 2 + a * q**4 / 4 + c * q**2 / 2 - s * q


def hot(method: Method) -> System:
    """A wave on a graph whose friction heats the nodes, in two ways at once: beyond what Strang takes."""
    r, p, e = (Field(name, graph) for name in "rpe")
    return System(
        "hot", graph, (r, p, e), hamiltonian=p**2 / 2 + w * grad(r).square / 2 + sp.exp(e) + e, entropy=e,
        bracket=lambda F, G: F[r] * G[p] - F[p] * G[r], integrator=method,
        metric=Dissipation((1, lambda F: F[p] - p / (sp.exp(e) + 1) * F[e])),
    )  # fmt: skip


KINDS: Mapping[str, Callable[[Method], System]] = {
    "wave": lambda method: wave("every_wave", method),
    "linear": lambda method: poisson("every_linear", integrator=method),
    "quartic": lambda method: poisson("every_quartic", integrator=method, hamiltonian=QUARTIC),
    "nodes": lambda method: poisson("every_node", integrator=method, hamiltonian=a * q**4 / 4 - s * q),
    "edges": edges,
    "hot": hot,
}
OTHERS = (
    Composed(ImplicitMidpoint(1, DT)),
    Strang(1, DT, bracket=Leapfrog, metric=metrigen.DiscreteGradient),
    *(SteadyState(solver=solver) for solver in ("monotone", "newton")),
)
BUILT = {
    "ExplicitEuler": set(KINDS), "RK4": set(KINDS), "SymplecticEuler": {"wave"}, "Leapfrog": {"wave"},
    "Strang": {"wave"}, "Composed": {"wave"}, "Exponential": {"wave"}, "SteadyState": {"linear"},
}  # fmt: skip


def refusal(method: Method, kind: str) -> SpecError | None:
    """Any other error goes through."""
    try:
        lower(derive(KINDS[kind](method)))
    except SpecError as error:
        return error
    return None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", [*map(made, METHODS), *OTHERS], ids=repr)
def test_a_method_is_built_or_refused_with_a_way_out(method: Method, kind: str) -> None:
    """A fix names no method that no graph takes."""
    error, name = refusal(method, kind), type(method).__name__
    if method not in OTHERS:
        assert (error is None) == (kind in BUILT.get(name, ())), error
    if error is not None:
        assert error.part in ("integrator", "hamiltonian")
        assert error.why
        assert not error.why.rstrip().endswith((";", ","))
        named = set(re.findall(r"\w+", str(error.fix))) & {kind.__name__ for kind in METHODS}
        assert named
        assert named <= BUILT.keys(), error.fix


@pytest.mark.parametrize("kind", ["linear", "quartic"])
@pytest.mark.parametrize("method", [made(kind) for kind in METHODS if kind.implicit], ids=repr)
def test_an_implicit_step_has_no_form_on_a_graph(method: Method, kind: str) -> None:
    error = refusal(method, kind)
    assert error is not None
    assert error.part == "integrator"
    assert "an implicit step has no form on a graph" in error.why


@pytest.mark.parametrize("kind", ["linear", "quartic"])
@pytest.mark.parametrize("solver", ["monotone", "newton"])
def test_a_solver_without_a_form_on_a_graph_is_the_first_reason(solver: str, kind: str) -> None:
    error = refusal(SteadyState(solver=solver), kind)
    assert error is not None
    assert error.what == f"solver='{solver}' has no form on a graph"
    assert "conjugate gradients" in error.why
    assert 'SteadyState(solver="cg")' in error.fix
    assert "RK4" in error.fix
