"""From a density on a graph to a program of node and edge arrays.

Every node is a lattice without axes, and so is every edge; ``difference``, ``codifference``, ``average`` and ``share``
become statements between the two. A functional is the sum of a density at the nodes and one on the edges:

    H = sum_n V(z_n) + sum_e U((B f)_e, ...)        dH/dz = V_z + sum_i f_i' B^T U_{d_i}        by ``vary``
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import sympy as sp

from metrigen.discretise.base import Discretisation
from metrigen.discretise.graph_laws import graph_laws
from metrigen.discretise.graph_steady import GraphSteady, graph_steady
from metrigen.discretise.jets import Jet
from metrigen.discretise.lattice import Stencils
from metrigen.discretise.lower import Lowering, Writer
from metrigen.discretise.readout import in_state
from metrigen.errors import SpecError
from metrigen.ir.edges import Along, EdgeMap
from metrigen.ir.evaluate import check_functions
from metrigen.ir.functions.normal import normal
from metrigen.ir.nodes import Array, Kind, Load, Map, Program, Statement
from metrigen.ir.queries import equations_in
from metrigen.passes.pipeline import ON_GRAPH, apply
from metrigen.physics.derivation import Derivation, Law
from metrigen.physics.graph_forms import split_places
from metrigen.physics.incidence import outermost, places
from metrigen.physics.preconditions import unfit
from metrigen.spec.contracts import Method
from metrigen.spec.domain import EDGE, Domain, Graph, Index, Lattice
from metrigen.spec.edges import average, codifference, difference, share
from metrigen.spec.readout import EnergyDensity, Readout
from metrigen.spec.symbols import mix, t, total
from metrigen.spec.system import System

if TYPE_CHECKING:
    from metrigen.discretise.base import Made
    from metrigen.discretise.dynamics import Dynamics

_ALONG = {
    difference: Along.DIFFERENCE,
    codifference: Along.CODIFFERENCE,
    average: Along.AVERAGE,
    share: Along.SHARE,
}


@dataclass(frozen=True)
class GraphLowering(Lowering):
    """On the nodes and edges of a graph; ``stencils`` are those of no axes. Densities on edges count once in a sum."""

    domain: ClassVar[type[Domain]] = Graph
    readouts: ClassVar[tuple[type[Readout], ...]] = (EnergyDensity,)
    unshown: ClassVar[str] = "a graph has nodes and edges, and the programs of its layer run over both"
    along_edges: ClassVar[bool] = True

    @classmethod
    def of(
        cls, derivation: Derivation, arrays: Mapping[sp.Basic, Array], given: Iterable[Array], params: tuple[Array, ...]
    ) -> Discretisation:
        return cls(arrays, params, Stencils(Lattice()))

    @classmethod
    def check_cost(cls, system: System) -> None:
        raise SpecError(
            "the cost of a layer on a graph is not worked out",
            part="domain",
            why="it goes with the numbers of nodes and edges of a call, and no kernel runs it",
            fix="metrigen show without --cost; DERIVATION.md of the package has the operations of its programs",
            see="cost",
        )

    def programs(self, method: Method, dynamics: Dynamics) -> Made:
        made = super().programs(method, dynamics)
        if isinstance(made, Program) and equations_in(made):
            raise unfit(dynamics.derivation, *Graph.unsolvable)
        return made

    def solve(self, dynamics: Dynamics, solver: str) -> GraphSteady:
        return graph_steady(self, dynamics, solver)

    def laws(self, dynamics: Dynamics, made: Made) -> tuple[Law, ...]:
        return graph_laws(dynamics)

    def diagnostics(self, derivation: Derivation) -> dict[str, Program]:
        """``flux``: T^e_t, what of the energy flows along every edge from its tail to its head."""
        return {"flux": self.edges("flux", {"flux__along": in_state(derivation, derivation.stress_energy[EDGE, t])})}

    def functional(self, name: str, density: sp.Expr, part: str = "hamiltonian") -> Program:
        """The densities of a functional at the nodes and on the edges, to be varied: every edge once."""
        node, edge = split_places(part, density)
        found = {"density__": (node, Kind.SITE), "density__edge": (edge, Kind.EDGE)}
        return self._on_graph(name, {out: pair for out, pair in found.items() if pair[0] != 0} or found, part)

    def sites(self, name: str, densities: Mapping[str, sp.Expr], part: str = "readout") -> Program:
        """Values at the nodes, half of every edge to each of its two ends."""
        found = {}
        for out, density in densities.items():
            node, edge = split_places(part, density)
            found[out] = (node if edge == 0 else node + share(edge, evaluate=False), Kind.SITE)
        return self._on_graph(name, found, part)

    def values(self, name: str, screening: sp.Expr, conductance: sp.Expr) -> Program:
        """m at the nodes and w on the edges, of (B^T w B + m) u."""
        found = {"screening__": (screening, Kind.SITE), "conductance__": (conductance, Kind.EDGE)}
        return self._on_graph(name, found, "hamiltonian")

    def edges(self, name: str, densities: Mapping[str, sp.Expr]) -> Program:
        """Values on the edges."""
        return self._on_graph(name, {out: (density, Kind.EDGE) for out, density in densities.items()}, "readout")

    def _on_graph(self, name: str, densities: Mapping[str, tuple[sp.Expr, Kind]], part: str) -> Program:
        body: list[Statement] = []
        for output, (density, kind) in densities.items():
            density = normal(density)
            density = _at_ends(density) if kind is Kind.EDGE else density
            expr = _GraphWriter(self, f"{name}__{output}", part, body).value(density)
            check_functions(expr, part)
            body.append(Map(stores=((output, expr),), over=kind))
        return apply(ON_GRAPH, Program(name, self.inputs, tuple(body), tuple(densities), self.periodic))


def _at_ends(density: sp.Expr) -> sp.Expr:
    """A density on the edges with channel maps of what is the same at every node, such as total(1), the number of
    channels, as the mean of both ends: channels are mixed at the nodes."""
    if isinstance(density, (difference, average)) or not density.args:
        return density
    if isinstance(density, (mix, total)):
        return density if places(density.args[-1]) else average(density, evaluate=False)
    args = [_at_ends(a) for a in density.args]
    return density if all(a is b for a, b in zip(args, density.args, strict=True)) else density.func(*args)


class _GraphWriter(Writer):
    """Writes the maps along edges that a density needs before its own statements."""

    def value(self, expr: sp.Expr) -> sp.Expr:
        """The expression over loads and parameters."""
        values = self.jets(expr)
        index = next((s for s in sorted(values.free_symbols, key=str) if isinstance(s, Index)), None)
        if index is not None:
            raise SpecError(
                f"{self.part}= depends on the index of the {index}",
                part=self.part,
                why="nodes and edges have no order and no place in a space",
                fix="hand the numbers in as an Input on the graph, or learn them as a Param",
                see="graph-terms",
            )
        return values.xreplace({j: Load(j.array, (), bool(j.is_positive)) for j in values.atoms(Jet)})

    def jets(self, expr: sp.Expr) -> sp.Expr:
        expr = sp.sympify(expr)
        for atom in sorted(expr.atoms(mix, total), key=sp.default_sort_key):
            if "edge" in places(atom.args[-1]):
                raise SpecError(
                    f"{atom} mixes channels on the edges",
                    part=self.part,
                    fix="mix values at the nodes",
                    see="graph-terms",
                )
        return super().jets(expr.xreplace({atom: self._mapped(atom) for atom in outermost([expr])}))

    def _mapped(self, atom: sp.Expr) -> Load:
        if atom not in self.stored:
            along = _ALONG[type(atom)]
            inner = self.value(atom.args[0])
            what = "density" if along is Along.SHARE else "value"
            source = inner.array if isinstance(inner, Load) else f"{what}__{self.name}_{len(self.body)}"
            if not isinstance(inner, Load):
                self.body.append(Map(stores=((source, inner),), over=along.transpose.onto))
            self.stored[atom] = f"{along.value}__{self.name}_{len(self.body)}"
            self.body.append(EdgeMap(self.stored[atom], along, source))
        return Load(self.stored[atom], ())
