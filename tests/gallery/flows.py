"""Known solutions of the gradient flows of the gallery, and what they keep and lower."""

from __future__ import annotations

import math

import torch

from tests.gallery.fields import laplace, mode
from tests.gallery.layers import energies, layer, line, near, rough


def descends(made, state, calls: int = 10, **inputs) -> object:
    """Call the layer over and over; the energy falls every time. Returns the last state."""
    for _ in range(calls):
        after = made(*state, **inputs)
        before, now = energies(made, type(after)(*state), after, **inputs)
        assert (now <= before + 1e-12).all(), (before, now)
        state = after
    return state


def heat() -> None:
    """A mode decays by 1 - kappa dt k^2 a step, k^2 of the lattice; the mass is constant."""
    k, wave = mode(12, 2)
    made = layer("heat", steps=20, dt=0.1, kappa=0.7)
    u = wave[..., None].expand(1, 1, 12, 3)
    near(made(u).u, u * (1 - 0.07 * laplace(k)) ** 20, 1e-12)
    u = rough(1, 1, 6, 5)
    near(descends(made, (u,)).u.sum(), u.sum(), 1e-12)


def allen_cahn() -> None:
    """The wall tanh(x / sqrt(2 eps)) is at rest; the energy falls."""
    wall = torch.tanh(line(40) / 4)[None, None, :, None].expand(1, 1, 40, 2)
    near(layer("allen_cahn", steps=100, dt=0.02, eps=8.0)(wall).u, wall, 0.01)
    end = descends(layer("allen_cahn", steps=10, dt=0.1), (rough(1, 1, 6, 6),))
    assert end.u.abs().max() < 1.01


def growth(name: str, rate: float, wave: torch.Tensor, steps: int = 20, dt: float = 0.01, **values: float) -> None:
    """A small mode grows by 1 + rate dt a step."""
    made = layer(name, steps=steps, dt=dt, **values)
    near(made(1e-7 * wave).u * 1e7, wave * (1 + rate * dt) ** steps, 1e-8)


def cahn_hilliard() -> None:
    """Growth rate k^2 (1 - eps k^2); mass constant, energy falling."""
    k, wave = mode(16, 2)
    growth("cahn_hilliard", laplace(k) * (1 - 0.8 * laplace(k)), wave[..., None].expand(1, 1, 16, 2), eps=0.8)
    u = rough(1, 1, 8, 7, size=0.3)
    near(descends(layer("cahn_hilliard", steps=20, dt=0.01), (u,)).u.sum(), u.sum(), 1e-12)


def swift_hohenberg() -> None:
    """Growth rate r - (1 - k^2)^2; the stripes end near the amplitude sqrt(4 r/3)."""
    k, wave = mode(19, 3)
    rate = 0.3 - (1 - laplace(k)) ** 2
    growth("swift_hohenberg", rate, wave, r=0.3)
    end = layer("swift_hohenberg", steps=800, dt=0.05)(0.3 * wave)
    near(end.u.max() / math.sqrt(4 * rate / 3), 1.0, 0.03)


def phase_field_crystal() -> None:
    """Growth rate k^2 (r - (1 - k^2)^2); mass constant, energy falling."""
    k, wave = mode(19, 3)
    growth("phase_field_crystal", laplace(k) * (0.3 - (1 - laplace(k)) ** 2), wave, r=0.3)
    u = 0.1 + rough(1, 1, 19, size=0.3)
    near(descends(layer("phase_field_crystal", steps=20, dt=0.01), (u,)).u.sum(), u.sum(), 1e-12)


def porous_medium() -> None:
    """The source solution of Barenblatt spreads from t = 20 to t = 60."""
    x = line(81)

    def source(t: float) -> torch.Tensor:
        return t ** (-1 / 3) * torch.clamp(2 - x**2 * t ** (-2 / 3) / 12, min=0)[None, None]

    end = layer("porous_medium", steps=200, dt=0.2)(source(20.0))
    near(end.u.sum(), source(20.0).sum(), 1e-12)
    near((end.u - source(60.0)).abs().sum() / end.u.sum(), 0.0, 0.01)
    assert (end.u >= -1e-12).all()


