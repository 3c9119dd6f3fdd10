"""``lattice_noether``: which conserved quantities of the continuum the lattice dynamics keeps.

A quantity C = sum_n c(z) changes at the rate dC . (J dH - M dH), or dC . (J dH + M dS), and by (dC/dt)_z where c
depends on t by itself. On the lattice C is discretised and varied like the energy, and the rate is a number for every
state: if it is not zero, C is lost; if it is, the variation of the density dC . z_t says whether it is a total
difference for every state. Tried are the energy, the total of every field, the charges of the declared symmetries, and
the momentum T^t_i of translations, which a lattice breaks: it survives only where the energy is quadratic with constant
coefficients.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.discretise.lattice_probe import TOLERANCE, Numbers, Stencil, Unwritten, acting, applied, gradient_of
from metrigen.discretise.readout import in_state, tensor_densities
from metrigen.errors import SpecError
from metrigen.ir.interpreter import run
from metrigen.ir.nodes import Program
from metrigen.passes.vary import bar
from metrigen.physics.clock import explicit_rate, is_timed, moves
from metrigen.physics.derivation import Law
from metrigen.spec.symbols import Param, t

NAME = "lattice_noether"
_ENERGY = "the energy (see lattice_energy)"


@dataclass(frozen=True)
class _Quantity:
    """dC of a quantity, ``moved`` its density of (dC/dt)_z or None; ``declared`` by the user, ``each`` channel for
    itself, ``whole`` flow or its bracket alone."""

    name: str
    gradient: Program
    declared: bool = False
    each: bool = False
    whole: bool = True
    moved: Program | None = None


@dataclass(frozen=True)
class _Finding:
    quantity: _Quantity
    name: str
    defect: float
    proved: bool

    @property
    def kept(self) -> bool:
        return self.defect <= TOLERANCE


def lattice_noether(stencil: Stencil, energy: Law) -> Law:
    """One law for all quantities: failed where a declared symmetry is lost, else as well decided as what is kept."""
    rates = _Rates.of(stencil)
    quantities = list(_quantities(stencil))
    found = [_find(stencil, rates, quantity) for quantity in quantities if isinstance(quantity, _Quantity)]
    kept = [f for f in found if f.kept]
    lost = [f for f in found if not f.kept and f.quantity.name[:5] != "total"]
    explicit = " but for the explicit dH/dt" if moves(stencil.dynamics.derivation.hamiltonian) else ""
    whole = f"the energy{explicit}"
    names = [whole] if energy.verdict != "failed" and _conserves(stencil) else []
    names += [f.name if f.proved else f"{f.name} (on random states)" for f in kept]
    noise = " but for the noise" if stencil.dynamics.noise else ""
    how = "kept on the lattice: " + (", ".join(names) or f"nothing, the energy decays{explicit}{noise}")
    restored = "the energy (restored by the step)" if stencil.restored(energy.name) else _ENERGY
    gone = [restored] if energy.verdict == "failed" else []
    texts = [f"{f.name} (its rate is {f.defect:.2g} of the sum of its |terms|)" for f in lost]
    detail = "lost: " + ", ".join([*gone, *texts]) if gone or texts else ""
    untested = [text for text in quantities if isinstance(text, str)]
    if untested:
        detail += ("; " if detail else "") + "not tested: " + ", ".join(untested)
    broken = [f for f in lost if f.quantity.declared]
    if broken:
        return Law(NAME, "failed", how, detail, texts[lost.index(broken[0])])
    certain = all(f.proved for f in kept) and (energy.verdict != "sampled" or not _conserves(stencil))
    return Law(NAME, "proved" if certain else "sampled", how, detail)


def _conserves(stencil: Stencil) -> bool:
    """Is the energy meant to be constant: no metric, or one with an entropy?"""
    return stencil.metric is None or stencil.entropy is not None


def _quantities(stencil: Stencil) -> Iterator[_Quantity | str]:
    """The quantities to try, and the names of those that cannot be."""
    dynamics = stencil.dynamics
    derivation = dynamics.derivation
    for u in derivation.fields:
        yield _Quantity(f"total {u.func.__name__}", _gradient(stencil, u), each=True)
    if stencil.bracket is None:
        return
    for name, current in derivation.currents.items():
        yield from _functional(stencil, f"the charge of {name!r}", in_state(derivation, current[0]), declared=True)
    if derivation.stress_energy and _homogeneous(stencil):
        tensor = tensor_densities(derivation)
        for i, axis in enumerate(derivation.system.domain.axes, 1):
            yield from _functional(stencil, f"the momentum along {axis.name}", tensor.get(f"T0{i}", sp.S.Zero))


def _homogeneous(stencil: Stencil) -> bool:
    """Neither walls nor prescribed fields: translations are a symmetry of the continuum."""
    return stencil.dynamics.lowering.periodic and not stencil.dynamics.inputs


def _functional(stencil: Stencil, name: str, density: sp.Expr, *, declared: bool = False) -> Iterator[_Quantity | str]:
    """The quantity of a density, if it is one of the state and the dynamics has its parameters."""
    if density.is_zero:
        return
    known = {a.name for a in stencil.dynamics.lowering.inputs}
    foreign = [s for s in density.free_symbols if isinstance(s, Param) and s.name not in known]
    if foreign or any(t in d.variables for d in density.atoms(sp.Derivative)) or _explicit(stencil, density):
        yield name
        return
    try:
        gradient, moved = _gradient(stencil, density), _moved(stencil, density)
        yield _Quantity(name, gradient, declared, whole=stencil.metric is None, moved=moved)
    except SpecError:
        yield name


def _explicit(stencil: Stencil, density: sp.Expr) -> bool:
    """Does a density depend on coordinates by itself, beyond the arguments of its functions, that no program knows?"""
    plain = density.xreplace({f: sp.Dummy(real=True) for f in density.atoms(AppliedUndef, sp.Derivative)})
    known = {t} if stencil.dynamics.timed else set()
    return any(x in plain.free_symbols - known for f in density.atoms(AppliedUndef) for x in f.args)


def _moved(stencil: Stencil, density: sp.Expr) -> Program | None:
    """The density of (dC/dt)_z at the sites."""
    if not is_timed(density):
        return None
    return stencil.dynamics.lowering.sites("moved", {"moved__density": explicit_rate(density)}, "symmetries")


def _gradient(stencil: Stencil, density: sp.Expr | AppliedUndef) -> Program:
    return stencil.dynamics.gradient(density, "C", "symmetries")


@dataclass(frozen=True)
class _Rates:
    """z_t at the random states, reversible and whole; as expressions where they can be written."""

    states: tuple[Numbers, ...]
    reversible: tuple[Numbers, ...]
    whole: tuple[Numbers, ...]
    written: tuple[Mapping[str, sp.Expr], Mapping[str, sp.Expr]] | None

    @classmethod
    def of(cls, stencil: Stencil) -> _Rates:
        states = tuple(stencil.states())
        pairs = [_numbers(stencil, z) for z in states]
        try:
            written = _expressions(stencil)
        except Unwritten:
            written = None
        return cls(states, tuple(a for a, _ in pairs), tuple(b for _, b in pairs), written)


def _numbers(stencil: Stencil, state: Numbers) -> tuple[Numbers, Numbers]:
    slope = gradient_of(stencil.energy, state)
    zero = {name: np.zeros_like(x) for name, x in slope.items()}
    reversible = zero if stencil.bracket is None else applied(stencil.bracket, state, slope)
    if stencil.metric is None:
        return reversible, reversible
    sign, driver = (-1, slope) if stencil.entropy is None else (1, gradient_of(stencil.entropy, state))
    forced = applied(stencil.metric, state, driver)
    return reversible, {name: reversible[name] + sign * forced[name] for name in zero}


def _expressions(stencil: Stencil) -> tuple[Mapping[str, sp.Expr], Mapping[str, sp.Expr]]:
    slope = _plain(stencil.inline(stencil.energy))
    reversible: Mapping[str, sp.Expr] = dict.fromkeys(stencil.names, sp.S.Zero)
    if stencil.bracket is not None:
        reversible = _plain(stencil.inline(stencil.bracket, acting(slope)), "__left")
    if stencil.metric is None:
        return reversible, reversible
    sign, driver = (-1, slope) if stencil.entropy is None else (1, _plain(stencil.inline(stencil.entropy)))
    forced = _plain(stencil.inline(stencil.metric, acting(driver)), "__left")
    return reversible, {name: reversible[name] + sign * forced[name] for name in stencil.names}


def _plain(outputs: Mapping[str, sp.Expr], side: str = "") -> dict[str, sp.Expr]:
    return {name.removesuffix(bar(side)): e for name, e in outputs.items()}


def _find(stencil: Stencil, rates: _Rates, quantity: _Quantity) -> _Finding:
    """The largest |dC . z_t| of the random states, relative to the sum of |terms|, and whether 0 is proved."""
    flows = rates.whole if quantity.whole else rates.reversible
    each = together = 0.0
    for state, flow in zip(rates.states, flows, strict=True):
        slope = {name.removesuffix(bar("")): x for name, x in run(quantity.gradient, state).items()}
        moved = () if quantity.moved is None else run(quantity.moved, state).values()
        products = np.stack([*(slope[name] * flow[name] for name in flow), *moved])
        each, together = (
            max(each, _relative(products, (0, *range(3, products.ndim)))),
            max(together, _relative(products)),
        )
    by_channel = quantity.each and each <= TOLERANCE
    defect = each if by_channel else together
    name = quantity.name + (" over all channels" if quantity.each and not by_channel and defect <= TOLERANCE else "")
    name += "" if quantity.whole else " under the bracket"
    return _Finding(quantity, name, defect, defect <= TOLERANCE and _proved(stencil, rates, quantity))


def _relative(products: np.ndarray, axes: tuple[int, ...] | None = None) -> float:
    """|sum| / sum of |terms|, the largest over the axes that are not summed; infinite where there is no value."""
    size = np.abs(products).sum(axis=axes)
    value = np.abs(products.sum(axis=axes)) / np.where(size == 0, 1, size)
    return float(np.max(value)) if np.isfinite(value).all() else float("inf")


def _proved(stencil: Stencil, rates: _Rates, quantity: _Quantity) -> bool:
    """Is dC . z_t a total difference for every state?"""
    if rates.written is None:
        return False
    flow = rates.written[1] if quantity.whole else rates.written[0]
    try:
        slope = _plain(stencil.inline(quantity.gradient))
        moved = () if quantity.moved is None else stencil.inline(quantity.moved).values()
        return stencil.is_null(sp.Add(*(slope[name] * flow[name] for name in flow), *moved))
    except Unwritten:
        return False
