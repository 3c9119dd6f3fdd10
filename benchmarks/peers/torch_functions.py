"""The workloads in plain PyTorch, as a user writes them; ``shift`` is how a neighbour is read."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad, softplus

Shift = Callable[[Tensor, int, int], Tensor]
Given = dict[str, Tensor]


def rolled(x: Tensor, offset: int, axis: int) -> Tensor:
    """out[n] = x[n + offset], wrapped, by torch.roll."""
    return torch.roll(x, -offset, axis)


def concatenated(x: Tensor, offset: int, axis: int) -> Tensor:
    """out[n] = x[n + offset] for offset 1 or -1, wrapped, by two slices."""
    n = x.shape[axis]
    first, second = ((1, n - 1), (0, 1)) if offset == 1 else ((n - 1, 1), (0, n - 1))
    return torch.cat((x.narrow(axis, *first), x.narrow(axis, *second)), axis)


def per_channel(raw: Tensor) -> Tensor:
    return softplus(raw)[:, None, None]


def coefficients(given: Given, dt: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """c2, m2, lam and the factor exp(-gamma dt), each (C, 1, 1)."""
    c2, m2, lam, gamma = (per_channel(given[f"raw_{name}"]) for name in ("c2", "m2", "lam", "gamma"))
    return c2, m2, lam, torch.exp(-gamma * dt)


def force(phi: Tensor, c2: Tensor, m2: Tensor, lam: Tensor, shift: Shift) -> Tensor:
    """dV/dphi of phi^4 on the five-point lattice."""
    around = shift(phi, 1, -2) + shift(phi, -1, -2) + shift(phi, 1, -1) + shift(phi, -1, -1)
    return phi * (m2 + 4 * c2 + lam * phi * phi) - c2 * around


def start(given: Given, dt: float) -> Tensor:
    """The half drift that opens the first step."""
    return given["phi"] + (0.5 * dt) * given["pi"]


def step(
    phi: Tensor, pi: Tensor, drift: float, dt: float, c: tuple[Tensor, ...], shift: Shift
) -> tuple[Tensor, Tensor]:
    """Kick, friction, kick, drift: the half drifts of two steps make one, all but the last."""
    c2, m2, lam, decay = c
    kick = (0.5 * dt) * force(phi, c2, m2, lam, shift)
    pi = decay * (pi - kick) - kick
    return phi + drift * pi, pi


def evolve(given: Given, steps: int, dt: float, shift: Shift) -> tuple[Tensor, Tensor]:
    """``steps`` Strang steps of damped phi^4."""
    c = coefficients(given, dt)
    phi, pi = start(given, dt), given["pi"]
    for k in range(steps):
        phi, pi = step(phi, pi, dt if k < steps - 1 else 0.5 * dt, dt, c, shift)
    return phi, pi


def rotation(raw: Tensor, dt: float) -> Tensor:
    """Cayley rotations (1 - dt/2 B)^-1 (1 + dt/2 B) of the blocks (C / size, size, size)."""
    b = (0.25 * dt) * (raw - raw.mT)
    one = torch.eye(raw.shape[-1], dtype=raw.dtype, device=raw.device)
    turned: Tensor = torch.linalg.solve(one - b, one + b)
    return turned


def coupled(given: Given, steps: int, dt: float, size: int, shift: Shift) -> tuple[Tensor, Tensor]:
    """``steps`` Strang steps whose friction is split around a rotation of the momenta in blocks of ``size``."""
    c2, m2, lam, decay = coefficients(given, dt)
    half = decay.sqrt()
    r = rotation(given["raw_B"], dt)
    phi, pi = start(given, dt), given["pi"]
    b, c, h, w = phi.shape
    for k in range(steps):
        kick = (0.5 * dt) * force(phi, c2, m2, lam, shift)
        pi = half * (pi - kick)
        pi = torch.matmul(r, pi.reshape(b, c // size, size, h * w)).reshape(b, c, h, w)
        pi = half * pi - kick
        phi = phi + (dt if k < steps - 1 else 0.5 * dt) * pi
    return phi, pi


def components(given: Given, phi: Tensor, pi: Tensor, shift: Shift) -> tuple[Tensor, ...]:
    """T00, T01, T02, T11, T12, T22, averaged over the one-sided differences."""
    c2, m2, lam = (per_channel(given[f"raw_{name}"]) for name in ("c2", "m2", "lam"))
    ahead = tuple(shift(phi, 1, axis) - phi for axis in (-2, -1))
    behind = tuple(phi - shift(phi, -1, axis) for axis in (-2, -1))
    square = tuple((0.25 * c2) * (a * a + b * b) for a, b in zip(ahead, behind, strict=True))
    kinetic = 0.5 * pi * pi
    potential = phi * phi * (0.5 * m2 + 0.25 * lam * phi * phi)
    flow = tuple(
        -0.25 * (a * (pi + shift(pi, 1, axis)) + b * (pi + shift(pi, -1, axis)))
        for a, b, axis in zip(ahead, behind, (-2, -1), strict=True)
    )
    return (
        kinetic + square[0] + square[1] + potential,
        flow[0],
        flow[1],
        square[0] - square[1] + kinetic - potential,
        (0.25 * c2) * (ahead[0] + behind[0]) * (ahead[1] + behind[1]),
        square[1] - square[0] + kinetic - potential,
    )


def readout(given: Given, shift: Shift) -> Tensor:
    return torch.cat(components(given, given["phi"], given["pi"], shift), 1)


def amplitude(given: Given, phi: Tensor, pi: Tensor, shift: Shift) -> Tensor:
    """[a, T01/a, T02/a, (T11 - T22)/2a, T12/a] with a = sqrt(|T00| + 1/100)."""
    t00, t01, t02, t11, t12, t22 = components(given, phi, pi, shift)
    a = torch.sqrt(t00.abs() + 0.01)
    one = 1 / a
    return torch.cat((a, t01 * one, t02 * one, (0.5 * one) * (t11 - t22), t12 * one), 1)


def block(given: Given, steps: int, dt: float, size: int, shift: Shift) -> Tensor:
    return amplitude(given, *coupled(given, steps, dt, size, shift), shift)


def whole(given: Given, steps: int, dt: float, size: int, shift: Shift) -> Tensor:
    """The block between its two 1x1 convolutions."""
    phi, pi = conv2d(given["x"], given["mix_in"][:, :, None, None]).chunk(2, 1)
    inner = block({**given, "phi": phi, "pi": pi}, steps, dt, size, shift)
    return conv2d(inner, given["mix_out"][:, :, None, None])


def edges(kappa: Tensor) -> tuple[Tensor, Tensor]:
    """Harmonic means on the edges down and right of a site, zero at the wall."""
    down = 2 * kappa[..., 1:, :] * kappa[..., :-1, :] / (kappa[..., 1:, :] + kappa[..., :-1, :])
    right = 2 * kappa[..., :, 1:] * kappa[..., :, :-1] / (kappa[..., :, 1:] + kappa[..., :, :-1])
    return down, right


def apply(u: Tensor, down: Tensor, right: Tensor, m2: Tensor) -> Tensor:
    """m2 u - div kappa grad u with no flux through the wall."""
    flux = down * (u[..., 1:, :] - u[..., :-1, :])
    flux2 = right * (u[..., :, 1:] - u[..., :, :-1])
    divergence = pad(flux, (0, 0, 0, 1)) - pad(flux, (0, 0, 1, 0)) + pad(flux2, (0, 1)) - pad(flux2, (1, 0))
    return m2 * u - divergence


def diagonal(down: Tensor, right: Tensor, m2: Tensor) -> Tensor:
    return m2 + pad(down, (0, 0, 0, 1)) + pad(down, (0, 0, 1, 0)) + pad(right, (0, 1)) + pad(right, (1, 0))


Iterate = tuple[Tensor, Tensor, Tensor, Tensor]


def dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum((1, 2, 3), keepdim=True)


def iterations(
    x: Tensor, r: Tensor, p: Tensor, rz: Tensor, stop: Tensor, inverse: Tensor, down: Tensor, right: Tensor, m2: Tensor,
    count: int,
) -> Iterate:  # fmt: skip
    """``count`` iterations of conjugate gradients with Jacobi preconditioning; a sample that has converged rests."""
    for _ in range(count):
        ap = apply(p, down, right, m2)
        active = dot(r, r) > stop
        alpha = torch.where(active, rz / dot(p, ap).clamp_min(1e-30), 0.0)
        x = x + alpha * p
        r = r - alpha * ap
        z = inverse * r
        new = dot(r, z)
        p = torch.where(active, z + (new / rz.clamp_min(1e-30)) * p, p)
        rz = torch.where(active, new, rz)
    return x, r, p, rz


def solve(
    b: Tensor, down: Tensor, right: Tensor, m2: Tensor, rtol: float, most: int, chunk: int,
    run: Callable[..., Iterate] = iterations,
) -> Tensor:  # fmt: skip
    """A u = b to |r| <= rtol |b| in every sample; the stop is looked at every ``chunk`` iterations."""
    inverse = 1 / diagonal(down, right, m2)
    stop = rtol * rtol * dot(b, b)
    x, r, p = torch.zeros_like(b), b, inverse * b
    rz = dot(r, p)
    for _ in range(0, most, chunk):
        if not bool((dot(r, r) > stop).any()):
            break
        x, r, p, rz = run(x, r, p, rz, stop, inverse, down, right, m2, chunk)
    return x


class Solve(torch.autograd.Function):
    """u = A^-1 b with the implicit gradient: one more solve, then the variation of -w.A u in the coefficients."""

    @staticmethod
    def forward(ctx, b, down, right, m2, options):  # type: ignore[no-untyped-def]
        u = solve(b, down, right, m2, *options)
        ctx.save_for_backward(u, down, right, m2)
        ctx.options = options
        return u

    @staticmethod
    def backward(ctx, grad):  # type: ignore[no-untyped-def]
        u, down, right, m2 = ctx.saved_tensors
        w = solve(grad, down, right, m2, *ctx.options)
        d_down = -(w[..., 1:, :] - w[..., :-1, :]) * (u[..., 1:, :] - u[..., :-1, :])
        d_right = -(w[..., :, 1:] - w[..., :, :-1]) * (u[..., :, 1:] - u[..., :, :-1])
        return w, d_down, d_right, -w * u, None


def poisson(given: Given, rtol: float, most: int, chunk: int, run: Callable[..., Iterate] = iterations) -> Tensor:
    down, right = edges(given["kappa"])
    found: Tensor = Solve.apply(  # type: ignore[no-untyped-call]
        given["s"], down, right, given["m2"], (rtol, most, chunk, run)
    )
    return found
