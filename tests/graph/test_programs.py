"""Programs of graphs: the adjoint, the interpreter against the emitted reference, both forms of the edges."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from metrigen import RK4, Dissipation, System, energy_density, grad, total
from metrigen.ir.edges import Along, EdgeMap
from metrigen.ir.interpreter import along, run
from metrigen.ir.nodes import Array, Kind, Load, Map, Program
from metrigen.passes.vary import vary
from metrigen.physics.derive import derive
from metrigen.programs import optimise
from tests.graph.systems import (
    EDGE_INDEX,
    NODES,
    SYSTEMS,
    all_pairs,
    as_matrix,
    graph,
    graph_dynamics,
    incidence,
    module_of,
    poisson,
    q,
    values_of,
    w,
)
from tests.lattice.arrays import defect_between
from tests.lowered import lower

pytestmark = pytest.mark.covering

STEPPING = tuple(SYSTEMS)
B = incidence(EDGE_INDEX, NODES)


def dot_defect(program: Program, adjoint: Program) -> float:
    values, along = (values_of(program.inputs, len(B), seed=seed) for seed in (0, 1))
    return defect_between(program, adjoint, values, along, incidence=B)


@pytest.mark.parametrize("name", STEPPING)
def test_dot_product(name: str) -> None:
    layer = graph_dynamics(name)
    step = layer.derivation.system.integrator.step(layer)
    adjoint = vary(step, [a.name for a in step.inputs], rank=0)
    assert dot_defect(step, adjoint) < 1e-11
    assert dot_defect(optimise(step)[0], optimise(adjoint)[0]) < 1e-11


@pytest.mark.parametrize("name", [*STEPPING, "poisson"])
def test_dot_product_of_readings(name: str) -> None:
    lowered = lower(graph_dynamics(name).derivation)
    for program in (lowered.readout, lowered.values["flux"]):
        assert dot_defect(program, vary(program, [a.name for a in program.inputs], rank=0)) < 1e-11


def test_a_wrong_transpose_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mean of both ends in the place of the difference must fail the dot test."""
    layer = graph_dynamics("leapfrog")
    step = layer.derivation.system.integrator.step(layer)
    monkeypatch.setattr(
        Along, "transpose", property(lambda self: Along.SHARE if self.onto is Kind.EDGE else Along.AVERAGE)
    )
    assert dot_defect(step, vary(step, [a.name for a in step.inputs], rank=0)) > 1e-3


@pytest.mark.parametrize("which", Along)
def test_maps_and_transposes(which: Along) -> None:
    rng = np.random.default_rng(0)
    sizes = {Kind.SITE: NODES, Kind.EDGE: len(B)}
    x, y = rng.normal(size=(2, sizes[which.transpose.onto])), rng.normal(size=(2, sizes[which.onto]))
    gap = (along(which, x, B) * y).sum() - (x * along(which.transpose, y, B)).sum()
    assert abs(gap) < 1e-13
    assert which.transpose.transpose is which


def test_an_edge_array_without_edges_needs_no_values() -> None:
    """A program whose edges hold a constant alone still knows how many there are."""
    body = (Map(stores=(("one", Load("u", ()) * 0 + 1),), over=Kind.EDGE), EdgeMap("degree", Along.SHARE, "one"))
    program = Program("degree", (Array("u", Kind.SITE),), body, ("degree",))
    (degree,) = run(program, {"u": np.zeros((1, 1, NODES))}, incidence=B).values()
    assert degree[0, 0].tolist() == (np.abs(B).sum(0) / 2).tolist()


@pytest.mark.parametrize("form", ["sparse", "dense"])
@pytest.mark.parametrize("name", [*STEPPING, "poisson"])
def test_reference_is_the_interpreter(name: str, form: str) -> None:
    """Every emitted function, on a list of edges and on a matrix, gives what the interpreter gives."""
    system = (SYSTEMS | {"poisson": poisson()})[name]
    package = module_of(system)
    reference, forms = package.module.reference, package.module
    edge_index = EDGE_INDEX if form == "sparse" else all_pairs(NODES)
    matrix = incidence(edge_index, NODES)
    graph = forms.Sparse(edge_index, NODES) if form == "sparse" else forms.Dense(NODES)
    lowered = lower(derive(system))
    for label, program in lowered.programs().items():
        program, _, _ = optimise(program)
        given = values_of(program.inputs, edge_index.shape[1])
        kinds = program.kinds()
        expected = run(program, given, incidence=matrix)
        tensors = [torch.as_tensor(given[a.name]) for a in program.inputs]
        if form == "dense":
            tensors = [
                as_matrix(x, edge_index, NODES) if a.kind is Kind.EDGE else x
                for x, a in zip(tensors, program.inputs, strict=True)
            ]
        out = getattr(reference, label)(graph, *tensors)
        for name_, value in zip(program.outputs, out, strict=True):
            want = torch.as_tensor(np.broadcast_to(expected[name_], expected[name_].shape).copy())
            if form == "dense" and kinds[name_] is Kind.EDGE:
                tail, head = edge_index
                value = value.expand(*value.shape[:2], NODES, NODES)[..., head, tail]
            scale = max(1.0, want.abs().max().item() if want.numel() else 1.0)
            assert torch.allclose(value.expand(want.shape), want, rtol=0, atol=1e-12 * scale), (label, name_)


def test_products_of_differences_are_found() -> None:
    """B^T (w B u) and the share of w (B u)^2 become products with the matrix of the weights."""
    text = Path(module_of(SYSTEMS["leapfrog"]).module.reference.__file__).read_text()
    step = text[text.index("def step(") : text.index("def step_adjoint(")]
    assert "graph.flows(w, " in step
    assert "difference" not in step.split('"""', 2)[2], "the docstring says the equations as they were derived"
    readout = text[text.index("def readout(") : text.index("def readout_adjoint(")]
    assert "graph.products(0.5 * w, q, q)" in readout


def test_the_flux_of_an_energy_of_a_channel_sum() -> None:
    """d/dq (sum_c q_c)^2/8 holds the number of channels, which an edge reads at its ends: dH/dt at a node is what its
    edges bring, less the friction there."""
    system = System("summed", graph, fields=(q,), hamiltonian=w * grad(q).square / 2 + total(q) ** 2 / 8,
                    metric=Dissipation((1, lambda F: F[q])), integrator=RK4(steps=1, dt=0.1),
                    readout=energy_density())  # fmt: skip
    flux = lower(derive(system)).values["flux"]
    values = {"q": np.array([[[1.0, 3.0], [2.0, -1.0]]]), "w": np.array([[[0.5], [0.5]]])}
    pairs = torch.tensor([[0], [1]])
    (found,) = run(flux, values, incidence=incidence(pairs, 2)).values()
    drop = values["q"][..., 1:] - values["q"][..., :1]
    pull = 0.5 * drop * np.array([-1.0, 1.0])
    rate = -(pull + np.broadcast_to(values["q"].sum(1, keepdims=True) / 2, pull.shape))  # C/4 of the sum, C = 2
    np.testing.assert_allclose(found, -0.5 * drop * rate.mean(-1, keepdims=True), rtol=1e-14)
