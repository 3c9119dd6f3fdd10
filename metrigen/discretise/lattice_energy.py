"""``lattice_energy`` and ``lattice_entropy_degeneracy``: what dH/dt of the lattice dynamics is.

    bracket alone            dH/dt = dH . J dH = 0, because the stencil is skew
    metric, no entropy       dH/dt = -dH . M dH <= 0, because it is positive
    metric and entropy       dH/dt = dS . M dH, zero where M dH = 0 survives the differences
                             dS/dt = dS . M dS + dS . J dH >= 0 where J dS = 0 survives
    H depends on t by itself to each of them (dH/dt)_z, at a fixed state, is added

Integrators approximate this flow; the drift of a step is theirs.
"""

from __future__ import annotations

import numpy as np

from metrigen.discretise.lattice_probe import (
    TOLERANCE,
    Numbers,
    Stencil,
    Unwritten,
    acting,
    applied,
    gradient_of,
)
from metrigen.ir.nodes import Program
from metrigen.passes.vary import bar
from metrigen.physics.clock import INT, POINT, but_for_explicit, moves
from metrigen.physics.derivation import Law

ENERGY, DEGENERACY = "lattice_energy", "lattice_entropy_degeneracy"


def lattice_energy(stencil: Stencil, skew: Law | None, positive: Law | None) -> tuple[Law, ...]:
    """The energy law, and with an entropy its degeneracy in the bracket. ``skew`` and ``positive`` are the laws of the
    stencil that it rests on."""
    if positive is None:
        if skew is None:
            return ()
        return (_timed(stencil, Law(ENERGY, skew.verdict, f"{_rate(stencil)} dH.J dH = 0: the stencil is skew")),)
    if stencil.entropy is None:
        weakest = skew if skew is not None and skew.verdict != "proved" else positive
        bound = "(dH/dt)_z" if moves(stencil.dynamics.derivation.hamiltonian) else "0"
        how = f"{_rate(stencil, -1)}dH.M dH <= {bound} by {positive.name}"
        how += ", but for the noise" if stencil.dynamics.noise else ""
        return (_timed(stencil, weakest.inherited(ENERGY, how), "never rises"),)
    assert stencil.metric is not None
    how = f"{_rate(stencil)} dS.M dH, and M dH = 0 at every site"
    laws = [_timed(stencil, _degenerate(stencil, ENERGY, how, stencil.metric, stencil.energy, "M dH"))]
    if stencil.bracket is not None:
        how = "J dS = 0 at every site: the bracket leaves the entropy alone"
        laws.append(_degenerate(stencil, DEGENERACY, how, stencil.bracket, stencil.entropy, "J dS"))
    return tuple(laws)


def _rate(stencil: Stencil, sign: int = 1) -> str:
    """The beginning of dH/dt = +-..., with the explicit part where there is one."""
    if moves(stencil.dynamics.derivation.hamiltonian):
        return "dH/dt = (dH/dt)_z +" if sign > 0 else "dH/dt = (dH/dt)_z - "
    return "dH/dt =" if sign > 0 else "dH/dt = -"


def _timed(stencil: Stencil, law: Law, verb: str = "conserved") -> Law:
    over = INT if stencil.dynamics.origin else POINT
    return but_for_explicit(law, stencil.dynamics.derivation.hamiltonian, verb, over, bool(stencil.dynamics.noise))


def _degenerate(stencil: Stencil, name: str, how: str, operator: Program, gradient: Program, what: str) -> Law:
    """Does the operator annihilate the gradient, at every site of every state?"""
    worst = max(defect(stencil, operator, gradient, trial, z) for trial, z in enumerate(stencil.states()))
    where = f"random states of {stencil.sites} sites per axis" if stencil.dynamics.origin else "random states"
    if not np.isfinite(worst):
        return Law(name, "sampled", f"not decided: no real value of {what} on {where}")
    if worst > TOLERANCE:
        text = f"{what} is {worst:.2g} of an operator image of that size, on {where}"
        detail = "differences of a product are not the product rule: lost on the lattice, of the order of the spacing"
        restored = stencil.restored(name)
        integrator = type(stencil.dynamics.derivation.system.integrator).__name__
        detail += f"; restored by {integrator}: {restored}" if restored else ""
        return Law(name, "failed", f"{what} evaluated on {where}", detail, text)
    try:
        if vanishes_by_expansion(stencil, operator, gradient):
            return Law(name, "proved", f"{how}, by expansion")
        limit = "the expansion did not decide"
    except Unwritten as reason:
        limit = f"not expanded: {reason}"
    return Law(name, "sampled", f"{how}, on {where}; {limit}", f"largest relative defect {worst:.1e}")


def defect(stencil: Stencil, operator: Program, gradient: Program, trial: int, state: Numbers) -> float:
    """The largest |operator gradient| at a state, relative to |operator g| for random g of the same magnitude."""
    slope = gradient_of(gradient, state)
    noise = stencil.covector(trial, 1)
    scaled = {name: noise[name] * np.sqrt(np.mean(x**2)) for name, x in slope.items()}
    image = _largest(applied(operator, state, slope))
    other = _largest(applied(operator, state, scaled))
    return image / other if other else image


def _largest(vector: Numbers) -> float:
    return max(float(np.abs(x).max()) for x in vector.values())


def vanishes_by_expansion(stencil: Stencil, operator: Program, gradient: Program) -> bool:
    """Is operator gradient = 0 at every site of every state, proved? Raises Unwritten."""
    slope = {name.removesuffix(bar("")): e for name, e in stencil.inline(gradient).items()}
    return all(stencil.vanishes(e) for e in stencil.inline(operator, acting(slope)).values())
