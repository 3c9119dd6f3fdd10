"""Harmonic means on edges: exact at every magnitude, of what is known not to change its sign, refused of the rest."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import sympy as sp

from metrigen import (
    Dissipation,
    ExplicitEuler,
    Field,
    Input,
    Lattice,
    Leapfrog,
    Param,
    SpecError,
    System,
    derive,
    grad,
    stress_energy,
    t,
)
from metrigen.discretise.arrays import dynamics
from metrigen.discretise.lattice import Stencils
from metrigen.discretise.lower import Lowering
from metrigen.ir.interpreter import run
from metrigen.ir.nodes import Array, Kind, Load, Map, Program
from metrigen.package.linear import respond
from metrigen.passes.vary import bar
from tests.lowered import lower

x = sp.Symbol("x", real=True)
LINE = Lattice(x, boundary="neumann", average="harmonic")
u, v = Field("u", LINE), Field("v", LINE)
k, w, s = Input("k", LINE, positive=True), Input("w", LINE, nonnegative=True), Input("s", LINE)
c, g = Param("c"), Param("g", nonnegative=True)
rho = sp.Function("rho", nonnegative=True)(t, x)
D = u.diff(x) ** 2 / 2


def flow(**parts: object) -> System:
    """A gradient flow on ``LINE``, with other parts."""
    given = {"fields": (u,), "hamiltonian": D, "metric": Dissipation((1, lambda F: F[u]))} | parts
    return System("flow", LINE, integrator=ExplicitEuler(steps=1, dt=0.1), **given)


def force(system: System, **at: list[float]) -> dict[str, np.ndarray]:
    """dH/dz at sites of one channel."""
    layer = dynamics(derive(system))
    given = {name: np.array([[row]], float) for name, row in at.items()} | {"c": np.asarray(-2.0)}
    return {name: e[0, 0] for name, e in run(layer.gradient(system.hamiltonian), given).items()}


@pytest.mark.parametrize("a", [0.0, 1e-300, 1e-30, 1e-12, 3e-5, 0.7, 1e12, 1e300])
@pytest.mark.parametrize("b", [0.0, 1e-305, 1e-30, 1e-13, 1.0, 1e299])
def test_a_weight_is_exact_at_every_magnitude(a: float, b: float) -> None:
    """dH/du of two sites with the difference 1, and dH/dk, where Fraction is exact; 1/2 between two closed sites."""
    weight = Fraction(a) * Fraction(b) * 2 / (Fraction(a) + Fraction(b)) if a or b else Fraction(0)
    found = force(flow(hamiltonian=w * D), u=[0, 1], w=[a, b])["u__bar"]
    assert found[1] == -found[0] == pytest.approx(float(weight), rel=4e-16, abs=0)
    arrays = {f: Array(f.func.__name__, Kind.SITE) for f in (u, w)}
    lowering = Lowering(arrays, (), Stencils(LINE, coefficients=frozenset("w"), nonnegative=frozenset("w")))
    at = {"u": np.array([[[0.0, 1.0]]]), "w": np.array([[[a, b]]])}
    slope = run(lowering.gradient("H", w * D, ("w",)), at)[bar("w")][0, 0]
    shares = [(Fraction(z) / (Fraction(a) + Fraction(b))) ** 2 if a or b else Fraction(1, 4) for z in (b, a)]
    assert slope == pytest.approx([float(q) for q in shares], rel=1e-15, abs=1e-307)


# What is refused: system -> (part, words of the message) -------------------------------------------------------------

REFUSED = {
    "an input": (flow(hamiltonian=s * D), "hamiltonian", "declare s with nonnegative=True"),
    "what may be below zero": (flow(hamiltonian=(1 - w) * D), "hamiltonian", "coefficient 1 - w has"),
    "a difference": (flow(hamiltonian=k * D - w * D), "hamiltonian", "coefficient k - w has"),
    "a sum with a parameter": (flow(hamiltonian=(k + c) * D), "hamiltonian", "declare c with nonnegative=True"),
    "a field": (flow(fields=(u, v), hamiltonian=v * D, metric=Dissipation((1, lambda F: F[u]), (1, lambda F: F[v]))),
                "hamiltonian", "declare v with"),
    "inside a root": (flow(hamiltonian=sp.sqrt(1 + s * u.diff(x) ** 2)), "hamiltonian", "declare s with"),
    "a mobility": (flow(hamiltonian=u**2 / 2, metric=Dissipation((u, lambda F: F[u].diff(x)))), "metric", "declare u"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_coefficient_that_may_change_its_sign_is_refused(name: str) -> None:
    """What, where, why, a witness, and the way out."""
    system, part, words = REFUSED[name]
    with pytest.raises(SpecError, match="has no harmonic mean") as refused:
        lower(derive(system))
    assert refused.value.part == part
    assert "a pole where the signs of two neighbours differ" in refused.value.why
    assert refused.value.witness
    assert 'average="arithmetic"' in refused.value.fix
    assert words in str(refused.value)


def mean(a: float, b: float) -> float:
    return 2 * a * b / (a + b)


ACCEPTED = {
    "negative": (c * -k, lambda a, b: 2 * mean(a, b)),
    "clamped": (sp.Max(0, 1 - w / 2), lambda a, b: mean(1 - a / 2, 1 - b / 2)),
    "a square written out": (1 - 2 * w + w**2, lambda a, b: mean((1 - a) ** 2, (1 - b) ** 2)),
    "below zero throughout": (c * (-k - w), lambda a, b: 4 * mean(a, b)),
    "with a parameter": ((1 + g) * w / (1 + k), lambda a, b: mean(a / (1 + a), b / (1 + b))),
}  # fmt: skip


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_sign_that_is_known_is_enough(name: str) -> None:
    coefficient, weight = ACCEPTED[name]
    at = {"k": [0.3, 0.8], "w": [0.3, 0.8], "u": [0, 1], "g": 0.0}
    found = force(flow(hamiltonian=coefficient * D), **at)["u__bar"]
    assert found[1] == pytest.approx(weight(0.3, 0.8), rel=1e-14)


def test_a_field_may_be_declared() -> None:
    """A density that is nonnegative has a harmonic mean, and closes the edge where it vanishes."""
    system = flow(fields=(rho,), hamiltonian=rho * rho.diff(x) ** 2 / 2, metric=Dissipation((1, lambda F: F[rho])))
    found = force(system, rho=[0.0, 2.0])["rho__bar"]
    assert found == pytest.approx([(2 * 4) / 2, 0.0], rel=1e-15)  # h_a (D rho)^2/2 with h_a = 2 at a = 0, and h_b = 0


def test_a_momentum_density_has_no_pole() -> None:
    """T01 = -pi q_x reads out the momentum, which is no conductivity: its mean on an edge is (pi + pi')/2."""
    q = Field("q", LINE)
    wave = System("wave", LINE, lagrangian=q.diff(t) ** 2 / 2 - k * q.diff(x) ** 2 / 2,
                  integrator=Leapfrog(steps=1, dt=0.1), readout=stress_energy())  # fmt: skip
    layer = lower(derive(wave))
    at = {"q": [0.0, 1.0, 3.0], "pi": [1.0, -1.0, 0.5], "k": [1.0, 1e-30, 4.0]}
    found = run(layer.readout, {name: np.array([[row]]) for name, row in at.items()})["T01__density"][0, 0]
    edges = -np.array([(1 - 1) / 2 * 1, (-1 + 0.5) / 2 * 2])
    assert found == pytest.approx([edges[0] / 2, edges.sum() / 2, edges[1] / 2], rel=1e-14)


def test_what_conducts_is_harmonic_in_a_readout_of_either_sign() -> None:
    """k pi of an energy flux is k times what has a sign of its own, however it is written."""
    q, p = Field("q", LINE), Field("p", LINE)
    arrays = {f: Array(f.func.__name__, Kind.SITE) for f in (q, p, w)}
    lowering = Lowering(arrays, (), Stencils(LINE, coefficients=frozenset("w"), nonnegative=frozenset("w")))
    at = {"q": [0.0, 1.0], "p": [1.0, -3.0], "w": [2.0, 1e-20]}
    given = {name: np.array([[row]]) for name, row in at.items()}
    for flux in ((w + w**2) * p * q.diff(x), w * p * q.diff(x) + p * w**2 * q.diff(x)):
        found = run(lowering.sites("flux", {"j__": flux}), given)["j__"].sum()
        assert found == pytest.approx(2 * 6 * 1e-20 / 6 * -1, rel=1e-14)


def test_korteweg_de_vries_at_states_of_either_sign() -> None:
    """u of the bracket takes its arithmetic mean: no pole where u changes its sign, and the bracket stays skew."""
    line = Lattice(x, average="harmonic")
    z = Field("z", line)
    bracket = lambda F, G: z * (F[z] * G[z].diff(x) - G[z] * F[z].diff(x)) / 3
    system = System("kdv", line, fields=(z,), hamiltonian=z**2 / 2, bracket=bracket, almost_poisson=True,
                    integrator=ExplicitEuler(steps=1, dt=0.1))  # fmt: skip
    layer = dynamics(derive(system))
    program = layer.operator(layer.derivation.bracket, "bracket")
    f, h = np.random.default_rng(0).normal(size=(2, 1, 1, 4))
    at = {"z": np.array([[[1.0, -1.0, 1.0, -1.0]]]), "z__left": 0 * f}
    image, other = (run(program, {**at, "z__right": y})["z__left__bar"] for y in (f, h))
    assert np.abs(image).max() < 1e-15  # the means of 1 and -1 are 0
    at["z"] += 0.5
    image, other = (run(program, {**at, "z__right": y})["z__left__bar"] for y in (f, h))
    assert abs((h * image).sum() + (f * other).sum()) < 1e-14
    assert np.abs(image).max() > 0.01


def test_a_small_number_of_a_spec_is_no_guard() -> None:
    """The response to small waves keeps a coefficient of 1e-12."""
    y = Load("y", (0,))
    program = Program("scaled", (Array("y", Kind.SITE),), (Map(stores=(("z", sp.Float("1e-12") * y),)),), ("z",))
    assert respond(program, ["y"]).responses["z"]["y", (0,)] == sp.Float("1e-12")


def test_grad_square_of_a_plane_takes_both_axes() -> None:
    y = sp.Symbol("y", real=True)
    plane = Lattice(x, y, boundary="zero", average="harmonic")
    z, a = Field("z", plane), Input("a", plane, nonnegative=True)
    system = System("plane", plane, (z,), hamiltonian=a * grad(z).square / 2, metric=Dissipation((1, lambda F: F[z])),
                    integrator=ExplicitEuler(steps=1, dt=0.1))  # fmt: skip
    given = {"z": np.ones((1, 1, 1, 2)), "a": np.array([[[[2e-30, 0.0]]]]), "dt": np.asarray(0.1)}
    layer = dynamics(derive(system))
    found = run(layer.gradient(system.hamiltonian), given)["z__bar"][0, 0, 0]
    assert found == pytest.approx([3 * 2e-30, 0.0], rel=1e-15, abs=0)  # three walls, and nothing from the closed cell
