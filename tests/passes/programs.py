"""Programs written by hand, which hold every kind of statement between them, and their values."""

from __future__ import annotations

import numpy as np
import sympy as sp

from metrigen.ir.edges import Along, EdgeMap
from metrigen.ir.implicit import Root, SiteSum
from metrigen.ir.interpreter import run
from metrigen.ir.nodes import (
    Accumulate,
    Array,
    Cayley,
    ChannelMatmul,
    ChannelSum,
    Inside,
    Kind,
    Load,
    Map,
    Outer,
    ParameterExpression,
    Program,
    Reduction,
    Solve,
)
from metrigen.ir.units import Units, columns
from metrigen.passes.vary import equation, vary
from tests.lattice.arrays import SIZES, Values, drawn

INCIDENCE = np.array([[-1, 1, 0, 0, 0], [0, -1, 0, 1, 0], [0, 0, -1, 0, 1], [1, 0, 0, 0, -1], [0, -1, 1, 0, 0]], float)
c, d, h, value = sp.symbols("c d h value", real=True)
HERE, AHEAD, BACK = (0,), (1,), (-1,)
PARAMS = (Array("c", Kind.CHANNEL), Array("d", Kind.CHANNEL), Array("h", Kind.SCALAR))
SITES = (Array("u", Kind.SITE), Array("w", Kind.SITE))
MATRICES = (Array("K", Kind.MATRIX, symmetry=1), Array("A", Kind.MATRIX, symmetry=-1), Array("M", Kind.MATRIX))


def load(name: str, at: tuple[int, ...] = HERE) -> Load:
    return Load(name, at)


def store(name: str, expr: sp.Expr, over: Kind = Kind.SITE) -> Map:
    return Map(stores=((name, expr),), over=over)


def pointwise() -> Program:
    """Stores at sites and neighbours, named values, sums that add up, and what nothing needs."""
    force = c * (2 * load("u") - Inside(AHEAD) * load("u", AHEAD) - load("u", BACK)) + load("u") ** 3
    body = (
        store("f__1", force),
        Map((("kick__2", load("w") - h * load("f__1")),), (("s__1", Kind.CHANNEL, load("f__1") * load("w")),)),
        Map(stores=(("drift__3", load("u") + h * value),), lets=((value, load("kick__2") + sp.sin(c * load("u"))),)),
        Map(sums=(("s__2", Kind.CHANNEL, load("kick__2") * sp.sin(c * load("u"))), ("r", Kind.SCALAR, load("u")))),
        store("lost__4", load("u") * load("w")),
        store("next", load("drift__3", AHEAD) * sp.sin(c * load("u")) + d),
        Accumulate("c__bar", Kind.CHANNEL, ("s__1", "s__2")),
        Accumulate("d__bar", Kind.CHANNEL, ()),
    )  # fmt: skip
    return Program("pointwise", (*SITES, *PARAMS), body, ("next", "kick__2", "c__bar", "d__bar", "r", "u"), False)


def channels() -> Program:
    """Channel maps of numbers times arrays, of one array twice, and matrices that are their transposes up to a sign."""
    body = (
        store("twice__1", 2 * load("u")),
        ChannelMatmul("K_u__1", "K", "u"),
        ChannelMatmul("K_u__2", "K", "twice__1", True),
        ChannelMatmul("A_u__1", "A", "u", True),
        ChannelMatmul("A_A_u__1", "A", "A_u__1"),
        ChannelMatmul("M_u__1", "M", "u", True),
        ChannelSum("total_u__1", "twice__1"),
        SiteSum("all__1", "A_u__1", True),
        store("next", load("K_u__1") + load("K_u__2", AHEAD) + load("A_u__1") * load("M_u__1") + load("total_u__1")),
        store("other", load("all__1") + load("A_A_u__1")),
        Outer("M__bar", "A_u__1", "K_u__2"),
    )
    return Program("channels", (*SITES, *MATRICES), body, ("next", "other", "M__bar"))


def solves() -> Program:
    """One equation twice, and a third whose solution is a multiple of the first."""
    one = load("psi__1")
    act = lambda name: (2 + h) * load(name) - load(name, AHEAD) - load(name, BACK)
    body = (
        store("r__1", load("u") * c),
        store("r__2", load("u") * c),
        Solve("psi__1", act("psi__1"), "r__1", False),
        Solve("psi__2", act("psi__2"), "r__2", False),
        store("r__3", 3 * act("psi__1")),
        Solve("psi__3", act("psi__3"), "r__3", False),
        store("next", one + load("psi__2", AHEAD) * load("psi__3")),
    )
    return Program("solves", (*SITES, *PARAMS), body, ("next",))


