"""Implicit steps at every amplitude: what a method keeps, and its step against the same equation at 50 digits.

Every energy has a channel of its own, V = sum_k s_k V_k(q) with s one-hot, so that one package serves them all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import mpmath
import pytest
import sympy as sp
import torch

from metrigen import AverageVectorField, DiscreteGradient, Field, ImplicitMidpoint, Param, System, canonical
from tests.integrators.methods import fields
from tests.integrators.systems import POINT, Layers
from tests.kernels.modes import once
from tests.lattice.emitted import layer_class, package
from tests.lengths import LONG

pytestmark = [pytest.mark.covering, once]

q, p = Field("q", POINT), Field("p", POINT)
Q = sp.Symbol("q", real=True)
BOUNDED = (
    Q**2 / 2, 1 - sp.cos(Q), sp.sin(Q) / 3, sp.log(1 + Q**2), sp.sqrt(1 + Q**2), Q**2 / (1 + Q**2), sp.tanh(Q) ** 2,
    Q * sp.asinh(Q), sp.exp(-(Q**2)),
)  # fmt: skip
STEEP = (Q**3 / 3, Q**4 / 4, Q**6 / 6 - Q**5 / 5, sp.exp(Q / 2), sp.cosh(Q) / 4, sp.sqrt(1 + Q**2) ** 3)
KINKED = (sp.Abs(Q), sp.Max(Q, 0) ** 2, sp.Abs(Q) ** 3, sp.Max(Q, -Q / 2))
METHODS = {"midpoint": ImplicitMidpoint, "average": AverageVectorField, "gradient": DiscreteGradient}
AMPLITUDES = (1e-6, 1e-3, 0.1, 1.0, 10.0, 1e3)
SEEDS = range(12 if LONG else 2)
BACKENDS = ("torch", "cpu")


@dataclass(frozen=True)
class Kind:
    potentials: tuple[sp.Expr, ...]
    method: type
    largest: float
    dt: float


KINDS = {f"{name}-bounded": Kind(BOUNDED, method, 1e3, 0.3) for name, method in METHODS.items()}
KINDS |= {f"{name}-steep": Kind(STEEP, METHODS[name], 3.0, 0.05) for name in ("average", "gradient")}
KINDS["gradient-kinked"] = Kind(KINKED, DiscreteGradient, 1e3, 0.05)
LINEAR = {f"{name}-linear": Kind((Q**2 / 2,), method, 1.0, 0.05) for name, method in METHODS.items()}


def system(name: str, kind: Kind) -> System:
    weights = [Param(f"s{k}", per="channel", init=0.0) for k in range(len(kind.potentials))]
    V = sp.Add(*(s * v.xreplace({Q: q}) for s, v in zip(weights, kind.potentials, strict=True)))
    return System(
        name.replace("-", "_"), POINT, (q, p), hamiltonian=p**2 / 2 + V,
        bracket=lambda F, G: F[q] * G[p] - F[p] * G[q], integrator=kind.method(1, kind.dt),
    )  # fmt: skip


@pytest.fixture(scope="module")
def layers(tmp_path_factory: pytest.TempPathFactory) -> Layers:
    return Layers(tmp_path_factory.mktemp("amplitudes"), {n: system(n, k) for n, k in (KINDS | LINEAR).items()})


def layer(layers: Layers, name: str, dtype: torch.dtype, backend: str) -> torch.nn.Module:
    count = len((KINDS | LINEAR)[name].potentials)
    made = layers.layer(name, count, backend=backend)
    for k in range(count):
        setattr(made, f"s{k}", torch.eye(count, dtype=torch.float64)[k])
    return made.to(dtype)


@cache
def function(e: sp.Expr) -> Callable[[mpmath.mpf], mpmath.mpf]:
    return sp.lambdify(Q, e, "mpmath")


@cache
def slope_terms(V: sp.Expr) -> tuple[sp.Expr, ...]:
    return sp.Add.make_args(sp.diff(V, Q))


def quotient(V: sp.Expr, a: mpmath.mpf, b: mpmath.mpf) -> mpmath.mpf:
    value = function(V)
    return (value(b) - value(a)) / (b - a) if a != b else function(sp.diff(V, Q))(a)


def solution(kind: Kind, V: sp.Expr, start: tuple[float, float], guess: float) -> tuple[mpmath.mpf, mpmath.mpf]:
    """q1, p1 of (q1 - q0)/h = (p0 + p1)/2, (p1 - p0)/h = -force, by the secant method from a value near q1."""
    x, y, h = *map(mpmath.mpf, start), mpmath.mpf(kind.dt)
    slope = function(sp.diff(V, Q))

    def after(z: mpmath.mpf) -> mpmath.mpf:
        return 2 * (z - x) / h - y

    def defect(z: mpmath.mpf) -> mpmath.mpf:
        force = slope((x + z) / 2) if kind.method is ImplicitMidpoint else quotient(V, x, z)
        return (after(z) - y + h * force) * h / 2

    near = mpmath.mpf(guess)
    size = abs(x) + abs(near) + abs(h * y)
    end = mpmath.findroot(defect, (near, near + size * mpmath.mpf(10) ** -6), tol=(size * mpmath.mpf(10) ** -30) ** 2)
    return end, after(end)


CASES = [(n, a) for n, kind in KINDS.items() for a in AMPLITUDES if a <= kind.largest and (a >= 0.1 or "kink" not in n)]


@pytest.mark.parametrize(("name", "amplitude"), CASES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_the_step_solves_its_equation(layers: Layers, name: str, amplitude: float, backend: str) -> None:
    """In both precisions to the residual at which the iteration ends; where the energy is kept, to its rounding."""
    kind = KINDS[name]
    for seed in SEEDS:
        random = torch.Generator().manual_seed(seed)
        start = amplitude * torch.randn(2, 1, len(kind.potentials), dtype=torch.float64, generator=random)
        start[1] *= seed % 2  # from rest, and moving
        start = start.float()  # the same numbers in both
        wide = None
        for dtype, eps in ((torch.float64, 2e-16), (torch.float32, 1.2e-7)):
            end = layer(layers, name, dtype, backend)(*start.to(dtype))
            assert (end.status == 0).all()
            wide = end if wide is None else wide
            for k, V in enumerate(kind.potentials):
                q0, p0, q1, p1 = (float(x[0, k]) for x in (*start, *(f.detach() for f in fields(end))))
                with mpmath.workdps(50):
                    slopes = [abs(function(sp.diff(V, Q))(mpmath.mpf(x))) for x in (q0, q1)]
                    forces = terms(V, q0, q1)
                    scale = abs(q0) + abs(p0) + abs(q1) + abs(p1) + kind.dt * forces
                    exact = solution(kind, V, (q0, p0), float(wide.q[0, k]))
                    assert abs(q1 - exact[0]) + abs(p1 - exact[1]) <= 16 * eps * scale, (V, dtype)
                    if kind.method is not ImplicitMidpoint:
                        value = function(V)
                        H = [mpmath.mpf(b) ** 2 / 2 + value(mpmath.mpf(a)) for a, b in ((q0, p0), (q1, p1))]
                        gradient = max(*slopes, abs(p0), abs(p1), forces)
                        assert abs(H[1] - H[0]) <= 16 * eps * scale * gradient, (V, dtype)


def terms(V: sp.Expr, *points: float) -> float:
    """The largest of the terms that V' is the sum of, which may cancel: that is what a force is rounded at."""
    return max(float(abs(function(term)(mpmath.mpf(x)))) for term in slope_terms(V) for x in points)


