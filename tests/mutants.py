"""Every law broken in the code: where, by what, and a truth about a system that must fail then."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import sympy as sp

from metrigen import (
    Dissipation,
    ExplicitEuler,
    Exponential,
    Field,
    Input,
    Lattice,
    NeuralFunction,
    Param,
    Sequence,
    StructureError,
    System,
    derive,
    mix,
    t,
)
from metrigen.discretise.lattice_laws import _symmetry, lattice_laws
from metrigen.discretise.lattice_positivity import lattice_positivity
from metrigen.discretise.lattice_probe import Stencil, gradient_of
from metrigen.discretise.lattice_volume import lattice_volume
from metrigen.discretise.sequence_laws import sequence_laws
from metrigen.integrators.scan import scan_of
from metrigen.ir.nodes import ChannelMatmul
from metrigen.physics.derivation import Bilinear, Law
from metrigen.physics.signs import Sign
from metrigen.physics.variation import diff_along, tidy
from metrigen.programs import discretised
from tests.lattice.systems import lattice_dynamics

x, y = sp.symbols("x y", real=True)
LINE, PLANE, POINT = Lattice(x), Lattice(x, y), Lattice()
u, v, q, r = Field("u", LINE), Field("v", LINE), Field("q", POINT), Field("r", POINT)
rho, e = (sp.Function(name, positive=True)(t, x) for name in ("rho", "e"))


def system(fields: tuple, energy: sp.Expr, domain: Lattice = LINE, **parts: Any) -> System:
    return System("s", domain, fields, hamiltonian=energy, **parts)


def refused(law: str, make: Callable[[], System]) -> Callable[[], None]:
    """The truth that a system is refused for a law."""

    def truth() -> None:
        with pytest.raises(StructureError) as caught:
            derive(make())
        assert caught.value.law == law

    return truth


def verdict(law: str, want: str, make: Callable[[], System], laws: Callable[[System], tuple[Law, ...]] | None = None):
    """The truth that a law has a verdict."""
    found = laws or (lambda s: derive(s).laws)

    def truth() -> None:
        assert next(law_ for law_ in found(make()) if law_.name == law).verdict == want

    return truth


def on_lattice(made: System) -> tuple[Law, ...]:
    return lattice_laws(lattice_dynamics(made))


def second_kdv(F, G):
    return -F[u] * (G[u].diff(x, 3) + 4 * u * G[u].diff(x) + 2 * u.diff(x) * G[u])


def heated() -> System:
    """Viscosity with a degeneracy by the product rule, which the lattice loses."""
    slope = u**3
    metric = Dissipation((e, lambda F: F[u].diff(x) - slope.diff(x) * F[e]))
    return system((u, e), u**4 / 4 + e, metric=metric, entropy=sp.log(e))


def moving_entropy() -> System:
    """A Casimir of the continuum that is not linear, and not one of the lattice."""
    half = lambda F, G: sum(r * F[u] * G[r].diff(x) for r in (rho, u, v))
    a, b = (sp.Function(name, positive=True)(t, x) for name in "ab")
    parts = {"bracket": lambda F, G: half(G, F) - half(F, G), "metric": Dissipation((1, lambda F: F[a] - F[b]))}
    entropy = v**2 / rho + sp.log(a) + sp.log(b)
    return system((rho, u, v, a, b), u**2 / (2 * rho) + rho**2 + a + b, entropy=entropy, **parts)


def fluid() -> System:
    w = Field("w", PLANE)
    half = lambda F, G: F[w] * (G[w].diff(x) * w.diff(y) - G[w].diff(y) * w.diff(x))
    bracket = lambda F, G: (half(F, G) - half(G, F)) / 2
    return system((w,), w**4, PLANE, bracket=bracket, casimirs={"enstrophy": w**2})


def wave() -> System:
    return System("s", LINE, lagrangian=(u.diff(t) ** 2 - u.diff(x) ** 2) / 2 - u**4)


def a_flow_that_stretches() -> System:
    skew = lambda F, G: q * (F[q] * G[r] - F[r] * G[q])
    return system((q, r), r**2 + r, POINT, bracket=skew, volume_preserving=True)


def a_step_that_stretches_is_refused() -> None:
    made = system((q, r), r**2 + q**4, POINT, bracket=lambda F, G: F[q] * G[r] - F[r] * G[q], volume_preserving=True,
                  integrator=ExplicitEuler(1, 0.1))  # fmt: skip
    with pytest.raises(StructureError):
        lattice_volume(*discretised(derive(made)))


def momentum_is_lost() -> None:
    assert "momentum" in next(law for law in on_lattice(wave()) if law.name == "lattice_noether").detail


def stencil_is_refused(part: str, sign: int) -> Callable[[], None]:
    """A pointwise form of the wrong symmetry under the check of the stencil."""

    def truth() -> None:
        p, r = Field("p", POINT), Field("r", POINT)
        skew = system((p, r), p**2 + r**2, POINT, bracket=lambda F, G: F[p] * G[r] - F[r] * G[p])
        dynamics = lattice_dynamics(skew)
        form = dynamics.derivation.bracket
        assert form is not None
        (a, b), (c, d) = form.left, form.right
        wrong = Bilinear(a * d + sign * b * c, form.left, form.right)
        with pytest.raises(StructureError):
            _symmetry(Stencil.of(dynamics), wrong, part, f"lattice_{part}")

    return truth


def negative_stencil_is_refused() -> None:
    made = system((u,), u**2, metric=lambda F, G: F[u].diff(x) * G[u].diff(x))
    dynamics = lattice_dynamics(made)
    metric = dynamics.derivation.metric
    assert metric is not None
    negative = replace(metric, form=-metric.form)
    structure = replace(dynamics.derivation.structure, metric=negative)
    spoilt = replace(dynamics, derivation=replace(dynamics.derivation, structure=structure))
    with pytest.raises(StructureError) as caught:
        lattice_positivity(Stencil.of(spoilt), negative)
    assert caught.value.law == "lattice_metric_psd"


def not_elliptic() -> System:
    w, psi = Field("w", PLANE), Field("psi", PLANE)
    energy = (psi.diff(x) ** 2 - psi.diff(y) ** 2) / 2
    constraints = {psi: psi.diff(x, 2) - psi.diff(y, 2) - w}
    return system((w,), energy, PLANE, constraints=constraints, bracket=lambda F, G: F[w] * G[w].diff(x))


def energy_without_a_square() -> System:
    tokens = Sequence()
    a, b = Field("a", tokens), Field("b", tokens)
    return System("s", tokens, (a, b), hamiltonian=a**2 / 2, bracket=lambda F, G: F[a] * G[b] - F[b] * G[a])


def a_step_that_shrinks_too_little_is_refused() -> None:
    """exp(-0.9 h k) in the place of exp(-h k)."""
    tokens = Sequence()
    a, f = Field("a", tokens), Input("f", tokens)
    decay = Dissipation((Param("k", positive=True), lambda F: F[a]))
    made = derive(System("s", tokens, (a,), hamiltonian=a**2 / 2 - f * a, metric=decay, integrator=Exponential()))
    scan = scan_of(made)
    slow = replace(scan.prologue.body[0], expr=scan.prologue.body[0].expr * sp.Rational(9, 10))
    spoilt = replace(scan, prologue=replace(scan.prologue, body=(slow, *scan.prologue.body[1:])))
    with pytest.raises(StructureError) as caught:
        sequence_laws(made, spoilt)
    assert caught.value.law == "step_contraction"


def a_rotation_the_other_way_is_refused() -> None:
    """R^T in the place of R: orthogonal, and another cell."""
    tokens = Sequence()
    a, f = Field("a", tokens), Input("f", tokens)
    B = Param("B", shape=("C", "C"), block=2, antisymmetric=True)
    turned = System("s", tokens, (a,), hamiltonian=a**2 / 2 - f * a, bracket=lambda F, G: F[a] * mix(B, G[a]),
                    integrator=Exponential())  # fmt: skip
    made = derive(turned)
    scan = scan_of(made)
    back = tuple(replace(s, transpose=True) if isinstance(s, ChannelMatmul) else s for s in scan.step.body)
    with pytest.raises(StructureError) as caught:
        sequence_laws(made, replace(scan, step=replace(scan.step, body=back)))
    assert caught.value.law == "step_contraction"


def smoothness_is_stated() -> None:
    made = System("s", LINE, lagrangian=(u.diff(t) ** 2 - u.diff(x) ** 2) / 2 - NeuralFunction("V", u))
    assert "C^2" in next(law for law in derive(made).laws if law.name == "learned_function").detail


def the_gradient_of_the_stencil_is_that_of_the_sum() -> None:
    """sum_n u_n (u_(n+1) - u_n) u_n^2 by finite differences."""
    stencil = Stencil.of(
        lattice_dynamics(system((u,), u**2 * u.diff(x) ** 2, bracket=lambda F, G: F[u] * G[u].diff(x)))
    )
    state = next(iter(stencil.states()))
    z, step = state["u"], 1e-6

    def total(values) -> float:
        after = np.roll(values, -1, axis=-1)
        return float(((values**2 + after**2) / 2 * (after - values) ** 2).sum())

    bumped = [z.copy(), z.copy()]
    bumped[0][0, 0, 3] += step
    bumped[1][0, 0, 3] -= step
    numeric = (total(bumped[0]) - total(bumped[1])) / (2 * step)
    assert float(gradient_of(stencil.energy, state)["u"][0, 0, 3]) == pytest.approx(numeric, rel=1e-5)


def friction_has_its_full_strength() -> None:
    made = derive(system((u,), u**2, metric=Dissipation((Param("w", positive=True), lambda F: F[u]))))
    assert made.equations[u] == -2 * Param("w", positive=True) * u


def the_euler_operator_has_its_signs() -> None:
    made = derive(system((u,), u.diff(x) ** 2 / 2 + u.diff(x, 3) ** 2 / 2, bracket=lambda F, G: F[u] * G[u].diff(x)))
    assert sp.expand(made.equations[u] + u.diff(x, 3) + u.diff(x, 7)) == 0


def hamiltonian_of_a_mass() -> None:
    m = Param("m", positive=True)
    (p,) = (made := derive(System("s", POINT, lagrangian=m * q.diff(t) ** 2 / 2))).momenta.values()
    assert sp.expand(made.hamiltonian - p**2 / (2 * m)) == 0


def without_signs(gradients, w, over):
    """E_u without (-1)^|alpha|."""
    return tidy(
        sp.Add(
            *(diff_along(c, tuple(d for d in j.directions() if d in over)) for j, c in gradients.items() if j.base == w)
        )
    )


def nothing(form, covectors):
    return tuple(sp.S.Zero for _ in covectors)


def one_term(form, A, B, C):
    """{{A, B}, C} with the terms of all orders but one left out."""
    return _CYCLIC(form, A, B, C) if A[0].func.__name__.startswith("P:") else sp.S.Zero


_CYCLIC = importlib.import_module("metrigen.physics.brackets")._cyclic
_PEEL = importlib.import_module("metrigen.physics.noether")._peel
_FORM = importlib.import_module("metrigen.physics.operators").Form
_APPLY = _FORM.apply


def flipped_peel(c, alpha, f, coordinates, out):
    _PEEL(-c if len(alpha) == 2 else c, alpha, f, coordinates, out)


def halved(form, covectors):
    rows = _APPLY(form, covectors)
    return tuple(row / 2 for row in rows) if form.part == "metric" else rows


@dataclass(frozen=True)
class Mutant:
    """``where`` (module:attribute) replaced by ``by`` must make ``truth`` fail."""

    law: str
    where: str
    by: Any
    truth: Callable[[], None]


slope_of = lambda F: F[u].diff(x)
FRICTION = Dissipation((1, lambda F: F[u]))
FORM = "metrigen.physics.operators:Form"
LATTICE = "metrigen.discretise.lattice_"
MUTANTS = (
    Mutant("antisymmetry", f"{FORM}.swapped", property(lambda form: -form.density),
           refused("antisymmetry", lambda: system((u,), u**2, bracket=lambda F, G: F[u] * G[u].diff(x, 2)))),
    Mutant("jacobi", "metrigen.physics.brackets:_cyclic", one_term,
           verdict("jacobi", "proved", lambda: system((u,), u**2, bracket=second_kdv))),
    Mutant("jacobi", "metrigen.physics.brackets:jacobi_residuals", lambda form: [sp.S.Zero],
           refused("jacobi", lambda: system((u, v), u**2 + v**2, bracket=lambda F, G:
                   u * v * (F[u] * G[v].diff(x) + F[v] * G[u].diff(x)) + (u * v).diff(x) * F[v] * G[u]))),
    Mutant("metric_symmetry", f"{FORM}.swapped", property(lambda form: form.density),
           refused("metric_symmetry", lambda: system((u, v), u**2 + v**2, metric=lambda F, G: F[u] * G[v]))),
    Mutant("metric_psd", "metrigen.physics.metric:sign_of", lambda expr: Sign(expr, "positive"),
           refused("metric_psd", lambda: system((u,), u**2, metric=Dissipation((-1, lambda F: F[u]))))),
    Mutant("metric_psd", f"{FORM}.apply", halved, friction_has_its_full_strength),
    Mutant("energy_degeneracy", f"{FORM}.apply", nothing,
           refused("energy_degeneracy", lambda: system((u, e), u**2 + e, entropy=e, metric=FRICTION))),
    Mutant("entropy_degeneracy", "metrigen.physics.brackets:check_degeneracy", lambda law, *a: Law(law, "proved", ""),
           refused("entropy_degeneracy", lambda: system((u, e), e, entropy=u**2, metric=FRICTION, bracket=lambda F, G:
                   F[u] * G[e].diff(x) + F[e] * G[u].diff(x)))),
    Mutant("legendre", "metrigen.physics.linear:inverse", lambda rows: [[sp.S.One]], hamiltonian_of_a_mass),
    Mutant("legendre", "metrigen.physics.variation:euler_of", without_signs, the_euler_operator_has_its_signs),
    Mutant("noether", "metrigen.physics.noether:_peel", flipped_peel,
           verdict("noether", "proved", lambda: System("s", LINE, lagrangian=u.diff(t) ** 2 / 2 - u.diff(x, 2) ** 2))),
    Mutant("noether", "metrigen.physics.noether:explicit_derivative", lambda *a: sp.S.Zero,
           verdict("noether", "proved", lambda: System("s", LINE, lagrangian=u.diff(t) ** 2 / 2 - x**2 * u**2))),
    Mutant("well_posed", "metrigen.physics.growth:Linearised._growth", lambda *a: (0, 0),
           refused("well_posed", lambda: system((u,), -u.diff(x) ** 2, metric=Dissipation((1, lambda F: F[u]))))),
    Mutant("well_posed", "metrigen.physics.principal:_definite", lambda rows: True,
           verdict("well_posed", "sampled", lambda: system((u,), u**2, metric=Dissipation((u**2, slope_of))))),
    Mutant("casimir", f"{FORM}.apply", nothing,
           refused("casimir", lambda: system((u,), u**2, bracket=second_kdv, casimirs={"square": u**2}))),
    Mutant("volume", "metrigen.physics.volume:is_zero", lambda expr: True, refused("volume", a_flow_that_stretches)),
    Mutant("lattice_volume", f"{LATTICE}volume:shears", lambda *a: 0, a_step_that_stretches_is_refused),
    Mutant("constraint", "metrigen.physics.elliptic:_keeps_sign", lambda *a: True, refused("constraint", not_elliptic)),
    Mutant("contraction", "metrigen.physics.contraction:signs_of_matrix", lambda rows: (),
           refused("contraction", energy_without_a_square)),
    Mutant("step_contraction", "metrigen.discretise.sequence_laws:_error", lambda *a: (0.0, (0, 0)),
           a_step_that_shrinks_too_little_is_refused),
    Mutant("step_contraction", "metrigen.discretise.sequence_laws:_check_turned", lambda *a: None,
           a_rotation_the_other_way_is_refused),
    Mutant("learned_function", "metrigen.physics.learned_law:_smooth", lambda *a: 0, smoothness_is_stated),
    Mutant("lattice_antisymmetry", f"{LATTICE}laws:_cancels", lambda exprs: True, stencil_is_refused("bracket", 1)),
    Mutant("lattice_metric_symmetry", f"{LATTICE}laws:_cancels", lambda exprs: True, stencil_is_refused("metric", -1)),
    Mutant("lattice_jacobi", f"{LATTICE}jacobi:_defect", lambda *a: 0.0,
           verdict("lattice_jacobi", "failed", lambda: system((u,), u**2, bracket=second_kdv), on_lattice)),
    Mutant("lattice_metric_psd", f"{LATTICE}positivity:signs_of_matrix", lambda rows: (), negative_stencil_is_refused),
    Mutant("lattice_energy", f"{LATTICE}energy:defect", lambda *a: 0.0,
           verdict("lattice_energy", "failed", heated, on_lattice)),
    Mutant("lattice_energy", "metrigen.passes.vary:negate", lambda offset: offset,
           the_gradient_of_the_stencil_is_that_of_the_sum),
    Mutant("lattice_entropy_degeneracy", f"{LATTICE}energy:defect", lambda *a: 0.0,
           verdict("lattice_entropy_degeneracy", "failed", moving_entropy, on_lattice)),
    Mutant("lattice_noether", f"{LATTICE}noether:_relative", lambda *a: 0.0, momentum_is_lost),
    Mutant("lattice_casimir", f"{LATTICE}casimir:defect", lambda *a: 0.0,
           verdict("lattice_casimir", "failed", fluid, on_lattice)),
)  # fmt: skip
