"""Textbook systems with known structure, as functions that make them anew."""

from __future__ import annotations

import sympy as sp

from metrigen import Dissipation, Field, Input, Lattice, NeuralFunction, Param, System, diffusion, grad, momentum, t

x, y, z = sp.symbols("x y z", real=True)
LINE, PLANE, SPACE, POINT = Lattice(x), Lattice(x, y), Lattice(x, y, z), Lattice()


def field(name: str, domain: Lattice = LINE):
    return Field(name, domain)


def klein_gordon(**parts) -> System:
    phi, c2, m2 = field("phi"), Param("c2", positive=True), Param("m2", nonnegative=True)
    return System("kg", LINE, lagrangian=phi.diff(t) ** 2 / 2 - c2 * phi.diff(x) ** 2 / 2 - m2 * phi**2 / 2, **parts)


def damped(**parts) -> System:
    pi, gamma = momentum(field("phi")), Param("gamma", nonnegative=True)
    return klein_gordon(metric=lambda F, G: gamma * F[pi] * G[pi], **parts)


def phi4(**parts) -> System:
    phi, lam, v = field("phi", PLANE), Param("lam", nonnegative=True), Param("v", positive=True)
    lagrangian = phi.diff(t) ** 2 / 2 - grad(phi).square / 2 - lam * (phi**2 - v**2) ** 2 / 4
    return System("phi4", PLANE, lagrangian=lagrangian, **parts)


def sine_gordon(**parts) -> System:
    phi = field("phi")
    return System("sg", LINE, lagrangian=phi.diff(t) ** 2 / 2 - phi.diff(x) ** 2 / 2 - 1 + sp.cos(phi), **parts)


def beam(**parts) -> System:
    w, EI = field("w"), Param("EI", positive=True)
    return System("beam", LINE, lagrangian=w.diff(t) ** 2 / 2 - EI * w.diff(x, 2) ** 2 / 2, **parts)


def schroedinger(**parts) -> System:
    a, b, g = field("a"), field("b"), Param("g")
    lagrangian = b * a.diff(t) - a * b.diff(t) - a.diff(x) ** 2 / 2 - b.diff(x) ** 2 / 2 - g * (a**2 + b**2) ** 2 / 4
    return System("nls", LINE, lagrangian=lagrangian, **parts)


def kdv(**parts) -> System:
    u = field("u")
    return System(
        "kdv", LINE, (u,), hamiltonian=u.diff(x) ** 2 / 2 + u**3, bracket=lambda F, G: F[u] * G[u].diff(x), **parts
    )


def kdv_second_bracket(F, G):
    u = field("u")
    g = G[u]
    return -F[u] * (g.diff(x, 3) + 4 * u * g.diff(x) + 2 * u.diff(x) * g)


def kdv2(**parts) -> System:
    return System("kdv2", LINE, (field("u"),), hamiltonian=field("u") ** 2 / 2, bracket=kdv_second_bracket, **parts)


def burgers(**parts) -> System:
    u = field("u")
    return System(
        "burgers",
        LINE,
        (u,),
        hamiltonian=u**2 / 2,
        bracket=lambda F, G: -F[u] * (2 * u * G[u].diff(x) + u.diff(x) * G[u]) / 3,
        **parts,
    )


def shallow_water(**parts) -> System:
    u = field("u")
    h = sp.Function("h", positive=True)(t, x)
    g = Param("g", positive=True)
    return System(
        "shallow",
        LINE,
        (h, u),
        hamiltonian=h * u**2 / 2 + g * h**2 / 2,
        bracket=lambda F, G: -F[h] * G[u].diff(x) - F[u] * G[h].diff(x),
        **parts,
    )


def rigid_body(**parts) -> System:
    L = [field(f"L{i}", POINT) for i in range(3)]
    inertia = [Param(f"I{i}", positive=True) for i in range(3)]

    def bracket(F, G):
        f, g = sp.Matrix([F[v] for v in L]), sp.Matrix([G[v] for v in L])
        return -sp.Matrix(L).dot(f.cross(g))

    energy = sp.Add(*(v**2 / (2 * i) for v, i in zip(L, inertia, strict=True)))
    return System("rigid", POINT, tuple(L), hamiltonian=energy, bracket=bracket, **parts)


