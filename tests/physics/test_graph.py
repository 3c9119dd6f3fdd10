"""Systems on a graph against the same systems written out, node by node and edge by edge."""

from __future__ import annotations

import random

import pytest
import sympy as sp

from metrigen import (
    Derivation,
    Dissipation,
    Field,
    Graph,
    Input,
    Lattice,
    MetrigenError,
    NeuralFunction,
    Param,
    SpecError,
    SteadyState,
    Strang,
    StructureError,
    System,
    canonical,
    derive,
    friction,
    grad,
    mix,
    momentum,
    stress_energy,
    t,
)
from metrigen.emit.derivation import derivation_text
from metrigen.physics.incidence import graph_zero, indexed, places, written_out
from metrigen.physics.jets import jet, to_jets
from metrigen.physics.zero import evaluate, is_zero, random_point
from metrigen.spec.edges import average, codifference, difference, share
from metrigen.spec.symbols import transposed
from tests.lengths import spread

graph = Graph()
EDGES = ((1, 0), (2, 1), (0, 2), (3, 2), (1, 3))  # (head, tail): a triangle and a square that share an edge
NODES = range(4)
u, v, phi, s = Field("u", graph), Field("v", graph), Field("phi", graph), Input("s", graph)
pi = momentum(phi)
heat = sp.Function("heat", positive=True)(t, graph.node)
w = Param("w", per="edge", nonnegative=True)
W = Input("W", graph.edges, nonnegative=True)
moving = Input("moving", graph, time_dependent=True)
m2 = Param("m2", per="site", positive=True)
c = Param("c", per="channel", positive=True)
relax = Dissipation((1, lambda F: F[u]))


def drop(f: sp.Expr) -> sp.Expr:
    return grad(f)[0]


def system(**parts) -> System:
    return System("s", graph, **parts)


SYSTEMS = {
    "wave": system(lagrangian=phi.diff(t) ** 2 / 2 - w * grad(phi).square / 2 - m2 * phi**2 / 2),
    "damped": system(lagrangian=phi.diff(t) ** 2 / 2 - w * drop(phi) ** 4 / 4, metric=friction(c, pi)),
    "flow": system(fields=(u,), hamiltonian=W * grad(u).square / 2 + m2 * u**2 / 2 - s * u, metric=relax),
    "kuramoto": system(fields=(u,), hamiltonian=-s * u - w * sp.cos(drop(u)), metric=relax),
    "edges dissipate": system(fields=(u,), hamiltonian=u**4, metric=Dissipation((w, lambda F: drop(F[u])))),
    "written with both": system(fields=(u,), hamiltonian=u**4, metric=lambda F, G: w * grad(F[u]).dot(grad(G[u]))),
    "friction on edges": system(
        lagrangian=phi.diff(t) ** 2 / 2 - w * grad(phi).square / 2,
        metric=Dissipation((c * w, lambda F: drop(F[pi])), (m2, lambda F: F[pi])),
    ),
    "a mobility of the state": system(
        fields=(u,), hamiltonian=u**2 / 2, metric=Dissipation((w * sp.exp(-(drop(u) ** 2)), lambda F: drop(F[u])))
    ),
    "differences of functions": system(
        fields=(u, v), hamiltonian=v**2 / 2 + w * drop(u**2 + v) ** 2 / 2, bracket=canonical((u, v))
    ),
    "weights at the nodes": system(
        fields=(u,), hamiltonian=u**2 / 2 + w * drop(m2 * u) ** 2, metric=Dissipation((w, lambda F: drop(m2 * F[u])))
    ),
    "heat": system(fields=(heat,), hamiltonian=heat, entropy=sp.log(heat),
                   metric=Dissipation((w, lambda F: drop(F[heat])))),
    "a moving source": system(
        fields=(u, v), hamiltonian=(u**2 + v**2) / 2 + w * drop(u - moving) ** 2 / 2 - moving * v,
        bracket=canonical((u, v)),
    ),
    "bodies": system(fields=(u, v, phi), hamiltonian=(u**2 + 2 * v**2 + 3 * phi**2) / 2 + w * drop(u) ** 2,
                     bracket=lambda F, G: sp.Matrix([u, v, phi]).dot(
                         sp.Matrix([F[u], F[v], F[phi]]).cross(sp.Matrix([G[u], G[v], G[phi]])))),
}  # fmt: skip
DERIVED = {name: derive(made) for name, made in SYSTEMS.items()}


