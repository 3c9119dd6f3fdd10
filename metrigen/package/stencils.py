"""The stencils of a system in words: the functional on the lattice and its variation, one term a line."""

from __future__ import annotations

from collections.abc import Sequence

import sympy as sp

from metrigen.discretise.dynamics import Dynamics
from metrigen.ir.nodes import ChannelMatmul, ChannelSum, Inside, Load, Map, Solve, Statement, stem
from metrigen.ir.queries import known
from metrigen.passes.pipeline import BUILT, apply
from metrigen.passes.tidy import tidy
from metrigen.passes.vary import bar


def boundary_sentence(layer: Dynamics) -> str:
    """Boundary, spacing and means of a lattice; a lattice without axes has none of them."""
    domain = layer.derivation.system.lattice
    if not domain.axes:
        return "The system has no axis: its stencil is the site itself."
    formula = " 2ab/(a + b)" if domain.average == "harmonic" else ""
    mean = f"{domain.average} means{formula} of the coefficients on edges"
    return f"Boundary {domain.boundary}, spacing {domain.spacing}, {mean}."


def stencil_text(layer: Dynamics) -> str:
    """H summed over sites, and dH/du for every field u; u[+1, 0] is u one site ahead on axis one."""
    density = layer.derivation.hamiltonian
    gradient = apply(BUILT, layer.gradient(density))
    return "\n".join(
        (
            _written("H, summed over sites:", layer.lowering.functional("H", density).body),
            _written("its variation:", gradient.body),
        )
    )


def _written(title: str, body: Sequence[Statement]) -> str:
    lines = [title]
    for statement in known(body, "the stencils in words"):
        if isinstance(statement, ChannelMatmul):
            transposed = "^T" if statement.transpose else ""
            lines.append(f"  {_plain(statement.out)} = {statement.matrix}{transposed} {_plain(statement.src)}")
        elif isinstance(statement, ChannelSum):
            lines.append(f"  {_plain(statement.out)} = sum over channels of {_plain(statement.src)}")
        elif isinstance(statement, Solve):
            image = _at_offsets(statement.acting_on(stem(statement.out)))
            mean = ", means dropped" if statement.singular else ""
            lines.append(f"  {_plain(statement.out)} from {image} = {_plain(statement.rhs)}{mean}")
        elif isinstance(statement, Map):
            for name, expr in statement.stores:
                terms = [str(_at_offsets(term)) for term in tidy(expr).as_ordered_terms()]
                signed = (f"- {term[1:]}" if term.startswith("-") else f"+ {term}" for term in terms)
                lines += [f"  {_plain(name)} ="] + [f"    {term}" for term in signed]
    return "\n".join(lines)


def _plain(name: str) -> str:
    """A name as it reads in a formula: the stem, dH/du for the cotangent of u."""
    return f"dH/d{stem(name)}" if name == bar(stem(name)) else "h" if name == "density__" else stem(name)


def _at_offsets(term: sp.Expr) -> sp.Expr:
    swap = {}
    for atom in term.atoms(Load, Inside):
        where = ", ".join(f"{o:+d}" if o else "0" for o in atom.offset)
        what = stem(atom.array) if isinstance(atom, Load) else stem(atom.name)
        shown = f"{what}[{where}]" if any(atom.offset) or isinstance(atom, Inside) else what
        swap[atom] = sp.Symbol(shown, real=True)
    return term.xreplace(swap)
