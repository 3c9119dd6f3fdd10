"""Known answers of the systems of the gallery that a clock in the density or an input of every step drives."""

from __future__ import annotations

import math

import torch

from tests.gallery.graphs import index, ring
from tests.gallery.layers import jacobian, layer, line, near, point


def middles(steps: int, dt: float) -> torch.Tensor:
    """The middle times of steps, (steps,): an input that a step holds is of the second order there."""
    return (torch.arange(steps, dtype=torch.float64) + 0.5) * dt


def answer(trace: torch.Tensor, w: torch.Tensor | float, times: torch.Tensor) -> torch.Tensor:
    """The amplitude a of the last axis as Re(a exp(i w t)), by least squares over these times."""
    phase = torch.as_tensor(w, dtype=torch.float64).reshape(-1, 1) * times
    waves = torch.stack([torch.cos(phase), -torch.sin(phase)], -1)
    waves = waves[0] if trace.dim() == 1 else waves
    found = torch.linalg.lstsq(waves.expand(*trace.shape, 2), trace.unsqueeze(-1)).solution.squeeze(-1)
    return torch.complex(found[..., 0], found[..., 1])


def driven_oscillator() -> None:
    """The resonance curve of nine frequencies at once, one a channel: amplitude and phase of the swing that is left."""
    w = torch.linspace(0.4, 2.0, 9, dtype=torch.float64)
    w2, gamma, A, dt = 1.3, 0.3, 0.7, 0.02
    made = layer("driven_oscillator", channels=9, dt=dt, w2=w2, gamma=gamma, A=A, w=w)
    rest = torch.zeros(1, 9, dtype=torch.float64)
    begin = made(rest, rest, steps=5000)  # exp(-gamma t/2) = 3e-7
    states = made.rollout(*begin, steps=1000, t0=5000 * dt)
    found = answer(states.q[0], w, 5000 * dt + dt * torch.arange(1, 1001, dtype=torch.float64))
    exact = A / torch.complex(w2 - w**2, gamma * w)
    near((found / exact).abs(), 1.0, 2e-3)
    near((found / exact).angle(), 0.0, 2e-3)
    size = A / torch.sqrt((w2 - w**2) ** 2 + (gamma * w) ** 2)
    near(found.abs() / size, 1.0, 2e-3)


def parametric_oscillator() -> None:
    """Inside the first tongue the growth of one period is exp(s T), s^2 = ((h w0/2)^2 - e^2)/4; outside it is bounded;
    the volume is kept."""
    h, w0 = 0.1, 1.0
    for e in (0.0, 0.03, -0.03):
        w = 2 * w0 + e
        period = 2 * math.pi / w
        made = layer("parametric_oscillator", steps=800, dt=period / 800, w2=w0**2, h=h, w=w)
        turn = jacobian(made, *point(0.0, 0.0))
        near(turn.det(), 1.0, 1e-12)
        growth = math.sqrt((h * w0 / 2) ** 2 - e**2) / 2
        near(torch.linalg.eigvals(turn).abs().max().log() / period / growth, 1.0, 0.03)
    for w in (1.8, 2.2):
        period = 2 * math.pi / w
        turn = jacobian(layer("parametric_oscillator", steps=800, dt=period / 800, w2=w0**2, h=h, w=w), *point(0, 0))
        near(torch.linalg.eigvals(turn).abs(), 1.0, 1e-7)


