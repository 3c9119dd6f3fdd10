"""A random system of a cell."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import sympy as sp

import metrigen as mg
from metrigen import (
    Dissipation,
    Field,
    Graph,
    Input,
    Lattice,
    Param,
    System,
    energy_density,
    grad,
    mix,
    momentum,
    t,
    total,
)
from tests.fuzzing.cells import IMPLICIT, LATTICES, STEADY, SYMPLECTIC, Cell

AXES = sp.symbols("x y z", real=True)


def system_of(cell: Cell, seed: int) -> System:
    """The system of a cell drawn with ``seed``."""
    draw = random.Random(f"{cell} {seed}")
    if cell.domain == "sequence":
        return _cell_of_tokens(cell, draw)
    if cell.domain == "graph":
        return _on_a_graph(cell, draw)
    domain = Lattice(*AXES[: LATTICES[cell.domain]], boundary=cell.wall,
                     average="harmonic" if cell.feature == "harmonic" else "arithmetic",
                     spacing=sp.Rational(draw.choice((1, 3)), 2) if cell.feature == "spacing" else 1)  # fmt: skip
    if cell.method in STEADY:
        return _steady(cell, draw, domain)
    if cell.feature in _SPECIAL:
        return _SPECIAL[cell.feature](cell, draw, domain)
    if cell.method in SYMPLECTIC or (cell.feature != "weights" and draw.random() < 0.5):
        return _oscillators(cell, draw, domain)
    return _descent(cell, draw, domain)


def integrator(cell: Cell, draw: random.Random) -> object:
    if cell.method in STEADY:
        return mg.SteadyState(solver=cell.method, rtol=1e-11, max_iter=2000)
    dt = draw.choice((sp.Rational(1, 50), Param("dt", positive=True, init=0.02)))
    return getattr(mg, cell.method)(steps=2 if cell.method in IMPLICIT else 3, dt=dt)


def coefficient(draw: random.Random, name: str) -> sp.Expr:
    """A positive number or parameter."""
    return draw.choice(
        (sp.S.One, sp.Rational(1, 2), Param(name, per="channel", positive=True), Param(name, positive=True, init=0.5))
    )


def potential(cell: Cell, draw: random.Random, domain: object, fields: Sequence[sp.Expr]) -> sp.Expr:
    """An energy that is bounded below, with what the feature asks for."""
    q = fields[0]
    energy = sum((coefficient(draw, f"m{i}") * u**2 / 2 for i, u in enumerate(fields)), sp.S.Zero)
    if isinstance(domain, Lattice) and domain.axes:
        energy += stiffness(cell, draw, domain) * sum(grad(u).square for u in fields) / 2
    energy += draw.choice((0, coefficient(draw, "lam") * q**4 / 4, q**4 * q**2 / 6, (q**2 - 1) ** 2 / 8))
    if len(fields) > 1:
        energy += draw.choice((q**2 * fields[1] ** 2 / 2, (q - fields[1]) ** 2 / 4, q * fields[1] / 3))
    return energy + _extra(cell, draw, domain, q)


def stiffness(cell: Cell, draw: random.Random, domain: Lattice) -> sp.Expr:
    k, w = Input("k", domain, positive=True), Input("w", domain, positive=True)
    if cell.feature == "harmonic":
        return draw.choice((k, k + w, k * w / 2, 1 / (1 + k), (1 + k) * w))
    return draw.choice((coefficient(draw, "c2"), k)) if cell.feature == "inputs" else coefficient(draw, "c2")


def _extra(cell: Cell, draw: random.Random, domain: object, q: sp.Expr) -> sp.Expr:
    if cell.feature == "channels":
        K = Param("K", shape=("C", "C"), symmetric=True)
        return q * mix(K, q) / 2 + draw.choice((0, total(q) ** 2 / 8))
    if cell.feature == "inputs":
        return -Input("s", domain) * draw.choice((q, sp.sin(q)))
    if cell.feature == "site":
        return Param("a", per="site", positive=True, init=0.5) * draw.choice((q**2, sp.cosh(q), q**4)) / 2
    if cell.feature == "functions":
        return function(draw, q, 2)
    if cell.feature == "gradients":
        return gradients(draw, domain, q)
    if cell.feature == "orders":
        x = domain.axes[0]  # type: ignore[attr-defined]
        y = domain.axes[-1]  # type: ignore[attr-defined]
        return (
            draw.choice((q.diff(x, 2) ** 2, q.diff(x, y) ** 2, q.diff(x, 2) * q.diff(y, 2), q**2 * q.diff(x, 2) ** 2))
            / 8
        )
    if cell.feature == "learned":
        return mg.NeuralFunction("V", q)
    return sp.S.Zero


def gradients(draw: random.Random, domain: object, q: sp.Expr) -> sp.Expr:
    square = grad(q).square
    if isinstance(domain, Graph):
        return square**2 / 8
    x, y = domain.axes[0], domain.axes[-1]  # type: ignore[attr-defined]
    return draw.choice(
        ((1 + q**2) * square / 4, square**2 / 8, q.diff(x) * q.diff(y) / 4, sp.sqrt(1 + square), q**2 * square / 2,
         square / (2 + q**2), sp.cos(q.diff(x)) / 4)
    )  # fmt: skip


def function(draw: random.Random, u: sp.Expr, depth: int) -> sp.Expr:
    """A smooth function of u with bounded slopes where u is of size one."""
    inner = u if depth == 0 else draw.choice((u, function(draw, u, depth - 1)))
    return draw.choice(
        (sp.cos(inner), sp.sin(inner), sp.sqrt(1 + inner**2), sp.log(2 + sp.cos(inner)), sp.tanh(inner),
         sp.exp(-(inner**2)), sp.Max(inner, 0) ** 2 / 2, sp.Abs(inner) ** 3, 1 / (1 + inner**2), sp.log(sp.cosh(inner)),
         sp.atan(inner))
    )  # fmt: skip


def names(cell: Cell, domain: object) -> tuple[sp.Expr, ...]:
    return tuple(Field(n, domain) for n in ("q", "r")[: 2 if cell.feature in ("pair", "symmetry") else 1])


def _finish(cell: Cell, draw: random.Random, domain: object, **parts: object) -> System:
    readout = draw.choice((energy_density(), None))
    if "lagrangian" in parts and not isinstance(domain, Graph) and draw.random() < 0.6:
        readout = mg.stress_energy(normalise=draw.choice((None, "amplitude")))
    return System("fuzzed", domain, integrator=integrator(cell, draw), readout=readout, **parts)  # type: ignore[arg-type]


def _oscillators(cell: Cell, draw: random.Random, domain: object) -> System:
    fields = names(cell, domain)
    energy = potential(cell, draw, domain, fields)
    parts: dict[str, object] = {}
    if cell.feature == "symmetry":
        q, r = fields
        square = q**2 + r**2
        energy = square / 2 + square**2 / 8
        if domain.axes:  # type: ignore[attr-defined]
            energy += (grad(q).square + grad(r).square) / 2
        parts["symmetries"] = {"phase": {q: -r, r: q}}
    kinetic = sum(u.diff(t) ** 2 / 2 for u in fields)
    if cell.feature == "damped":
        gamma = Param("gamma", per=draw.choice(("scalar", "channel")), nonnegative=True, init=0.3)
        pi = momentum(fields[0])
        parts["metric"] = lambda F, G: gamma * F[pi] * G[pi]
        if cell.feature == "damped" and draw.random() < 0.4:
            B = Param("B", shape=("C", "C"), antisymmetric=True)
            q = fields[0]
            parts["bracket"] = lambda F, G: F[q] * G[pi] - F[pi] * G[q] + F[pi] * mix(B, G[pi])
    return _finish(cell, draw, domain, lagrangian=kinetic - energy, **parts)


def _descent(cell: Cell, draw: random.Random, domain: object) -> System:
    fields = names(cell, domain)
    q = fields[0]
    weight: sp.Expr = sp.S.One
    if cell.feature == "weights":
        weight = draw.choice((1 + q**2, sp.exp(q) / 2, q**2, q, Param("g", positive=True)))
    parts: list[tuple[sp.Expr, Callable]] = [(weight, lambda F, u=u: F[u]) for u in fields]
    if isinstance(domain, Lattice) and domain.axes and cell.feature in ("weights", "plain") and draw.random() < 0.5:
        parts = [(weight / 20, lambda F, x=x: F[q].diff(x)) for x in domain.axes]
    return _finish(cell, draw, domain, fields=fields, hamiltonian=potential(cell, draw, domain, fields),
                   metric=Dissipation(*parts))  # fmt: skip


def _steady(cell: Cell, draw: random.Random, domain: Lattice) -> System:
    u, s = Field("q", domain), Input("s", domain)
    m2 = Input("m2", domain, positive=True) if cell.feature == "inputs" else coefficient(draw, "m0")
    if cell.feature == "site":
        m2 = Param("a", per="site", positive=True, init=0.5)
    energy = m2 * u**2 / 2 - s * u
    if domain.axes:
        energy += stiffness(cell, draw, domain) * grad(u).square / 2
    if cell.method == "newton":
        energy += draw.choice((u**4 / 4, sp.cosh(u), sp.sqrt(1 + u**2)))
    if cell.method == "monotone":
        energy = energy.xreplace({s: Input("s", domain, nonnegative=True)})
    return _finish(cell, draw, domain, fields=(u,), hamiltonian=energy, metric=Dissipation((1, lambda F: F[u])))


def _poisson(cell: Cell, draw: random.Random, domain: Lattice) -> System:
    """A bracket that is no canonical one: a derivative, a rotation algebra, or a weight of the state."""
    if domain.axes and draw.random() < 0.5:
        u, x = Field("q", domain), draw.choice(domain.axes)
        energy = u**2 / 2 + coefficient(draw, "lam") * u**4 / 12 + draw.choice((0, u.diff(x) ** 2 / 2))
        weight = draw.choice((sp.S.One, u, Param("b", per="channel")))
        bracket = lambda F, G: weight * (F[u] * G[u].diff(x) - G[u] * F[u].diff(x)) / 2
        return _finish(cell, draw, domain, fields=(u,), hamiltonian=energy, bracket=bracket, almost_poisson=True)
    a, b, c = (Field(n, domain) for n in "abc")
    energy = a**2 / 2 + b**2 + coefficient(draw, "i3") * c**2 / 3 + draw.choice((0, a * b / 5, sp.cos(c)))
    lie = lambda F, G: (
        a * (F[b] * G[c] - F[c] * G[b]) + b * (F[c] * G[a] - F[a] * G[c]) + c * (F[a] * G[b] - F[b] * G[a])
    )
    return _finish(cell, draw, domain, fields=(a, b, c), hamiltonian=energy, bracket=lie)


def _entropy(cell: Cell, draw: random.Random, domain: Lattice) -> System:
    """Friction that heats: the energy is constant, the entropy grows."""
    q, p, s = (Field(n, domain) for n in ("q", "p", "s"))
    energy = p**2 / 2 + q**2 / 2 + draw.choice((0, q**4 / 4)) + sp.exp(s)
    if domain.axes:
        energy += coefficient(draw, "c2") * grad(q).square / 2
    gamma = Param("gamma", nonnegative=True, init=0.5)
    metric = Dissipation((gamma * sp.exp(s), lambda F: F[p] - p * sp.exp(-s) * F[s]))
    return _finish(cell, draw, domain, fields=(q, p, s), hamiltonian=energy, entropy=s, metric=metric,
                   bracket=lambda F, G: F[q] * G[p] - F[p] * G[q])  # fmt: skip


def _constraint(cell: Cell, draw: random.Random, domain: Lattice) -> System:
    """An auxiliary field that is solved for in every step."""
    u, psi = Field("q", domain), Field("psi", domain)
    screening = draw.choice((1, Param("m2", positive=True)))
    residual = sum((psi.diff(x, 2) for x in domain.axes), sp.S.Zero) - screening * psi + u
    return _finish(cell, draw, domain, fields=(u,), hamiltonian=u**2 / 2 + psi * u / 2, constraints={psi: residual},
                   metric=Dissipation((1, lambda F: F[u])))  # fmt: skip


_SPECIAL = {"poisson": _poisson, "entropy": _entropy, "constraint": _constraint}


def _on_a_graph(cell: Cell, draw: random.Random) -> System:
    graph = Graph()
    fields = names(cell, graph)
    q = fields[0]
    edge: sp.Expr = Input("w", graph.edges, nonnegative=True)
    if cell.feature == "edges":
        edge = draw.choice((Param("k", per="edge", nonnegative=True, init=0.7), edge * Param("c", positive=True)))
    stiff = sum(edge * grad(u).square / 2 for u in fields)
    if cell.method == "cg":
        m2 = Param("a", per="site", positive=True, init=0.4) if cell.feature == "site" else coefficient(draw, "m0")
        energy = stiff + m2 * q**2 / 2 - Input("s", graph) * q
        return _finish(cell, draw, graph, fields=(q,), hamiltonian=energy, metric=Dissipation((1, lambda F: F[q])))
    if cell.method in SYMPLECTIC:
        energy = potential(cell, draw, graph, fields) + stiff
        pi = momentum(q)
        gamma = Param("gamma", nonnegative=True, init=0.2)
        parts = {"metric": lambda F, G: gamma * F[pi] * G[pi]} if cell.feature == "damped" else {}
        return _finish(cell, draw, graph, lagrangian=sum(u.diff(t) ** 2 / 2 for u in fields) - energy, **parts)
    return _finish(cell, draw, graph, fields=fields, hamiltonian=potential(cell, draw, graph, fields) + stiff,
                   metric=Dissipation(*((1, lambda F, u=u: F[u]) for u in fields)))  # fmt: skip


def _cell_of_tokens(cell: Cell, draw: random.Random) -> System:
    tokens = mg.Sequence()
    q, p = Field("q", tokens), Field("p", tokens)
    f, h = Input("f", tokens), Input("f_p", tokens)
    omega, lam = Input("omega", tokens), Input("lam", tokens, nonnegative=True)
    step = draw.choice((mg.Exponential(), mg.Exponential(dt=Param("dt", positive=True, init=0.5))))
    if cell.feature == "single":
        a = Param("a", per="channel", positive=True)
        return System("fuzzed", tokens, fields=(q,), hamiltonian=a * q**2 / 2 - f * q, integrator=step,
                      readout=energy_density(),
                      metric=Dissipation((Param("k", positive=True), lambda F: F[q])))  # fmt: skip
    drive = sp.tanh(f) if cell.feature == "functions" else f
    energy = (q**2 + p**2) / 2 - drive * q - (h * p if cell.feature == "inputs" else 0)
    metric = lambda F, G: lam * (F[q] * G[q] + F[p] * G[p])
    turn = lambda F, G: omega * (F[q] * G[p] - F[p] * G[q])
    if cell.feature == "constant":
        a, g = Param("a", per="channel", positive=True), Param("g", per="channel", nonnegative=True)
        energy = (a * q**2 + p**2) / 2 - f * q
        metric, turn = (lambda F, G: g * F[p] * G[p]), mg.canonical((q, p))
    elif cell.feature == "coupled":
        B = Param("B", shape=("C", "C"), antisymmetric=True, block=2)
        plain = turn
        turn = lambda F, G: plain(F, G) + F[q] * mix(B, G[q]) + F[p] * mix(B, G[p])
    return System("fuzzed", tokens, fields=(q, p), hamiltonian=energy, bracket=turn, metric=metric, integrator=step,
                  readout=draw.choice((energy_density(), None)))  # fmt: skip
