"""Laws of the programs of a graph: proved where they hold, refused where a program is not what was derived."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import sympy as sp

from metrigen import (
    RK4,
    Dissipation,
    Field,
    Graph,
    Input,
    Param,
    SpecError,
    StructureError,
    System,
    derive,
    grad,
    mix,
)
from metrigen.discretise.arrays import dynamics
from metrigen.discretise.dynamics import Dynamics
from metrigen.discretise.graph import GraphLowering
from metrigen.discretise.graph_laws import graph_laws
from metrigen.ir.edges import Along
from metrigen.ir.interpreter import run
from metrigen.passes.vary import bar
from metrigen.spec.edges import average, difference
from tests.graph.systems import EDGE_INDEX, NODES, SYSTEMS, graph, graph_dynamics, incidence, q, v, values_of, w

temperature = System(
    "temperature", graph, fields=(q, v), hamiltonian=q**2 / 2 + v, entropy=sp.log(1 + v**2),
    bracket=lambda F, G: 0 * F[q] * G[q],
    metric=Dissipation((w, lambda F: grad(F[v])[0])), integrator=RK4(steps=1, dt=0.1),
)  # fmt: skip
EXPECTED = {
    "leapfrog": ["graph_equations", "graph_antisymmetry", "graph_energy"],
    "strang": ["graph_equations", "graph_antisymmetry", "graph_metric_symmetry", "graph_metric_psd", "graph_energy"],
    "nonlinear": ["graph_equations", "graph_metric_symmetry", "graph_metric_psd", "graph_energy"],
    "euler": ["graph_equations", "graph_metric_symmetry", "graph_metric_psd", "graph_energy"],
}


@pytest.mark.parametrize("name", EXPECTED)
def test_laws_are_proved(name: str) -> None:
    laws = graph_laws(graph_dynamics(name))
    assert [law.name for law in laws] == EXPECTED[name]
    assert {law.verdict for law in laws} == {"proved"}


def test_degeneracies_are_proved() -> None:
    laws = {law.name: law for law in graph_laws(dynamics(derive(temperature)))}
    assert laws["graph_energy"].verdict == laws["graph_entropy_degeneracy"].verdict == "proved"
    assert "M dH = 0" in laws["graph_energy"].how


@pytest.mark.parametrize("name", ["leapfrog", "nonlinear", "euler"])
def test_a_wrong_transpose_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The share of an edge in the place of the codifference: the emitted rates are no longer the derived ones."""
    right = Along.transpose.fget
    wrong = property(lambda self: Along.SHARE if self is Along.DIFFERENCE else right(self))
    monkeypatch.setattr(Along, "transpose", wrong)
    with pytest.raises(StructureError) as refused:
        graph_laws(graph_dynamics.__wrapped__(name))  # its gradients are not varied yet
    assert refused.value.law == "graph_equations"
    assert refused.value.witness


def test_an_average_in_the_place_of_a_difference_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    functional = GraphLowering.functional

    def blurred(self: GraphLowering, name: str, density: sp.Expr, part: str = "hamiltonian"):
        return functional(self, name, density.replace(difference, lambda f: average(f)), part)

    monkeypatch.setattr(GraphLowering, "functional", blurred)
    with pytest.raises(StructureError) as refused:
        graph_laws(graph_dynamics.__wrapped__("leapfrog"))
    assert refused.value.law == "graph_equations"


def test_a_metric_that_is_not_symmetric_is_refused() -> None:
    """Put past derive, which refuses it first."""
    layer = graph_dynamics("nonlinear")
    metric = layer.derivation.metric
    (fq, fv), (gq, gv) = metric.left, metric.right
    skew = replace(metric, form=metric.form + w * (grad(fq)[0] * grad(gv)[0] - grad(fv)[0] * grad(gq)[0]))
    derivation = replace(layer.derivation, structure=replace(layer.derivation.structure, metric=skew))
    twisted = Dynamics(derivation, layer.lowering, layer.state, layer.inputs, layer.params)
    with pytest.raises(StructureError) as refused:
        graph_laws(twisted)
    assert refused.value.law in ("graph_equations", "graph_metric_symmetry")


@pytest.mark.parametrize("seed", range(3))
def test_the_laws_in_numbers(seed: int) -> None:
    """f.M f = sum over nodes and edges of the weights times squares, and f.M g = g.M f, on a graph with double edges
    and a node alone."""
    layer = graph_dynamics("nonlinear")
    operator = layer.operator(layer.derivation.metric, "metric")
    matrix = incidence(EDGE_INDEX, NODES)
    values = values_of(operator.inputs, len(matrix), seed=seed)
    values["w"] = np.abs(values["w"])
    values["gamma"] = np.abs(values["gamma"])
    rng = np.random.default_rng(seed + 10)
    f, g = ({name: rng.normal(size=values["q"].shape) for name in ("q", "v")} for _ in range(2))

    def act(x: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        out = run(operator, {**values, **{f"{name}__right": x[name] for name in x}}, incidence=matrix)
        return {name: out[bar(f"{name}__left")] for name in x}

    both = sum((f[n] * act(g)[n]).sum() for n in f), sum((g[n] * act(f)[n]).sum() for n in f)
    assert abs(both[0] - both[1]) < 1e-12 * max(1, abs(both[0]))
    drops = f["q"] @ matrix.T
    weights = values["w"] * (1 + (values["q"] @ matrix.T) ** 2)
    expected = (weights * drops**2).sum() + (values["gamma"][:, None] * f["v"] ** 2).sum()
    assert abs(sum((f[n] * act(f)[n]).sum() for n in f) - expected) < 1e-12 * expected


def test_what_depends_on_the_index_of_a_node_is_refused() -> None:
    bad = System("index", graph, fields=(q,), hamiltonian=graph.node * q**2, integrator=RK4(steps=1, dt=0.1),
                 metric=Dissipation((1, lambda F: F[q])))  # fmt: skip
    with pytest.raises(SpecError, match="index of the node"):
        graph_laws(dynamics(derive(bad)))


def test_channels_do_not_mix_on_edges() -> None:
    field, weight = Field("u", Graph()), Input("weight", Graph().edges)
    K = Param("K", shape=("C", "C"))
    bad = System("mixed", Graph(), fields=(field,), hamiltonian=field**2 + mix(K, weight * grad(field).square),
                 integrator=RK4(steps=1, dt=0.1), metric=Dissipation((1, lambda F: F[field])))  # fmt: skip
    with pytest.raises(SpecError, match="channels"):
        graph_laws(dynamics(derive(bad)))


def test_every_stepping_system_is_checked() -> None:
    assert set(EXPECTED) <= set(SYSTEMS)
