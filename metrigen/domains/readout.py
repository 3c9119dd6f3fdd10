"""What a layer reads out, as densities in the state.

Contravariant components with the metric (+, -, ..., -): T^{00} = T^t_t energy density, T^{0i} = -T^t_i momentum
density, T^{ij} = -T^i_j stress. Velocities are written in the state, u_t = dH/dpi; a component that vanishes
identically is left out. Each component is averaged over the one-sided differences of the axes it needs, so the sum of
T^{00} over the lattice is the energy that the step conserves.
"""

from __future__ import annotations

import itertools

import sympy as sp

from metrigen.errors import SpecError
from metrigen.physics.derivation import Derivation
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
        raise SpecError(f"unknown readout {readout!r}", part="readout", fix="stress_energy() or energy_density()")
    if not derivation.stress_energy:
        raise SpecError(
            "the system has no stress-energy tensor to read out", part="readout", fix="readout=energy_density()"
        )
    state = tensor_densities(derivation)
    for name, e in state.items():
        if _has_velocity(e):
            raise SpecError(f"{name} depends on velocities that are no function of the state: {e}", part="readout")
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
    """The currents of the declared symmetries in the state; one that holds other velocities is left out."""
    found = {name: tuple(in_state(derivation, j) for j in current) for name, current in derivation.currents.items()}
    return {name: current for name, current in found.items() if not any(map(_has_velocity, current))}


def in_state(derivation: Derivation, e: sp.Expr) -> sp.Expr:
    """An expression with velocities written as functions of the state; where a Lagrangian of first order leaves them
    undefined, by the equations."""
    rates = derivation.velocities or derivation.equations
    return sp.sympify(e).xreplace({u.diff(t): v for u, v in rates.items()})


def _has_velocity(e: sp.Expr) -> bool:
    return any(t in d.variables for d in e.atoms(sp.Derivative))


def normalised(raw: dict[str, sp.Expr], rank: int) -> dict[str, sp.Expr]:
    """Components of degree one in the fields, from the raw components as symbols: a = sqrt(|T00| + eps), T0i/a,
    (T11 - Tii)/2a, Tij/a; in one dimension T11/a."""
    amplitude = sp.sqrt(sp.Abs(raw["T00"]) + AMPLITUDE_FLOOR)
    out = {"a": amplitude}
    for name, component in raw.items():
        i, j = name[1], name[2]
        if i == "0" and j != "0":
            out[f"{name}_a"] = component / amplitude
    diagonal = [f"T{i}{i}" for i in range(1, rank + 1) if f"T{i}{i}" in raw]
    if rank == 1 and diagonal:
        out["T11_a"] = raw["T11"] / amplitude
    for first, second in itertools.pairwise(diagonal):
        out[f"{first}_{second}_2a"] = (raw[first] - raw[second]) / (2 * amplitude)
    for name, component in raw.items():
        i, j = name[1], name[2]
        if i != "0" and i != j:
            out[f"{name}_a"] = component / amplitude
    return out
