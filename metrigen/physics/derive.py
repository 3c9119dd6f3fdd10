"""``derive``: from a system to its equations, tensors and laws in the continuum."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import sympy as sp

from metrigen.budget import DERIVE, check_depth, shallow, stage
from metrigen.physics import steady
from metrigen.physics.casimirs import casimirs
from metrigen.physics.clock import INT, POINT, but_for_explicit, is_timed
from metrigen.physics.contraction import check_contraction
from metrigen.physics.derivation import Derivation, Law, SteadyStateClass
from metrigen.physics.elliptic import check_constraint
from metrigen.physics.fluctuation import check_fluctuation, fluctuation_law
from metrigen.physics.graph import derive_on_graph
from metrigen.physics.jets import from_jets
from metrigen.physics.laws import structure_laws
from metrigen.physics.learned_law import learned_law
from metrigen.physics.limits import step_limit
from metrigen.physics.memory import derive_memory
from metrigen.physics.preconditions import check_integrator
from metrigen.physics.size import TooLarge, blamed_on
from metrigen.physics.state import State, build_state, equations
from metrigen.physics.step_bounds import check_step
from metrigen.physics.symmetry import currents
from metrigen.physics.tensor import tensor_of
from metrigen.physics.volume import volume_law
from metrigen.physics.wellposed import check_well_posed
from metrigen.physics.work_budget import EQUATIONS, LAW, LAWS, limited
from metrigen.spec.domain import Graph
from metrigen.spec.system import System

# Laws that a domain asks of its systems, by name.
_OF_DOMAINS: Mapping[str, Callable[[State, Sequence[Law]], Law]] = {"contraction": check_contraction}


def derive(system: System) -> Derivation:
    """Derive the dynamics of a system and check its laws.

    Raises SpecError if the system cannot be understood or its integrator does not fit, StructureError if a law that
    must hold does not.
    """
    with limited(DERIVE), stage("derive"), shallow("hamiltonian" if system.lagrangian is None else "lagrangian"):
        _check_depths(system)
        return _derive(system)


def _check_depths(system: System) -> None:
    """No part of a spec is nested more deeply than SymPy can follow."""
    for part in ("lagrangian", "hamiltonian", "entropy"):
        if getattr(system, part) is not None:
            check_depth(sp.sympify(getattr(system, part)), part)
    for part in ("constraints", "casimirs"):
        for expr in (getattr(system, part) or {}).values():
            check_depth(sp.sympify(expr), part)


def _derive(system: System) -> Derivation:
    if isinstance(system.domain, Graph):  # differences along edges in the place of derivatives
        with limited(EQUATIONS):
            return derive_on_graph(system, system.domain)
    if system.remembers:
        with limited(LAWS):
            return derive_memory(system)
    with limited(EQUATIONS):
        state = build_state(system)
    auxiliary = state.constrained
    with limited(LAWS):
        laws = structure_laws(state)
        if auxiliary is not None:
            laws = (check_constraint(auxiliary, state.rates), *laws)
        laws = (*laws, *fluctuation_law(state, laws), *volume_law(state))
        laws = (*laws, *(_OF_DOMAINS[name](state, laws) for name in system.domain.laws))
        tensor = tensor_of(state)
        conserved, current_law = currents(state)
        invariants, casimir_law = casimirs(state)
        rest = _steady(state)
    derivation = Derivation(
        system=system,
        structure=state.structure,
        momenta=state.momenta,
        velocities={u: from_jets(v) for u, v in state.velocities.items()},
        equations=dict(zip(state.fields, equations(state), strict=True)),
        stress_energy={key: from_jets(value) for key, value in tensor.components.items()},
        currents={name: tuple(from_jets(j) for j in current) for name, current in conserved.items()},
        laws=(*laws, *(() if casimir_law is None else (casimir_law,)), _noether(state, tensor.law, current_law)),
        steady_state=rest,
        step_limit=None,
        sources={nu: from_jets(value) for nu, value in tensor.sources.items()},
        multipliers={}
        if auxiliary is None
        else {psi: from_jets(chi) for psi, chi in zip(auxiliary.fields, auxiliary.multipliers, strict=True)},
        casimirs=invariants,
    )
    with limited(LAW), blamed_on("integrator"):
        check_fluctuation(derivation)
        check_integrator(derivation)
    well_posed = check_well_posed(state, laws)
    limit = _step_limit(derivation)
    check_step(replace(derivation, step_limit=limit))
    return replace(
        derivation,
        laws=(*derivation.laws, *well_posed, *learned_law(state)),
        step_limit=limit,
    )


def _step_limit(derivation: Derivation) -> sp.Expr | None:
    try:
        with limited(LAW):
            return step_limit(derivation)
    except TooLarge:
        return None


def _noether(state: State, tensor: Law, currents: Law | None) -> Law:
    """One law for the tensor and the declared symmetries."""
    law = tensor
    if currents is not None:
        weaker = tensor if tensor.verdict == "sampled" else currents
        law = Law("noether", weaker.verdict, f"{tensor.how}; {currents.how}", tensor.detail or currents.detail)
    verb = "energy never rises" if state.metric is not None and state.entropy is None else "energy conserved"
    over, noisy = INT if state.axes else POINT, state.system.temperature is not None
    return but_for_explicit(law, from_jets(state.hamiltonian), verb, over, noisy)


def _steady(state: State) -> SteadyStateClass | None:
    boundary = state.system.domain.boundary
    if is_timed(state.hamiltonian):
        return None
    if state.bracket is not None or state.entropy is not None or state.constrained is not None or boundary is None:
        return None
    try:
        with limited(LAW):
            return steady.classify(state.hamiltonian, state.fields, boundary)
    except TooLarge as error:
        return SteadyStateClass(False, False, f"not decided: {error.short}")
