"""How a density becomes a sum over a lattice: its text does not matter, and its sites hold all of the energy."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from metrigen import (
    RK4,
    Dissipation,
    ExplicitEuler,
    Field,
    Input,
    Lattice,
    SpecError,
    System,
    derive,
    energy_density,
    grad,
)
from metrigen.discretise.arrays import dynamics
from metrigen.discretise.lattice import Stencils
from metrigen.discretise.lower import Lowering
from metrigen.ir.interpreter import run
from metrigen.ir.nodes import Array, Kind
from metrigen.passes.vary import bar
from tests.lengths import LONG, spread
from tests.lowered import lower

pytestmark = pytest.mark.covering

AXES = sp.symbols("x y z", real=True)
WALLS = ("periodic", "zero", "neumann")
AVERAGES = ("arithmetic", "harmonic")
EXAMPLES = 200 if LONG else 4


def lattice(rank: int, wall: str, average: str = "arithmetic") -> Lattice:
    return Lattice(*AXES[:rank], boundary=wall, average=average, spacing=sp.Rational(1, 2))


def names(grid: Lattice) -> tuple[sp.Expr, ...]:
    """Two fields and two positive inputs."""
    return Field("u", grid), Field("v", grid), Input("k", grid, positive=True), Input("w", grid, positive=True)


def lowering(grid: Lattice) -> Lowering:
    arrays = {f: Array(f.func.__name__, Kind.SITE, bool(f.is_positive)) for f in names(grid)}
    return Lowering(arrays, (), Stencils(grid, coefficients=frozenset("kw")))


def values(rank: int, sizes: tuple[int, ...], seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    drawn = {name: rng.normal(size=(1, 1, *sizes[:rank])) for name in "uvkw"}
    return {name: 0.2 + np.abs(value) if name in "kw" else value for name, value in drawn.items()}


def density_at(grid: Lattice, density: sp.Expr, at: dict[str, np.ndarray]) -> np.ndarray:
    return run(lowering(grid).sites("energy", {"e__": density}), at)["e__"]


def forces(grid: Lattice, density: sp.Expr, at: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The variation in u and v."""
    out = run(lowering(grid).gradient("H", density, ("u", "v")), at)
    return {name: out[bar(name)] for name in "uv"}


