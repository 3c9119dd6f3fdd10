"""``lattice_casimir``: which Casimirs of the bracket its stencil keeps, J dC = 0 at every site.

A total of a field is kept where constants are in the kernel of the differences; a density that needs the product rule
or the chain rule is lost, by the order of the spacing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import sympy as sp

from metrigen.discretise.lattice_energy import defect, vanishes_by_expansion
from metrigen.discretise.lattice_probe import TOLERANCE, Stencil, Unwritten
from metrigen.errors import SpecError
from metrigen.physics.casimirs import family
from metrigen.physics.derivation import Law
from metrigen.spec.symbols import Param

NAME = "lattice_casimir"


def lattice_casimir(stencil: Stencil) -> Law:
    """One law for all: failed where a declared one is lost, sampled where a kept one is not proved."""
    derivation = stencil.dynamics.derivation
    declared = derivation.system.casimirs or {}
    kept: list[str] = []
    lost: dict[str, str] = {}
    untested: list[str] = []
    certain = True
    for name, density in _instances(derivation.casimirs):
        verdict = _verdict(stencil, density)
        if verdict is None:
            untested.append(name)
        elif isinstance(verdict, str):
            lost[name] = f"{name} (J dC is {verdict} of an operator image of that size)"
        else:
            kept.append(name if verdict else f"{name} (on random states)")
            certain &= verdict
    how = "J dC = 0 at every site: " + (", ".join(kept) or "none")
    detail = "lost: " + ", ".join(lost.values()) if lost else ""
    if untested:
        detail += ("; " if detail else "") + "not tested: " + ", ".join(untested)
    broken = [text for name, text in lost.items() if name in declared]
    if broken:
        return Law(NAME, "failed", how, detail, broken[0])
    return Law(NAME, "proved" if certain and not untested else "sampled", how, detail)


def _instances(known: Mapping[str, sp.Expr]) -> Iterator[tuple[str, sp.Expr]]:
    """Densities that can be discretised: of every function f(u), the first two powers."""
    for name, density in known.items():
        u = family(density)
        if u is None:
            yield name, density
        else:
            yield f"int {u.func.__name__}", u
            yield f"int {u.func.__name__}**2", u**2


def _verdict(stencil: Stencil, density: sp.Expr) -> bool | str | None:
    """The size of the defect; is its absence proved; or None where the dynamics lacks a symbol of the density."""
    known = {a.name for a in stencil.dynamics.lowering.inputs}
    if any(isinstance(s, Param) and s.name not in known for s in density.free_symbols):
        return None
    operator = stencil.bracket
    assert operator is not None
    try:
        gradient = stencil.dynamics.gradient(density, "C", "casimirs")
    except SpecError:
        return None
    worst = max(defect(stencil, operator, gradient, trial, z) for trial, z in enumerate(stencil.states()))
    if not worst <= TOLERANCE:
        return f"{worst:.2g}"
    try:
        return vanishes_by_expansion(stencil, operator, gradient)
    except Unwritten:
        return False
