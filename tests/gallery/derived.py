"""Systems of the gallery that are derived and not built: their equations against the literature, exact solutions put
in."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

import networkx
import numpy as np
import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen import Derivation, t
from metrigen.physics.incidence import written_out
from metrigen.physics.jets import to_jets
from metrigen.physics.zero import is_zero
from tests.gallery.layers import derivation

x, y = sp.symbols("x y", real=True)


def fields(name: str) -> tuple[Derivation, dict[str, AppliedUndef]]:
    """The derivation and its state and auxiliary fields by name."""
    found = derivation(name)
    return found, {u.func.__name__: u for u in (*found.fields, *found.constraints)}


def params(found: Derivation) -> dict[str, sp.Symbol]:
    symbols = {s for rate in found.equations.values() for s in rate.free_symbols}
    symbols |= {s for residual in found.constraints.values() for s in residual.free_symbols}
    return {s.name: s for s in symbols}


def put_in(expr: sp.Expr, values: Mapping[AppliedUndef, sp.Expr]) -> sp.Expr:
    """An expression with functions in the place of its fields, derivatives carried out."""
    return sp.expand(expr.subs(values).doit())


def same(a: sp.Expr, b: sp.Expr) -> None:
    assert is_zero(to_jets(sp.sympify(a).doit()) - to_jets(sp.sympify(b).doit())), (a, b)


def jacobian(f: sp.Expr, g: sp.Expr) -> sp.Expr:
    return f.diff(x) * g.diff(y) - f.diff(y) * g.diff(x)


def laplacian(f: sp.Expr) -> sp.Expr:
    return f.diff(x, 2) + f.diff(y, 2)


def ring(n: int) -> tuple[tuple[int, int], ...]:
    """(head, tail) of the edges of a ring."""
    return tuple(((i + 1) % n, i) for i in range(n))


def at(expr: sp.Expr, edges: tuple[tuple[int, int], ...]) -> list[sp.Expr]:
    """The values of an expression at the nodes (or on the edges) of a graph; u at node 2 is the symbol u2."""
    values = written_out(to_jets(expr), edges)
    names = {s: sp.Symbol(re.sub(r"\[[0,]*\]@", "", s.name).replace("@", "")) for v in values for s in v.free_symbols}
    return [v.xreplace(names) for v in values]


def graph_diffusion() -> None:
    """u' = -L u with L = D - A of a random graph; the sum of u is constant, each edge loses w (u_i - u_j)^2."""
    found, f = fields("graph_diffusion")
    graph = networkx.random_regular_graph(3, 8, seed=1)
    edges = tuple(graph.edges)
    for e, edge in enumerate(edges):
        graph.edges[edge]["weight"] = e + 1
    rates = at(found.equations[f["u"]], edges)
    numbers = {sp.Symbol(f"w{e}"): e + 1 for e in range(len(edges))}
    matrix = [[-rate.xreplace(numbers).diff(sp.Symbol(f"u{j}")) for j in range(8)] for rate in rates]
    adjacency = networkx.to_numpy_array(graph, nodelist=range(8))
    assert matrix == (np.diag(adjacency.sum(0)) - adjacency).astype(int).tolist()
    assert sp.expand(sum(rates)) == 0
    lost = sum(at(found.sources[t], edges))
    expected = -sum(
        sp.Symbol(f"w{e}") * (sp.Symbol(f"u{a}") - sp.Symbol(f"u{b}")) ** 2 for e, (a, b) in enumerate(edges)
    )
    assert sp.expand(lost - expected) == 0


def spring_network() -> None:
    """A ring of equal springs: w^2 = a + 4 k sin^2(pi m / n); energy flows along a spring as force times velocity."""
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


def graph_kuramoto() -> None:
    """theta_i' = omega_i + sum_j K_ij sin(theta_j - theta_i); two oscillators lock where sin = (w1 - w2)/(2 K)."""
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


def graph_poisson() -> None:
    """On a long path a source decays by z per node, z + 1/z = 2 + m2/w; linear and positive definite."""
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


def graph_heat() -> None:
    """Heat flows from hot to cold, c_i T_i' = kappa (1/T_i - 1/T_j): energy constant, entropy growing."""
    found, f = fields("graph_heat")
    first, second = at(found.equations[f["e"]], ((1, 0),))
    e0, e1, c0, c1, kappa = sp.symbols("e0 e1 c0 c1 kappa0")
    assert sp.expand(first - kappa * (c0 / e0 - c1 / e1)) == 0
    assert sp.expand(first + second) == 0
    produced = c0 / e0 * first + c1 / e1 * second
    assert sp.expand(produced - kappa * (c0 / e0 - c1 / e1) ** 2) == 0


CHECKS = (
    graph_diffusion, spring_network,
    graph_kuramoto, graph_poisson, graph_heat,
)  # fmt: skip