def graph() -> Program:
    """Edges, and a channel map with a sign that is read whole by a difference."""
    drop, u = Load("drop__1", ()), Load("u", ())
    body = (
        ChannelMatmul("A_u__1", "A", "u", True),
        EdgeMap("drop__1", Along.DIFFERENCE, "A_u__1"),
        EdgeMap("mean__1", Along.AVERAGE, "u"),
        store("flow__1", c * drop * Load("mean__1", ()), Kind.EDGE),
        store("square__1", drop * drop, Kind.EDGE),
        EdgeMap("back__1", Along.CODIFFERENCE, "flow__1"),
        EdgeMap("half__1", Along.SHARE, "square__1"),
        store("next", u - h * Load("back__1", ()) + Load("half__1", ())),
    )
    return Program("graph", (SITES[0], MATRICES[1], *PARAMS), body, ("next",))


def parameters() -> Program:
    """What depends on parameters alone, and a step that reads it."""
    body = (
        ParameterExpression("decay__1", Kind.CHANNEL, sp.exp(-h * c)),
        ParameterExpression("half__1", Kind.SCALAR, h / 2),
        Reduction("sum__1", "d"),
        Cayley("turn__1", "A", "half__1"),
        ChannelMatmul("turned__1", "turn__1", "u"),
        store("next", sp.Symbol("decay__1", real=True) * load("turned__1") + sp.Symbol("sum__1", real=True)),
    )
    return Program("parameters", (SITES[0], MATRICES[1], *PARAMS), body, ("next",))


def turned() -> Program:
    """``parameters`` without what nobody reverses."""
    made = parameters()
    body = tuple(s for s in made.body if not isinstance(s, Reduction))
    last = store("next", sp.Symbol("decay__1", real=True) * load("turned__1") ** 2)
    return Program("turned", made.inputs, (*body[:-1], last), made.outputs)


def implicit() -> Program:
    """z + h z^3 - c (z[n+1] - z)/4 = u, from u."""
    z, u = load("z"), load("u")
    inputs = (Array("z", Kind.SITE), SITES[0], PARAMS[0], PARAMS[2])
    stencil = z + h * z**3 - sp.tanh(c) * (load("z", AHEAD) - z) / 4 - u
    found = equation(Program("step", inputs, (store("defect", stencil),), ("defect",)), 1, False, 1)
    body = (Root(("z__1",), found, ("u",), ("u", "c", "h")), store("next", load("z__1") ** 2))
    return Program("implicit", inputs[1:], body, ("next",))


def tensor() -> Program:
    """Energy, flux and stress at a site between walls, as a readout comes from its density: nothing is shared."""
    ahead, back = (load("u", AHEAD) - load("u")) * Inside(AHEAD), (load("u") - load("u", BACK)) * Inside(BACK)
    mean = -(load("w", AHEAD) + load("w")) / 2, -(load("w", BACK) + load("w")) / 2
    energy = c * ahead**2 / 4 + c * back**2 / 4 + load("w") ** 2 / 2 + d * load("u") ** 2 / 2
    body = (
        store("energy__density", energy),
        store("flux__density", ahead * mean[0] / 2 + back * mean[1] / 2),
        store("stress__density", load("w") ** 2 / 2 - d * load("u") ** 2 / 2 + c * ahead**2 / 4 + c * back**2 / 4),
        store(
            "ratio__density",
            (load("flux__density") + h * load("w")) / (1 + load("energy__density") ** 2) + load("w") ** 3 / 3,
        ),
    )
    return Program("tensor", (*SITES, *PARAMS), body, tuple(s.stores[0][0] for s in body), False)


def network() -> Program:
    """A network at every site whose value and derivative are used: sums over its units."""
    argument, (weight, bias, gain) = load("u"), (symbol for symbol, _ in columns(1))
    inner = sp.tanh(weight * argument + bias)
    stores = (("V__1", gain * inner), ("dV__1", weight * gain * (1 - inner**2)))
    body = (
        Units("V", 4, columns(1), stores),
        store("next", load("u") - h * load("dV__1", AHEAD) * load("V__1")),
    )
    return Program("network", (SITES[0], PARAMS[2], Array("V", Kind.UNITS, units=(4, 3))), body, ("next",))


def reverse(program: Program, rank: int) -> Program:
    return vary(program, [a.name for a in program.inputs], rank=rank)


FORWARD = {p.name: p for p in (pointwise(), channels(), solves(), graph(), turned(), implicit(), tensor(), network())}
REVERSIBLE = {n: p for n, p in FORWARD.items() if n not in ("pointwise", "channels", "tensor")}
PROGRAMS = FORWARD | {"parameters": parameters()} | {
    f"{n}_adjoint": reverse(p, 0 if n == "graph" else 1) for n, p in REVERSIBLE.items()
}  # fmt: skip


def values_of(program: Program, seed: int = 0) -> Values:
    """Random values of the inputs: two samples of three channels; nodes and edges of the graph are as many as sites."""
    return drawn(program.inputs, {Kind.SITE: (2, 3, SIZES[0]), Kind.EDGE: (2, 3, len(INCIDENCE))}, seed, 3)


def results(program: Program, values: Values) -> list[np.ndarray]:
    """The outputs in order, one that is put out twice twice."""
    found = run(program, values, incidence=INCIDENCE)
    return [found[name] for name in program.outputs]
