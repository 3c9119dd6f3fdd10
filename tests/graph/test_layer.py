"""Layers on graphs: gradients, forms of the edges, symmetries, what is conserved, and what is refused."""

from __future__ import annotations

from functools import partial

import networkx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck, gradgradcheck
from torch.func import functional_call

from metrigen import RK4, Dissipation, Graph, ImplicitMidpoint, Leapfrog, Param, System, energy_density, grad, mix
from metrigen.errors import SpecError
from tests.graph.systems import (
    EDGE_INDEX,
    NODES,
    SYSTEMS,
    all_pairs,
    as_matrix,
    c,
    class_of,
    gamma,
    graph,
    k,
    poisson,
    q,
    s,
    w,
    wave,
)
from tests.lattice.emitted import compiled

pytestmark = pytest.mark.covering

EDGES = EDGE_INDEX.shape[1]
DIFFUSION = System("diffusion", graph, fields=(q,), hamiltonian=q**2 / 2, readout=energy_density(),
                   metric=Dissipation((w, lambda F: grad(F[q])[0])), integrator=RK4(steps=4, dt=0.05))  # fmt: skip
SPRINGS = System("springs", graph, lagrangian=wave("x", None).lagrangian.xreplace({w: k}),
                 integrator=Leapfrog(steps=4, dt=0.05), readout=energy_density())  # fmt: skip


def rand(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def made(name: str, channels: int = 2, edges: int | None = EDGES, nodes: int = NODES, **options: object):
    """The layer of a system of the tests with random parameters, float64."""
    system = SYSTEMS[name]
    density = system.lagrangian if system.lagrangian is not None else system.hamiltonian
    sizes = {"nodes": nodes} | ({"edges": edges} if density.has(k) else {})
    layer = class_of(system)(channels, **sizes, **options).double()
    for seed, raw in enumerate(layer.parameters()):
        with torch.no_grad():
            raw += 0.3 * (rand(*raw.shape, seed=seed) - 0.5)
    return layer


def given_to(name: str, batch: int = 3, channels: int = 2, edges: int = EDGES) -> tuple[list, dict]:
    """Fields and inputs."""
    fields = [0.4 * rand(batch, channels, NODES, seed=1) - 0.2, 0.4 * rand(batch, channels, NODES, seed=2) - 0.2]
    inputs = {"w": rand(batch, channels, edges, seed=3)}
    if name == "nonlinear":
        inputs["s"] = rand(batch, channels, NODES, seed=4)
    return fields[: 1 if name == "euler" else 2], inputs


@pytest.mark.parametrize("name", SYSTEMS)
def test_gradients_of_every_argument(name: str) -> None:
    layer = made(name, 1, steps=1)
    fields, inputs = given_to(name, 1, 1)
    raw = {key: p.detach().clone() for key, p in layer.named_parameters()}
    names = [*inputs, *raw]

    def run(*tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        state, rest = tensors[: len(fields)], dict(zip(names, tensors[len(fields) :], strict=True))
        weights = {key: rest.pop(key) for key in raw}
        return tuple(functional_call(layer, weights, state, {**rest, "edge_index": EDGE_INDEX}))

    tensors = [x.clone().requires_grad_() for x in (*fields, *inputs.values(), *raw.values())]
    assert gradcheck(run, tensors)
    assert gradgradcheck(run, tensors, fast_mode=True)


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_list_of_all_pairs_is_the_matrix(name: str) -> None:
    pairs = all_pairs(NODES)
    fields, inputs = given_to(name, edges=pairs.shape[1])
    along, dense = made(name, edges=pairs.shape[1]), made(name, edges=None)
    dense.load_state_dict({
        key: as_matrix(x, pairs, NODES) if key == "raw_k" else x for key, x in along.state_dict().items()
    })  # fmt: skip
    first = along(*fields, **inputs, edge_index=pairs)
    second = dense(*fields, **(inputs | {"w": as_matrix(inputs["w"], pairs, NODES)}))
    for x, y in zip(first, second, strict=True):
        assert torch.allclose(x, y, rtol=0, atol=1e-13)
    given_first = {**inputs, "edge_index": pairs}
    given_second = inputs | {"w": as_matrix(inputs["w"], pairs, NODES)}
    assert torch.allclose(along.readout(first, **given_first), dense.readout(second, **given_second), atol=1e-13)
    tail, head = pairs
    flows = dense.flux(second, **given_second)
    assert torch.allclose(along.flux(first, **given_first), flows[..., head, tail], atol=1e-12)
    assert torch.allclose(flows, -flows.mT, atol=1e-12)


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(NODES)), st.permutations(range(EDGES)), st.lists(st.booleans(), min_size=7, max_size=7))
def test_names_orders_and_directions_do_not_matter(nodes: list[int], edges: list[int], turned: list[bool]) -> None:
    """Relabelled nodes permute the fields; edges in another order or turned round change nothing."""
    layer = class_of(DIFFUSION)(2).double()
    u, weights = rand(2, 2, NODES), rand(2, 2, EDGES, seed=1)
    expected = layer(u, w=weights, edge_index=EDGE_INDEX).q
    place = torch.argsort(torch.tensor(nodes))
    moved = place[EDGE_INDEX][:, edges]
    moved = torch.where(torch.tensor(turned)[edges], moved.flip(0), moved)
    found = layer(u[..., nodes], w=weights[..., edges], edge_index=moved).q
    assert torch.allclose(found, expected[..., nodes], rtol=0, atol=1e-14)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 7), st.floats(0, 1))
