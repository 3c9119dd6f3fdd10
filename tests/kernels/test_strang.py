"""Strang: rotations of the momenta in a plane, and coefficients that differ from site to site, on both backends."""

from __future__ import annotations

import itertools
import math
import os

import numpy as np
import pytest
import sympy as sp
import torch

from metrigen import (
    Field,
    Input,
    Lattice,
    Param,
    SpecError,
    Strang,
    System,
    canonical,
    derive,
    energy_density,
    friction,
    grad,
    mix,
    momentum,
    t,
)
from metrigen.physics.derive import derive as derive_system
from tests.integrators.systems import DT, POINT, Layers, gallery
from tests.lattice.arrays import dot_defect
from tests.lowered import lower

pytestmark = [
    pytest.mark.covering,
    pytest.mark.skipif(
        os.environ.get("TRITON_INTERPRET") == "1", reason="operators on the CPU run the Triton kernels here"
    ),
]

x = sp.Symbol("x", real=True)
LINE = Lattice(x, boundary="neumann")
STEP = Strang(steps=1, dt=0.1)
B, G3 = Param("B", init=1.3), Param("G3", init=-0.4)
W = Param("w", per="site", init=0.7)


def charge(name: str, *rates: sp.Expr, masses: tuple[sp.Expr, ...] = (1, 1), damping: sp.Expr = 0) -> System:
    """q_a' = a_a p_a, p_a' = sum w_ab a_b p_b - damping p_a in two or three directions."""
    n = len(masses)
    qs, ps = (tuple(Field(f"{letter}{i}", POINT) for i in range(n)) for letter in "qp")
    planes = dict(zip(itertools.combinations(range(n), 2), rates, strict=True))

    def bracket(F, G):
        pairs = sum(F[q] * G[p] - F[p] * G[q] for q, p in zip(qs, ps, strict=True))
        return pairs + sum(w * (F[ps[a]] * G[ps[b]] - F[ps[b]] * G[ps[a]]) for (a, b), w in planes.items())

    H = sum(a * p**2 / 2 for a, p in zip(masses, ps, strict=True))
    metric = (lambda F, G: damping * sum(F[p] * G[p] for p in ps)) if damping != 0 else None
    return System(name, POINT, (*qs, *ps), hamiltonian=H, bracket=bracket, metric=metric, integrator=STEP)


def rough(name: str, integrator: object = STEP) -> System:
    """Two waves whose momenta turn about one another at a rate that depends on place and state, with friction that
    differs from site to site."""
    u, v = Field("u", LINE), Field("v", LINE)
    p, q = momentum(u), momentum(v)
    a, b = Param("a", per="site", nonnegative=True, init=0.5), Input("b", LINE, positive=True)
    rate = W * sp.cos(x / 3) + u * v**2
    return System(
        name, LINE,
        lagrangian=u.diff(t) ** 2 / 2 + v.diff(t) ** 2 / 6 - grad(u).square / 2 - u**4 / 4 - (u - v) ** 2 / 2,
        bracket=lambda F, G: F[u] * G[p] - F[p] * G[u] + F[v] * G[q] - F[q] * G[v] + rate * (F[p] * G[q] - F[q] * G[p]),
        metric=lambda F, G: a * F[p] * G[p] + a * b * x**2 / 20 * F[q] * G[q], integrator=integrator,
        readout=energy_density(),
    )  # fmt: skip


def damped(name: str, rate: sp.Expr) -> System:
    u = Field("u", LINE)
    return System(name, LINE, lagrangian=u.diff(t) ** 2 / 2, metric=friction(rate, momentum(u)), integrator=STEP)