def curl(v):
    return [v[2].diff(y) - v[1].diff(z), v[0].diff(z) - v[2].diff(x), v[1].diff(x) - v[0].diff(y)]


def maxwell(**parts) -> System:
    E = [field(f"E{i}", SPACE) for i in range(3)]
    B = [field(f"B{i}", SPACE) for i in range(3)]

    def bracket(F, G):
        def half(P, Q):
            return sp.Add(*(P[e] * c for e, c in zip(E, curl([Q[b] for b in B]), strict=True)))

        return half(F, G) - half(G, F)

    energy = sp.Add(*(v**2 / 2 for v in (*E, *B)))
    return System("maxwell", SPACE, (*E, *B), hamiltonian=energy, bracket=bracket, **parts)


def vorticity(**parts) -> System:
    """2D Euler with a prescribed stream function: dH/dw = -psi."""
    w, psi = field("w", PLANE), Input("psi", PLANE, time_dependent=True)
    return System(
        "euler2d",
        PLANE,
        (w,),
        hamiltonian=-psi * w,
        bracket=lambda F, G: w * (F[w].diff(x) * G[w].diff(y) - F[w].diff(y) * G[w].diff(x)),
        **parts,
    )


def heat(**parts) -> System:
    u, k = field("u", PLANE), Param("k", positive=True)
    metric = Dissipation((1, lambda F: F[u]))
    return System("heat", PLANE, (u,), hamiltonian=k * grad(u).square / 2, metric=metric, **parts)


def allen_cahn(**parts) -> System:
    u, eps = field("u", PLANE), Param("eps", positive=True)
    energy = eps * grad(u).square / 2 + (u**2 - 1) ** 2 / 4
    return System("ac", PLANE, (u,), hamiltonian=energy, metric=lambda F, G: F[u] * G[u], **parts)


def cahn_hilliard(**parts) -> System:
    u, eps, m = field("u", PLANE), Param("eps", positive=True), Param("m", positive=True)
    energy = eps * grad(u).square / 2 + (u**2 - 1) ** 2 / 4
    return System("ch", PLANE, (u,), hamiltonian=energy, metric=lambda F, G: m * grad(F[u]).dot(grad(G[u])), **parts)


def friction_heat(**parts) -> System:
    """A damped oscillator field whose lost energy heats a scalar e at temperature T = e: the GENERIC form."""
    q, p = field("q"), field("p")
    e = sp.Function("e", positive=True)(t, x)
    gamma = Param("gamma", nonnegative=True)
    parts = {
        "bracket": lambda F, G: F[q] * G[p] - F[p] * G[q],
        "metric": Dissipation((gamma * e, lambda F: F[p] - p * F[e])),
        **parts,
    }
    return System("generic", LINE, (q, p, e), hamiltonian=p**2 / 2 + q.diff(x) ** 2 / 2 + e, entropy=sp.log(e), **parts)


def gas(**parts) -> System:
    """Compressible gas (rho, m, s), energy m^2/2rho + rho^2 exp(s/rho)/... on a line: Lie-Poisson."""
    rho = sp.Function("rho", positive=True)(t, x)
    m, s = field("m"), field("s")

    def half(P, Q):
        return sp.Add(*(r * P[m] * Q[r].diff(x) for r in (rho, m, s)))

    return System(
        "gas",
        LINE,
        (rho, m, s),
        hamiltonian=m**2 / (2 * rho) + rho**2 * sp.exp(s / rho),
        bracket=lambda F, G: -(half(F, G) - half(G, F)),
        **parts,
    )


TEXTBOOK = (
    klein_gordon, damped, phi4, sine_gordon, beam, schroedinger, kdv, kdv2, burgers, shallow_water, rigid_body,
    maxwell, vorticity, heat, allen_cahn, cahn_hilliard, friction_heat, gas,
)  # fmt: skip


def learned(**parts) -> System:
    u, w = field("u"), Input("w", LINE)
    M, W = NeuralFunction("M", u, w), NeuralFunction("W", u)
    return System("learned", LINE, fields=(u,), hamiltonian=W + u.diff(x) ** 2 / 2, metric=diffusion(M, u), **parts)