def test_a_step_moves_from_rest_in_single_precision(layers: Layers) -> None:
    """The momentum after a step from rest, relative to itself: what a gap of two energies has no digits for."""
    for name in ("gradient-bounded", "average-bounded"):
        for amplitude in (1e-4, 1e-3, 1e-2, 1.0):
            q0 = torch.full((1, len(BOUNDED)), amplitude, dtype=torch.float64)
            q0 = q0.float().double()
            ends = [layer(layers, name, d, "torch")(q0.to(d), torch.zeros_like(q0).to(d)).p.double()
                    for d in (torch.float64, torch.float32)]  # fmt: skip
            moved = ends[0].abs() > 1e-3 * amplitude
            assert moved.sum() >= 6
            assert ((ends[1] - ends[0]).abs()[moved] <= 1e-5 * ends[0].abs()[moved]).all()


FARTHEST = {
    torch.float32: (1e-35, 1e-30, 1e-22, 1e-20, 1e19, 1e30),
    torch.float64: (1e-290, 1e-200, 1e-160, 1e160, 1e290),
}


@pytest.mark.parametrize("name", LINEAR)
@pytest.mark.parametrize("dtype", FARTHEST)
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_linear_step_knows_no_unit(layers: Layers, name: str, dtype: torch.dtype, backend: str) -> None:
    """Where squares underflow or overflow too, a state and a cotangent of any size give the numbers of size 1."""
    made = layer(layers, name, dtype, backend)
    start = [torch.tensor([[0.8], [-0.3]], dtype=dtype), torch.tensor([[0.1], [0.7]], dtype=dtype)]

    def stepped(state: float, cotangent: float) -> list[torch.Tensor]:
        given = [(state * x).requires_grad_() for x in start]
        found = made(*given)
        flow = [torch.full_like(x, cotangent) for x in found[:2]]
        flowed = torch.autograd.grad(found[:2], given, flow)
        return [*(x / state for x in found[:2]), *(g / cotangent for g in flowed)]

    wanted = stepped(1.0, 1.0)
    for size in FARTHEST[dtype]:
        for found in (stepped(size, 1.0), stepped(1.0, size)):
            torch.testing.assert_close(found, wanted, rtol=1e-5 if dtype is torch.float32 else 1e-12, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("power", [3, sp.Rational(5, 2)], ids=str)
def test_gradients_at_denormal_states(tmp_path: Path, power: sp.Expr, dtype: torch.dtype) -> None:
    """Beside a kink of |q|^n, n > 2, the energy is flat: a step is free flight, and so is its gradient."""
    dt = 0.1
    tunnel = System("flat", POINT, fields=(q, p), hamiltonian=p**2 / 2 + sp.Abs(q) ** power,
                    bracket=canonical((q, p)), integrator=DiscreteGradient(steps=2, dt=dt))  # fmt: skip
    made = layer_class(package(tunnel, tmp_path, "flat"))
    least = float(torch.finfo(dtype).tiny)
    for backend in ("torch", "cpu"):
        layer = made(channels=1, backend=backend).to(dtype)
        for start in ((least / 8, 0.0), (0.0, least / 8), (least / 8, least / 64), (least, least / 8)):
            given = [torch.tensor([[v]], dtype=dtype, requires_grad=True) for v in start]
            end = layer(*given).q
            found = torch.autograd.grad(end.sum(), given)
            assert [g.item() for g in found] == pytest.approx([1.0, 2 * dt], rel=1e-5), (backend, start)
