"""Domains as a user names them: where the fields live. How a domain discretises is in ``metrigen.discretise``."""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import sympy as sp

from metrigen.errors import SpecError
from metrigen.spec.names import check_name

if TYPE_CHECKING:
    from metrigen.physics.derivation import Derivation
    from metrigen.spec.contracts import Method

ANY = "RK4 or ExplicitEuler take any right-hand side"
BOUNDARIES = ("periodic", "zero", "neumann")
AVERAGES = ("arithmetic", "harmonic")


class Support(ABC):
    """What values are given on: the sites of a domain, or the edges of a graph. ``axes``: coordinates of a value."""

    axes: tuple[sp.Symbol, ...]

    def input_arguments(self, time: sp.Symbol, moving: bool) -> tuple[sp.Symbol, ...]:
        """What a prescribed field is a function of; ``moving``: of the time as well."""
        return (*((time,) if moving else ()), *self.axes)


class Domain(Support):
    """Where the fields of a system live: what the continuum has to know of it. A field is a function of (t, *axes).

    boundary   what a field is beyond the walls, one of BOUNDARIES; None where there is nothing beyond
    laws       names of the laws that a system has to fulfil to live there, beside those of its brackets
    network    nodes and edges that a spec fixes; None where there are none, or where they are given at run time
    example    what ``integrator=`` may be, as a spec writes it
    continuum  whether functionals are integrals over the axes
    tokens     whether a step is a token that is handed in, all of them one scan
    unsteppable  why a method that does not state that it runs there does not, and which method does
    unsolvable   why a step cannot be the solution of an equation there, and which methods do; None where it can
    """

    boundary: str | None = None
    laws: ClassVar[tuple[str, ...]] = ()
    network: Network | None = None
    example: ClassVar[str] = "Strang(steps=8, dt=0.1), or SteadyState() for a stationary field"
    unsolvable: ClassVar[tuple[str, str] | None] = None
    continuum: ClassVar[bool] = False
    tokens: ClassVar[bool] = False

    @property
    def coordinates(self) -> tuple[sp.Symbol, ...]:
        """Everything beside the time that fields, inputs and parameters of the domain may be functions of."""
        return self.axes

    @property
    def unsteppable(self) -> tuple[str, str]:
        return f"it does not run on a {type(self).__name__}", ANY

    def check_method(self, method: Method, derivation: Derivation) -> None:
        """Raise SpecError or StructureError where a method that runs on the domain does not fit a system on it."""
        method.check(derivation)

    def check_solver(self, solver: str) -> None:
        """Raise SpecError where a solver of a steady state has no form on the domain."""


@dataclass(frozen=True, init=False)
class Lattice(Domain):
    """A regular lattice of cell-centred sites with one axis per coordinate symbol, or no axis (ODEs per channel).

    boundary  "periodic" wraps; "zero": the field vanishes outside and both wall edges carry energy; "neumann": no
              flux through the wall, edges that cross it carry none
    spacing   distance h of neighbouring sites, the same on every axis; a positive rational or float
    average   how a coefficient at two sites becomes the coefficient of the edge between them: "arithmetic"
              (a + b)/2 or "harmonic" 2ab/(a + b), which keeps a wall closed; the coefficient is all that multiplies
              a function of derivatives, however it is written, and for a harmonic mean it must be known not to
              change its sign: nonnegative=True or positive=True, a square, Max(0, ...)

    Grid sizes are no part of a spec: a module trained on 15x15 runs on 39x39.
    """

    continuum: ClassVar[bool] = True

    axes: tuple[sp.Symbol, ...]
    boundary: str
    spacing: sp.Expr
    average: str

    def __init__(
        self, *axes: sp.Symbol, boundary: str = "periodic", spacing: object = 1, average: str = "arithmetic"
    ) -> None:
        for axis in axes:
            if not isinstance(axis, sp.Symbol):
                raise SpecError(
                    f"a lattice axis must be a SymPy symbol, not {axis!r}",
                    part="domain",
                    fix='x, y = sp.symbols("x y", real=True)',
                    see="lattice",
                )
            check_name(axis.name, "axis")
            if axis.name == "t":
                raise SpecError(
                    "a lattice axis cannot be called t",
                    part="domain",
                    why="t is the time",
                    fix="leave it out: fields depend on the time without it; or another name for the axis",
                    see="lattice",
                )
        if len({axis.name for axis in axes}) != len(axes):
            raise SpecError(
                "two lattice axes have the same name",
                part="domain",
                fix="one symbol an axis: Lattice(x, y)",
                see="lattice",
            )
        if len(axes) > 3:
            raise SpecError(
                "a lattice has at most three axes", part="domain", fix="Lattice(x, y, z), or fewer", see="lattice"
            )
        for label, value, known in (("boundary", boundary, BOUNDARIES), ("average", average, AVERAGES)):
            if value not in known:
                raise SpecError(
                    f"unknown {label} {value!r}",
                    part="domain",
                    fix="one of " + ", ".join(map(repr, known)),
                    see="lattice",
                )
        step = sp.nsimplify(spacing, rational=True) if not isinstance(spacing, sp.Basic) else spacing
        if not (step.is_number and step.is_positive):
            raise SpecError(
                f"the lattice spacing must be a positive number, not {spacing!r}",
                part="domain",
                fix="spacing=0.1, or sp.Rational(1, 10)",
                see="lattice",
            )
        object.__setattr__(self, "axes", tuple(axes))
        object.__setattr__(self, "boundary", boundary)
        object.__setattr__(self, "spacing", step)
        object.__setattr__(self, "average", average)