def kapitza_pendulum() -> None:
    """Upright it swings at sqrt((a w)^2/2 - g) where (a w)^2 > 2 g, and falls where it is not."""
    g, a, w = 1.0, 0.05, 100.0
    slow = math.sqrt((a * w) ** 2 / 2 - g)
    made = layer("kapitza_pendulum", dt=2 * math.pi / w / 60, g=g, a=a, w=w)
    states = made.rollout(*point(math.pi + 0.05, 0.0), steps=60 * 60, every=60)  # once a turn of the pivot
    swing = states.q[0, 0] - math.pi
    assert swing.abs().max() < 0.06
    turns = 2 * math.pi / w * torch.arange(1, 61, dtype=torch.float64)
    sizes = torch.linspace(0.8, 1.2, 401, dtype=torch.float64) * slow
    left = (swing - answer(swing.expand(401, -1), sizes, turns)[:, None].mul(
        torch.exp(1j * sizes[:, None] * turns)).real).norm(dim=1)  # fmt: skip
    near(sizes[left.argmin()] / slow, 1.0, 0.01)
    falls = layer("kapitza_pendulum", steps=6000, dt=2 * math.pi / w / 60, g=g, a=0.8 * math.sqrt(2 * g) / w, w=w)
    assert (falls(*point(math.pi + 0.05, 0.0)).q - math.pi).abs() > 1


def driven_pendulum() -> None:
    """Volume shrinks as exp(-gamma t) along a chaotic orbit; -q(t + pi/w) moves as q does; a weak torque swings it as
    an oscillator."""
    gamma, w, dt = 0.5, 2 / 3, math.pi / (2 / 3) / 100
    made = layer("driven_pendulum", dt=dt, gamma=gamma, A=1.5, w=w, w2=1.0)
    made.steps = 20
    near(jacobian(made, *point(0.4, 1.1)).det(), math.exp(-gamma * 20 * dt), 1e-12)
    start = point(0.4, 1.1)
    here, there = made(*start, steps=150), made(*(-x for x in start), steps=150, t0=math.pi / w)
    near(torch.cat(there), -torch.cat(here), 1e-9)
    weak = layer("driven_pendulum", dt=dt, gamma=gamma, A=1e-3, w=w, w2=1.0)
    begin = weak(*point(0.0, 0.0), steps=6000)
    states = weak.rollout(*begin, steps=200, t0=6000 * dt)
    found = answer(states.q[0], w, 6000 * dt + dt * torch.arange(1, 201, dtype=torch.float64))
    near((found / 1e-3 * complex(1 - w**2, gamma * w)).sub(1).abs(), 0.0, 2e-3)


def caldirola_kanai() -> None:
    """The damped oscillator: exp(-gamma t/2) (cos W t + gamma/(2 W) sin W t), and a volume that stays."""
    gamma, w2, time = 0.4, 1.3, 6.0
    W = math.sqrt(w2 - gamma**2 / 4)
    made = layer("caldirola_kanai", steps=1200, dt=time / 1200, gamma=gamma, w2=w2)
    exact = math.exp(-gamma * time / 2) * (math.cos(W * time) + gamma / (2 * W) * math.sin(W * time))
    near(made(*point(1.0, 0.0)).q, exact, 1e-5)
    made.steps = 20
    near(jacobian(made, *point(0.7, 0.2)).det(), 1.0, 1e-12)


def paul_trap() -> None:
    """Both axes are held up to k = 0.9080463 and not beyond: the trace of a period passes 2 there."""
    period = math.pi
    edge = 0.9080463
    for k, held in ((0.4, True), (edge - 2e-4, True), (edge + 2e-4, False)):
        made = layer("paul_trap", steps=2000, dt=period / 2000, k=k)
        turn = jacobian(made, *point(0, 0, 0, 0))
        near(turn.det(), 1.0, 1e-11)
        for axis in ((0, 2), (1, 3)):
            trace = turn[axis[0], axis[0]] + turn[axis[1], axis[1]]
            assert (trace.abs() < 2) == held, (k, trace)


def cyclotron_resonance() -> None:
    """|v| = 2 E |sin((w - b) t/2)/(w - b)|, and E t at resonance."""
    b, E, time = 1.2, 0.5, 10.0
    for w in (b, 0.9, 1.5):
        end = layer("cyclotron_resonance", steps=2000, dt=time / 2000, b=b, E=E, w=w)(*point(0, 0, 0, 0))
        off = (w - b) / 2
        exact = E * time if w == b else E * abs(math.sin(off * time) / off)
        near((end.v1**2 + end.v2**2).sqrt() / exact, 1.0, 1e-4)


