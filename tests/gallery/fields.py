"""Known solutions and conservation laws of the fields and fluids of the gallery."""

from __future__ import annotations

import math

import torch

from tests.gallery.layers import layer, line, near, rough, wave_angle


def mode(n: int, count: int) -> tuple[float, torch.Tensor]:
    """A wave number k that fits on n sites, and cos(k x)."""
    k = 2 * math.pi * count / n
    return k, torch.cos(k * torch.arange(n, dtype=torch.float64))[None, None]


def laplace(k: float) -> float:
    """The eigenvalue of minus the compact Laplacian at spacing one."""
    return 4 * math.sin(k / 2) ** 2


def klein_gordon() -> None:
    """w^2 = c2 k^2 + m2 with the lattice's k^2, and the exact phase of the leapfrog method."""
    k, wave = mode(16, 3)
    end = layer("klein_gordon", steps=50, dt=0.2, c2=1.5, m2=0.3)(wave)
    near(end.phi, wave * torch.cos(50 * wave_angle(1.5 * laplace(k) + 0.3, 0.2)), 1e-12)


def phi4_kink() -> None:
    """The kink moves by v t."""
    x, v = line(240, 0.25), 0.5
    g = 1 / math.sqrt(1 - v**2)

    def kink(t: float) -> torch.Tensor:
        return torch.tanh(g * (x - v * t) / math.sqrt(2))[None, None]

    rate = -v * g / math.sqrt(2) / torch.cosh(g * x / math.sqrt(2)) ** 2
    end = layer("phi4_kink", steps=160, dt=0.05)(kink(0), rate[None, None])
    near(end.phi, kink(8.0), 0.02)


def sine_gordon() -> None:
    """The soliton moves by v t, and carries one unit of 2 pi."""
    x, v = line(240, 0.25), 0.5
    g = 1 / math.sqrt(1 - v**2)

    def soliton(t: float) -> torch.Tensor:
        return 4 * torch.atan(torch.exp(g * (x - v * t)))[None, None]

    rate = -2 * v * g / torch.cosh(g * x)
    end = layer("sine_gordon", steps=160, dt=0.05)(soliton(0), rate[None, None])
    near(end.phi, soliton(8.0), 0.05)
    near(end.phi[..., -1] - end.phi[..., 0], 2 * math.pi, 1e-6)


def damped_wave() -> None:
    """The total momentum decays as exp(-gamma t); a mode swings at its shifted frequency."""
    gamma, time = 0.4, 5.0
    made = layer("damped_wave", steps=250, dt=time / 250, gamma=gamma)
    phi, pi = rough(1, 1, 8, 6), rough(1, 1, 8, 6, seed=1)
    near(made(phi, pi).pi.sum(), pi.sum() * math.exp(-gamma * time), 1e-12)
    k, wave = mode(8, 1)
    wave = wave[..., None].expand(1, 1, 8, 6)
    w = math.sqrt(laplace(k) - gamma**2 / 4)
    swing = math.exp(-gamma * time / 2) * (math.cos(w * time) + gamma / (2 * w) * math.sin(w * time))
    near(made(wave).phi, wave * swing, 1e-3)


def beam() -> None:
    """Bending waves: w = sqrt(EI/rho) k^2 with the lattice's k^2."""
    k, wave = mode(16, 2)
    end = layer("beam", steps=60, dt=0.2, EI=1.2, rho=2.0)(wave)
    near(end.w, wave * torch.cos(60 * wave_angle(0.6 * laplace(k) ** 2, 0.2)), 1e-11)


def heisenberg_chain() -> None:
    """A helix turns about its axis by phi a step, tan(phi/2) = -h J cos(theta) (1 - cos k), for every h; the length of
    every spin and the energy are kept from any start."""
    sites, h, J, theta = 12, 0.4, 0.8, 0.7
    k = 2 * math.pi / sites
    phi = -2 * math.atan(h * J * math.cos(theta) * (1 - math.cos(k)))

    def helix(turned: float) -> list[torch.Tensor]:
        angle = (k * torch.arange(sites).double() + turned)[None, None]
        return [*(math.sin(theta) * f(angle) for f in (torch.cos, torch.sin)), torch.full_like(angle, math.cos(theta))]

    made = layer("heisenberg_chain", steps=9, dt=h, J=J)
    for value, exact in zip(made(*helix(0.0)), helix(9 * phi), strict=False):
        near(value, exact, 1e-13)
    start = [rough(1, 1, sites, seed=n) for n in range(3)]
    size = sum(u**2 for u in start).sqrt()
    start = [u / size for u in start]
    made = layer("heisenberg_chain", steps=1, dt=h, J=J)
    first = made(*start)
    end = first
    for _ in range(20):
        end = made(*end[:3])
    near(sum(u**2 for u in end[:3]), 1.0, 1e-13)
    near(made.energy(end), made.energy(first), 1e-12)