def test_diffusion_keeps_mass_and_loses_energy_on_any_graph(seed: int, nodes: int, density: float) -> None:
    drawn = networkx.gnp_random_graph(nodes, density, seed=seed)
    edge_index = torch.tensor([*drawn.edges], dtype=torch.int64).reshape(-1, 2).T
    layer = class_of(DIFFUSION)(1).double()
    u, weights = rand(2, 1, nodes, seed=seed) - 0.5, rand(edge_index.shape[1], seed=seed)
    after = layer(u, w=weights, edge_index=edge_index)
    assert torch.allclose(after.q.sum(-1), u.sum(-1), rtol=0, atol=1e-14)
    start = type(after)(u)
    inputs = {"w": weights, "edge_index": edge_index}
    assert (layer.energy(after, **inputs) <= layer.energy(start, **inputs) + 1e-15).all()
    # Every component by itself.
    for component in networkx.connected_components(drawn):
        at = sorted(component)
        assert torch.allclose(after.q[..., at].sum(-1), u[..., at].sum(-1), rtol=0, atol=1e-14)


def test_the_balance_of_energy() -> None:
    """(E(after) - E(before))/t is the power of the equations, to second order in the step."""
    layer = class_of(DIFFUSION)(2).double()
    u, inputs = rand(3, 2, NODES), {"w": rand(3, 2, EDGES, seed=1), "edge_index": EDGE_INDEX}
    gaps = []
    for dt in (0.04, 0.02):
        layer.steps, layer.dt = 1, dt
        after = layer(u, **inputs)
        gaps.append(layer.balance_residual(type(after)(u), after, dt, **inputs).abs().max())
    assert 3.6 < gaps[0] / gaps[1] < 4.4


def test_several_graphs_are_one() -> None:
    """Block-diagonal edges: every graph evolves as it does alone, and has an energy of its own."""
    layer = class_of(DIFFUSION)(2).double()
    u, weights = rand(1, 2, NODES), rand(2, EDGES, seed=1)
    both = torch.cat((EDGE_INDEX, EDGE_INDEX[:, :4] + NODES), 1)
    doubled = {"w": torch.cat((weights, weights[:, :4]), -1), "edge_index": both}
    after = layer(torch.cat((u, 2 * u), -1), **doubled)
    alone = layer(u, w=weights, edge_index=EDGE_INDEX)
    other = layer(2 * u, w=weights[:, :4], edge_index=EDGE_INDEX[:, :4])
    assert torch.allclose(after.q, torch.cat((alone.q, other.q), -1), rtol=0, atol=1e-14)
    batch = torch.tensor([0] * NODES + [1] * NODES)
    energies = layer.energy(after, **doubled, batch=batch)
    assert energies.shape == (1, 2)
    assert torch.allclose(energies[:, 0], layer.energy(alone, w=weights, edge_index=EDGE_INDEX))
    assert torch.allclose(energies.sum(1), layer.energy(after, **doubled))


