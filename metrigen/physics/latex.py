"""A derivation as LaTeX: what a paper would print, for a notebook."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import sympy as sp

from metrigen.spec.latex import formula, name_of, plain

if TYPE_CHECKING:
    from metrigen.physics.derivation import Derivation


def derivation_latex(d: Derivation) -> str:
    """H, the equations, T and the laws as one display formula."""
    blocks = [aligned([(r"\mathcal{H}", formula(d.hamiltonian))])]
    if d.constraints:
        blocks.append(aligned(("0", formula(residual)) for residual in d.constraints.values()))
    blocks.append(aligned((rf"\partial_t {name_of(u)}", formula(rate)) for u, rate in d.equations.items()))
    if d.stress_energy:
        rows = ((rf"T^{{{mu}}}{{}}_{{{nu}}}", formula(value)) for (mu, nu), value in d.stress_energy.items())
        blocks.append(aligned(rows))
    for name, current in d.currents.items():
        head = rf"_{{\text{{{plain(name)}}}}}"
        flows = zip(_coordinates(d), current, strict=True)
        blocks.append(aligned((rf"J^{{{mu}}}{head}", formula(j)) for mu, j in flows))
    if d.step_limit is not None:
        blocks.append(aligned([(r"\Delta t_{\max}", formula(d.step_limit))]))
    blocks.append(_laws(d))
    return r"$\displaystyle \begin{array}{l}" + r" \\[1.2em] ".join(blocks) + r"\end{array}$"


def _coordinates(d: Derivation) -> tuple[sp.Symbol, ...]:
    return d.fields[0].args  # type: ignore[no-any-return]


def aligned(rows: Iterable[tuple[str, str]]) -> str:
    """Equations below one another, aligned at their signs."""
    return r"\begin{aligned}" + r" \\ ".join(f"{left} &= {right}" for left, right in rows) + r"\end{aligned}"


def _laws(d: Derivation) -> str:
    rows = [rf"\text{{{plain(law.name)}}} & \text{{{law.verdict}}} & \text{{{plain(law.how)}}}" for law in d.laws]
    return r"\begin{array}{lll}" + r" \\ ".join(rows) + r"\end{array}"