def at(expr: sp.Expr) -> list[sp.Expr]:
    """The values at every node, or on every edge."""
    return written_out(to_jets(sp.sympify(expr)), EDGES)


def total(density: sp.Expr) -> sp.Expr:
    """The sum over nodes and edges of a density, term by term."""
    terms = sp.Add.make_args(sp.expand(to_jets(density)))
    return sp.Add(*(value for term in terms for value in written_out(term, EDGES)))


def slopes(found: Derivation, functional: sp.Expr) -> dict[sp.Symbol, sp.Expr]:
    """d/dz of a functional written out: no transpose is used."""
    whole = total(functional)
    return {indexed(jet(z), n): whole.diff(indexed(jet(z), n)) for z in found.fields for n in NODES}


def rates(found: Derivation) -> dict[sp.Symbol, sp.Expr]:
    return {indexed(jet(z), n): value for z in found.fields for n, value in enumerate(at(found.equations[z]))}


def same(a: sp.Expr, b: sp.Expr) -> bool:
    return is_zero(sp.sympify(a) - sp.sympify(b))


def near(a: sp.Expr, b: sp.Expr) -> bool:
    """Equal to 25 of 40 digits at two random states: quicker than expanding what is large."""
    terms = sp.Tuple(sp.sympify(a), sp.sympify(b))
    for seed in (0, 1):
        point = random_point(terms, seed, 1.2)
        x, y = (evaluate(term, point) for term in terms)
        if not abs(x - y) <= 1e-25 * (1 + abs(x)):
            return False
    return True


def test_the_maps_and_their_transposes() -> None:
    """sum j (B f) = sum f (B^T j), sum j mean(f) = sum f share(j); constants have no difference."""
    for down, up in ((difference, codifference), (average, share)):
        left = sum(a * b for a, b in zip(at(W), at(down(u)), strict=True))
        right = sum(a * b for a, b in zip(at(u), at(up(W)), strict=True))
        assert sp.expand(left - right) == 0
    assert difference(c * u + 3 * v + t) == c * difference(u) + 3 * difference(v)
    assert difference(m2 * u) != m2 * difference(u)
    assert difference(c) == 0
    assert average(c) == c
    assert (places(to_jets(u)), places(difference(u)), places(codifference(w)), places(c)) == (
        {"node"}, {"edge"}, {"node"}, frozenset(),
    )  # fmt: skip
    assert at(difference(u))[0] == indexed(jet(u), 1) - indexed(jet(u), 0)


def test_zero_on_every_graph() -> None:
    assert graph_zero(to_jets(codifference(w * (difference(u) + difference(v))) - codifference(w * difference(u + v))))
    assert not graph_zero(to_jets(codifference(w * difference(u)) - share(w * difference(u))))
    hidden = graph_zero(to_jets(2 * share(w * average(u)) - codifference(w * difference(u)) - 2 * u * share(w)))
    assert not hidden
    subtle = graph_zero(to_jets(average(u**2) - average(u) ** 2 - difference(u) ** 2 / 4))
    assert (subtle.is_zero, subtle.proved) == (True, False)


@pytest.mark.parametrize("name", ["wave", "damped", "differences of functions", "a moving source"])
def test_hamiltonian_equations_written_out(name: str) -> None:
    """q' = dH/dp, p' = -dH/dq (- friction) with H differentiated as a function of all nodes."""
    found = DERIVED[name]
    gradient = slopes(found, found.hamiltonian)
    q, p = found.fields
    for n in NODES:
        here, there = indexed(jet(q), n), indexed(jet(p), n)
        lost = c * gradient[there] if name == "damped" else 0
        assert same(rates(found)[here], gradient[there])
        assert same(rates(found)[there], -gradient[here] - lost)


