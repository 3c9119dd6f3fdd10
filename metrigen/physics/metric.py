"""Laws of the dissipative bracket: symmetry, positivity, energy degeneracy.

Positivity, from the strongest ground to the weakest: the signs of the weights of a factored form; LDL^T of the
matrix c_ab in (F, G) = int sum D_a F c_ab D_b G; the Fourier symbol of constant coefficients; sampling.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import sympy as sp

from metrigen.physics import positivity
from metrigen.physics.clock import broken_later
from metrigen.physics.conditions import conditional
from metrigen.physics.degeneracy import check_degeneracy
from metrigen.physics.derivation import Law
from metrigen.physics.jets import to_jets
from metrigen.physics.operators import Form
from metrigen.physics.parity import check_parity
from metrigen.physics.report import show, violation
from metrigen.physics.signs import Sign, condition, sign_of
from metrigen.physics.zero import is_zero
from metrigen.spec.functional import Dissipation

_MOST_COMBINED = 8  # conditions whose sums are looked at


def check_symmetry(form: Form, source: object) -> Law:
    """(F, G) = (G, F): E_f[ b(f, g) - b(g, f) ] = 0."""
    if isinstance(source, Dissipation):
        return Law("metric_symmetry", "proved", "factored form: symmetric by construction")
    return check_parity(
        form,
        1,
        "metric_symmetry",
        "metric",
        what="the metric bracket is not symmetric",
        fix="use the symmetric part {symmetric}; the skew part {skew} belongs in bracket=",
    )


def check_psd(form: Form, source: object) -> Law:
    """(F, F) >= 0 for every F."""
    if isinstance(source, Dissipation):
        signs = [sign_of(to_jets(weight)) for weight, _ in source.terms]
        return _at_every_time(_verdict(signs, "signs of the weights of the factored form"))
    found = positivity.of_form(form)
    if found.needs:
        return _at_every_time(conditional("metric_psd", found.how, found.undecided, found.needs))
    if found.undecided:
        return Law("metric_psd", "sampled", found.how, found.undecided)
    return _at_every_time(_verdict(found.signs, found.how, positivity.counterexample(form)))


def _at_every_time(law: Law) -> Law:
    """The law, unless the time that comes breaks it whatever the parameters are: t runs through every value."""
    for need in law.needs:
        broken = broken_later(need)
        if broken:
            raise violation(
                "the metric bracket is not positive at every time",
                law="metric_psd",
                residual=need,
                part="metric",
                why=f"(F, F) >= 0 needs {show(need)} >= 0, and t > 0 comes to a time when it is negative",
                witness=broken,
                fix="a weight that keeps its sign, 1 + cos(w*t), exp(-t) or Max(0, 1 - t); one in which parameters "
                "decide, 1 + eps*cos(w*t), is reported with its condition",
            )
    return law


def _verdict(signs: Sequence[Sign], how: str, counterexample: str = "") -> Law:
    for sign in signs:
        if sign.verdict == "negative":
            raise violation(
                "the metric bracket is not positive",
                law="metric_psd",
                residual=sign.expr,
                part="metric",
                why=f"(F, F) >= 0 needs {condition(sign)}, but it is negative",
                witness=counterexample or sign.witness,
                fix="change its sign: the free energy must fall, the entropy must rise",
            )
    depends = [sign for sign in signs if sign.verdict == "depends"]
    unknown = [sign for sign in signs if sign.verdict == "unknown"]
    if depends:
        return _where((*depends, *unknown), how, counterexample)
    if unknown:
        return Law("metric_psd", "sampled", how, "not decided: " + " and ".join(dict.fromkeys(map(condition, unknown))))
    if any(sign.by_points for sign in signs):
        return Law("metric_psd", "sampled", f"{how}; that an entry vanishes was decided at points")
    return Law("metric_psd", "proved", how)


def _where(signs: Sequence[Sign], how: str, counterexample: str) -> Law:
    """The law that holds where some expressions are not negative; refused where no state can meet them all."""
    detail = " and ".join(dict.fromkeys(map(condition, signs)))
    law = conditional("metric_psd", how, detail, [sign.expr for sign in signs])
    if law.verdict == "conditional" or len(signs) > _MOST_COMBINED:
        return law
    for pair in (*combinations(signs, 2), signs):
        together = sign_of(sp.Add(*(sign.expr for sign in pair)))
        if together.verdict == "negative":
            raise violation(
                "the metric bracket is positive at no state",
                law="metric_psd",
                residual=together.expr,
                part="metric",
                why=f"(F, F) >= 0 needs {detail}, but the sum of these is negative",
                witness=counterexample or together.witness,
                fix="give every factor a weight that is positive at the same states",
            )
    return law


def check_energy_degeneracy(form: Form, energy: Sequence[sp.Expr], entropy: Sequence[sp.Expr]) -> Law:
    """M dH = 0 identically: the metric moves entropy, never energy."""
    fix = lambda: _way_out(energy, entropy)
    return check_degeneracy("energy_degeneracy", form.state, form.apply(energy), fix)


def _way_out(energy: Sequence[sp.Expr], entropy: Sequence[sp.Expr]) -> str:
    if all(is_zero(h + s) for h, s in zip(energy, entropy, strict=True)):
        return "the entropy is minus the energy: this is the free-energy form, drop entropy="
    return (
        "give the energy somewhere to go (an internal-energy field and an entropy, see friction_to_heat), or drop "
        "entropy= for the free-energy form"
    )
