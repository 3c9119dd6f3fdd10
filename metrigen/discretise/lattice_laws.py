"""The laws once more, for the stencil that is emitted.

The null test of the lattice is that of the continuum with the discrete variation: a density is a total difference
exactly when its variation vanishes. Where the expression does not cancel by expansion it is evaluated on random
states with the interpreter, and the verdict says so.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import sympy as sp

from metrigen.discretise.dynamics import Dynamics
from metrigen.discretise.lattice_casimir import lattice_casimir
from metrigen.discretise.lattice_energy import lattice_energy
from metrigen.discretise.lattice_jacobi import lattice_jacobi
from metrigen.discretise.lattice_noether import lattice_noether
from metrigen.discretise.lattice_positivity import lattice_positivity
from metrigen.discretise.lattice_probe import CHANNELS, TOLERANCE, TRIALS, Stencil, applied
from metrigen.errors import REPORT, StructureError
from metrigen.ir.nodes import ChannelMatmul, ChannelSum, Program
from metrigen.ir.queries import maps_in
from metrigen.physics.derivation import Bilinear, Law
from metrigen.physics.report import SYMMETRISE
from metrigen.physics.size import TooLarge
from metrigen.physics.work_budget import LAW, expand, limited


def lattice_laws(dynamics: Dynamics) -> tuple[Law, ...]:
    """Antisymmetry and Jacobi of the bracket, symmetry and positivity of the metric, what becomes of the energy and of
    the other conserved quantities, as emitted.

    Raises StructureError with a numeric witness where the stencil breaks the antisymmetry of the bracket, the symmetry
    or the positivity of the metric; what discretisation usually costs (Jacobi, momentum, a degeneracy that needs the
    product rule) is reported as failed with the size of the defect.
    """
    derivation, stencil = dynamics.derivation, Stencil.of(dynamics)
    laws: list[Law] = []
    if derivation.bracket is not None:
        with limited(LAW):
            laws.append(_symmetry(stencil, derivation.bracket, "bracket", "lattice_antisymmetry"))
        with limited(LAW):
            laws.append(lattice_jacobi(stencil, derivation.bracket))
        if derivation.casimirs:
            with limited(LAW):
                laws.append(lattice_casimir(stencil))
    if derivation.metric is not None:
        with limited(LAW):
            laws.append(_symmetry(stencil, derivation.metric, "metric", "lattice_metric_symmetry"))
        with limited(LAW // 8):  # a proof that exists is short; the rest of the account would go into pivots
            laws.append(lattice_positivity(stencil, derivation.metric))
    of = {law.name: law for law in laws}
    with limited(LAW):
        laws += lattice_energy(stencil, of.get("lattice_antisymmetry"), of.get("lattice_metric_psd"))
    energy = next((law for law in laws if law.name == "lattice_energy"), None)
    if energy is not None:
        with limited(LAW):
            laws.append(lattice_noether(stencil, energy))
    return tuple(laws)


def _symmetry(stencil: Stencil, bilinear: Bilinear, part: str, name: str) -> Law:
    """b(f, g) = -+ b(g, f): by construction where derivatives occur, else E_f[b(f, g) +- b(g, f)] = 0."""
    sign = 1 if part == "bracket" else -1
    worst = _lopsided(stencil, part, sign)
    if worst > TOLERANCE:
        raise StructureError(
            f"the stencil of the {part} breaks {name} once its channel maps are merged", law=name, part=part,
            witness=f"f.Jg {'+' if sign > 0 else '-'} g.Jf = {worst:.3g} of its terms on a random state", fix=REPORT,
            see="compiler-fault",
        )  # fmt: skip
    if bilinear.form.has(sp.Derivative):
        word = "-" if sign > 0 else "+"
        return Law(name, "proved", f"by construction: emitted as (b(f, g) {word} b(g, f))/2, varied in f")
    both = (*bilinear.left, *bilinear.right)
    mirrored = Bilinear(
        bilinear.form.xreplace(dict(zip(both, (*bilinear.right, *bilinear.left), strict=True))),
        bilinear.left,
        bilinear.right,
    )
    sum_ = Bilinear(bilinear.form + sign * mirrored.form, bilinear.left, bilinear.right)
    if _cancels([sum_.form]):
        return Law(name, "proved", "the density is its own mirror image at every site")
    operator = stencil.operator(sum_, part)
    rows = [e for s in maps_in(operator, f"the law {name}") for _, e in s.stores]
    if _cancels(rows):
        return Law(name, "proved", "discrete variation of b(f, g) " + ("+" if sign > 0 else "-") + " b(g, f) vanishes")
    worst = _largest(stencil, operator)
    if worst > TOLERANCE:
        raise StructureError(
            f"the stencil of the {part} breaks {name}", law=name, part=part, residual=sp.Add(*rows),
            witness=f"{worst:.3g} on a random state of {stencil.sites} sites per axis", fix=SYMMETRISE[part],
        )  # fmt: skip
    return Law(name, "sampled", f"{TRIALS} random states, {CHANNELS} channels", f"largest defect {worst:.1e}")


def _lopsided(stencil: Stencil, part: str, sign: int) -> float:
    """|f.Jg +- g.Jf| relative to its terms on a random state, where channels are coupled: a proof at one site, or by
    construction, does not see what becomes of channel maps."""
    operator = stencil.bracket if part == "bracket" else stencil.metric
    if operator is None or not any(isinstance(s, (ChannelMatmul, ChannelSum)) for s in operator):
        return 0.0
    state, (f, g) = next(stencil.states()), (stencil.covector(0, which) for which in (1, 2))
    fg, gf = applied(operator, state, g), applied(operator, state, f)
    terms = [(f[n] * fg[n], g[n] * gf[n]) for n in stencil.names]
    size = sum(float(np.abs(a).sum() + np.abs(b).sum()) for a, b in terms)
    defect = sum(float(a.sum() + sign * b.sum()) for a, b in terms)
    return abs(defect) / size if np.isfinite(size) and size > 0 else 0.0


def _cancels(exprs: Sequence[sp.Expr]) -> bool:
    """Zero by expansion, as far as that can be written."""
    try:
        return all(expand(e) == 0 for e in exprs)
    except TooLarge:
        return False


def _largest(stencil: Stencil, operator: Program) -> float:
    images = (applied(operator, z, stencil.covector(trial, 1)) for trial, z in enumerate(stencil.states()))
    return max(float(np.abs(x).max()) for image in images for x in image.values())
