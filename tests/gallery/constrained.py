"""Systems with an elliptic constraint: equations against the literature, exact solutions put in, and what their layers
keep."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import sympy as sp
import torch

from metrigen import t
from tests.gallery.fields import laplace, mode
from tests.gallery.flows import descends, growth
from tests.gallery.layers import energies, layer, near, rough
from tests.gallery.symbolic import fields, jacobian, laplacian, params, put_in, same, x, y


def states(made, start: torch.Tensor, calls: int) -> Iterator[object]:
    """The start and the states after each call of the layer."""
    state = type(made(start))(start)
    for _ in range(calls):
        yield state
        state = made(*state)
    yield state


def assert_kept(name: str, start: torch.Tensor, dt: float = 0.1, time: float = 0.4) -> None:
    """The total of the field is constant; the energy drifts by the integrator alone: by a sixteenth or less where the
    step is halved, in the limit."""
    drifts = []
    for h in (dt / 2, dt / 4):
        made = layer(name, steps=round(time / h), dt=h)
        end = made(start)
        near(end[0].sum(), start.sum(), 1e-11)
        before, after = energies(made, type(end)(start), end)
        drifts.append(((after - before).abs() / before).max().item())
    assert drifts[0] < 1e-3, drifts
    assert drifts[1] < max(drifts[0] / 11, 1e-12), drifts


def euler_vorticity() -> None:
    """w_t = -[psi, w]; flows with w = f(psi) are at rest, a Taylor-Green vortex among them. On the lattice a shear flow
    and a square vortex stay, a moving flow has its rate up to the spacing squared; energy and total are constant."""
    found, u = fields("euler_vorticity")
    same(found.equations[u["w"]], -jacobian(u["psi"], u["w"]))
    assert tuple(found.casimirs) == ("int f(w) for every function f",)
    flow = sp.cos(x) * sp.cos(2 * y)
    state = {u["psi"]: flow, u["w"]: laplacian(flow)}
    assert put_in(found.constraints[u["psi"]], state) == 0
    assert put_in(found.equations[u["w"]], state) == 0
    moving = sp.cos(x) * sp.cos(2 * y) + sp.sin(x)
    assert put_in(found.equations[u["w"]], {u["psi"]: moving, u["w"]: laplacian(moving)}) != 0

    shear = mode(8, 1)[1][..., None].expand(1, 1, 8, 6) + 0.3
    near(layer("euler_vorticity", steps=20, dt=0.2)(shear).w, shear, 1e-12)
    vortex = mode(8, 1)[1][..., None] * mode(8, 1)[1][..., None, :]
    near(layer("euler_vorticity", steps=20, dt=0.2)(vortex).w, vortex, 1e-12)
    errors = []
    for n in (16, 32):
        k = mode(n, 1)[0]
        at = {x: k * torch.arange(n).double()[:, None], y: k * torch.arange(n).double()}
        values = {u["psi"]: moving, u["w"]: laplacian(moving)}
        w, rate = (
            sp.lambdify((x, y), e, modules=[torch])(*at.values())
            for e in (values[u["w"]], put_in(found.equations[u["w"]], values))
        )
        start = torch.as_tensor(w)[None, None]
        after = layer("euler_vorticity", steps=1, dt=1e-3)(start).w
        errors.append(((after - start) / 1e-3 - rate).abs().max())
    assert 3.5 < errors[0] / errors[1] < 4.5, errors
    assert_kept("euler_vorticity", rough(2, 1, 6, 5))


def selective_decay() -> None:
    """w_t = -[psi, w] + nu [psi, [psi, w]]; the energy is degenerate in the metric, the entropy in the bracket."""
    found, u = fields("selective_decay")
    turned = jacobian(u["psi"], u["w"])
    same(found.equations[u["w"]], -turned + params(found)["nu"] * jacobian(u["psi"], turned))
    assert found.law("energy_degeneracy").verdict == found.law("entropy_degeneracy").verdict == "proved"

    w = rough(2, 1, 6, 5)
    assert_kept("selective_decay", w, dt=0.01)
    k, wave = mode(12, 1)
    smooth = wave[..., None] * wave[..., None, :] + torch.cos(2 * k * torch.arange(12).double()) / 2
    made = layer("selective_decay", steps=20, dt=0.1)
    entropies = [made.entropy(state) for state in states(made, smooth, 5)]
    assert all(b > a for a, b in itertools.pairwise(entropies)), entropies
    assert entropies[-1] > 0.99 * entropies[0], entropies


def hasegawa_mima() -> None:
    """q_t + [psi, q] + beta psi_x = 0, and its exact plane wave."""
    found, u = fields("hasegawa_mima")
    beta = params(found)["beta"]
    same(found.equations[u["q"]], -jacobian(u["psi"], u["q"]) - beta * u["psi"].diff(x))
    k, l = sp.symbols("k l", positive=True)
    wave = sp.cos(k * x + l * y + beta * k / (1 + k**2 + l**2) * t)
    state = {u["psi"]: wave, u["q"]: laplacian(wave) - wave}
    assert put_in(found.constraints[u["psi"]], state) == 0
    assert sp.simplify(put_in(found.equations[u["q"]], state) - state[u["q"]].diff(t)) == 0

    a = mode(12, 2)[0]
    b = mode(8, 1)[0]
    n = torch.arange(12).double()[:, None] * a + torch.arange(8).double() * b
    speed = 1.3 * math.sin(a) / (1 + laplace(a) + laplace(b))
    made = layer("hasegawa_mima", steps=40, dt=0.1, beta=1.3)
    near(made(1e-7 * torch.cos(n)[None, None]).q * 1e7, torch.cos(n + 4.0 * speed)[None, None], 1e-6)
    assert_kept("hasegawa_mima", rough(2, 1, 6, 5))


def camassa_holm() -> None:
    """m_t + u m_x + 2 m u_x = 0, which for m = u - u_xx reads u_t - u_xxt + 3 u u_x = 2 u_x u_xx + u u_xxx."""
    found, f = fields("camassa_holm")
    u, m = f["u"], f["m"]
    same(found.equations[m], -u * m.diff(x) - 2 * m * u.diff(x))
    rate = put_in(found.equations[m], {m: u - u.diff(x, 2)})
    same(rate, -3 * u * u.diff(x) + 2 * u.diff(x) * u.diff(x, 2) + u * u.diff(x, 3))
    assert found.law("constraint").verdict == "proved"

    k, wave = mode(16, 2)
    speed = 0.8 * math.sin(k) * (1 + 2 / (1 + laplace(k)))
    made = layer("camassa_holm", steps=40, dt=0.05)
    moved = torch.cos(k * torch.arange(16).double() - 2.0 * speed)[None, None]
    near((made(0.8 + 1e-7 * wave).m - 0.8) * 1e7, moved, 1e-6)
    assert_kept("camassa_holm", rough(2, 1, 9))


def ohta_kawasaki() -> None:
    """u_t = lap(u^3 - u - eps lap u) - sigma (u - mean); a small mode about zero grows at k^2 (1 - eps k^2) - sigma."""
    found, f = fields("ohta_kawasaki")
    u, phi, p = f["u"], f["phi"], params(found)
    potential = u**3 - u - p["eps"] * laplacian(u)
    same(found.equations[u], laplacian(potential) + p["sigma"] * laplacian(phi))
    same(found.constraints[phi], laplacian(phi) + u - p["mean"])
    k, size = sp.symbols("k size", positive=True)
    wave = size * sp.cos(k * x)
    state = {u: wave, phi: wave / k**2, p["mean"]: 0}
    assert put_in(found.constraints[phi], state) == 0
    rate = put_in(found.equations[u], state).diff(size).subs(size, 0) / sp.cos(k * x)
    assert sp.expand(rate - k**2 * (1 - p["eps"] * k**2) + p["sigma"]) == 0

    q, ripple = mode(16, 2)
    rate = laplace(q) * (1 - 0.8 * laplace(q)) - 0.05
    growth("ohta_kawasaki", rate, ripple[..., None].expand(1, 1, 16, 2), eps=0.8, sigma=0.05)
    start = rough(1, 1, 8, 7, size=0.3)
    end = descends(layer("ohta_kawasaki", steps=20, dt=0.01), (start,)).u
    near(end.sum(), start.sum(), 1e-12)


CHECKS = (euler_vorticity, selective_decay, hasegawa_mima, camassa_holm, ohta_kawasaki)
