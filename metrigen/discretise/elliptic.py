"""An elliptic constraint on a lattice: C(psi, z) = 0 as A psi = r with a symmetric stencil A.

With a test function f, the linear part L of a self-adjoint constraint is the form

    order <= 2   b(f, psi) = c0 f psi - c_ij f_i psi_j          c_ij, c0 the coefficients of psi_ij and psi
    beyond       b(f, psi) = (f L psi + psi L f)/2

which is put on the lattice like the density of an energy and varied in f: A is symmetric by construction, and it is
the variation of the energy b(psi, psi)/2 as that is put on the lattice. r is the variation of -f C(0, z) in f.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sympy as sp
from sympy.core.function import AppliedUndef

from metrigen.errors import SpecError
from metrigen.physics import channels
from metrigen.physics.jets import Jet, from_jets, jet, jets_of, to_jets
from metrigen.physics.report import show
from metrigen.physics.variation import euler
from metrigen.physics.zero import is_zero
from metrigen.spec.neural import learned_functions


@dataclass(frozen=True)
class Equation:
    """A constraint on a lattice, to be written where its auxiliary field is read.

    out       the array of the auxiliary field
    operator  (A out)[n], positive definite; ``singular``: semi-definite, with the constants as its kernel
    test, source   the density whose variation in ``test`` is the right side
    """

    out: str
    operator: sp.Expr
    singular: bool
    test: AppliedUndef
    source: sp.Expr


@dataclass(frozen=True)
class Weak:
    """form(test, psi) = source(test) for every test function: the weak form of a constraint, sign and all.

    psi, test  the auxiliary field and the test function
    form       b(test, psi), symmetric
    source     -test C(0, z)
    """

    psi: AppliedUndef
    test: AppliedUndef
    form: sp.Expr
    source: sp.Expr


def weak_forms(
    constraints: Mapping[AppliedUndef, sp.Expr], fields: tuple[AppliedUndef, ...]
) -> dict[AppliedUndef, Weak]:
    """The weak form of every constraint; raises SpecError for one that no symmetric linear solve fixes."""
    found = {psi: _weak_form(psi, residual, fields, tuple(constraints)) for psi, residual in constraints.items()}
    for psi in found:
        _check_order(psi, found)
    return found


def _weak_form(
    psi: AppliedUndef, residual: sp.Expr, fields: tuple[AppliedUndef, ...], auxiliary: tuple[AppliedUndef, ...]
) -> Weak:
    name, flat = psi.func.__name__, to_jets(residual)
    if any(jets_of(atom, psi) for atom in flat.atoms(*channels.MAPS)):
        raise refusal(name, f"it couples the channels of {name}", "couple the channels of the source instead")
    by_jet = {j: flat.diff(j) for j in jets_of(flat, psi)}
    linear = sp.Add(*(c * j for j, c in by_jet.items()))
    for j, c in by_jet.items():
        moved = jets_of(c, *fields, *auxiliary)
        if moved or learned_functions(c):
            what = "which changes from state to state" if moved else "which holds a learned function"
            raise refusal(
                name,
                f"the coefficient of {show(j)} is {show(c)}, {what}",
                "a linear constraint with coefficients that are numbers, parameters or inputs",
            )
    test = sp.Function(f"test:{name}", real=True)(*psi.args)
    form = _form(by_jet, psi, test)
    if not is_zero(to_jets(euler(from_jets(form), test)) - linear):
        raise refusal(
            name,
            f"{show(linear)} is not self-adjoint, and the solve is one with a symmetric matrix",
            "write it as a variation, c psi - div(k grad psi) with any coefficients",
        )
    source = -jet(test) * (flat - linear)
    return Weak(psi, test, from_jets(form), from_jets(sp.expand_mul(source)))


def _form(by_jet: Mapping[Jet, sp.Expr], psi: AppliedUndef, test: AppliedUndef) -> sp.Expr:
    if max(j.order for j in by_jet) > 2:
        terms = [c * (jet(test) * j + jet(psi) * Jet(test, j.orders)) / 2 for j, c in by_jet.items()]
        return sp.Add(*terms)
    form = sp.S.Zero
    for j, c in by_jet.items():
        if j.order == 0:
            form += c * jet(test) * jet(psi)
        elif j.order == 2:
            a, b = j.directions()
            left, right = jet(test), jet(psi)
            pair = left.shift(a) * right.shift(b) + left.shift(b) * right.shift(a)
            form -= c * pair / 2
    return form


def _check_order(psi: AppliedUndef, found: Mapping[AppliedUndef, Weak], above: tuple[AppliedUndef, ...] = ()) -> None:
    """Each constraint may read the auxiliary fields of others, but not in a circle."""
    if psi in above:
        raise refusal(
            psi.func.__name__,
            "it holds " + ", which holds ".join(u.func.__name__ for u in (*above[1:], psi)),
            "constraints that can be solved one after the other",
        )
    for other in found:
        if found[psi].source.has(other):
            _check_order(other, found, (*above, psi))


def refusal(name: str, why: str, fix: str, witness: str | None = None) -> SpecError:
    """The constraint of ``name`` cannot be solved by a layer."""
    return SpecError(
        f"the elliptic constraint of {name} has no emitted form",
        part="constraints",
        why=f"{why}; equations, laws and tensor are derived: metrigen show prints them",
        fix=fix,
        witness=witness,
        see="constraints",
    )