@pytest.mark.parametrize("name", ["flow", "kuramoto"])
def test_gradient_flows_written_out(name: str) -> None:
    found = DERIVED[name]
    gradient = slopes(found, found.hamiltonian)
    assert all(same(rate, -gradient[symbol]) for symbol, rate in rates(found).items())


def test_metrics_of_edges_written_out() -> None:
    """z' = -sum over edges of w (A_h g_h - A_t g_t) times +A_h at the head and -A_t at the tail."""
    m = [at(m2 * u)[n] / indexed(jet(u), n) for n in NODES]
    ones = [sp.S.One] * 4
    for name, A in (("edges dissipate", ones), ("written with both", ones), ("weights at the nodes", m)):
        found = DERIVED[name]
        gradient = slopes(found, found.hamiltonian)
        values = [A[n] * gradient[indexed(jet(u), n)] for n in NODES]
        expected = [sp.S.Zero] * 4
        for e, (head, tail) in enumerate(EDGES):
            flow = indexed(w, e) * (values[head] - values[tail])
            expected[head] -= A[head] * flow
            expected[tail] += A[tail] * flow
        assert all(same(a, b) for a, b in zip(at(found.equations[u]), expected, strict=True)), name


def test_kuramoto_is_that_of_the_literature() -> None:
    """theta_i' = omega_i + sum_j K_ij sin(theta_j - theta_i)."""
    theta = [indexed(jet(u), n) for n in NODES]
    for n, rate in enumerate(at(DERIVED["kuramoto"].equations[u])):
        pulls = [
            indexed(w, e) * sp.sin(theta[a if b == n else b] - theta[n])
            for e, (a, b) in enumerate(EDGES)
            if n in (a, b)
        ]
        assert same(rate, indexed(jet(s), n) + sum(pulls))


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_energy_balance_of_every_node(name: str) -> None:
    """d/dt T^t_t - B^T T^e_t = source, with d/dt carried out node by node by the chain rule."""
    found = DERIVED[name]
    energy, flux = found.stress_energy[t, t], found.stress_energy[graph.edge, t]
    motion = rates(found)
    inputs = {indexed(jet(moving), n): indexed(jet(moving, t), n) for n in NODES}
    for value, inflow, source in zip(at(energy), at(codifference(flux)), at(found.sources[t]), strict=True):
        change = sum(value.diff(z) * rate for z, rate in (motion | inputs).items())
        assert near(change, inflow + source)


@pytest.mark.parametrize("name", SYSTEMS)
def test_laws(name: str) -> None:
    found = DERIVED[name]
    assert {law.verdict for law in found.laws} == {"proved"}
    assert "well_posed" not in [law.name for law in found.laws]
    assert found.step_limit is None
    assert derivation_text(found)
    assert found._repr_latex_().startswith("$\\displaystyle")


def test_which_laws_there_are() -> None:
    assert [law.name for law in DERIVED["heat"].laws] == [
        "metric_symmetry", "metric_psd", "energy_degeneracy", "noether",
    ]  # fmt: skip
    assert [law.name for law in DERIVED["wave"].laws] == ["legendre", "antisymmetry", "jacobi", "noether"]
    assert set(DERIVED["wave"].stress_energy) == {(t, t), (graph.edge, t)}


def test_a_metric_of_free_sign_is_conditional_and_a_negative_one_refused() -> None:
    free = Param("free", per="edge")
    law = derive(system(fields=(u,), hamiltonian=u**2, metric=Dissipation((free, lambda F: drop(F[u]))))).law
    assert (law("metric_psd").verdict, law("metric_psd").detail) == ("conditional", "free >= 0")
    for metric in (Dissipation((-w - 1, lambda F: drop(F[u]))), lambda F, G: -grad(F[u]).dot(grad(G[u]))):
        with pytest.raises(StructureError) as refused:
            derive(system(fields=(u,), hamiltonian=u**2, metric=metric))
        assert refused.value.law == "metric_psd"


