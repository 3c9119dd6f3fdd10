"""Known solutions and conservation laws of the mechanical systems of the gallery."""

from __future__ import annotations

import math

import mpmath
import torch

from tests.gallery.layers import energies, jacobian, layer, near, point, rough, wave_angle


def pendulum() -> None:
    """After the period 4 K(sin(a/2)) it is back at its amplitude."""
    a = 1.2
    period = 4 * float(mpmath.ellipk(math.sin(a / 2) ** 2))
    made = layer("pendulum", steps=800, dt=period / 800)
    end = made(*point(a))
    near(torch.cat([end.q, end.pi]), [[a], [0.0]], 1e-4)
    near(made.energy(end), 1 - math.cos(a), 1e-4)


def damped_pendulum() -> None:
    """Phase-space volume shrinks as exp(-gamma t), the energy falls."""
    made = layer("damped_pendulum", steps=5, dt=0.2, gamma=0.3)
    near(jacobian(made, *point(0.8, 0.3)).det(), math.exp(-0.3), 1e-12)
    states = [made(*point(2.0))]
    for _ in range(10):
        states.append(made(*states[-1]))
    assert (energies(made, *states).diff(dim=0) < 0).all()


def elastic_pendulum() -> None:
    """Energy to rounding at four times the step that the fast mode leaves an explicit method; the swing is that of a
    rigid pendulum, of period 4 K(sin(a/2)), up to the stretch of the spring."""
    made = layer("elastic_pendulum", steps=1, dt=0.4)
    start = point(1.0, 1.2, 0.0, 0.0)
    state, first = start, made(*start)
    for _ in range(30):
        after = made(*state)
        assert after.status == 0
        state = after[:4]
    near(made.energy(after), made.energy(first), 1e-12)
    period = 4 * float(mpmath.ellipk(math.sin(0.6) ** 2))
    end = layer("elastic_pendulum", steps=200, dt=period / 200, k=1e4)(*start)
    near(torch.cat([end.r, end.a]), [[1.0], [1.2]], 2e-2)


def morse_oscillator() -> None:
    """Energy to rounding at a fifth of a period; back at its turning point after 2 pi / (a sqrt(2 (D - E)))."""
    made = layer("morse_oscillator", steps=1, dt=2.0, D=0.7, a=1.3)
    energy = 0.7 * (1 - math.exp(-1.3 * 1.1)) ** 2
    period = 2 * math.pi / (1.3 * math.sqrt(2 * (0.7 - energy)))
    state = point(1.1, 0.0)
    for _ in range(25):
        end = made(*state)
        assert end.status == 0
        near(made.energy(end), energy, 1e-14)
        state = end[:2]
    end = layer("morse_oscillator", steps=800, dt=period / 800, D=0.7, a=1.3)(*point(1.1, 0.0))
    near(torch.cat(end[:2]), [[1.1], [0.0]], 1e-3)


def kepler() -> None:
    """The orbit of eccentricity 0.3 closes after 2 pi; the angular momentum is kept to rounding."""
    e = 0.3
    start = point(1 - e, 0, 0, math.sqrt((1 + e) / (1 - e)))
    end = layer("kepler", steps=2000, dt=2 * math.pi / 2000)(*start)
    near(torch.cat(end), torch.cat(start), 1e-3)
    near(end.q1 * end.pi_q2 - end.q2 * end.pi_q1, math.sqrt(1 - e**2), 1e-12)


def duffing() -> None:
    """From rest at q = a: a cn(W t | m)."""
    a, alpha, beta, time = 1.5, 1.0, 0.8, 3.0
    w2 = alpha + beta * a**2
    exact = a * float(mpmath.ellipfun("cn", math.sqrt(w2) * time, m=beta * a**2 / (2 * w2)))
    end = layer("duffing", steps=600, dt=time / 600, alpha=alpha, beta=beta)(*point(a))
    near(end.q, exact, 1e-4)


def double_well() -> None:
    """Along the separatrix sqrt(2) sech t, from t = -2 to t = 2."""
    q, p = math.sqrt(2) / math.cosh(2), math.sqrt(2) * math.tanh(2) / math.cosh(2)
    end = layer("double_well", steps=800, dt=4 / 800)(*point(q, p))
    near(torch.cat([end.q, end.pi]), [[q], [-p]], 1e-3)