def test_equal_edges_add_up() -> None:
    layer = class_of(DIFFUSION)(1).double()
    u = rand(1, 1, 3)
    double = torch.tensor([[0, 1, 1], [1, 0, 2]])
    single = torch.tensor([[0, 1], [1, 2]])
    weights = torch.tensor([0.3, 0.4, 0.5], dtype=torch.float64)
    found = layer(u, w=weights, edge_index=double).q
    expected = layer(u, w=torch.tensor([0.7, 0.5], dtype=torch.float64), edge_index=single).q
    assert torch.allclose(found, expected, rtol=0, atol=1e-15)


def test_small_cases() -> None:
    layer = class_of(DIFFUSION)(2).double()
    none = torch.zeros(2, 0, dtype=torch.int64)
    u = rand(3, 2, 4)
    assert torch.equal(layer(u, w=rand(0), edge_index=none).q, u)
    assert torch.equal(layer(u[..., :1], w=rand(1, 1)).q, u[..., :1])
    assert layer(u[:0], w=rand(4, 4)).q.shape == (0, 2, 4)
    assert layer(u[:0], w=rand(2), edge_index=torch.tensor([[0, 1], [1, 2]])).q.shape == (0, 2, 4)
    assert torch.equal(class_of(DIFFUSION)(2, steps=0).double()(u, w=rand(4, 4)).q, u)
    half = layer(u.bfloat16(), w=rand(4, 4))
    assert half.q.dtype == torch.bfloat16


def test_the_order_in_memory_does_not_matter() -> None:
    layer = class_of(DIFFUSION)(2).double()
    u, weights = rand(NODES, 2, 3).permute(2, 1, 0), rand(EDGES, 2, seed=1).T
    found = layer(u, w=weights, edge_index=EDGE_INDEX.T.contiguous().T)
    expected = layer(u.contiguous(), w=weights.contiguous(), edge_index=EDGE_INDEX)
    assert torch.equal(found.q, expected.q)


def test_the_same_in_every_run() -> None:
    layer = class_of(DIFFUSION)(2)
    u, weights = rand(4, 2, 50).float(), rand(2, 600).float().requires_grad_()
    edge_index = torch.randint(0, 49, (2, 600), generator=torch.Generator().manual_seed(0))
    edge_index[1] = torch.where(edge_index[0] == edge_index[1], 49, edge_index[1])

    def once() -> tuple[torch.Tensor, torch.Tensor]:
        out = layer(u, w=weights, edge_index=edge_index).q
        return out, torch.autograd.grad(out.square().sum(), weights)[0]

    first = once()
    assert all(torch.equal(x, y) for _ in range(5) for x, y in zip(once(), first, strict=True))


def test_both_ways_of_summing_at_the_nodes() -> None:
    """The sorted sums of devices that would add by atomics, run here, are those of the CPU."""
    module = class_of(DIFFUSION).__module__
    sparse = __import__(module, fromlist=["Sparse"]).Sparse
    edges = sparse(EDGE_INDEX, NODES)
    j = rand(2, 3, EDGES)
    for name in ("codifference", "share"):
        plain = edges.run(name, j)
        sign = -1 if name == "codifference" else 1
        sorted_ = edges.sorted_sums(torch.cat((j, sign * j), -1), torch.cat((edges.head, edges.tail)))
        assert torch.equal(plain, sorted_ * (1 if name == "codifference" else 0.5))


def test_transforms_of_functions() -> None:
    """torch.func goes through the maps along edges."""
    layer = class_of(DIFFUSION)(1).double()
    u, weights = rand(1, 1, NODES), rand(EDGES, seed=1)
    run = partial(lambda u, w: layer(u, w=w, edge_index=EDGE_INDEX).q)
    jacobian = torch.func.jacrev(run, argnums=1)(u, weights)
    forward = torch.func.jacfwd(run, argnums=1)(u, weights)
    assert torch.allclose(jacobian, forward, rtol=0, atol=1e-14)
    _, moved = torch.func.jvp(run, (u, weights), (torch.zeros_like(u), torch.ones_like(weights)))
    assert torch.allclose(jacobian.sum(-1), moved, rtol=0, atol=1e-14)
    many = torch.func.vmap(run, in_dims=(None, 0))(u, rand(4, EDGES, seed=2))
    assert many.shape == (4, 1, 1, NODES)