def fokker_planck() -> None:
    """exp(-V) is at rest on the lattice; from elsewhere the free energy falls towards it at constant mass."""
    V = line(12)[None, None] ** 2 / 20
    made = layer("fokker_planck", steps=20, dt=0.05)
    near(made(torch.exp(-V), V=V).rho, torch.exp(-V), 1e-12)
    start = torch.ones(1, 1, 12).double()
    end = descends(made, (start,), V=V)
    near(end.rho.sum(), 12.0, 1e-12)
    far, now = ((rho / torch.exp(-V)).std() for rho in (start, end.rho))
    assert now < far / 2


def thin_film() -> None:
    """A ripple on height one decays by 1 - dt k^4 a step; a large one keeps its volume and lowers the energy."""
    k, wave = mode(16, 2)
    made = layer("thin_film", steps=20, dt=0.02)
    near((made(1 + 1e-7 * wave).u - 1) * 1e7, wave * (1 - 0.02 * laplace(k) ** 2) ** 20, 1e-6)
    u = 1 + 0.3 * wave
    near(descends(made, (u,)).u.sum(), u.sum(), 1e-12)


def total_variation() -> None:
    """The mean of u - f decays by 1 - lam dt a step; a noisy step comes out smoother, the step remains."""
    f = (line(12) > 0).double()[None, None, :, None] + rough(1, 1, 12, 8, size=0.05)
    made = layer("total_variation", steps=20, dt=0.05, lam=0.5, eps=0.01)
    u = rough(1, 1, 12, 8, seed=1)
    near((made(u, f=f).u - f).mean(), (u - f).mean() * 0.975**20, 1e-12)
    end = descends(layer("total_variation", steps=50, dt=0.01, lam=1.0, eps=0.01), (f,), f=f).u
    assert end.std(3).mean() < f.std(3).mean() / 3
    assert (end[..., 9, :] - end[..., 2, :]).min() > 0.5


def ginzburg_landau() -> None:
    """The winding state sqrt(1 - k^2) exp(i k x), k^2 of the lattice, is at rest; energy falls elsewhere."""
    k = mode(16, 1)[0]
    x = torch.arange(16).double()
    size = math.sqrt(1 - laplace(k))
    a, b = (size * f(k * x)[None, None, :, None].expand(1, 1, 16, 3) for f in (torch.cos, torch.sin))
    end = layer("ginzburg_landau", steps=50, dt=0.1)(a, b)
    near(end.a, a, 1e-12)
    near(end.b, b, 1e-12)
    descends(layer("ginzburg_landau", steps=10, dt=0.1), (rough(1, 1, 6, 6), rough(1, 1, 6, 6, seed=1)))


def nagumo() -> None:
    """The front moves at (1 - 2 a)/sqrt(2)."""
    x, a, time = line(120, 0.5), 0.25, 20.0
    c = (1 - 2 * a) / math.sqrt(2)

    def front(t: float) -> torch.Tensor:
        return 1 / (1 + torch.exp((x - c * t) / math.sqrt(2)))[None, None]

    near(layer("nagumo", steps=400, dt=time / 400, a=a)(front(0)).u, front(time), 0.03)


def debye_screening() -> None:
    """The lattice potential of a unit charge: z^|n| / sqrt(m2 (m2 + 4 eps))."""
    eps, m2 = 1.3, 0.4
    s = torch.zeros(1, 1, 81).double()
    s[..., 40] = 1
    b = 2 + m2 / eps
    z = (b - math.sqrt(b**2 - 4)) / 2
    near(layer("debye_screening", eps=eps, m2=m2)(s=s).u, z ** line(81).abs() / math.sqrt(m2 * (m2 + 4 * eps)), 1e-9)


def critical_phi4() -> None:
    """Below the transition the field orders at phi^2 = -r/lam, above it vanishes."""
    start = 0.3 + rough(1, 1, 5, 5, size=0.1)
    for r, value in ((-0.5, 0.5), (0.5, 0.0)):
        made = layer("critical_phi4", steps=40, dt=0.1, r=r, lam=2.0)
        near(descends(made, (start,), calls=12).phi, value, 1e-7)


CHECKS = (
    heat, allen_cahn, cahn_hilliard, swift_hohenberg, phase_field_crystal, porous_medium, fokker_planck, thin_film,
    total_variation, ginzburg_landau, nagumo, debye_screening, critical_phi4,
)  # fmt: skip