def coupled_oscillators() -> None:
    """The two normal modes, with the exact phase of the leapfrog method."""
    made = layer("coupled_oscillators", steps=37, dt=0.1, w2=1.3, kappa=0.4)
    for sign, w2 in ((1, 1.3), (-1, 1.3 + 0.8)):
        end = made(*point(1, sign, 0, 0))
        value = torch.cos(37 * wave_angle(w2, 0.1))
        near(torch.cat([end.q1, sign * end.q2]), value, 1e-12)


def toda_ring() -> None:
    """Total momentum to rounding; energy and Henon's cubic integral to the order of the method."""
    made = layer("toda_ring", steps=100, dt=0.01)
    start = point(0.4, -0.3, 0.1, 0.5, -0.2, 0.3)

    def cubic(q: list[torch.Tensor], p: list[torch.Tensor]) -> torch.Tensor:
        springs = [torch.exp(q[i] - q[(i + 1) % 3]) for i in range(3)]
        return p[0] * p[1] * p[2] - sum(p[i] * springs[(i + 1) % 3] for i in range(3))

    end = made(*start)
    near(sum(end[3:]), 0.6, 1e-13)
    near(cubic(end[:3], end[3:]), cubic(start[:3], start[3:]), 2e-4)
    near(made.energy(end), made.energy(type(end)(*start)), 1e-4)


def henon_heiles() -> None:
    """At energy 1/12 the orbit stays bounded and the energy is kept."""
    made = layer("henon_heiles", steps=100, dt=0.05)
    state = made(*point(0, 0, 0.3, math.sqrt(1 / 6 - 0.09)))
    for _ in range(5):
        state = made(*state)
        near(made.energy(state), 1 / 12, 2e-4)
        assert torch.cat(state[:2]).abs().max() < 1


def rigid_body() -> None:
    """Energy and the Casimir |L|^2."""
    made = layer("rigid_body", steps=200, dt=0.02)
    start = point(0.6, 1.1, -0.4)
    end = made(*start)
    near(sum(u**2 for u in end), sum(u**2 for u in start), 1e-8)
    near(made.energy(end), made.energy(type(end)(*start)), 1e-8)
    assert (end.L1 - start[0]).abs() > 0.1


def heavy_top() -> None:
    """Energy, both Casimirs, and L3 of the symmetric top."""
    made = layer("heavy_top", steps=200, dt=0.02)
    start = point(0.3, -0.2, 1.5, 0.6, 0.0, 0.8)
    end = made(*start)
    near(sum(u**2 for u in end[3:]), 1.0, 1e-6)
    near(sum(a * b for a, b in zip(end[:3], end[3:], strict=True)), 0.18 + 1.2, 1e-6)
    near(end.L3, 1.5, 1e-12)
    near(made.energy(end), made.energy(type(end)(*start)), 1e-6)


def lotka_volterra() -> None:
    """Small oscillations about (1, 1) have the period 2 pi; on a large orbit the energy is kept."""
    end = layer("lotka_volterra", steps=200, dt=2 * math.pi / 200)(*point(1.001, 1.0))
    near(torch.cat(end), [[1.001], [1.0]], 1e-5)
    made = layer("lotka_volterra", steps=300, dt=0.02)
    start = point(0.4, 1.7)
    end = made(*start)
    near(made.energy(end), made.energy(type(end)(*start)), 1e-7)


def magnetic_charge() -> None:
    """In a uniform field a circle of period 2 pi / b0; in any field the speed is constant."""
    start = point(0.2, -0.1, 0.5, 0.7)
    end = layer("magnetic_charge", steps=200, dt=math.pi / 200, b0=2.0)(*start)
    near(torch.cat(end), torch.cat(start), 1e-7)
    end = layer("magnetic_charge", steps=200, dt=0.05, b1=0.6)(*start)
    near(end.v1**2 + end.v2**2, 0.25 + 0.49, 1e-6)


def point_vortices() -> None:
    """The pair turns about its centre at the rate (g1 + g2) / (2 pi r^2)."""
    r = 1.5
    period = 2 * math.pi / ((1 + 2) / (2 * math.pi * r**2))
    start = point(1.0, 0, -0.5, 0)
    end = layer("point_vortices", steps=100, dt=period / 200)(*start)
    near(torch.cat(end), -torch.cat(start), 1e-6)


