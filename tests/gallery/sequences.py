"""Cells whose time is the token axis, against what is known of them in closed form."""

from __future__ import annotations

import math

import sympy as sp
import torch

from tests.gallery.layers import derivation, layer, near, rough

B, C, T = 2, 3, 40


def selective_oscillator() -> None:
    """The equations of the literature; a token of each regime in its textbook form; the norm never grows."""
    found = derivation("selective_oscillator")
    A = sp.Matrix([[found.equations[u].diff(z) for z in found.fields] for u in found.fields])
    omega, lam = A[0, 1], -A[1, 1]
    assert sp.Matrix([[0, omega], [-omega, -lam]]) == A
    assert {u.func.__name__ for u in (omega, lam)} == {"omega", "lam"}
    assert sp.diag(0, -2 * lam) == A + A.T
    assert found.law("contraction").verdict == "proved"
    made = layer("selective_oscillator", channels=1)
    nothing = torch.zeros(1, 1, 1).double()
    start = type(made.step(None, f=nothing[..., 0], lam=nothing[..., 0], omega=nothing[..., 0]))
    q0, p0 = 0.8, -0.3
    for omega, lam in ((2.0, 1.0), (0.5, 1.0), (0.5, 2.0)):
        state = start(*(torch.full((1, 1), v, dtype=torch.float64) for v in (q0, p0)))
        given = {n: torch.full((1, 1), v, dtype=torch.float64) for n, v in (("omega", omega), ("lam", lam), ("f", 0.0))}
        end = made.step(state, **given)
        decay, w2 = math.exp(-lam / 2), omega**2 - lam**2 / 4
        if w2 > 0:
            w = math.sqrt(w2)
            cosine, sine = math.cos(w), math.sin(w) / w
        elif w2 < 0:
            w = math.sqrt(-w2)
            cosine, sine = math.cosh(w), math.sinh(w) / w
        else:
            cosine = sine = 1.0
        near(end.q, decay * (cosine * q0 + sine * (lam / 2 * q0 + omega * p0)), 1e-14)
        near(end.p, decay * (cosine * p0 - sine * (omega * q0 + lam / 2 * p0)), 1e-14)
    tokens = {"omega": 3 * rough(B, 1, T), "lam": rough(B, 1, T, seed=1).abs(), "f": torch.zeros(1, 1, 1).double()}
    begin = start(*(rough(B, 1, seed=s) for s in (2, 3)))
    energy = made.energy(made(**tokens, state=begin))
    assert (torch.cat((made.energy(begin)[:, None], energy), 1).diff(dim=1) <= 1e-14).all()
    still = made(**(tokens | {"lam": torch.zeros(1, 1, 1).double()}), state=begin)
    near(made.energy(still), made.energy(begin)[:, None].expand(B, T), 1e-12)


def exact_linoss() -> None:
    """A step of any length is that many short ones; the published step limit a dt^2 <= 4 is none; it ends at u/a."""
    a, g, u = 1.7, 0.3, rough(B, C, T)
    long = layer("exact_linoss", channels=C, dt=2.0, a=[a] * C, g=[g] * C)
    short = layer("exact_linoss", channels=C, dt=0.25, a=[a] * C, g=[g] * C)
    near(long(u=u).y, short(u=u.repeat_interleave(8, -1)).y[..., 7::8], 1e-12)
    stiff = layer("exact_linoss", channels=1, dt=5.0, a=[40.0], g=[0.0])
    begin = type(stiff(u=u[:, :1]))(rough(B, 1, seed=1), rough(B, 1, seed=2))
    rest = stiff(u=torch.zeros(B, 1, 400).double(), state=begin)
    # A damping of zero is held as 1e-12, over a time of 2000.
    near(stiff.energy(rest) / stiff.energy(begin)[:, None], 1.0, 3e-9)
    constant = torch.full((1, 1, 300), 3.0).double()
    near(layer("exact_linoss", channels=1, dt=1.0, a=[2.0], g=[0.5])(u=constant).y[..., -1], 1.5, 1e-12)


def selective_decay_scan() -> None:
    """The gate x = z x + (1 - z) u with z = exp(-a delta); two tokens with one input are one of both times."""
    a = rough(C).abs() + 0.2
    made = layer("selective_decay_scan", channels=C, a=a)
    u, delta = rough(B, C, T), rough(B, C, T, seed=1).abs() + 0.01
    found, x = made(u=u, delta=delta), torch.zeros(B, C).double()
    for t in range(T):
        gate = torch.exp(-a * delta[..., t])
        x = gate * x + (1 - gate) * u[..., t]
        near(found.x[..., t], x, 1e-13)
    twice = made(u=u.repeat_interleave(2, -1), delta=0.5 * delta.repeat_interleave(2, -1))
    near(twice.x[..., 1::2], found.x, 1e-13)


def orthogonal_recurrence() -> None:
    """Two channels with the same tokens: a_1 + i a_2 and a_1 - i a_2 with a = q + ip turn by omega + phi and by
    omega - phi at every token, phi = 2 arctan(b/2); with tokens of their own the norm of all channels never grows."""
    b = 0.9
    made = layer("orthogonal_recurrence", channels=2, B=[[0.0, b], [-b, 0.0]])
    omega, lam = rough(1, 1, T), rough(1, 1, T, seed=1).abs()
    nothing = torch.zeros(1, 1, 1).double()
    begin = type(made.step(None, f=nothing[..., 0], lam=nothing[..., 0], omega=nothing[..., 0]))(
        rough(1, 2, seed=2), rough(1, 2, seed=3)
    )
    found = made(f=nothing, omega=omega, lam=lam, state=begin)
    one, two = torch.complex(found.q, found.p).unbind(1)
    first, second = torch.complex(begin.q, begin.p)[..., None].unbind(1)
    angle = 2 * math.atan(b / 2) * torch.arange(1, T + 1, dtype=torch.float64)
    decay = torch.exp(-lam[:, 0].cumsum(-1))
    for sign in (1, -1):
        phase = omega[:, 0].cumsum(-1) + sign * angle
        expected = decay * torch.exp(-1j * phase) * (first + sign * 1j * second)
        near(torch.view_as_real(one + sign * 1j * two), torch.view_as_real(expected), 1e-12)
    tokens = {"omega": 3 * rough(B, C, T), "lam": rough(B, C, T, seed=1).abs(), "f": nothing}
    made = layer("orthogonal_recurrence", channels=C, B=rough(C, C) - rough(C, C).mT)
    begin = type(begin)(*(rough(B, C, seed=s) for s in (2, 3)))
    energy = made.energy(made(**tokens, state=begin))
    assert (torch.cat((made.energy(begin)[:, None], energy), 1).diff(dim=1) <= 1e-14).all()


CHECKS = (selective_oscillator, exact_linoss, selective_decay_scan, orthogonal_recurrence)
