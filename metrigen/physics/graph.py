"""``derive`` on a graph: equations with B^T w B, laws of nodes and edges, and the energy balance edge by edge.

With e_n = V_n + (|B|^T U / 2)_n the energy of a node and f_i' the rate of f_i,

    e_n' = (dH . z')_n - (B^T sum_i mean(f_i') U_{d_i})_n

because an edge gives to one end what it takes from the other. On a graph exist T^t_t at the nodes and T^e_t on the
edges; a stress T^ij needs directions in a space, which edges do not have.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.errors import SpecError
from metrigen.physics import brackets, metric, noether
from metrigen.physics.clock import SUM, but_for_explicit, is_timed
from metrigen.physics.derivation import Derivation, Law, SteadyStateClass, Structure
from metrigen.physics.graph_forms import Density, Metric, metric_on_graph, named_differences, split_density
from metrigen.physics.graph_laws import (
    check_degeneracy,
    check_end_by_end,
    check_no_power,
    classify,
    weaker,
)
from metrigen.physics.incidence import outermost
from metrigen.physics.jets import from_jets, jet, to_jets
from metrigen.physics.legendre import Legendre, transform
from metrigen.physics.operators import Form, build_form
from metrigen.physics.preconditions import check_integrator, unfit
from metrigen.physics.report import identity
from metrigen.physics.state import bracket_of, check_everything
from metrigen.physics.variation import diff_jets, tidy
from metrigen.physics.vocabulary import check_names, hamiltonian_fields, lagrangian_fields
from metrigen.physics.zero import every
from metrigen.spec.domain import ANY, Graph
from metrigen.spec.edges import average, codifference, difference, share
from metrigen.spec.neural import learned_functions
from metrigen.spec.readout import StressEnergy
from metrigen.spec.symbols import t
from metrigen.spec.system import System

Fields = tuple[AppliedUndef, ...]


def derive_on_graph(system: System, graph: Graph) -> Derivation:
    """Derive a system whose domain is ``graph``. Raises SpecError and StructureError as ``derive`` does."""
    _refuse(system)
    fields, energy, legendre = _energy(system, graph)
    entropy = None if system.entropy is None else _density("entropy", system.entropy, graph)
    bracket, bracket_form = bracket_of(system, fields, legendre)
    if bracket_form is not None and outermost([bracket_form.form]):
        raise SpecError(
            "bracket= holds a difference along edges",
            part="bracket",
            why="on a graph the bracket acts at every node by itself; what couples the nodes is the energy",
            fix="lambda F, G: F[q]*G[p] - F[p]*G[q]",
            see="graph-parts",
        )
    whole, metric_form = (None, None) if system.metric is None else build_form("metric", system.metric, fields)
    for part in ("lagrangian", "hamiltonian", "entropy"):
        if getattr(system, part) is not None:
            _refuse_learned(part, getattr(system, part))
    for form in (bracket_form, metric_form):
        if form is not None:
            _refuse_learned("bracket" if form is bracket_form else "metric", form.form)
    dissipation = None if whole is None or metric_form is None else metric_on_graph(system, whole, metric_form, graph)
    check_everything(system, fields, bracket_form, metric_form)
    slopes = energy.covectors(fields)
    driving = slopes if entropy is None else entropy.covectors(fields)
    reversible = (sp.S.Zero,) * len(fields) if bracket is None else bracket.apply(slopes)
    sign = -1 if entropy is None else 1
    irreversible = (sp.S.Zero,) * len(fields) if dissipation is None else dissipation.apply(driving)
    rates = tuple(tidy(a + sign * b) for a, b in zip(reversible, irreversible, strict=True))
    laws = _laws(system, fields, legendre, bracket, dissipation, slopes, None if entropy is None else driving)
    tensor, source, balance = _balance(
        graph, fields, energy, bracket, dissipation, _Motion(slopes, driving, rates, sign)
    )
    hamiltonian = from_jets(energy.spelled(energy.node + energy.edge))
    derivation = Derivation(
        system=system,
        structure=Structure(fields, hamiltonian, bracket_form, metric_form),
        momenta={} if legendre is None else legendre.momenta,
        velocities={} if legendre is None else {u: from_jets(v) for u, v in legendre.velocities.items()},
        equations={u: from_jets(rate) for u, rate in zip(fields, rates, strict=True)},
        stress_energy={key: from_jets(value) for key, value in tensor.items()},
        currents={},
        laws=(*laws, _timed(balance, system, hamiltonian)),
        steady_state=_steady(energy, fields) if bracket is None and entropy is None else None,
        step_limit=None,
        sources={t: from_jets(source)},
    )
    _check_integrator(derivation, dissipation)
    return derivation


def _refuse(system: System) -> None:
    if system.constraints:
        raise SpecError(
            "constraints= on a graph is not derived",
            part="constraints",
            fix="make the auxiliary field a steady state of its own: metric=Dissipation((1, lambda F: F[u]))",
            see="graph-parts",
        )
    if system.symmetries:
        raise SpecError(
            "symmetries= on a graph is not derived",
            part="symmetries",
            why="its currents would live on edges whose ends they move differently",
            fix="drop it; the energy balance is derived edge by edge",
            see="graph-parts",
        )
    if isinstance(system.readout, StressEnergy):
        raise SpecError(
            "a graph has no stress tensor T^ij",
            part="readout",
            why="an edge has two ends and no direction in a space; what exists is the energy T^t_t of every node and "
            "the energy flux T^e_t of every edge",
            fix="readout=energy_density()",
            see="graph-parts",
        )


def _refuse_learned(part: str, expr: sp.Expr) -> None:
    if learned_functions(expr):
        raise SpecError(
            f"{part}= holds a learned function, which is not derived on a graph",
            part=part,
            why="what the laws of the nodes and the edges assume of it is not worked out",
            fix='write the function out, with Param(..., per="site") for what is learned',
            see="graph-parts",
        )


def _density(part: str, value: sp.Expr, graph: Graph) -> Density:
    names = named_differences(part, [value], graph)
    return split_density(part, to_jets(value.xreplace(names)), names)


def _energy(system: System, graph: Graph) -> tuple[Fields, Density, Legendre | None]:
    """The state, the Hamiltonian and, for a Lagrangian, its Legendre transform."""
    if system.lagrangian is None:
        fields = hamiltonian_fields(system)
        assert system.hamiltonian is not None
        return fields, _density("hamiltonian", system.hamiltonian, graph), None
    own = lagrangian_fields(system)
    check_names(system, own, [system.lagrangian], [])
    names = named_differences("lagrangian", [system.lagrangian], graph)
    lagrangian = to_jets(system.lagrangian.xreplace(names))
    split_density("lagrangian", lagrangian, names)
    legendre = transform(lagrangian, own, has_bracket=system.bracket is not None)
    return legendre.state, split_density("lagrangian", legendre.hamiltonian, names), legendre


def _laws(
    system: System,
    fields: Fields,
    legendre: Legendre | None,
    bracket: Form | None,
    dissipation: Metric | None,
    energy: Sequence[sp.Expr],
    entropy: Sequence[sp.Expr] | None,
) -> tuple[Law, ...]:
    out = [] if legendre is None else [legendre.law]
    if bracket is not None:
        out.append(brackets.check_antisymmetry(bracket))
        out.append(brackets.check_jacobi(bracket, almost_poisson=system.almost_poisson))
    if dissipation is not None:
        forms = dissipation.forms()
        out.append(weaker([metric.check_symmetry(form, dissipation.source) for form in forms]))
        out.append(weaker([metric.check_psd(form, dissipation.source) for form in forms]))
    if dissipation is not None and entropy is not None:
        out.append(check_degeneracy("energy_degeneracy", fields, dissipation.apply(energy)))
        if bracket is not None:
            out.append(check_degeneracy("entropy_degeneracy", fields, bracket.apply(entropy)))
    return tuple(out)


def _steady(energy: Density, fields: Fields) -> SteadyStateClass | None:
    return None if is_timed(energy.node) or is_timed(energy.edge) else classify(energy, fields)


def _timed(balance: Law, system: System, hamiltonian: sp.Expr) -> Law:
    verb = "energy never rises" if system.metric is not None and system.entropy is None else "energy conserved"
    return but_for_explicit(balance, hamiltonian, verb, SUM)


class _Motion(NamedTuple):
    """dH/dz, dS/dz (or dH/dz again), the rates z' of the fields, and the sign of the metric part of them."""

    slopes: Sequence[sp.Expr]
    driving: Sequence[sp.Expr]
    rates: Sequence[sp.Expr]
    sign: int


