"""The contract of discretisations, for each of them; and that domains are told apart in no other place.

What is read as numbers is compared with what the contract says: the gradient and the adjoint with differences of sums.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import ClassVar, get_args, get_type_hints

import numpy as np
import pytest
import sympy as sp

from metrigen import (
    RK4,
    Dissipation,
    Exponential,
    Field,
    Graph,
    Input,
    Lattice,
    Sequence,
    SpecError,
    SteadyState,
    System,
    derive,
    grad,
    t,
)
from metrigen.discretise.arrays import dynamics
from metrigen.discretise.base import Discretisation
from metrigen.discretise.discretisations import DISCRETISATIONS, discretisation_of
from metrigen.discretise.dynamics import Dynamics
from metrigen.discretise.graph import GraphLowering
from metrigen.discretise.lower import Lowering
from metrigen.discretise.sequence import cell_of
from metrigen.discretise.steady_programs import StencilSteady
from metrigen.discretise.tokens import SequenceLowering
from metrigen.integrators.base import TimeStepper
from metrigen.integrators.scan import Scan
from metrigen.ir.interpreter import run
from metrigen.ir.nodes import Array, Kind, Program
from metrigen.layers.given import Given
from metrigen.layers.layer import Layer
from metrigen.layers.operator import Operator
from metrigen.layers.programs import Programs
from metrigen.layers.shape import Shape
from metrigen.layers.source import Source
from metrigen.package.notices import notices
from metrigen.passes.vary import bar
from metrigen.physics.derivation import Derivation
from metrigen.physics.ranges import undefined
from metrigen.programs import Evolution, Lowered, TimeStep, discretised
from metrigen.spec.domain import Domain
from metrigen.spec.readout import EnergyDensity, StressEnergy
from tests.conftest import ROOT
from tests.graph import systems as graphs
from tests.lattice import systems as lattices
from tests.sequence import systems as sequences

ON: dict[type[Discretisation], System] = {
    Lowering: lattices.transport("zero"),
    GraphLowering: graphs.SYSTEMS["nonlinear"],
    SequenceLowering: sequences.SYSTEMS["skewed"],
}
LAW: dict[type[Discretisation], str] = {
    Lowering: "lattice_antisymmetry",
    GraphLowering: "graph_equations",
    SequenceLowering: "step_contraction",
}
LENGTH, CHANNELS, STEP = 7, 2, 1e-5
HOME = "discretise"  # of the discretisations
DOMAINS = frozenset({"Lattice", "Graph", "Sequence"}) | {kind.__name__ for kind in DISCRETISATIONS}
MOST = 3
each = pytest.mark.parametrize("kind", DISCRETISATIONS, ids=lambda kind: kind.domain.__name__)

Numbers = dict[str, np.ndarray]


def made(kind: type[Discretisation]) -> Dynamics:
    return dynamics(derive(ON[kind]))


def drawn(layer: Dynamics, arrays: tuple[Array, ...], seed: int) -> Numbers:
    rng, edges = np.random.default_rng(seed), graphs.EDGE_INDEX.shape[1]
    sites = (graphs.NODES,) if isinstance(layer.lowering, GraphLowering) else (LENGTH,) * len(layer.origin)
    shapes: dict[Kind, tuple[int, ...]] = {
        Kind.SITE: (1, CHANNELS, *sites), Kind.EDGE: (1, CHANNELS, edges), Kind.CHANNEL: (CHANNELS,), Kind.SCALAR: (),
        Kind.MATRIX: (CHANNELS, CHANNELS),
    }  # fmt: skip
    # All of one sign, as roots and logarithms of parameters ask.
    return {a.name: np.abs(rng.normal(size=shapes[a.kind])) + 0.1 for a in arrays}


def numbers(program: Program, values: Numbers) -> Numbers:
    matrix = graphs.incidence(graphs.EDGE_INDEX, graphs.NODES)
    return run(program, values, incidence=matrix)


def moved(values: Numbers, along: Numbers, s: float) -> Numbers:
    return values | {name: values[name] + s * along[name] for name in along}


def total(values: Numbers) -> float:
    return sum(float(x.sum()) for x in values.values())


def test_every_domain_has_one_discretisation() -> None:
    assert sorted(kind.domain.__name__ for kind in DISCRETISATIONS) == sorted(
        d.__name__ for d in Domain.__subclasses__()
    )
    assert set(ON) == set(DISCRETISATIONS)
    assert all(discretisation_of(ON[kind].domain) is kind for kind in DISCRETISATIONS)


@each
def test_the_gradient_is_the_derivative_of_the_sum(kind: type[Discretisation]) -> None:
    """<dE/dz, w> = d/ds E(z + s w), E the sum of the densities at the sites."""
    layer = made(kind)
    energy = layer.lowering.sites("energy", {"energy": layer.derivation.hamiltonian})
    gradient = layer.gradient(layer.derivation.hamiltonian)
    values, w = drawn(layer, layer.lowering.inputs, 0), drawn(layer, layer.state, 1)
    slope, size = layer.lowering.inner({name: numbers(gradient, values)[bar(name)] for name in w}, w)
    ends = [total(numbers(energy, moved(values, w, s))) for s in (STEP, -STEP)]
    assert abs(slope) > 1e-2 * size, "the test has something to see"
    assert (ends[0] - ends[1]) / (2 * STEP) == pytest.approx(slope, rel=1e-7)


@each
def test_what_is_varied_sums_to_what_is_read(kind: type[Discretisation]) -> None:
    """Beyond walls a functional has terms of its own: it is read on a lattice without."""
    system = lattices.transport("periodic") if kind is Lowering else ON[kind]
    layer = dynamics(derive(system))
    density, values = layer.derivation.hamiltonian, drawn(layer, layer.lowering.inputs, 2)
    read = total(numbers(layer.lowering.sites("energy", {"energy": density}), values))
    assert total(numbers(layer.lowering.functional("H", density), values)) == pytest.approx(read, rel=1e-12)


@each
def test_the_adjoint_is_the_transpose_of_the_derivative(kind: type[Discretisation]) -> None:
    """<A'(z)^T w, v> = <w, A'(z) v> for the gradient as the program A, by every state array, input and parameter."""
    layer = made(kind)
    gradient = layer.gradient(layer.derivation.hamiltonian)
    adjoint = layer.lowering.adjoint(gradient)
    values, w = drawn(layer, gradient.inputs, 3), drawn(layer, layer.state, 4)
    cotangents = {bar(bar(name)): x for name, x in w.items()}
    pulled = numbers(adjoint, values | cotangents)
    for array in gradient.inputs:
        v = drawn(layer, (array,), 5)
        back, _ = layer.lowering.inner({array.name: pulled[bar(array.name)]}, v)
        ends = [numbers(gradient, moved(values, v, s)) for s in (STEP, -STEP)]
        slopes = {name: (ends[0][bar(name)] - ends[1][bar(name)]) / (2 * STEP) for name in w}
        assert layer.lowering.inner(w, slopes)[0] == pytest.approx(back, rel=1e-6, abs=1e-8), array.name


def test_the_gradient_of_a_token_is_that_of_its_cell() -> None:
    """dH/dx = P (x - f), the matrices read off the equations and the program varied from the density."""
    layer = made(SequenceLowering)
    cell = cell_of(layer.derivation)
    values = drawn(layer, layer.lowering.inputs, 6)
    symbols = {s for e in (*sum(cell.P, ()), *cell.fixed) for s in e.free_symbols}
    given = {s: sp.Float(float(np.ravel(values[getattr(s, "array", s.name)])[0])) for s in symbols}
    P, f = sp.Matrix(cell.P).xreplace(given), sp.Matrix(cell.fixed).xreplace(given)
    x = sp.Matrix([float(values[a.name][0, 0]) for a in cell.state])
    assert all(a.name in values for a in cell.state)
    found = numbers(layer.gradient(layer.derivation.hamiltonian), values)
    exact = P * (x - f)
    for a, entry in zip(cell.state, exact, strict=True):
        assert float(found[bar(a.name)][0, 0]) == pytest.approx(float(entry), rel=1e-12)


@each
def test_the_laws_of_what_is_emitted_hold(kind: type[Discretisation]) -> None:
    layer, programs = discretised(derive(ON[kind]))
    laws = {law.name: law.verdict for law in layer.lowering.laws(layer, programs)}
    assert laws[LAW[kind]] in ("proved", "conditional")


@each
def test_a_readout_is_one_of_those_that_are_stated(kind: type[Discretisation]) -> None:
    for readout in (None, *(kind_of() for kind_of in kind.readouts)):
        kind.check_readout(replace(ON[kind], readout=readout))
    unknown = replace(ON[kind], readout="heat")  # type: ignore[arg-type]
    with pytest.raises(SpecError, match="unknown readout 'heat'"):
        discretised(derive(unknown))
    for readout in {StressEnergy, EnergyDensity} - set(kind.readouts):
        with pytest.raises(SpecError):
            discretised(derive(replace(ON[kind], readout=readout())))


@each
def test_an_input_moves_with_tokens_or_steps(kind: type[Discretisation]) -> None:
    domain = ON[kind].domain
    u, f = Field("u", domain), Input("f", domain, time_dependent=True)
    method = Exponential() if kind is SequenceLowering else RK4(1, 0.1)
    flow = Dissipation((1, lambda F: F[u]))
    system = System("pushed", domain, fields=(u,), hamiltonian=u**2 / 2 - f * u, metric=flow, integrator=method)
    step = discretised(derive(system))[1]
    if kind is SequenceLowering:
        assert isinstance(step, Scan)
        return
    assert isinstance(step, Program)
    assert [a.name for a in step.inputs if a.driven] == ["f"]
    still = replace(system, integrator=SteadyState("cg"))
    with pytest.raises(SpecError, match="depends on the time, and a steady state has none"):
        discretised(derive(still))


def test_a_method_says_what_a_token_of_it_is() -> None:
    """Where it runs on a sequence by its ``domains`` and states a check for a lattice alone, it is refused."""

    @dataclass(frozen=True)
    class Everywhere(TimeStepper):
        order: ClassVar[int] = 1
        keeps: ClassVar[str] = "everything"
        domains: ClassVar[tuple[type[Domain], ...]] = (Lattice, Graph, Sequence)
        step = RK4.step

        def check(self, derivation: Derivation) -> None:
            return

    derive(replace(ON[Lowering], integrator=Everywhere(1, 0.1)))
    with pytest.raises(SpecError, match="does not say which systems it fits") as caught:
        derive(replace(ON[SequenceLowering], integrator=Everywhere(1, 0.1)))
    assert "check_token" in caught.value.fix


def test_an_energy_without_a_value_is_told_on_every_domain() -> None:
    graph = Graph()
    u, w = Field("u", graph), Input("w", graph.edges, nonnegative=True)
    flow = Dissipation((1, lambda F: F[u]))
    for energy, bases in ((sp.log(u), [u]), (sp.sqrt(1 + u**2), []), (sp.sqrt(1 + grad(u).square), [])):
        system = System("told", graph, fields=(u,), hamiltonian=energy + w * grad(u).square, metric=flow)
        assert [base for _, base, *_ in undefined(system)] == bases
    tokens = Sequence()
    q, f = Field("q", tokens), Input("f", tokens)
    driven = System("told", tokens, fields=(q,), hamiltonian=q**2 / 2 - sp.sqrt(f) * q, metric=flow)
    assert [base for _, base, *_ in undefined(driven)] == [f]


# Told apart in one place ----------------------------------------------------------------------------------------------


def told_apart(source: str) -> Iterator[int]:
    """Lines that ask which domain a value is: ``isinstance``, ``issubclass``, ``type(x) is``, a class in a match or as
    the key of a dictionary. ``Sequence`` of collections.abc is another."""
    tree = ast.parse(source)
    others = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and not node.module.startswith("metrigen")
        for alias in node.names
    }

    def names(node: ast.expr) -> bool:
        found = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)} - others
        return bool((found | {n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute)}) & DOMAINS)

    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ("isinstance", "issubclass")
        ):
            if names(node.args[1]):
                yield node.lineno
        elif isinstance(node, ast.Compare) and any("type(" in ast.unparse(e) or "__class__" in ast.unparse(e)
                                                   for e in (node.left, *node.comparators)):  # fmt: skip
            if any(names(e) for e in (node.left, *node.comparators)):
                yield node.lineno
        elif isinstance(node, ast.MatchClass) and names(node.cls):
            yield node.cls.lineno
        elif isinstance(node, ast.Dict) and any(
            isinstance(k, (ast.Name, ast.Attribute)) and names(k) for k in node.keys
        ):
            yield node.lineno


def files() -> Iterator[Path]:
    home = ROOT / "metrigen"
    return (f for f in sorted(home.rglob("*.py")) if f.relative_to(home).parts[0] not in (HOME, "compiler.py"))


def optional(kind: type) -> list[str]:
    """The fields of a dataclass that may be None."""
    hints = {f.name: get_type_hints(kind)[f.name] for f in fields(kind)}
    return [f"{kind.__name__}.{name}" for name, hint in hints.items() if type(None) in (hint, *get_args(hint))]


def test_nothing_in_the_layer_model_is_optional() -> None:
    model = [Layer, Source, Shape, Given, Programs, Lowered, Operator, StencilSteady, *get_args(Evolution)]
    assert TimeStep in model
    assert Scan in model
    assert [name for kind in model for name in optional(kind)] == []
    assert optional(Compared) == ["Compared.other"]


@dataclass(frozen=True)
class Compared:
    """What the test above has to find."""

    own: int
    other: str | None


def test_domains_are_told_apart_at_home() -> None:
    found = [f"{f.relative_to(ROOT)}:{n}" for f in files() for n in told_apart(f.read_text(encoding="utf-8"))]
    assert len(found) <= MOST, f"a domain or its discretisation should answer this itself: {', '.join(found)}"


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("from metrigen.spec.domain import Graph\nisinstance(d, Graph)", 1),
        ("from metrigen.spec.domain import Graph\nisinstance(d, (Graph, int)) or issubclass(e, Graph)", 2),
        ("from metrigen.spec import domain\nisinstance(d, domain.Sequence)", 1),
        ("from collections.abc import Sequence\nisinstance(d, Sequence)", 0),
        ("from metrigen import Lattice\ntype(d) is Lattice", 1),
        ("from metrigen import Lattice\nif type(d) == Lattice: pass", 1),
        ("from metrigen import Lattice\nmatch d:\n    case Lattice(): pass", 1),
        ("from metrigen import Lattice\n{Lattice: 1}[type(d)]", 1),
        ("from metrigen.discretise.graph import GraphLowering\nisinstance(d, GraphLowering)", 1),
        ("from metrigen import Lattice\nLattice(x)", 0),
    ],
)
def test_the_count_counts(source: str, count: int) -> None:
    assert len(list(told_apart(source))) == count


def test_a_momentum_that_must_be_positive_is_told() -> None:
    """H = pi log pi - pi of L = exp(u_t): a momentum of 0, where one starts that is not given, has no value."""
    point = Lattice()
    u = Field("u", point)
    cases = (
        (sp.exp(u.diff(t)), ["the Hamiltonian of lagrangian= has a value only where pi_u > 0"]),
        (sp.cosh(u.diff(t)), []),
        (-sp.sqrt(1 - u.diff(t) ** 2), ["lagrangian= has a value only where 1 - u_t**2 > 0"]),
    )
    for kinetic, told in cases:
        found = notices(derive(System("told", point, lagrangian=kinetic - u**2)), {})
        assert [str(w).splitlines()[0] for w in found] == told
