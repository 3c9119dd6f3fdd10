"""Systems that would take hours if every step was carried out: dense, deep, of high degree or order."""

from __future__ import annotations

from collections.abc import Callable

import sympy as sp
from zoo import LINE, PLANE, POINT, SPACE, field, x, y, z

from metrigen import Dissipation, System, t


def some(n: int, domain, name: str = "f") -> tuple:
    return tuple(field(f"{name}{i}", domain) for i in range(n))


def dense_bracket() -> System:
    q = some(12, POINT)
    pairs = [(i, j) for i in range(12) for j in range(i)]

    def bracket(F, G):
        return sum(
            sp.Symbol(f"c{i}_{j}", real=True)
            * q[i * j % 12]
            * q[(i + j) % 12]
            * (F[q[i]] * G[q[j]] - F[q[j]] * G[q[i]])
            for i, j in pairs
        )

    return System("s", POINT, q, hamiltonian=sum(f**2 for f in q) ** 2, bracket=bracket, almost_poisson=True)


def symplectic(entry: Callable[[int, int], sp.Expr]) -> System:
    q = some(12, POINT)

    def bracket(F, G):
        return sum(entry(i, j) * (F[q[i]] * G[q[j]] - F[q[j]] * G[q[i]]) for i in range(12) for j in range(i))

    parts = {"bracket": bracket, "symmetries": {"turn": {q[0]: -q[1], q[1]: q[0]}}}
    return System("s", POINT, q, hamiltonian=sum(f**2 for f in q) ** 2, **parts)


def dense_metric() -> System:
    q = some(10, POINT)

    def metric(F, G):
        entry = lambda i, j: sp.Symbol(f"c{max(i, j)}_{min(i, j)}", real=True) * (1 + q[i] * q[j])
        return sum(entry(i, j) * F[q[i]] * G[q[j]] for i in range(10) for j in range(10))

    return System("s", POINT, q, hamiltonian=sum(f**2 for f in q), metric=metric)


def degree_twelve() -> System:
    q = some(6, LINE)
    energy = (1 + sum(f**2 for f in q) + sum(f.diff(x) ** 2 for f in q)) ** 12
    return System("s", LINE, q, hamiltonian=energy, metric=Dissipation(*((1, lambda F, f=f: F[f]) for f in q)))


def fourth_order_in_space() -> System:
    q = some(6, SPACE)
    laplacian = lambda f: f.diff(x, 2) + f.diff(y, 2) + f.diff(z, 2)

    def half(F, G):
        return sum(q[i] * F[q[i]] * laplacian(laplacian(G[g])) for i in range(6) for g in q)

    parts = {"bracket": lambda F, G: half(F, G) - half(G, F), "almost_poisson": True}
    return System("s", SPACE, q, hamiltonian=sum(f**2 for f in q), **parts)


def nested() -> System:
    u, v = some(2, PLANE)
    e = sp.sin(u * v)
    for _ in range(8):
        e = sp.sin(e * sp.cos(u.diff(x) + e)) + sp.exp(-(v.diff(y) ** 2) * e)
    return System("s", PLANE, (u, v), hamiltonian=e, bracket=lambda F, G: F[u] * G[v] - F[v] * G[u])


def dense_kinetic() -> System:
    q = some(5, POINT)
    mass = lambda i, j: sp.Symbol(f"m{max(i, j)}_{min(i, j)}", real=True) + q[i] * q[j]
    kinetic = sum(mass(i, j) * q[i].diff(t) * q[j].diff(t) for i in range(5) for j in range(5))
    return System("s", POINT, lagrangian=kinetic)


ADVERSARIES: dict[str, Callable[[], System]] = {
    "dense bracket": dense_bracket,
    "numbers": lambda: symplectic(lambda i, j: sp.Integer((i * 7 + j * 3) % 11 + 1)),
    "symbols": lambda: symplectic(lambda i, j: sp.Symbol(f"c{i}_{j}", real=True)),
    "dense metric": dense_metric,
    "degree twelve": degree_twelve,
    "fourth order in space": fourth_order_in_space,
    "nested": nested,
    "dense kinetic": dense_kinetic,
}