def foucault_pendulum() -> None:
    """Circular modes of frequencies sqrt(w2 + b^2/4) -+ b/2; the turning momenta do no work."""
    b, time = 0.6, 3.0
    made = layer("foucault_pendulum", channels=2, steps=600, dt=time / 600, B=[[0, b], [-b, 0]])
    for way in (1, -1):
        w = math.sqrt(1 + b**2 / 4) - way * b / 2
        q, p = torch.tensor([[1.0, 0.0]]).double(), torch.tensor([[0.0, way * w]]).double()
        end = made(q, p)
        near(end.q, [[math.cos(w * time), way * math.sin(w * time)]], 1e-4)
        near(made.energy(end), made.energy(type(end)(q, p)), 1e-12)


def kuramoto() -> None:
    """Two oscillators lock at sin(theta_1 - theta_2) = (omega_1 - omega_2) / (2 K); equal ones fall into step."""
    made = layer("kuramoto", channels=2, steps=200, dt=0.1, omega=[0.5, -0.5], K=1.0)
    theta = made(torch.tensor([[1.0, 0.2]]).double()).theta
    near(torch.sin(theta[:, 0] - theta[:, 1]), 0.5, 1e-8)
    made = layer("kuramoto", channels=5, steps=200, dt=0.05, omega=[0.0] * 5, K=1.0)
    theta = made(rough(1, 5)).theta
    near(torch.complex(torch.cos(theta), torch.sin(theta)).mean().abs(), 1.0, 1e-8)


def toda_lattice() -> None:
    """The soliton log(cosh(k (n - 1) - b t) / cosh(k n - b t)), b = sinh k, on a free chain."""
    k, time = 0.8, 4.0
    b = math.sinh(k)
    n = torch.arange(80, dtype=torch.float64) - 36

    def soliton(t: float) -> tuple[torch.Tensor, torch.Tensor]:
        q = torch.log(torch.cosh(k * (n - 1) - b * t) / torch.cosh(k * n - b * t))
        return q[None, None], -b * (torch.tanh(k * (n - 1) - b * t) - torch.tanh(k * n - b * t))[None, None]

    end = layer("toda_lattice", steps=200, dt=time / 200)(*soliton(0.0))
    for value, exact in zip(end, soliton(time), strict=True):
        near(value, exact, 1e-3)


def fermi_pasta_ulam() -> None:
    """Without alpha a mode keeps its form; with it the total momentum and the energy are kept."""
    mode = torch.cos(2 * math.pi * torch.arange(16).double() / 16)[None, None]
    end = layer("fermi_pasta_ulam", steps=50, dt=0.1, alpha=0.0)(mode)
    near(end.q, mode * torch.cos(50 * wave_angle(4 * math.sin(math.pi / 16) ** 2, 0.1)), 1e-12)
    made = layer("fermi_pasta_ulam", steps=100, dt=0.05)
    start = (mode, rough(1, 1, 16, size=0.1))
    end = made(*start)
    near(end.pi.sum(), start[1].sum(), 1e-12)
    near(made.energy(end), made.energy(type(end)(*start)), 1e-3)


def channel_oscillators() -> None:
    """The eigenvectors of K are the normal modes."""
    K = torch.tensor([[0.5, 0.3, 0.0], [0.3, -0.2, 0.1], [0.0, 0.1, 0.4]]).double()
    values, vectors = torch.linalg.eigh(K)
    made = layer("channel_oscillators", channels=3, steps=40, dt=0.1, K=K)
    for value, vector in zip(values, vectors.T, strict=True):
        near(made(vector[None]).q, vector * torch.cos(40 * wave_angle(2.0 + value, 0.1)), 1e-12)


CHECKS = (
    pendulum, damped_pendulum, elastic_pendulum, morse_oscillator,
    kepler, duffing, double_well, coupled_oscillators, toda_ring, henon_heiles, rigid_body,
    heavy_top, lotka_volterra, magnetic_charge, point_vortices, foucault_pendulum, kuramoto, toda_lattice,
    fermi_pasta_ulam, channel_oscillators,
)  # fmt: skip