def turning(name: str) -> System:
    """Channels that turn by two matrices and fields that turn about one another: rotations that do not commute."""
    u, v = Field("u", POINT), Field("v", POINT)
    p, q = momentum(u), momentum(v)
    K, L = (Param(n, shape=("C", "C"), antisymmetric=True) for n in "KL")
    return System(
        name, POINT, lagrangian=u.diff(t) ** 2 / 2 + v.diff(t) ** 2 / 2 - u**2 / 2 - v**4 / 4 - u * v / 3,
        bracket=lambda F, G: F[u] * G[p] - F[p] * G[u] + F[v] * G[q] - F[q] * G[v] + F[p] * mix(K, G[p])
        + F[q] * mix(L, G[q]) + B * (F[p] * G[q] - F[q] * G[p]), integrator=STEP,
    )  # fmt: skip


SYSTEMS = {
    "param": charge("param", B), "input": charge("input", Input("B", POINT)), "number": charge("number", sp.Integer(1)),
    "masses": charge("masses", B, masses=(Param("m", per="channel", positive=True, init=2.0), sp.Rational(1, 3))),
    "space": charge("space", B, G3, Param("G1", per="channel", init=0.9), masses=(1, 1, 1)),
    "damped": charge("damped", B, damping=Param("g", nonnegative=True, init=0.3)),
    "rough": rough("rough"), "turning": turning("turning"),
    "site": damped("site", Param("a", per="site", nonnegative=True, init=0.5)),
    "axis": damped("axis", Param("a", per="site", nonnegative=True, init=0.5) * (2 + sp.cos(x))),
}  # fmt: skip
BACKENDS = ("torch", "cpu")


@pytest.fixture(scope="module")
def layers(tmp_path_factory: pytest.TempPathFactory) -> Layers:
    return Layers(tmp_path_factory.mktemp("strang"), SYSTEMS)


def column(*values: float) -> tuple[torch.Tensor, ...]:
    return tuple(torch.full((1, 1), v, dtype=torch.float64) for v in values)


def exactly(layer: torch.nn.Module, **values: float) -> None:
    """Parameters of a layer to double precision; their starts are single ones."""
    for name, value in values.items():
        if hasattr(layer, name):
            setattr(layer, name, torch.full_like(getattr(layer, name), value))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", ["param", "input", "number", "masses", "damped"])
def test_momenta_turn_by_the_exact_angle(layers: Layers, name: str, backend: str) -> None:
    rate, masses, damping = {"number": 1.0}.get(name, 1.3), (2.0, 1 / 3) if name == "masses" else (1.0, 1.0), 0.3
    field = {"B": torch.full((1, 1), 1.3, dtype=torch.float64)} if name == "input" else {}
    layer = layers.layer(name, steps=7, dt=0.4, backend=backend)
    exactly(layer, B=1.3, m=2.0, g=0.3)
    end = layer(*column(0, 0, 0.8, -0.5), **field)
    angle, (a, b) = 2.8 * rate * math.sqrt(masses[0] * masses[1]), masses
    p, r = (
        0.8 * math.cos(angle) - 0.5 * math.sqrt(b / a) * math.sin(angle),
        -0.5 * math.cos(angle) - 0.8 * math.sqrt(a / b) * math.sin(angle),
    )
    decay = math.exp(-2.8 * damping) if name == "damped" else 1
    np.testing.assert_allclose([end.p0.item(), end.p1.item()], [decay * p, decay * r], rtol=0, atol=1e-14)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_field_in_space_keeps_the_speed(layers: Layers, backend: str) -> None:
    """Rotations about three axes do not commute: the speed is exact, the rest of order 2, and a step undoes itself."""
    start = column(0.1, 0.2, 0.3, 0.5, -0.7, 0.4)
    w01, w02, w12 = 1.3, -0.4, 0.9
    rates = torch.tensor([[0, w01, w02], [-w01, 0, w12], [-w02, -w12, 0]], dtype=torch.float64)
    exact = torch.linalg.matrix_exp(rates)
    ends = []
    for n in (8, 16, 32):
        layer = layers.layer("space", steps=n, dt=1 / n, backend=backend)
        exactly(layer, B=w01, G3=w02, G1=w12)
        end = torch.cat(layer(*start)[3:])
        assert abs(end.norm() - torch.cat(start[3:]).norm()) < 1e-14
        ends.append((end - exact @ torch.cat(start[3:])).norm())
    assert abs(math.log2(ends[1] / ends[2]) - 2) < 0.05