class Index(sp.Symbol):
    """The index of a node or of an edge, the coordinate of what lives on a graph, or of a row or a column of a matrix
    memory; it is no axis of a space."""

    __slots__ = ()

    def __new__(cls, name: str) -> Index:
        return sp.Symbol.__xnew__(cls, name, real=True)  # type: ignore[no-any-return]

    def __reduce_ex__(self, protocol: object) -> tuple[object, ...]:
        return Index, (self.name,)


NODE, EDGE = Index("node"), Index("edge")


@dataclass(frozen=True)
class Edges(Support):
    """The edges of a graph, for what lives on them: ``Input("w", graph.edges, nonnegative=True)``."""

    axes: tuple[sp.Symbol, ...] = field(default=(EDGE,), init=False)


@dataclass(frozen=True)
class Network:
    """A graph that a spec fixes: nodes 0, 1, ..., and the (tail, head) of every edge in order, tail < head."""

    nodes: int
    edges: tuple[tuple[int, int], ...]


@dataclass(frozen=True, init=False)
class Graph(Domain):
    """An undirected graph whose nodes carry the fields; its edges are given at run time.

    ``grad(u)`` is the edge difference (B u)_e = u_head - u_tail, B the incidence matrix. The orientation of an edge is
    arbitrary, so a density is even in all differences together. What lives on the edges is an ``Input`` on
    ``graph.edges`` or a ``Param(..., per="edge")``.

    graph  a ``networkx.Graph`` that fixes nodes and edges: its nodes in sorted order are 0, 1, ..., its edges sorted
    """

    axes: tuple[sp.Symbol, ...]
    network: Network | None

    unsolvable: ClassVar[tuple[str, str]] = (
        "an implicit step has no form on a graph: its equation is solved plane by plane with the stencil of a lattice",
        "Strang, Leapfrog or Exponential where H = T(p) + V(q) keep the symplectic form explicitly; "
        f"{ANY}; SteadyState() solves for the end of a descent with a quadratic energy",
    )

    def __init__(self, graph: Any = None) -> None:
        object.__setattr__(self, "axes", (NODE,))
        object.__setattr__(self, "network", None if graph is None else _network(graph))

    @property
    def node(self) -> sp.Symbol:
        return NODE

    @property
    def edge(self) -> sp.Symbol:
        return EDGE

    @property
    def edges(self) -> Edges:
        return Edges()

    @property
    def coordinates(self) -> tuple[sp.Symbol, ...]:
        return NODE, EDGE

    def check_solver(self, solver: str) -> None:
        if solver != "cg":
            raise SpecError(
                f"solver={solver!r} has no form on a graph",
                part="integrator",
                why="a layer on a graph factorises its matrix where that is small and dense, and iterates with "
                "conjugate gradients elsewhere",
                fix=f'SteadyState(solver="cg") where the energy is quadratic; {ANY}',
                see="graph-parts",
            )


def _network(graph: Any) -> Network:
    """The nodes and edges of a ``networkx.Graph``, in an order that its history does not change."""

    def refuse(what: str, fix: str) -> SpecError:
        return SpecError(what, part="domain", fix=fix, see="graph-parts")

    if not all(hasattr(graph, name) for name in ("nodes", "edges", "is_directed", "is_multigraph")):
        raise refuse(f"Graph() takes a networkx.Graph, not {graph!r}", "Graph(), its edges given at run time")
    if graph.is_directed() or graph.is_multigraph():
        raise refuse("the edges of a Graph() have no direction, and two nodes share one at most", "a networkx.Graph")
    try:
        order = {node: i for i, node in enumerate(sorted(graph.nodes))}
    except TypeError as error:
        fix = "networkx.convert_node_labels_to_integers(graph)"
        raise refuse(f"the nodes of the graph have no order: {error}", fix) from error
    loop = next((node for node in order if graph.has_edge(node, node)), None)
    if loop is not None:
        raise refuse(f"node {loop!r} is joined with itself; a self loop has no difference", "graph.remove_edge(n, n)")
    if not order:
        raise refuse("the graph has no nodes", "Graph(), its edges given at run time")
    pairs = sorted(tuple(sorted((order[a], order[b]))) for a, b in graph.edges)
    return Network(len(order), tuple((a, b) for a, b in pairs))


@dataclass(frozen=True)
class Sequence(Domain):
    """A causal axis of tokens, which is the time t: the state has channels and no sites, an input one value a token.

    The dynamics is linear in the state; what depends on the tokens stands in the bracket, the metric and the drive.
    """

    axes: tuple[sp.Symbol, ...] = field(default=(), init=False)

    laws: ClassVar[tuple[str, ...]] = ("contraction",)
    tokens: ClassVar[bool] = True
    example: ClassVar[str] = "Exponential(), with dt= a number, a Param or an Input with a value a token"

    @property
    def unsteppable(self) -> tuple[str, str]:
        return "a token of a Sequence is one exact step of linear dynamics", "Exponential()"

    def input_arguments(self, time: sp.Symbol, moving: bool) -> tuple[sp.Symbol, ...]:
        return (time,)

    def check_method(self, method: Method, derivation: Derivation) -> None:
        method.check_token(derivation)
