"""Systems on graphs: the derived equations against the literature, and the layers against what is known of them."""

from __future__ import annotations

import math
import re

import networkx
import numpy as np
import sympy as sp
import torch

from metrigen import t
from metrigen.physics.incidence import written_out
from metrigen.physics.jets import to_jets
from tests.gallery.layers import energies, layer, near, rough, wave_angle
from tests.gallery.symbolic import fields


def ring(n: int) -> tuple[tuple[int, int], ...]:
    """(head, tail) of the edges of a ring."""
    return tuple(((i + 1) % n, i) for i in range(n))


def index(edges: tuple[tuple[int, int], ...]) -> torch.Tensor:
    """The ``edge_index`` of (head, tail) pairs: tails, then heads."""
    return torch.tensor(edges).reshape(-1, 2).flip(1).T


def at(expr: sp.Expr, edges: tuple[tuple[int, int], ...]) -> list[sp.Expr]:
    """The values of an expression at the nodes (or on the edges) of a graph; u at node 2 is the symbol u2."""
    values = written_out(to_jets(expr), edges)
    names = {s: sp.Symbol(re.sub(r"\[[0,]*\]@", "", s.name).replace("@", "")) for v in values for s in v.free_symbols}
    return [v.xreplace(names) for v in values]


def graph_diffusion() -> None:
    """u' = -L u with L = D - A of a random graph: the equation, and the layer against exp(-t L). The sum of u is
    constant, each edge loses w (u_i - u_j)^2, and what is left is the mean."""
    found, f = fields("graph_diffusion")
    graph = networkx.random_regular_graph(3, 8, seed=1)
    edges = tuple(graph.edges)
    for e, edge in enumerate(edges):
        graph.edges[edge]["weight"] = e + 1
    rates = at(found.equations[f["u"]], edges)
    numbers = {sp.Symbol(f"w{e}"): e + 1 for e in range(len(edges))}
    matrix = [[-rate.xreplace(numbers).diff(sp.Symbol(f"u{j}")) for j in range(8)] for rate in rates]
    adjacency = networkx.to_numpy_array(graph, nodelist=range(8))
    laplacian = np.diag(adjacency.sum(0)) - adjacency
    assert matrix == laplacian.astype(int).tolist()
    assert sp.expand(sum(rates)) == 0
    lost = sum(at(found.sources[t], edges))
    expected = -sum(
        sp.Symbol(f"w{e}") * (sp.Symbol(f"u{a}") - sp.Symbol(f"u{b}")) ** 2 for e, (a, b) in enumerate(edges)
    )
    assert sp.expand(lost - expected) == 0

    weights = torch.arange(1.0, len(edges) + 1)
    made = layer("graph_diffusion", sizes={"edges": len(edges)}, w=weights, steps=200, dt=0.005)
    u = rough(3, 1, 8)
    after = made(u, edge_index=index(edges))
    exact = torch.linalg.matrix_exp(-torch.as_tensor(laplacian, dtype=torch.float64)) @ u.unsqueeze(-1)
    near(after.u, exact.squeeze(-1), 3e-6)  # fourth order: 200 (dt lambda)^5 / 120, lambda <= 36
    near(after.u.sum(-1), u.sum(-1), 2e-14)
    made.steps = 4000
    near(made(u, edge_index=index(edges)).u, u.mean(-1, keepdim=True).expand_as(u), 1e-12)
    # The power of the equations is what the edges lose.
    made.steps, made.dt = 1, 1e-6
    start = type(after)(u)
    rate = (made.energy(made(u, edge_index=index(edges)), edge_index=index(edges))
            - made.energy(start, edge_index=index(edges))) / 1e-6  # fmt: skip
    drops = u[..., [a for a, _ in edges]] - u[..., [b for _, b in edges]]
    near(rate / -(weights * drops**2).sum((1, 2)), torch.ones(3), 1e-3)