def landau_zener() -> None:
    """exp(-2 pi g^2/v) stays on the level, up to what still swings with 1/(v T); the total is kept to rounding."""
    v, T, dt = 1.0, 60.0, 0.02
    g = torch.tensor([0.15, 0.3, 0.5], dtype=torch.float64)
    made = layer("landau_zener", channels=3, dt=dt, v=v, g=g)
    one, none = torch.ones(1, 3, dtype=torch.float64), torch.zeros(1, 3, dtype=torch.float64)
    end = made(one, none, none, none, steps=int(2 * T / dt), t0=-T)
    assert (end.status == 0).all()
    first = end.a1**2 + end.b1**2
    near(first + end.a2**2 + end.b2**2, 1.0, 1e-10)
    near(first, torch.exp(-2 * math.pi * g**2 / v), 0.02)


def spin_resonance() -> None:
    """Rabi's formula, on resonance and off it; the length to rounding."""
    b, h, time = 1.0, 0.2, 12.0
    w = torch.tensor([1.0, 0.9, 1.3], dtype=torch.float64)
    made = layer("spin_resonance", channels=3, steps=1200, dt=time / 1200, b=b, h=h, w=w)
    none = torch.zeros(1, 3, dtype=torch.float64)
    end = made(none, none, none + 1)
    W2 = (b - w) ** 2 + h**2
    near(end.S3, 1 - 2 * h**2 / W2 * torch.sin(W2.sqrt() * time / 2) ** 2, 1e-4)
    near(end.S1**2 + end.S2**2 + end.S3**2, 1.0, 1e-12)


def moving_trap() -> None:
    """q = v t - (v/w) sin(w t) all the way; at rest again where it is set down after whole periods."""
    w, v, periods = 1.3, 0.7, 3
    steps = 600 * periods
    dt = periods * 2 * math.pi / w / steps
    made = layer("moving_trap", dt=dt, w2=w**2)
    X = (v * middles(steps, dt))[None, None]
    states = made.rollout(*point(0.0, 0.0), X=X)
    t = dt * torch.arange(1, steps + 1, dtype=torch.float64)
    near(states.q[0, 0], v * t - v / w * torch.sin(w * t), 1e-4)
    near(states.last.pi, 0.0, 1e-4)
    energy = made.energy(states, X=(v * t)[None, None])
    near(energy[0, -1], 0.0, 1e-6)
    assert energy.max() > 0.9 * 2 * v**2


def low_pass() -> None:
    """Gain and phase of eight frequencies, one a channel."""
    w = torch.logspace(-1, 1, 8, dtype=torch.float64)
    tau, dt, steps = 0.7, 0.01, 8000
    made = layer("low_pass", channels=8, dt=dt, tau=tau)
    v = torch.cos(w[:, None] * middles(steps, dt))[None]
    states = made.rollout(torch.zeros(1, 8, dtype=torch.float64), v=v)
    times = dt * torch.arange(1, steps + 1, dtype=torch.float64)
    found = answer(states.u[0, :, 1500:], w, times[1500:])  # exp(-15/0.7) = 5e-10
    near(found.abs() * torch.sqrt(1 + (w * tau) ** 2), 1.0, 1e-3)
    near(found.angle() + torch.atan(w * tau), 0.0, 1e-3)