def schroedinger() -> None:
    """The bright soliton moves at v with its phase; the norm is constant."""
    x, r, v, time = line(160, 0.25), 1.0, 0.5, 4.0

    def soliton(t: float) -> tuple[torch.Tensor, torch.Tensor]:
        size = r / torch.cosh(r * (x - v * t))
        phase = v * x + (r**2 - v**2) * t / 2
        return (size * torch.cos(phase))[None, None], (size * torch.sin(phase))[None, None]

    end = layer("schroedinger", steps=200, dt=time / 200)(*soliton(0))
    for value, exact in zip(end, soliton(time), strict=True):
        near(value, exact, 0.05)
    near((end.a**2 + end.b**2).sum() * 0.25, 2 * r, 1e-5)


def maxwell() -> None:
    """A plane wave keeps its shape; the divergence of E stays what it is."""
    k, wave = mode(16, 2)
    made = layer("maxwell", steps=100, dt=0.05)
    start = torch.zeros(1, 1, 16, 4).double(), *(wave[..., None].expand(1, 1, 16, 4) for _ in range(2))
    end = made(*start)
    x = torch.arange(16).double()
    near(end.E2, torch.cos(k * x - math.sin(k) * 5.0)[:, None], 1e-6)

    def divergence(E1: torch.Tensor, E2: torch.Tensor) -> torch.Tensor:
        return E1.roll(-1, 2) - E1.roll(1, 2) + E2.roll(-1, 3) - E2.roll(1, 3)

    start = rough(1, 1, 6, 6), rough(1, 1, 6, 6, seed=1), rough(1, 1, 6, 6, seed=2)
    end = made(*start)
    near(divergence(end.E1, end.E2), divergence(start[0], start[1]), 1e-12)
    near(made.energy(end), made.energy(type(end)(*start)), 1e-4)


def boussinesq() -> None:
    """Small waves with w^2 = k^2 + k^4 (of the lattice); int u, int v and the energy are constant."""
    k, wave = mode(16, 2)
    made = layer("boussinesq", steps=100, dt=0.05)
    w = math.sin(k) * math.sqrt(1 + laplace(k))
    near(made(1e-6 * wave, 0 * wave).u * 1e6, wave * math.cos(w * 5.0), 1e-4)
    start = rough(1, 1, 16, size=0.2), rough(1, 1, 16, seed=1, size=0.2)
    end = made(*start)
    near(torch.stack([x.sum() for x in end]), torch.stack([x.sum() for x in start]), 1e-12)
    near(made.energy(end), made.energy(type(end)(*start)), 1e-5)


def charged_scalar() -> None:
    """The charge is kept to rounding, the energy to the order of the method."""
    made = layer("charged_scalar", steps=100, dt=0.05)
    start = tuple(rough(1, 1, 6, 5, seed=s, size=0.5) for s in range(4))
    end = made(*start)
    charge = [(a * q - b * p).sum() for a, b, p, q in (start, end)]
    near(charge[1], charge[0], 1e-12)
    near(made.energy(end) / made.energy(type(end)(*start)), 1.0, 4e-3)


def elastic_waves() -> None:
    """Longitudinal waves with (lam + 2 mu)/rho, transverse ones with mu/rho."""
    k, wave = mode(12, 2)
    made = layer("elastic_waves", steps=40, dt=0.1, lam=0.7, mu=0.4, rho=1.5)
    wave = wave[..., None].expand(1, 1, 12, 3)
    none = torch.zeros_like(wave)
    for fields, c2 in (((wave, none), 1.5), ((none, wave), 0.4)):
        end = made(*fields)
        turned = torch.cos(40 * wave_angle(c2 / 1.5 * laplace(k), 0.1))
        near(end.u, fields[0] * turned, 1e-12)
        near(end.v, fields[1] * turned, 1e-12)


def soliton_of(name: str, shape, tolerance: float) -> None:
    """A soliton of speed one and a half after t = 2, on 140 sites of spacing 1/4; its mass and energy."""
    x, c, time = line(140, 0.25), 1.5, 2.0
    made = layer(name, steps=250, dt=time / 250)
    start = shape(x, c)[None, None]
    end = made(start)
    near(end.u, shape(x - c * time, c), tolerance)
    near(end.u.sum(), start.sum(), 1e-3 if name == "kdv_second_bracket" else 1e-10)
    near(made.energy(end), made.energy(type(end)(start)), 1e-4)


def kdv() -> None:
    """(c/2) sech^2(sqrt(c) (x - c t)/2)."""
    soliton_of("kdv", lambda x, c: c / 2 / torch.cosh(math.sqrt(c) * x / 2) ** 2, 0.03)