def test_a_graph_that_is_fixed() -> None:
    """``Graph(networkx_graph)``: nodes in sorted order, edges baked in; a matrix of the same graph gives the same."""
    drawn = networkx.petersen_graph()
    fixed = networkx.relabel_nodes(drawn, {i: f"node {9 - i}" for i in range(10)})
    system = System("fixed", Graph(fixed), lagrangian=SPRINGS.lagrangian, integrator=SPRINGS.integrator,
                    readout=energy_density())  # fmt: skip
    layer, free = class_of(system)(2).double(), class_of(SPRINGS)(2, nodes=10).double()
    assert layer.raw_k.shape == (2, 15)
    position, momentum = rand(3, 2, 10), rand(3, 2, 10, seed=1)
    weights = rand(2, 15, seed=2) + 0.1
    assert {frozenset(e) for e in layer.edge_index.T.tolist()} == {frozenset((9 - a, 9 - b)) for a, b in drawn.edges}
    layer.k, free.k = weights, torch.full((10, 10), 1e-300).double() + as_matrix(weights, layer.edge_index, 10)
    after, expected = layer(position, momentum), free(position, momentum)
    assert torch.allclose(after.q, expected.q, rtol=0, atol=1e-11)  # a weight of zero is softplus(-27) there
    assert torch.allclose(layer.readout(after), free.readout(expected), rtol=0, atol=1e-11)
    assert layer.flux(after).shape == (3, 2, 15)
    with pytest.raises(ValueError, match="the graph of this layer has 10"):
        layer(position[..., :4])
    assert "edge_index" not in dict(layer.state_dict())


def test_a_fixed_graph_has_a_steady_state() -> None:
    ring = Graph(networkx.cycle_graph(5))
    layer = class_of(poisson("fixed_poisson", ring))(2).double()
    source, weights = rand(3, 2, 5), rand(5, seed=1)
    expected = class_of(poisson())(2, nodes=5).double()
    expected.load_state_dict(layer.state_dict())
    pairs = as_matrix(weights, layer.edge_index, 5)
    assert torch.allclose(layer(s=source, w=weights).q, expected(s=source, w=pairs).q, rtol=0, atol=1e-11)


@pytest.mark.parametrize(
    ("drawn", "words"),
    [
        (networkx.DiGraph([(0, 1)]), "direction"),
        (networkx.MultiGraph([(0, 1), (0, 1)]), "direction"),
        (networkx.Graph([(0, 1), (1, 1)]), "self loop"),
        (networkx.Graph([(0, "a")]), "no order"),
        (networkx.Graph(), "no nodes"),
        ([(0, 1)], "networkx.Graph"),
    ],
)
def test_graphs_that_cannot_be_fixed(drawn: object, words: str) -> None:
    with pytest.raises(SpecError, match=words) as refused:
        Graph(drawn)
    assert refused.value.part == "domain"
    assert refused.value.fix