def josephson_junction() -> None:
    """The mean speed sqrt(I^2 - 1) of a steady current; with an oscillating part the speed is w, exactly, on a step."""
    dt = 0.02
    current = torch.tensor([1.1, 1.5, 3.0], dtype=torch.float64)
    period = 2 * math.pi / torch.sqrt(current**2 - 1)
    made = layer("josephson_junction", channels=3, steps=2000)
    for c in range(3):
        end = made(torch.zeros(1, 3, dtype=torch.float64), I=current[None, :, None], dt=float(period[c]) / 2000)
        near(end.phi[0, c] / (2 * math.pi), 1.0, 1e-9)
    w, turn = 1.0, 400
    dt, turns = 2 * math.pi / w / turn, 60
    steady = torch.tensor([1.2, 1.3, 1.4], dtype=torch.float64)
    I = steady[:, None] + 1.0 * torch.sin(w * middles(turn * turns, dt))
    states = made.rollout(torch.zeros(1, 3, dtype=torch.float64), I=I[None], dt=dt, every=turn)
    speed = (states.phi[..., -1] - states.phi[..., 20]) / (2 * math.pi * (turns - 21) / w)
    near(speed, w, 1e-6)
    free = torch.sqrt(steady**2 - 1)
    assert free.max() - free.min() > 0.3


def wave_source() -> None:
    """A flash at one place: d'Alembert's integral over the cone of the past, by quadrature."""
    h, dt, steps, c = 0.25, 0.05, 160, 1.3
    x = line(240, h)
    t = middles(steps, dt)
    s = torch.exp(-(x[None] ** 2) / 8) * torch.sin(2 * t[:, None]) * torch.exp(-((t[:, None] - 3) ** 2))
    made = layer("wave_source", dt=dt, c2=c**2)
    end = made(torch.zeros(1, 1, 240).double(), s=s[None, None])
    reach = c * (steps * dt - t)[:, None]
    # The integral of exp(-y^2/8) over |x - y| <= reach, in closed form.
    inside = math.sqrt(2 * math.pi) * (torch.erf((x + reach) / math.sqrt(8)) - torch.erf((x - reach) / math.sqrt(8)))
    clock = torch.sin(2 * t[:, None]) * torch.exp(-((t[:, None] - 3) ** 2))
    exact = (inside * clock * dt).sum(0) / (2 * c)
    assert exact.abs().max() > 0.1
    near(end.phi[0, 0], exact, 5e-3 * float(exact.abs().max()))


def forced_string() -> None:
    """The answer of the first three modes, each shaken in its own shape, at the frequencies of the lattice."""
    n, gamma, c2, dt = 15, 0.3, 1.4, 0.05
    sites = torch.arange(1, n + 1, dtype=torch.float64)
    w = torch.tensor([0.15, 0.3, 0.6], dtype=torch.float64)
    made = layer("forced_string", channels=3, dt=dt, c2=c2, gamma=gamma, w=w)
    for mode in (1, 2, 3):
        k = mode * math.pi / (n + 1)
        shape = torch.sin(k * sites)
        begin = made(torch.zeros(1, 3, n).double(), f=shape[None, None], steps=2400)  # exp(-gamma t/2) = 1.5e-8
        states = made.rollout(*begin, f=shape[None, None], steps=1000, t0=2400 * dt)
        trace = (states.u[0] * shape).sum(-1) / shape.square().sum()
        found = answer(trace, w, dt * torch.arange(2401, 3401, dtype=torch.float64))
        own = 4 * c2 * math.sin(k / 2) ** 2
        near((found * torch.complex(own - w**2, gamma * w)).sub(1).abs(), 0.0, 2e-3)


