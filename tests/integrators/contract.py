"""What is asked of every method: the systems that it is tried on, and what it says of itself against what it does.

Steps are run by the interpreter, so that no package is built; ``dt`` may be negative there.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import sympy as sp

from metrigen import (
    Composed,
    Derivation,
    Dissipation,
    Field,
    Graph,
    Input,
    Lattice,
    SpecError,
    SteadyState,
    Strang,
    System,
    derive,
    grad,
    t,
)
from metrigen.discretise.arrays import dynamics
from metrigen.discretise.dynamics import after
from metrigen.ir.interpreter import run
from metrigen.ir.nodes import Program
from metrigen.ir.queries import equations_in
from metrigen.spec.contracts import Method
from metrigen.spec.domain import Sequence
from tests.integrators.systems import DT, POINT, hot_wave, x
from tests.sequence.systems import cell

if TYPE_CHECKING:
    from metrigen.discretise.base import Made

RING = Lattice(x)
MAKE: Mapping[type[Method], Callable[[], Method]] = {
    SteadyState: SteadyState, Composed: lambda: Composed(Strang(1, DT)),
}  # fmt: skip
ORDER_SLACK, SITES = 0.25, 8


def made(kind: type[Method]) -> Method:
    """A method of that kind, with one step of ``DT`` where it steps."""
    return MAKE.get(kind, lambda: kind(1, DT))()  # type: ignore[call-arg]


def anharmonic(method: Method, damped: bool = False) -> System:
    """q'' = -q - q^3, with friction or without."""
    q, p = Field("q", POINT), Field("p", POINT)
    return System(
        "anharmonic", POINT, (q, p), hamiltonian=p**2 / 2 + q**2 / 2 + q**4 / 4, integrator=method,
        bracket=lambda F, G: F[q] * G[p] - F[p] * G[q], metric=(lambda F, G: F[p] * G[p] / 3) if damped else None,
    )  # fmt: skip


def driven(method: Method, damped: bool = False) -> System:
    """q'' = -(1 + cos(3 t)/2) q - q^3 + sin(2 t), with friction that moves too or without."""
    q, p = Field("q", POINT), Field("p", POINT)
    rate = (1 + sp.cos(t) / 2) / 3
    return System(
        "driven", POINT, (q, p), integrator=method, bracket=lambda F, G: F[q] * G[p] - F[p] * G[q],
        hamiltonian=p**2 / 2 + (1 + sp.cos(3 * t) / 2) * q**2 / 2 + q**4 / 4 - sp.sin(2 * t) * q,
        metric=(lambda F, G: rate * F[p] * G[p]) if damped else None,
    )  # fmt: skip


def pulled(method: Method) -> System:
    """u' = -(1 + cos(t)/2) (u^3/3 + u/2 - sin(t))."""
    u = Field("u", POINT)
    rule = Dissipation((1 + sp.cos(t) / 2, lambda F: F[u]))
    energy = u**4 / 12 + u**2 / 4 - sp.sin(t) * u
    return System("pulled", POINT, (u,), hamiltonian=energy, metric=rule, integrator=method)


def planar(method: Method) -> System:
    """A charge in a plane, turned by a field: the bracket is not canonical."""
    q, r, p, s = (Field(name, POINT) for name in "qrps")
    pairs = lambda F, G: F[q] * G[p] - F[p] * G[q] + F[r] * G[s] - F[s] * G[r]
    return System(
        "planar", POINT, (q, r, p, s), hamiltonian=(p**2 + s**2 + q**4 + q**2 * r**2 + r**2) / 2, integrator=method,
        bracket=lambda F, G: pairs(F, G) + (F[p] * G[s] - F[s] * G[p]),
    )  # fmt: skip


def body(method: Method) -> System:
    """A rigid body: no pairs at all."""
    a, b, c = (Field(name, POINT) for name in "abc")
    turn = lambda F, G: (
        a * (F[b] * G[c] - F[c] * G[b]) + b * (F[c] * G[a] - F[a] * G[c]) + c * (F[a] * G[b] - F[b] * G[a])
    )
    return System("body", POINT, (a, b, c), hamiltonian=a**2 / 2 + b**2 / 4 + c**2 / 6, bracket=turn, integrator=method)


def descent(method: Method) -> System:
    """u' = -u^3 - u."""
    u = Field("u", POINT)
    rule = Dissipation((1, lambda F: F[u]))
    return System("descent", POINT, (u,), hamiltonian=u**2 / 2 + u**4 / 4, metric=rule, integrator=method)


def ring(method: Method, damped: bool = False) -> System:
    """A linear wave on a ring, with friction or without."""
    u = Field("u", RING)
    p = Field("p", RING)
    return System(
        "ring", RING, (u, p), hamiltonian=p**2 / 2 + grad(u).square / 2 + u**2 / 4, integrator=method,
        bracket=lambda F, G: F[u] * G[p] - F[p] * G[u], metric=(lambda F, G: F[p] * G[p] / 5) if damped else None,
    )  # fmt: skip