def test_steady_states() -> None:
    assert (DERIVED["flow"].steady_state.linear, DERIVED["flow"].steady_state.spd) == (True, True)
    assert not DERIVED["kuramoto"].steady_state.linear
    plain = derive(system(fields=(u,), hamiltonian=w * grad(u).square / 2, metric=relax)).steady_state
    assert (plain.linear, plain.spd) == (True, False)
    free = Param("free", per="edge")
    signed = derive(system(fields=(u,), hamiltonian=free * grad(u).square / 2 + u**2, metric=relax)).steady_state
    assert (signed.linear, signed.spd) == (True, False)
    assert DERIVED["wave"].steady_state is None


EDGE_METRIC = Dissipation((w, lambda F: drop(F[u])))
HEATS = {"fields": (heat,), "entropy": sp.log(heat), "metric": Dissipation((w, lambda F: drop(F[heat])))}
FRICTION = {"fields": (u, v), "bracket": canonical((u, v)), "metric": Dissipation((w, lambda F: drop(F[v])))}


def random_network(seed: int) -> System:
    """A Hamiltonian of random terms of nodes and edges with friction at either."""
    source = random.Random(seed)
    node = [u, v, u * v, s * u, m2 * v**2, c * u**2, sp.sin(u), sp.exp(v), u**3]
    inside = [u, v, u + 2 * v, u * v, m2 * u, sp.sin(u), s * v]
    even = [lambda d: d**2, lambda d: d**4, sp.cos, lambda d: sp.sqrt(1 + d**2)]
    energy = sum(source.choice((1, -1, c)) * source.choice(node) * source.choice((1, u)) for _ in range(3))
    energy += sum(source.choice((w, W, 1)) * source.choice(even)(drop(source.choice(inside))) for _ in range(2))
    factors = [lambda F: F[v], lambda F: drop(F[u]), lambda F: drop(F[v] * u + 2 * F[u]), lambda F: F[u] - u * F[v]]
    weights = {0: (c**2, 1, u**2), 1: (W, w, drop(v) ** 2), 2: (w, W, 3), 3: (1, v**2)}
    chosen = source.sample(range(4), 2)
    metric = Dissipation(*((source.choice(weights[k]), factors[k]) for k in chosen))
    return system(fields=(u, v), hamiltonian=energy, bracket=canonical((u, v)), metric=metric)


@pytest.mark.parametrize("seed", spread(range(8), 3))
def test_random_networks(seed: int) -> None:
    """The rate of the whole energy, written out, is what the sources say, and no edge makes energy of its own."""
    found = derive(random_network(seed))
    motion = rates(found)
    whole = total(found.hamiltonian)
    change = sum(whole.diff(z) * rate for z, rate in motion.items())
    sources = sum(at(found.sources[t]))
    inflow = sum(at(codifference(found.stress_energy[graph.edge, t])))
    assert near(change, sources)
    assert near(inflow, 0)
    gradient = slopes(found, found.hamiltonian)
    free = derive(system(fields=(u, v), hamiltonian=found.hamiltonian, bracket=canonical((u, v))))
    for symbol, rate in rates(free).items():
        here, there = symbol.name.startswith("u"), symbol.name.replace("u[", "v[")
        other = there if here else symbol.name.replace("v[", "u[")
        (partner,) = (z for z in gradient if z.name == other)
        assert near(rate, gradient[partner] if here else -gradient[partner])