def forces_if_any(grid: Lattice, density: sp.Expr, at: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """``forces``; none where a coefficient of either sign has no harmonic mean."""
    try:
        return forces(grid, density, at)
    except SpecError as refused:
        if grid.average == "arithmetic" or "has no harmonic mean" not in str(refused):
            raise
        return {}


def slope_of_energy(grid: Lattice, density: sp.Expr, at: dict[str, np.ndarray], along: dict[str, np.ndarray]) -> float:
    """d/de of the summed density at z + e along, by the complex step."""
    moved = {name: value + 1e-40j * along[name] if name in along else value for name, value in at.items()}
    return density_at(grid, density, moved).imag.sum() / 1e-40


def coefficients(grid: Lattice) -> list[sp.Expr]:
    u, v, k, w = names(grid)
    return [sp.S.One, k, k + w, 1 + u**2, k * (w + v**2), 1 / k, sp.sqrt(k), (1 + k) / (1 + w), sp.exp(u) + k]


def differences(grid: Lattice, order: int) -> list[sp.Expr]:
    """Functions of derivatives, polynomials first."""
    u, v, *_ = names(grid)
    x = grid.axes[0]
    last = grid.axes[-1]
    first = [u.diff(x) ** 2, v.diff(last) ** 2, u.diff(x) * v.diff(x), u.diff(x) * v.diff(last), u.diff(x) ** 4]
    second = [u.diff(x, 2) ** 2, u.diff(x) * u.diff(x, 2), u.diff(x, 2) * v.diff(last, 2), u.diff(x, last) ** 2]
    third = [u.diff(x, 3) ** 2, u.diff(x, 3) * v.diff(x), u.diff(x, 4) * v]
    return [first, [*first, *second], [*second, *third]][order]


def mixed(grid: Lattice) -> list[sp.Expr]:
    """Densities in which coefficients and derivatives do not separate, or whose rest has a value."""
    u, v, k, w = names(grid)
    square = grad(u).square
    weight = v if grid.average == "arithmetic" else 2 + sp.sin(v)  # a harmonic mean wants one sign
    return [
        sp.sqrt(1 + square), k * sp.sqrt(1 + square), sp.sqrt(1 + (k + w) * square),
        weight * sp.cos(u.diff(grid.axes[0])),
        sp.log(1 + k * square) / w, (1 + square) ** sp.Rational(3, 2) / 3, sp.exp(-u.diff(grid.axes[0]) ** 2) * v**2,
        sp.cos(u + u.diff(grid.axes[0])), square / (1 + v**2 + square),
    ]  # fmt: skip


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("average", AVERAGES)
@pytest.mark.parametrize("wall", WALLS)
def test_the_force_is_the_slope_of_the_energy(wall: str, average: str, rank: int) -> None:
    """Every coefficient with every kind of derivative: what the step goes down is what ``energy`` reports."""
    grid = lattice(rank, wall, average)
    parts = [c * d for order in range(3) for c in coefficients(grid) for d in differences(grid, order)] + mixed(grid)
    first = WALLS.index(wall) + 3 * AVERAGES.index(average)
    everything = range(first, len(parts), 1 if LONG else {1: 8, 2: 32, 3: 150}[rank])
    mine = range(len(parts) - len(mixed(grid)), len(parts)) if rank < 3 or LONG else ()
    for i in sorted({*everything, *mine}):
        for sizes in ((3, 2, 2), (1, 1, 1)) if i % 3 == 0 else ((4, 3, 2),):
            at = values(rank, sizes, i)
            used = forces(grid, parts[i], at)
            along = {name: np.random.default_rng(i).normal(size=at[name].shape) for name in "uv"}
            terms = [used[name] * along[name] for name in "uv"]
            measured = slope_of_energy(grid, parts[i], at, along)
            scale = 1 + sum(np.abs(term).sum() for term in terms)
            assert abs(measured - sum(term.sum() for term in terms)) < 1e-12 * scale, (parts[i], sizes)


@st.composite
def polynomials(draw: st.DrawFn, grid: Lattice) -> sp.Expr:
    """A sum of products that are not multiplied out."""
    order = draw(st.integers(0, 2))
    c, d = coefficients(grid), differences(grid, order)
    total = sp.S.Zero
    for _ in range(draw(st.integers(1, 3))):
        a, b = (draw(st.sampled_from(c)) for _ in range(2))
        e, f = (draw(st.sampled_from(d)) for _ in range(2))
        total += draw(st.sampled_from([a * e + b * f, (a + b) * e, a * (e + b * f), a * b * (e - f), a * (1 + e) ** 2]))
    return total


@pytest.mark.parametrize("average", AVERAGES)
@pytest.mark.parametrize("wall", WALLS)
@settings(max_examples=EXAMPLES, deadline=None)
@given(data=st.data())
def test_the_text_of_a_density_does_not_matter(wall: str, average: str, data: st.DataObject) -> None:
    """Multiplied out, factored, collected, or with its coefficients given names: the same numbers, the same refusal."""
    rank = data.draw(st.sampled_from([1, 2, 3] if LONG else [1, 1, 2]))
    grid = lattice(rank, wall, average)
    density = data.draw(polynomials(grid))
    at = values(rank, (4, 3, 2), data.draw(st.integers(0, 99)))
    derivatives = sorted(density.atoms(sp.Derivative), key=str)
    rewritten = [sp.expand(density), sp.factor_terms(density), sp.collect(sp.expand(density), derivatives)]
    energy, force = density_at(grid, density, at), forces_if_any(grid, density, at)
    for text in rewritten:
        np.testing.assert_allclose(density_at(grid, text, at), energy, rtol=1e-9, atol=1e-10)
        found = forces_if_any(grid, text, at)
        assert found.keys() == force.keys()
        for name, value in found.items():
            np.testing.assert_allclose(value, force[name], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("wall", "average", "index"), spread(product(WALLS, AVERAGES, range(9)), 5))
def test_a_coefficient_may_have_a_name(wall: str, average: str, index: int) -> None:
    """c written out, and an input that holds the values of c."""
    for rank in (1, 2):
        grid = lattice(rank, wall, average)
        k = names(grid)[2]
        c = coefficients(grid)[index]
        at = values(rank, (4, 3), index)
        named = density_at(grid, c, at)
        assert (named > 0).all()
        beyond = wall == "zero" and bool(c.atoms(sp.Derivative, Field("u", grid).func, Field("v", grid).func))
        for d in (d for order in range(1 if beyond else 3) for d in differences(grid, order)):
            if beyond and len({a for e in d.atoms(sp.Derivative) for a in e.variables}) > 1:
                continue  # a field is zero beyond the wall, where an input goes on
            for text in (lambda c, d: c * d, lambda c, d: sp.sqrt(1 + c * d**2)):
                if text(k, d).is_polynomial() or average == "arithmetic" or len(d.atoms(sp.Derivative)) == 1:
                    written = density_at(grid, text(c, d), at)
                    given = density_at(grid, text(k, d), {**at, "k": named})
                    np.testing.assert_allclose(written, given, rtol=1e-12, atol=1e-12)


def test_a_closed_wall_stays_closed_however_it_is_written() -> None:
    line = Lattice(AXES[0], boundary="neumann", average="harmonic")
    u, wall = Field("u", line), Input("wall", line, nonnegative=True)
    open_ = sp.Max(0, 1 - wall)
    for coefficient in (open_, (1 - wall) ** 2, 1 - 2 * wall + wall**2, open_ * (1 + u**2), open_ + open_ * u**2):
        system = System("leak", line, fields=(u,), hamiltonian=coefficient * grad(u).square / 2,
                        metric=Dissipation((1, lambda F: F[u])), integrator=ExplicitEuler(steps=1, dt=0.2))  # fmt: skip
        at = {"u": np.array([1.0, 1, 1, 0, 0, 0, 0]), "wall": np.array([0.0, 0, 0, 1, 0, 0, 0])}
        at = {name: value[None, None] for name, value in at.items()} | {"dt": np.asarray(0.2)}
        step = lower(derive(system)).step.whole
        assert step is not None
        for _ in range(20):
            at["u"] = run(step, at)["u__next"]
        np.testing.assert_array_equal(at["u"][0, 0], [1, 1, 1, 0, 0, 0, 0])


def test_the_harmonic_mean_is_that_of_the_sum() -> None:
    """(1 + 9) and (9 + 1) have the mean 10, not the sum of two means of 1 and 9."""
    grid = Lattice(AXES[0], boundary="neumann", average="harmonic")
    u, _, k, w = names(grid)
    at = {"u": [0, 1], "k": [1, 9], "w": [9, 1], "v": [0, 0]}
    found = density_at(grid, (k + w) * grad(u).square / 2, {n: np.array([[v]], float) for n, v in at.items()})
    assert abs(found.sum() - 5) < 1e-10


def test_a_bracket_stays_a_bracket_with_harmonic_means() -> None:
    """A covector is never averaged harmonically: Korteweg-de Vries is the same with both means, and skew."""
    rates = []
    for average in AVERAGES:
        line = Lattice(AXES[0], average=average)
        u = Field("u", line)
        system = System(
            "kdv", line, fields=(u,), hamiltonian=u**2 / 2,
            bracket=lambda F, G, u=u: u * (F[u] * G[u].diff(AXES[0]) - G[u] * F[u].diff(AXES[0])) / 3
            + F[u] * G[u].diff(AXES[0], 3) / 2 - G[u] * F[u].diff(AXES[0], 3) / 2,
            integrator=RK4(steps=1, dt=0.1),
        )  # fmt: skip
        layer = dynamics(derive(system))
        program = layer.operator(layer.derivation.bracket, "bracket")
        rng = np.random.default_rng(3)
        state = {"u": 1.5 + rng.uniform(size=(1, 1, 6))}
        f, g = rng.normal(size=(2, 1, 1, 6))
        nothing = {"u__left": np.zeros_like(f)}
        rates.append(run(program, {**state, **nothing, "u__right": f})["u__left__bar"])
        other = run(program, {**state, **nothing, "u__right": g})["u__left__bar"]
        assert abs((g * rates[-1]).sum() + (f * other).sum()) < 1e-12
    assert np.isfinite(rates[1]).all()
    assert np.abs(rates[1]).max() > 0.1


def test_the_energy_outside_belongs_to_the_sites_at_the_wall() -> None:
    """A single site between zero walls: four corners of two edges, and two of four corners of each neighbour."""
    grid = Lattice(*AXES[:2], boundary="zero")
    u = Field("u", grid)
    system = System("cubic", grid, fields=(u,), hamiltonian=grad(u).square ** sp.Rational(3, 2) / 3,
                    metric=Dissipation((1, lambda F: F[u])), integrator=ExplicitEuler(steps=1, dt=1e-3),
                    readout=energy_density())  # fmt: skip
    lowered = lower(derive(system))
    one = {"u": np.ones((1, 1, 1, 1))}
    right = 2**1.5 / 3 + 4 * 0.5 / 3
    assert abs(run(lowered.values["energy"], one)["energy__density"].sum() - right) < 1e-12
    assert abs(run(lowered.readout, one)["T00__density"].sum() - right) < 1e-12
    force = run(lowered.dynamics.gradient(lowered.dynamics.derivation.hamiltonian), one | {"dt": np.zeros(())})[
        "u__bar"
    ]
    assert abs(force.sum() - 3 * right) < 1e-12