def kdv_second_bracket() -> None:
    """The same soliton from the other bracket."""
    soliton_of("kdv_second_bracket", lambda x, c: c / 2 / torch.cosh(math.sqrt(c) * x / 2) ** 2, 0.03)


def mkdv() -> None:
    """sqrt(c) sech(sqrt(c) (x - c t))."""
    soliton_of("mkdv", lambda x, c: math.sqrt(c) / torch.cosh(math.sqrt(c) * x), 0.15)


def burgers() -> None:
    """Before the shock the value is carried along characteristics: u = u0(x - u t)."""
    x, time = torch.arange(128).double(), 30.0

    def start(x: torch.Tensor) -> torch.Tensor:
        return 0.5 + 0.2 * torch.sin(2 * math.pi * x / 128)

    exact = start(x)
    for _ in range(200):
        exact = start(x - exact * time)
    made = layer("burgers", steps=150, dt=time / 150)
    first = start(x)[None, None]
    end = made(first)
    near(end.u, exact, 3e-3)
    near(made.energy(end), made.energy(type(end)(first)), 1e-6)


def shallow_water() -> None:
    """Small waves at sqrt(g h); mass, circulation and energy of a large one."""
    k, wave = mode(16, 2)
    made = layer("shallow_water", steps=100, dt=0.05, g=1.3)
    end = made(1.5 + 1e-6 * wave, 0 * wave)
    near((end.h - 1.5) * 1e6, wave * math.cos(math.sqrt(1.3 * 1.5) * math.sin(k) * 5.0), 1e-4)
    start = 1.5 + 0.2 * wave, 0.1 * wave
    end = made(*start)
    near(torch.stack([x.sum() for x in end]), torch.stack([x.sum() for x in start]), 1e-12)
    near(made.energy(end), made.energy(type(end)(*start)), 1e-6)


def gas() -> None:
    """Sound at sqrt(2) about rho = 1, s = 0; mass, entropy and energy of a large wave."""
    k, wave = mode(16, 2)
    made = layer("gas", steps=100, dt=0.05)
    end = made(1 + 1e-6 * wave, 0 * wave, 0 * wave)
    near((end.rho - 1) * 1e6, wave * math.cos(math.sqrt(2) * math.sin(k) * 5.0), 1e-4)
    start = 1 + 0.1 * wave, 0.1 * wave, 0.1 * wave
    end = made(*start)
    near(torch.stack([end.rho.sum(), end.s.sum()]), torch.stack([start[0].sum(), start[2].sum()]), 1e-12)
    near(made.energy(end), made.energy(type(end)(*start)), 1e-5)


def tracer() -> None:
    """A shear flow tilts a wave; int w and int psi w are constant in any flow."""
    k, wave = mode(12, 1)
    y = torch.arange(8).double()
    psi = torch.cos(2 * math.pi * y / 8)[None, None, None].expand(1, 1, 12, 8).contiguous()
    speed = (psi.roll(-1, 3) - psi.roll(1, 3)) / 2 * math.sin(k) / k
    made = layer("tracer", steps=100, dt=0.05)
    end = made(wave[..., None].expand(1, 1, 12, 8), psi=psi)
    x = torch.arange(12).double()[:, None]
    near(end.w, torch.cos(k * (x + speed * 5.0)), 1e-6)
    w, psi = rough(1, 1, 6, 6), rough(1, 1, 6, 6, seed=1, size=0.3)
    end = made(w, psi=psi)
    near(end.w.sum(), w.sum(), 1e-12)
    near((end.w * psi).sum(), (w * psi).sum(), 1e-5)


def vlasov() -> None:
    """In a harmonic potential the phase plane turns: a function of the energy is at rest, a blob goes round it."""
    x, v = line(40, 0.25)[:, None], line(40, 0.25)[None, :]
    phi = (x**2 / 2).expand(40, 40)[None, None]
    made = layer("vlasov", steps=50, dt=0.02)
    rest = torch.exp(-(x**2) - v**2)[None, None]
    near(made(rest, phi=phi).f, rest, 0.01)
    blob = torch.exp(-((x - 1) ** 2) - v**2)[None, None]
    end = made(blob, phi=phi)
    near(made(blob, phi=phi[..., 0]).f, end.f, 0)
    near(end.f.sum(), blob.sum(), 1e-12)
    near(made.energy(end, phi=phi), made.energy(type(end)(blob), phi=phi), 1e-5)
    near((end.f * x).sum() / end.f.sum(), math.cos(1), 0.01)
    near((end.f * v).sum() / end.f.sum(), -math.sin(1), 0.01)


CHECKS = (
    heisenberg_chain, klein_gordon, phi4_kink, sine_gordon, damped_wave, beam, schroedinger, maxwell, boussinesq,
    charged_scalar, elastic_waves, kdv, kdv_second_bracket, mkdv, burgers, shallow_water, gas, tracer, vlasov,
)  # fmt: skip