def _balance(
    graph: Graph,
    fields: Fields,
    energy: Density,
    bracket: Form | None,
    dissipation: Metric | None,
    motion: _Motion,
) -> tuple[dict[tuple[sp.Symbol, sp.Symbol], sp.Expr], sp.Expr, Law]:
    """T^t_t, T^e_t and s with  d/dt T^t_t - B^T T^e_t = s  on solutions.

    For the part z' = sign A B^T j of the metric the same identity moves  a.B^T j = share(j B a) + B^T(mean(a) j),
    a = A.dH: the first is dissipated in the edge, half at each end, the second flows.
    """
    slopes, driving, rates, sign = motion
    moved = {d: noether.explicit_derivative(f, fields, t) for d, f in energy.differences.items()}
    partial = {d: energy.spelled(s) for d, s in energy.partials().items()}
    flux = [-average(_rate(f, fields, rates) + moved[d]) * partial[d] for d, f in energy.differences.items()]
    lost: list[sp.Expr] = []
    if dissipation is not None:
        given = zip(dissipation.flows(slopes), dissipation.flows(driving), strict=True)
        for (value, _), (_, flow) in given:
            flux.append(sign * average(value) * flow)
            lost.append(sign * share(flow * difference(value)))
        if dissipation.node is not None:
            local = dissipation.node.apply(driving)
            lost += [sign * g * rate for g, rate in zip(slopes, local, strict=True)]
    explicit = noether.explicit_derivative(energy.node, fields, t)
    edgewise = energy.spelled(diff_jets(energy.edge, t, held=(*fields, *energy.differences)))
    tensor = {
        (t, t): tidy(energy.node + share(energy.spelled(energy.edge))),
        (graph.edge, t): tidy(sp.Add(*flux)),
    }
    driven = [value * codifference(partial[d]) for d, value in moved.items()]
    source = tidy(sp.Add(*lost, *driven, explicit, share(edgewise)))
    tests = [check_end_by_end()] + ([] if bracket is None else [check_no_power(bracket)])
    how = "d/dt T^t_t - B^T T^e_t = dH.R + dh/dt at every node: each edge gives to one end what it takes from the other"
    return tensor, source, identity("noether", how, every(tests))


def _rate(f: sp.Expr, fields: Fields, rates: Sequence[sp.Expr]) -> sp.Expr:
    return tidy(sp.Add(*(f.diff(jet(u)) * rate for u, rate in zip(fields, rates, strict=True))))


def _check_integrator(derivation: Derivation, dissipation: Metric | None) -> None:
    method = derivation.system.integrator
    if method is not None and not method.edges and dissipation is not None and dissipation.edge is not None:
        raise unfit(
            derivation,
            "the metric acts along edges: it couples the nodes, and conserves what is the same at all of them",
            ANY,
        )
    check_integrator(derivation)