@pytest.mark.parametrize("name", ["turning", "rough"])
def test_order_two(layers: Layers, name: str) -> None:
    torch.manual_seed(3)
    shape = (1, 3) if name == "turning" else (1, 3, 5)
    start = tuple(0.5 * torch.randn(shape, dtype=torch.float64) for _ in range(4))
    given = {} if name == "turning" else {"b": torch.rand(shape, dtype=torch.float64)}
    ends = []
    for n in (16, 32, 64):
        options = {} if name == "turning" else {"sites": (5,)}
        layer = layers.layer(name, 3, steps=n, dt=1 / n, backend="torch", **options)
        torch.manual_seed(4)
        for parameter in layer.parameters():
            parameter.data = 0.4 * torch.randn_like(parameter)
        ends.append(torch.cat(layer(*start, **given)))
    gaps = [(a - b).norm() for a, b in itertools.pairwise(ends)]
    assert abs(torch.log2(gaps[0] / gaps[1]) - 2) < 0.1


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", ["site", "axis"])
def test_friction_differs_from_site_to_site(layers: Layers, name: str, backend: str) -> None:
    layer = layers.layer(name, 2, sites=(6,), steps=3, dt=0.2, backend=backend)
    rates = torch.rand(2, 6, dtype=torch.float64)
    layer.a = rates
    p = torch.randn(2, 2, 6, dtype=torch.float64)
    end = layer(torch.zeros_like(p), p)
    places = torch.arange(6, dtype=torch.float64) + 0.5
    whole = rates * (2 + torch.cos(places)) if name == "axis" else rates
    torch.testing.assert_close(end.pi, p * torch.exp(-0.6 * whole), rtol=1e-14, atol=1e-15)


def test_kernels_and_adjoint_of_both(layers: Layers) -> None:
    """The kernels, their gradients and the reference; the adjoint against the forward pass."""
    low = lower(derive_system(rough("rough", Strang(1, DT))))
    assert dot_defect(low.step.body, low.step.adjoint, 1) < 1e-11
    found = []
    for backend in BACKENDS:
        torch.manual_seed(5)
        layer = layers.layer("rough", 2, sites=(7,), steps=4, dt=0.1, backend=backend)
        for parameter in layer.parameters():
            parameter.data += 0.3 * torch.randn_like(parameter)
        start = [torch.randn(2, 2, 7, dtype=torch.float64).requires_grad_() for _ in range(4)]
        b = torch.rand(2, 2, 7, dtype=torch.float64).requires_grad_()
        end = layer(*start, b=b)
        loss = sum((k + 1) * (e**2).sum() for k, e in enumerate(end))
        found.append([*end, *torch.autograd.grad(loss, [*start, b, *layer.parameters()])])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-12)


def test_what_is_said_and_what_is_refused() -> None:
    assert "kinetic energy in the rotation" in STEP.kept(derive_system(SYSTEMS["param"]))
    assert "symplectic" in STEP.kept(derive_system(SYSTEMS["site"]))
    derive(gallery("magnetic_charge", STEP))
    q, r, p, s = (Field(n, POINT) for n in "qrps")
    m = Param("m")

    def planar(H: sp.Expr, rate: sp.Expr) -> System:
        bracket = canonical((q, p), (r, s))
        return System(
            "refused", POINT, (q, r, p, s), hamiltonian=H, integrator=STEP, almost_poisson=True,
            bracket=lambda F, G: bracket(F, G) + rate * (F[p] * G[s] - F[s] * G[p]),
        )  # fmt: skip

    for system, why in (
        (planar((p**2 + s**2) / 2, 1 + p**2), "the row of p also holds"),
        (planar((m * p**2 + s**2) / 2, B), "inverse masses m and 1 of unknown sign"),
    ):
        with pytest.raises(SpecError, match="Strang does not fit") as caught:
            derive(system)
        assert why in caught.value.why
        assert caught.value.fix
