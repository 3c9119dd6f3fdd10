"""What a layer reads out, as densities in the state.

Contravariant components with the metric (+, -, ..., -): T^{00} = T^t_t energy density, T^{0i} = -T^t_i momentum
density, T^{ij} = -T^i_j stress. Velocities are written in the state, u_t = dH/dpi; a component that vanishes
identically is left out. Each component is averaged over the one-sided differences of the axes it needs, so the sum of
T^{00} over the lattice is the energy that the step conserves.
"""

from __future__ import annotations

import itertools

import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.errors import SpecError
from metrigen.physics.declared import symbols_in
from metrigen.physics.derivation import Derivation
from metrigen.spec.domain import Index
from metrigen.spec.readout import EnergyDensity, StressEnergy
from metrigen.spec.symbols import t

# Keeps the root of an amplitude differentiable where the field vanishes.
AMPLITUDE_FLOOR = sp.Rational(1, 100)


def readout_densities(derivation: Derivation) -> dict[str, sp.Expr]:
    """Name -> density of every raw component; fields themselves where the spec asks for no readout."""
    readout = derivation.system.readout
    if readout is None:
        return {u.func.__name__: u for u in derivation.fields}
    if isinstance(readout, EnergyDensity):
        return {"T00": derivation.hamiltonian}
    if not isinstance(readout, StressEnergy):
        raise SpecError(
            f"unknown readout {readout!r}", part="readout", fix="stress_energy() or energy_density()", see="readout"
        )
    if not derivation.stress_energy:
        raise SpecError(
            "the system has no stress-energy tensor to read out",
            part="readout",
            fix="readout=energy_density()",
            see="readout",
        )
    state = tensor_densities(derivation)
    for name, e in state.items():
        if _has_velocity(e):
            raise SpecError(
                f"{name} depends on velocities that are no function of the state: {e}",
                part="readout",
                fix="readout=energy_density(), or give hamiltonian= and bracket= in fields and momenta",
                see="readout",
            )
    return {name: e for name, e in state.items() if e != 0}


def tensor_densities(derivation: Derivation) -> dict[str, sp.Expr]:
    """T^{00}, T^{0i}, T^{ij} (i <= j) in the state, as far as the derivation has them."""
    tensor = derivation.stress_energy
    axes = derivation.system.domain.axes
    raw = {"T00": tensor[t, t]}
    raw.update({f"T0{i}": -tensor[t, x] for i, x in enumerate(axes, 1) if (t, x) in tensor})
    pairs = [(i, j) for i in range(len(axes)) for j in range(i, len(axes)) if (axes[i], axes[j]) in tensor]
    raw.update({f"T{i + 1}{j + 1}": -tensor[axes[i], axes[j]] for i, j in pairs})
    return {name: in_state(derivation, e) for name, e in raw.items()}


def current_densities(derivation: Derivation) -> dict[str, tuple[sp.Expr, ...]]:
    """The currents of the declared symmetries in the state, as far as a layer can read them out."""
    unread = unread_currents(derivation)
    found = {name: current for name, current in derivation.currents.items() if name not in unread}
    return {name: tuple(in_state(derivation, j) for j in current) for name, current in found.items()}


def unread_currents(derivation: Derivation) -> dict[str, str]:
    """Name of a current that no layer reads out -> what it holds beyond the state and the inputs of the dynamics: the
    time, coordinates, other velocities, inputs and parameters of its own."""
    known = {*derivation.fields, *(f for e in derivation.expressions for f in e.atoms(AppliedUndef))}
    symbols = {s.name for e in derivation.expressions for s in symbols_in(e)}
    out: dict[str, str] = {}
    for name, current in derivation.currents.items():
        parts = [in_state(derivation, j) for j in current]
        foreign = [str(f) for e in parts for f in sorted(e.atoms(AppliedUndef), key=str) if f not in known]
        foreign += sorted(s.name for e in parts for s in explicit_symbols(e) if s.name not in symbols)
        foreign += ["a velocity" for e in parts if _has_velocity(e)]
        if foreign:
            out[name] = ", ".join(dict.fromkeys(foreign))
    return out


def explicit_symbols(e: sp.Expr) -> set[sp.Symbol]:
    """Symbols of an expression that are no argument of a function: parameters, and coordinates that it depends on."""
    if e.has(Index):
        return {s for s in e.free_symbols if not isinstance(s, Index)}
    return set(symbols_in(e))


def in_state(derivation: Derivation, e: sp.Expr) -> sp.Expr:
    """An expression with velocities written as functions of the state; where a Lagrangian of first order leaves them
    undefined, by the equations."""
    rates = derivation.velocities or derivation.equations
    return sp.sympify(e).xreplace({u.diff(t): v for u, v in rates.items()})


def _has_velocity(e: sp.Expr) -> bool:
    return any(t in d.variables for d in e.atoms(sp.Derivative))


def numerators(raw: dict[str, sp.Expr], rank: int) -> dict[str, sp.Expr]:
    """What the amplitude divides, beside T00: T0i, T11 - Tii, Tij as densities; in one dimension T11. In a difference
    everything cancels but the gradients, so it is taken here rather than at the sites."""
    out = {name: e for name, e in raw.items() if name[1] == "0"}
    diagonal = [f"T{i}{i}" for i in range(1, rank + 1) if f"T{i}{i}" in raw]
    if rank == 1:
        out |= {name: raw[name] for name in diagonal}
    out |= {f"{i}_{j}": sp.expand(raw[i] - raw[j]) for i, j in itertools.pairwise(diagonal)}
    return out | {name: e for name, e in raw.items() if name[1] != "0" and name[1] != name[2]}


def normalised(parts: dict[str, sp.Expr], amplitude: sp.Expr) -> dict[str, sp.Expr]:
    """Components of degree one in the fields, from ``numerators`` as symbols: a = sqrt(|T00| + eps), T0i/a,
    (T11 - Tii)/2a, Tij/a; in one dimension T11/a. The ``amplitude`` is a symbol too: the others reach T00 through its
    one slope, da/dT00 = sign(T00)/2a."""
    out = {"a": sp.sqrt(sp.Abs(parts["T00"]) + AMPLITUDE_FLOOR)}
    for name, part in parts.items():
        if "_" in name:
            out[f"{name}_2a"] = part / (2 * amplitude)
        elif name != "T00":
            out[f"{name}_a"] = part / amplitude
    return out