def heat(method: Method) -> System:
    u = Field("u", RING)
    rule = Dissipation((1, lambda F: F[u]))
    return System("heat", RING, (u,), hamiltonian=grad(u).square / 2 + u**2 / 8, metric=rule, integrator=method)


def edges(method: Method) -> System:
    """Diffusion along the edges of a graph: its metric couples the nodes."""
    graph = Graph()
    u, w = Field("u", graph), Input("w", graph.edges, nonnegative=True)
    rule = Dissipation((w, lambda F: grad(F[u])[0]))
    return System("edges", graph, (u,), hamiltonian=u**2 / 2, metric=rule, integrator=method)


POOL: Mapping[str, Callable[[Method], System]] = {
    "anharmonic": anharmonic, "damped": lambda method: anharmonic(method, damped=True), "planar": planar, "body": body,
    "descent": descent, "ring": ring, "damped ring": lambda method: ring(method, damped=True), "heat": heat,
    "hot": lambda method: hot_wave("neumann", method), "edges": edges,
    "tokens": lambda method: cell("tokens", integrator=method), "driven": driven,
    "driven damped": lambda method: driven(method, damped=True), "pulled": pulled,
}  # fmt: skip
POINTS = ("anharmonic", "damped", "planar", "body", "descent", "driven", "driven damped", "pulled")
LINEAR = ("ring", "damped ring", "heat")
KINDS = ("anharmonic", "damped", "body", "descent", "heat", "hot", "edges", "tokens")  # one of everything


@dataclass(frozen=True)
class Outcome:
    """What becomes of a method on a system: why it is refused, or what it makes."""

    refused: tuple[str, str, str] | None = None
    limit: sp.Expr | None = None
    programs: Made | None = None


def outcome(method: Method, name: str, *called: str) -> Outcome:
    """``called``: names that messages have for the class, which are taken out of them."""
    try:
        derivation = derive(POOL[name](method))
        programs = None if isinstance(derivation.system.domain, Sequence) else method.programs(dynamics(derivation))
    except SpecError as error:
        texts = [str(part) for part in (error.what, error.why, error.fix)]
        for word in called:
            texts = [text.replace(word, "method") for text in texts]
        return Outcome(refused=(texts[0], texts[1], texts[2]))
    return Outcome(None, derivation.step_limit, programs)


def fitting(kind: type[Method], names: tuple[str, ...]) -> dict[str, Derivation]:
    """The systems of those that a method steps, derived."""
    found = {}
    for name in names:
        try:
            found[name] = derive(POOL[name](made(kind)))
        except SpecError:
            continue
    return found


def step_of(derivation: Derivation) -> Program:
    method = derivation.system.integrator
    assert method is not None
    step = method.programs(dynamics(derivation))
    assert isinstance(step, Program)
    return step


def steps(
    step: Program, state: Mapping[str, np.ndarray], dt: float, count: int, begin: float = 0.3
) -> dict[str, np.ndarray]:
    """``count`` steps of a system whose only parameter is ``dt``, the first at the time ``begin``."""
    now = dict(state)
    for k in range(count):
        ends = run(step, {**now, "dt": np.float64(dt), "t": np.float64(begin + k * dt)})
        now = {name: ends[after(name)] for name in now}
    return now


def start_of(derivation: Derivation) -> dict[str, np.ndarray]:
    """A state (1, 1) of a system at a point, away from rest."""
    return {a.name: np.full((1, 1), 0.9 - 0.35 * k) for k, a in enumerate(dynamics(derivation).state)}


def measured_order(derivation: Derivation) -> float:
    """The rate at which the state at t = 1 converges, by halving the step twice."""
    step, start = step_of(derivation), start_of(derivation)
    counts = (4, 8, 16) if equations_in(step) else (8, 16, 32)
    ends = [np.concatenate([*steps(step, start, 1 / n, n).values()]) for n in counts]
    gaps = [float(np.linalg.norm(a - b)) for a, b in itertools.pairwise(ends)]
    return float(np.log2(gaps[0] / gaps[1]))


def defect_of_reversal(derivation: Derivation) -> float:
    """How far a step of dt and one of -dt, at the time at which that one ended, lead from where they began."""
    step, start = step_of(derivation), start_of(derivation)
    back = steps(step, steps(step, start, 0.2, 1), -0.2, 1, begin=0.5)
    return max(float(np.abs(back[name] - start[name]).max()) for name in start)


def growth(derivation: Derivation, dt: float) -> float:
    """The spectral radius of the step of a linear system on a ring of ``SITES``."""
    names = [a.name for a in dynamics(derivation).state]
    size = len(names) * SITES
    unit = np.eye(size).reshape(size, 1, len(names), SITES)
    ends = steps(step_of(derivation), {name: unit[:, :, k] for k, name in enumerate(names)}, dt, 1)
    matrix = np.stack([ends[name] for name in names], 2).reshape(size, size).T
    return float(np.abs(np.linalg.eigvals(matrix)).max())