def wave_guide() -> None:
    """Below the cutoff the mode falls by exp(-k) a site, 4 sinh^2(k/2) = 4 sin^2(pi/(2 L)) - w^2; above, a wave of the
    lattice's wave number runs."""
    long, wide, dt = 40, 7, 0.1
    gamma = 0.05
    across = torch.sin(math.pi / (wide + 1) * torch.arange(1, wide + 1, dtype=torch.float64))
    cut = 2 * math.sin(math.pi / (2 * (wide + 1)))
    for w in (0.6 * cut, 1.6 * cut):
        steps = 4000  # exp(-gamma t/2) = 5e-5
        s = torch.zeros(1, 1, steps, long, wide, dtype=torch.float64)
        s[0, 0, :, 0] = torch.cos(w * middles(steps, dt))[:, None] * across
        made = layer("wave_guide", dt=dt, gamma=gamma)
        states = made.rollout(torch.zeros(1, 1, long, wide).double(), s=s, every=5)
        trace = (states.u[0, 0] * across).sum(-1)[-200:].T
        found = answer(trace, w, dt * 5 * torch.arange(601, 801, dtype=torch.float64))
        squared = complex(cut**2 - w**2, gamma * w)
        k = 2 * torch.asinh(torch.sqrt(torch.tensor(squared, dtype=torch.complex128)) / 2)
        # A source at the first site before a wall: sinh of the distance to the other wall.
        exact = torch.sinh(k * (long - torch.arange(long)))
        near((found / found[0] - exact / exact[0]).abs(), 0.0, 0.01)
        assert (found[20].abs() < 1e-2 * found[0].abs()) == (w < cut)


def ground_heat() -> None:
    """Each site below the surface has the factor exp(-q), 2 cosh q - 2 = i w/kappa: exp(-x/d) with the lag x/d."""
    kappa, w, dt, n = 2.0, 0.05, 0.1, 60
    turn = 16 * round(2 * math.pi / w / dt / 16)
    dt = 2 * math.pi / w / turn
    steps = 25 * turn
    s = torch.zeros(1, 1, steps, n, dtype=torch.float64)
    s[..., 0] = torch.cos(w * middles(steps, dt))
    states = layer("ground_heat", dt=dt, kappa=kappa).rollout(torch.zeros(1, 1, n).double(), s=s, every=turn // 16)
    times = dt * (turn // 16) * torch.arange(1, states.u.shape[2] + 1, dtype=torch.float64)
    last = times > 20 * turn * dt
    found = answer(states.u[0, 0, last].T, w, times[last])
    factor = found[1:20] / found[:19]
    q = torch.acosh(torch.tensor(complex(1, w / (2 * kappa)), dtype=torch.complex128))
    near((factor * torch.exp(q)).sub(1).abs(), 0.0, 5e-3)
    depth = math.sqrt(2 * kappa / w)
    near(factor.abs().log() * depth, -1.0, 0.02)
    near(factor.angle() * depth, -1.0, 0.02)


def driven_graph() -> None:
    """Gain and phase of the modes of a ring, from sources in their shapes; what the sources give is what m takes."""
    n, w, m, f, dt, steps = 6, 0.8, 0.3, 1.1, 0.04, 1500
    made = layer("driven_graph", dt=dt, w=w, m=m)
    sites, clock = torch.arange(n, dtype=torch.float64), torch.cos(f * middles(steps, dt))
    times = dt * torch.arange(1, steps + 1, dtype=torch.float64)
    shapes = torch.stack([torch.cos(2 * math.pi * mode * sites / n) for mode in range(4)])
    s = (clock[None, :, None] * shapes[:, None])[:, None]
    states = made.rollout(torch.zeros(4, 1, n).double(), s=s, edge_index=index(ring(n)))
    for mode, shape in enumerate(shapes):
        trace = (states.u[mode, 0] * shape).sum(-1) / shape.square().sum()
        rate = m + 4 * w * math.sin(math.pi * mode / n) ** 2
        found = answer(trace[1000:], f, times[1000:])  # exp(-m t) = 6e-6
        near(found.abs() * math.hypot(rate, f), 1.0, 1e-3)
        near(found.angle(), -math.atan(f / rate), 1e-3)


CHECKS = (
    driven_oscillator, parametric_oscillator, kapitza_pendulum, driven_pendulum, caldirola_kanai, paul_trap,
    cyclotron_resonance, landau_zener, spin_resonance, moving_trap, low_pass, josephson_junction, wave_source,
    forced_string, wave_guide, ground_heat, driven_graph,
)  # fmt: skip