U, W = rand(3, 2, NODES), rand(2, EDGES)
WRONG = {
    "a field without channels": ((U[:, 0],), {"w": W}, r"shape \(B, 2, N\), not \(3, 6\)"),
    "weights of other edges": ((U,), {"w": W[:, :4]}, r"w has shape \(2, 4\); needed: \(3, 2, 7\)"),
    "no list of edges": ((U,), {"w": W, "edge_index": None}, r"w has shape \(2, 7\); needed: \(3, 2, 6, 6\)"),
    "edges as rows": ((U,), {"w": W, "edge_index": EDGE_INDEX.T}, r"edge_index has shape \(7, 2\); needed: \(2, E\)"),
    "edges that are no integers": ((U,), {"w": W, "edge_index": EDGE_INDEX.float()}, "needed: integers"),
    "a node too far": ((U,), {"w": W, "edge_index": EDGE_INDEX + 2}, "names node 6 of a graph of 6 nodes, 0 to 5"),
    "a negative node": ((U,), {"w": W, "edge_index": EDGE_INDEX - 1}, "names node -1"),
    "a self loop": ((U,), {"w": W, "edge_index": EDGE_INDEX * 0 + 3}, "edge 0 joins node 3 with itself"),
    "integers": ((U.long(),), {"w": W}, "floating point"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments_are_named(name: str) -> None:
    fields, inputs, words = WRONG[name]
    with pytest.raises(ValueError, match=words):
        class_of(DIFFUSION)(2).double()(*fields, **{"edge_index": EDGE_INDEX, **inputs})


def test_parameters_of_edges_say_which_edges() -> None:
    layer = class_of(SPRINGS)
    dense, along = layer(2, nodes=NODES).double(), layer(2, nodes=NODES, edges=EDGES).double()
    assert torch.equal(dense.k, dense.k.mT)
    with pytest.raises(ValueError, match="k was made for all pairs"):
        dense(U, edge_index=EDGE_INDEX)
    with pytest.raises(ValueError, match=r"edge_index is nothing; needed: \(2, 7\)"):
        along(U)
    with pytest.raises(ValueError, match=r"edge_index is shape \(2, 3\); needed: \(2, 7\)"):
        along(U, edge_index=EDGE_INDEX[:, :3])
    with pytest.raises(ValueError, match="fields have 5 nodes"):
        along(U[..., :5], edge_index=EDGE_INDEX)
    only = System("only_edges", graph, fields=(q,), hamiltonian=k * grad(q).square + gamma * c * q**2,
                  metric=Dissipation((1, lambda F: F[q])), integrator=RK4(steps=1, dt=0.1))  # fmt: skip
    with pytest.raises(ValueError, match="edges=E for a list of edges, or nodes=N"):
        class_of(only)(2)
    assert class_of(only)(2, edges=EDGES).readout(class_of(only)(2, edges=EDGES)(U.float(), edge_index=EDGE_INDEX),
                                                  edge_index=EDGE_INDEX).shape == (3, 2, NODES)  # fmt: skip


def test_parametrisations_hold_on_edges_and_blocks() -> None:
    """A bound and a sign on the edges, a block-diagonal coupling of the channels, whatever the weights."""
    bounded, blocks = (
        Param("b", per="edge", positive=True, below=2),
        Param("K", shape=("C", "C"), block=2, symmetric=True),
    )
    system = System("bounded", graph, fields=(q,), hamiltonian=bounded * grad(q).square + q * mix(blocks, q) / 2,
                    metric=Dissipation((1, lambda F: F[q])), integrator=RK4(steps=1, dt=0.1))  # fmt: skip
    layer = class_of(system)(3, nodes=NODES).double()
    with torch.no_grad():
        for raw in layer.parameters():
            raw.copy_(40 * rand(*raw.shape) - 20)
    assert torch.allclose(layer.b, layer.b.mT, rtol=1e-15)
    assert ((layer.b > 0) & (layer.b < 2)).all()
    assert (layer.K[2, :2] == 0).all()
    layer.b = 0.5
    assert torch.allclose(layer.b, torch.tensor(0.5).double())
    assert layer(U[:, :1].expand(3, 3, NODES)).q.shape == (3, 3, NODES)


def test_a_backend_that_does_not_gather_is_refused() -> None:
    with pytest.raises(ValueError, match="gather along edges yet; a kernel would move"):
        class_of(DIFFUSION)(2, backend="triton")


def test_a_missing_input_is_named() -> None:
    layer = class_of(DIFFUSION)(2).double()
    state = layer(U, w=W, edge_index=EDGE_INDEX)
    with pytest.raises(TypeError, match="needs the input w"):
        layer.flux(state, edge_index=EDGE_INDEX)
    source = class_of(poisson("poisson_shapes", hamiltonian=w * grad(q).square / 2 + c * q**2 / 2 - s * q))(2)
    with pytest.raises(ValueError, match=r"w has shape \(6, 5\); without edge_index needed: \(N, N\)"):
        source(s=U, w=rand(6, 5))
    with pytest.raises(ValueError, match=r"s \(3, 2, 6\), w \(5, 5\)"):
        source(s=U, w=rand(5, 5))
    with pytest.raises(ValueError, match="cholesky"):
        class_of(poisson("poisson_shapes"))(2, solver="cholesky")(s=U, w=W, edge_index=EDGE_INDEX)


def test_an_implicit_step_is_refused_with_a_way_out() -> None:
    with pytest.raises(SpecError, match="implicit step") as refused:
        compiled(wave("implicit_wave", ImplicitMidpoint(steps=1, dt=0.1)))
    assert refused.value.part == "integrator"
    assert "Exponential" in str(refused.value.fix)