def spring_network() -> None:
    """A ring of equal springs: w^2 = a + 4 k sin^2(pi m / n), in the equations and, by the phase of leapfrog, in the
    layer; energy flows along a spring as force times velocity."""
    found, f = fields("spring_network")
    q, p, n = f["q"], f["pi_q"], 6
    forces = at(found.equations[p], ring(n))
    equal = {s: sp.Symbol(s.name[0]) for force in forces for s in force.free_symbols if s.name[0] in "ka"}
    for m in range(n):
        mode = {sp.Symbol(f"q{i}"): sp.cos(2 * sp.pi * m * i / n) for i in range(n)}
        squared = sp.Symbol("a") + 4 * sp.Symbol("k") * sp.sin(sp.pi * m / n) ** 2
        for i, force in enumerate(forces):
            assert sp.expand(force.xreplace(equal).xreplace(mode) + squared * mode[sp.Symbol(f"q{i}")]) == 0
    assert at(found.equations[q], ring(n)) == [sp.Symbol(f"pi_q{i}") for i in range(n)]
    (flux,) = (value for key, value in found.stress_energy.items() if key != (t, t))
    k0, q0, q1, p0, p1 = sp.symbols("k0 q0 q1 pi_q0 pi_q1")
    assert sp.expand(at(flux, ring(n))[0] + k0 * (q1 - q0) * (p0 + p1) / 2) == 0

    dt, steps, a, k = 0.2, 40, 0.3, 1.7
    made = layer("spring_network", sizes={"nodes": n, "edges": n}, a=a, k=k, dt=dt, steps=steps)
    edge_index = index(ring(n))
    for m in range(n // 2 + 1):
        wave = torch.cos(2 * math.pi * m * torch.arange(n, dtype=torch.float64) / n)[None, None]
        end = made(wave, edge_index=edge_index)
        # Drift first: q after j steps is cos(j theta) of its start where the momentum starts at zero.
        near(end.q, torch.cos(steps * wave_angle(a + 4 * k * math.sin(math.pi * m / n) ** 2, dt)) * wave, 1e-12)
    start = made(rough(2, 1, n), rough(2, 1, n, seed=1), edge_index=edge_index)
    far = made(*start, edge_index=edge_index)
    drift = energies(made, start, far, edge_index=edge_index)
    assert ((drift[1] - drift[0]).abs() < 0.1 * drift[0]).all()  # of order (w dt)^2 = 0.28, without a trend
    flow = made.flux(start, edge_index=edge_index)
    tail, head = edge_index
    speed = (start.pi[..., head] + start.pi[..., tail]) / 2
    near(flow, -k * speed * (start.q[..., head] - start.q[..., tail]), 1e-13)


def graph_kuramoto() -> None:
    """theta_i' = omega_i + sum_j K_ij sin(theta_j - theta_i); two oscillators lock where sin = (w1 - w2)/(2 K), and
    F falls along every trajectory."""
    found, f = fields("graph_kuramoto")
    edges = ((1, 0), (2, 0), (2, 1))
    rates = at(found.equations[f["theta"]], edges)
    a, b, c = sp.symbols("theta0 theta1 theta2")
    first = sp.Symbol("omega0") + sp.Symbol("K0") * sp.sin(b - a) + sp.Symbol("K1") * sp.sin(c - a)
    assert sp.simplify(rates[0] - first) == 0
    pair = at(found.equations[f["theta"]], ((1, 0),))
    locked = pair[0] - pair[1]
    drift = (sp.Symbol("omega0") - sp.Symbol("omega1")) / (2 * sp.Symbol("K0"))
    assert sp.simplify(locked.subs(a, b + sp.asin(drift))) == 0

    omega = torch.tensor([[[0.4, -0.2]]], dtype=torch.float64)
    made = layer("graph_kuramoto", sizes={"nodes": 2}, K=0.8, steps=2000, dt=0.05)
    end = made(torch.zeros(1, 1, 2, dtype=torch.float64), omega=omega)
    # Distance to the fixed point after t = 100 is exp(-2 K cos t), below rounding.
    near(torch.sin(end.theta[..., 0] - end.theta[..., 1]), 0.6 / 1.6, 1e-12)
    made = layer("graph_kuramoto", channels=2, sizes={"nodes": 7}, K=0.5, steps=1, dt=0.02)
    theta, omega = 3 * rough(4, 2, 7), rough(4, 2, 7, seed=1)
    falls = []
    for _ in range(40):
        falls.append(made.energy(type(end)(theta), omega=omega))
        theta = made(theta, omega=omega).theta
    assert (torch.stack(falls).diff(dim=0) < 0).all()


def graph_poisson() -> None:
    """On a long path a source decays by z per node, z + 1/z = 2 + m2/w: in the equation, by conjugate gradient along
    the edges, and by the factors of the dense matrix."""
    found, f = fields("graph_poisson")
    assert (found.steady_state.linear, found.steady_state.spd) == (True, True)
    n, m2, w = 61, 0.4, 1.3
    path = tuple((i + 1, i) for i in range(n - 1))
    numbers = {sp.Symbol("m2"): m2} | {sp.Symbol(f"w{e}"): w for e in range(n - 1)}
    rates = [rate.xreplace(numbers) for rate in at(found.equations[f["phi"]], path)]
    symbols = [sp.Symbol(f"phi{i}") for i in range(n)]
    matrix = -sp.Matrix([[rate.diff(s) for s in symbols] for rate in rates])
    source = np.zeros(n)
    source[n // 2] = 1
    phi = np.linalg.solve(np.array(matrix, dtype=float), source)
    z = (2 + m2 / w - math.sqrt((2 + m2 / w) ** 2 - 4)) / 2
    assert np.allclose(phi[n // 2 : n // 2 + 12], phi[n // 2] * z ** np.arange(12), atol=1e-7)

    made = layer("graph_poisson", m2=m2)
    made.rtol = 1e-12
    given = torch.as_tensor(source)[None, None]
    along = made(s=given, w=torch.full((n - 1,), w, dtype=torch.float64), edge_index=index(path))
    near(along.phi[0, 0], phi, 1e-10)
    pairs = torch.zeros(n, n, dtype=torch.float64)
    tail, head = index(path)
    pairs[tail, head] = pairs[head, tail] = w
    dense = made(s=given, w=pairs)
    near(dense.phi[0, 0], phi, 1e-13)
    assert along.iterations.item() > 0 == dense.iterations.item()
    # What the source puts in, the screening takes out.
    near(m2 * dense.phi.sum(-1), given.sum(-1), 1e-12)


def graph_heat() -> None:
    """Heat flows from hot to cold, c_i T_i' = kappa (1/T_i - 1/T_j): energy constant, entropy growing to the state of
    one temperature."""
    found, f = fields("graph_heat")
    first, second = at(found.equations[f["e"]], ((1, 0),))
    e0, e1, c0, c1, kappa = sp.symbols("e0 e1 c0 c1 kappa0")
    assert sp.expand(first - kappa * (c0 / e0 - c1 / e1)) == 0
    assert sp.expand(first + second) == 0
    produced = c0 / e0 * first + c1 / e1 * second
    assert sp.expand(produced - kappa * (c0 / e0 - c1 / e1) ** 2) == 0

    n = 6
    capacity = torch.linspace(0.5, 2, n, dtype=torch.float64)
    made = layer("graph_heat", channels=2, sizes={"nodes": n, "edges": n}, c=capacity, steps=100, dt=0.02)
    e = 1 + rough(3, 2, n).abs()
    edge_index, entropy = index(ring(n)), []
    state = made(e, edge_index=edge_index)
    for _ in range(40):
        near(state.e.sum(-1), e.sum(-1), 1e-12)
        entropy.append(made.entropy(state, edge_index=edge_index))
        state = made(state.e, edge_index=edge_index)
    assert (torch.stack(entropy).diff(dim=0) > -1e-12).all()
    # The slowest rate is about 1/(c T^2) >= 1/4, and the time is 80.
    near(state.e, e.sum(-1, keepdim=True) * capacity / capacity.sum(), 1e-7)


CHECKS = (graph_diffusion, spring_network, graph_kuramoto, graph_poisson, graph_heat)
