"""The sections of docs/reference/refusals.md: the slug, a spec to change, wrong code and right code of each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tests.conftest import ROOT
from tests.test_bad_input import HEAT, PAIR, STEADY, WAVE
from tests.test_mistakes import BURGERS, POINT

PAGE = ROOT / "docs/reference/refusals.md"

HEAD = "import sympy as sp\nfrom metrigen import *\n"

FLOW = (
    HEAD
    + """
point = Lattice(sp.Symbol("x", real=True))
u = Field("u", point)
system = System(name="flow", domain=point, fields=(u,), hamiltonian=u**2 / 2 + u**4 / 4, metric=diffusion(1, u),
                integrator=ExplicitEuler(steps=1, dt=0.1), readout=energy_density())
"""
)

SPIN = (
    HEAD
    + """
point = Lattice()
a, b, c = (Field(n, point) for n in "abc")
system = System(
    name="spin", domain=point, fields=(a, b, c), hamiltonian=a**2 + b**2 + c**2,
    bracket=lambda F, G: a * (F[a] * G[b] - F[b] * G[a]) + b * (F[b] * G[c] - F[c] * G[b]) + F[a] * G[c] - F[c] * G[a],
    almost_poisson=True,
    integrator=RK4(steps=1, dt=0.01), readout=energy_density(),
)
"""
)

VORTEX = (
    HEAD
    + """
x, y = sp.symbols("x y", real=True)
plane = Lattice(x, y)
w, psi = Field("w", plane), Field("psi", plane)
system = System(
    name="vortex", domain=plane, fields=(w,),
    hamiltonian=grad(psi).square / 2,
    constraints={psi: psi.diff(x, 2) + psi.diff(y, 2) - w},
    bracket=lambda F, G: w * (F[w].diff(x) * G[w].diff(y) - F[w].diff(y) * G[w].diff(x)),
    integrator=RK4(steps=1, dt=0.01), readout=energy_density(),
)
"""
)

STRING = (
    HEAD
    + """
line = Lattice(sp.Symbol("x", real=True))
u = Field("u", line)
system = System(
    name="string", domain=line, lagrangian=u.diff(t) ** 2 / 2 - grad(u).square / 2,
    integrator=Leapfrog(steps=4, dt=0.5),
    readout=energy_density(),
)
"""
)

GRAPH = (
    HEAD
    + """
graph = Graph()
u = Field("u", graph)
system = System(
    name="net",
    domain=graph,
    fields=(u,),
    hamiltonian=grad(u).square / 2,
    metric=lambda F, G: F[u] * G[u],
    integrator=ExplicitEuler(steps=1, dt=0.01), readout=energy_density(),
)
"""
)

SCAN = (
    HEAD
    + """
line = Sequence()
x, f, k = Field("x", line), Input("f", line), Param("k", positive=True)
system = System(
    name="scan",
    domain=line,
    fields=(x,),
    hamiltonian=x**2 / 2 - f * x,
    metric=lambda F, G: k * F[x] * G[x],
    bracket=None,
    integrator=Exponential(dt=1), readout=energy_density(),
)
"""
)

MEMORY = (
    HEAD
    + """