def test_channels_mix_at_the_nodes() -> None:
    K = Param("K", shape=("C", "C"), symmetric=True)
    found = derive(system(lagrangian=phi.diff(t) ** 2 / 2 - w * grad(phi).square / 2 - phi * mix(K, phi) / 2))
    expected = -mix(K, phi) - codifference(w * difference(phi))
    assert sp.expand(found.equations[pi] - expected) == 0


FLOW = sp.Function("x", real=True)(t, graph.edges.axes[0])
REFUSED = {
    "odd": ({"hamiltonian": w * drop(u)}, "hamiltonian", "orientation"),
    "odd metric": ({"metric": Dissipation((1 + drop(u), lambda F: drop(F[u])))}, "metric", "orientation"),
    "node times edge": ({"hamiltonian": u * grad(u).square}, "hamiltonian", "nodes and of edges"),
    "edge weight on a node": ({"hamiltonian": w * u**2}, "hamiltonian", "nodes and of edges"),
    "node weight on an edge": ({"hamiltonian": m2 * grad(u).square}, "hamiltonian", "nodes and of edges"),
    "along the index": ({"hamiltonian": u.diff(graph.node) ** 2}, "hamiltonian", "differentiates along"),
    "difference of an edge": ({"hamiltonian": drop(W) ** 2 + u**2}, "hamiltonian", "lives on edges"),
    "learned": ({"hamiltonian": NeuralFunction("V", u)}, "hamiltonian", "learned function"),
    "learned metric": (
        {"metric": Dissipation((NeuralFunction("V", u, nonnegative=True), lambda F: F[u]))},
        "metric",
        "learned function",
    ),
    "twice": ({"hamiltonian": difference(codifference(w * difference(u))) ** 2}, "hamiltonian", "no difference"),
    "bracket": ({"metric": None, "bracket": lambda F, G: drop(F[u]) * drop(G[u])}, "bracket", "by itself"),
    "constraints": ({"constraints": {v: v - u}}, "constraints", "not derived"),
    "symmetries": ({"symmetries": {"a": {u: 1}}}, "symmetries", "not derived"),
    "stress": ({"readout": stress_energy()}, "readout", "no direction"),
    "energy lost": ({**HEATS, "hamiltonian": heat**2}, "metric", "component heat"),
    "strang": (
        {**FRICTION, "hamiltonian": u**2 + v**2 / 2, "integrator": Strang(steps=1, dt=0.1)},
        "integrator",
        "RK4",
    ),
    "steady": ({"metric": EDGE_METRIC, "integrator": SteadyState()}, "integrator", "conserves"),
    "a field of the edges": ({"fields": (FLOW,)}, "x", "another domain"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_teach(name: str) -> None:
    parts, part, words = REFUSED[name]
    with pytest.raises(MetrigenError) as refused:
        derive(system(**{"fields": (u,), "hamiltonian": u**2, "metric": relax, **parts}))
    assert refused.value.part == part, refused.value
    assert words in str(refused.value)


def test_inertia_on_edges_is_refused() -> None:
    with pytest.raises(SpecError, match="difference of a rate"):
        derive(system(lagrangian=grad(phi.diff(t)).square / 2 + phi.diff(t) ** 2))


def test_edge_parameters_need_edges() -> None:
    x = sp.Symbol("x", real=True)
    field = Field("field", Lattice(x))
    with pytest.raises(SpecError) as refused:
        derive(System("s", Lattice(x), fields=(field,), hamiltonian=w * field**2,
                      metric=Dissipation((1, lambda F: F[field]))))  # fmt: skip
    assert refused.value.part == "w"


def test_a_channel_map_inside_a_difference_stays() -> None:
    """M dH of H = s v mix(K, u), M along the edges: the flow holds B K^T (s v), which is not the same everywhere."""
    K = Param("K", shape=("C", "C"))
    metric = Dissipation((W, lambda F: drop(F[u])), (1, lambda F: F[v]))
    found = derive(system(fields=(u, v), hamiltonian=s * v * mix(K, u), metric=metric)).equations[u]
    assert found == -codifference(W * difference(mix(transposed(K), s * v)))