tokens = Sequence()
S = Field("S", tokens, axes=("key", "value"))
k, q = Input("k", tokens, axes=("key",)), Input("q", tokens, axes=("key",))
v, lam = Input("v", tokens, axes=("value",)), Input("lam", tokens, nonnegative=True)
system = System(
    name="memory", domain=tokens, fields=(S,),
    hamiltonian=(contract(k, S) - v) ** 2 / 2 + lam * S**2 / 2,
    metric=lambda F, G: F[S] * G[S],
    integrator=Exponential(), readout=contract(q, S),
)
"""
)

OWN = (
    HEAD
    + '''
from dataclasses import dataclass
from typing import ClassVar
from metrigen.discretise.dynamics import Builder, RightHandSide
from metrigen.integrators.base import TimeStepper

@dataclass(frozen=True)
class Midpoint(TimeStepper):
    order: ClassVar[int] = 2
    keeps: ClassVar[str] = "linear Casimirs"

    def check(self, derivation):
        """Any system."""

    def step(self, dynamics):
        builder, equations = Builder(dynamics), RightHandSide.of(dynamics)
        start = {a.name: dynamics.load(a.name) for a in dynamics.state}
        rates = equations.at(builder, start, dynamics.time)
        half = {n: builder.map(f"{n}__half", start[n] + self.dt * rate / 2) for n, rate in rates.items()}
        rates = equations.at(builder, half, dynamics.time + self.dt / 2)
        return builder.finish({n: start[n] + self.dt * rate for n, rate in rates.items()})

point = Lattice()
u = Field("u", point)
system = System(name="own", domain=point, fields=(u,), hamiltonian=u**4, metric=lambda F, G: F[u] * G[u],
                integrator=Midpoint(steps=1, dt=0.01), readout=energy_density())
'''
)

GRADIENT = (
    HEAD
    + """
point = Lattice()
u, p = Field("u", point), Field("p", point)
system = System(
    name="gradient", domain=point, fields=(u, p), bracket=canonical((u, p)),
    hamiltonian=p**2 / 2 - sp.cos(u),
    integrator=DiscreteGradient(steps=1, dt=0.1), readout=energy_density(),
)
"""
)

GROUND = (
    HEAD
    + """
line = Lattice(sp.Symbol("x", real=True), average="harmonic")
u = Field("u", line)
k = Input("k", line, positive=True)
system = System(
    name="ground", domain=line, fields=(u,), hamiltonian=k * grad(u).square / 2, metric=lambda F, G: F[u] * G[u],
    integrator=ExplicitEuler(steps=1, dt=0.01), readout=energy_density(),
)
"""
)

COUPLED = STEADY.replace("kappa * grad(u).square", "kappa * (u.diff(x) + u.diff(y)) ** 2").replace(
    "SteadyState()", 'SteadyState(solver="cg")'
)

BASES = {"wave": WAVE, "steady": STEADY, "heat": HEAT, "pair": PAIR, "point": POINT, "burgers": BURGERS, "flow": FLOW,
         "spin": SPIN, "vortex": VORTEX, "string": STRING, "graph": GRAPH, "scan": SCAN, "own": OWN,
         "gradient": GRADIENT, "ground": GROUND, "coupled": COUPLED, "memory": MEMORY}  # fmt: skip


@dataclass(frozen=True)
class Section:
    """``kind``: "spec" (``wrong`` and ``right`` are texts of specs), "bash" or "run" (Python); "" without code."""

    slug: str
    kind: str = ""
    wrong: str = ""
    right: str = ""
    strict: bool = False


def sections() -> Iterator[Section]:
    """The sections of the page in order."""
    for piece in re.split(r"^###? ", PAGE.read_text(encoding="utf-8"), flags=re.M)[1:]:
        slug = re.match(r".*\{ #([\w-]+) \}", piece)
        if slug is None:
            continue
        block = re.search(r"(?:<!-- (.*) -->\n)?```(python|bash)\n# wrong\n(.*?)# right\n(.*?)```", piece, re.S)
        if block is None:
            yield Section(slug[1])
            continue
        told, language, wrong, right = block.groups()
        if language == "bash" or told == "run":
            yield Section(slug[1], "bash" if language == "bash" else "run", wrong, right)
            continue
        found = re.fullmatch(r"in (\w+)( with --strict)?(?: for (.*))?", told)
        assert found, f"{slug[1]}: {told}"
        base, wrong, right = BASES[found[1]], wrong.rstrip("\n"), right.rstrip("\n")
        place = found[3] if found[3] else right
        assert base.count(place) >= 1, f"{slug[1]}: {place!r} is not in {found[1]}"
        texts = (base.replace(place, text, 1) for text in (wrong, right))
        yield Section(slug[1], "spec", *texts, strict=bool(found[2]))
