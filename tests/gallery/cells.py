"""Systems of the neighbouring literature: the published recurrences, and the structure that they claim."""

from __future__ import annotations

import math

import torch

from tests.gallery.layers import jacobian, layer, near, point, rough
from tests.modules import Network, quartic

C = 3


def linoss() -> None:
    """The implicit-explicit recurrence z += dt (-a y + B u), y += dt z."""
    a, B, dt = rough(C).abs() + 0.1, rough(C, C, seed=1), 0.2
    made = layer("linoss", channels=C, steps=10, dt=dt, a=a, B=B)
    y, z, u = rough(2, C, seed=2), rough(2, C, seed=3), rough(2, C, seed=4)
    end = made(y, z, u=u)
    for _ in range(10):
        z = z + dt * (-a * y + u @ B.T)
        y = y + dt * z
    near(end.y, y, 1e-12)
    near(end.pi, z, 1e-12)


def d_linoss() -> None:
    """Volume shrinks as exp(-g t); close to the step limit it is stable at any damping; it ends at B u / a."""
    made = layer("d_linoss", steps=4, dt=0.3, g=0.5)
    u = torch.ones(1, 1).double()
    near(jacobian(made, *point(0.3, 0.1), u=u).det(), math.exp(-0.6), 1e-12)
    for g in (0.0, 1.0, 30.0):
        end = layer("d_linoss", steps=300, dt=1.9, g=g)(*point(1.0, 0.0), u=u)
        assert torch.cat(end).abs().max() < 5
    near(layer("d_linoss", steps=500, dt=0.2, g=1.0, a=2.0, B=[[3.0]])(*point(1.0), u=u).y, 1.5, 1e-10)


def hamiltonian_generative() -> None:
    """The roll-out can be run backwards, and keeps the energy and the volume, with a network and with a quartic."""
    K = rough(C, C, size=0.3)
    q, p = rough(2, C, seed=1), rough(2, C, seed=2)
    for V in (quartic(1.0, 0.5), Network(seed=1)):
        made = layer("hamiltonian_generative", channels=C, steps=50, dt=0.05, K=K + K.T, V=V)
        end = made(q, p)
        near(made(end.q, -end.pi).q, q, 1e-12)
        near(made.energy(end), made.energy(type(end)(q, p)), 5e-3)
        near(jacobian(made, q[:1], p[:1]).det(), 1.0, 1e-11)


def equivariant_flow() -> None:
    """To turn and to flow is to flow and to turn; the charge is kept to rounding."""
    K = rough(C, C, size=0.3)
    made = layer("equivariant_flow", channels=C, steps=20, dt=0.1, K=K + K.T)
    state = tuple(rough(2, C, seed=s) for s in range(4))
    c, s = math.cos(0.7), math.sin(0.7)

    def turned(q1: torch.Tensor, q2: torch.Tensor, p1: torch.Tensor, p2: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return c * q1 - s * q2, s * q1 + c * q2, c * p1 - s * p2, s * p1 + c * p2

    end = made(*state)
    near(torch.stack(made(*turned(*state))), torch.stack(turned(*end)), 1e-12)
    charge = [(q1 * p2 - q2 * p1).sum(1) for q1, q2, p1, p2 in (state, end)]
    near(charge[1], charge[0], 1e-12)


def langevin() -> None:
    """Comes to rest at a minimum, q = -1 or 1; volume shrinks as exp(-gamma t/m)."""
    made = layer("langevin", steps=600, dt=0.1)
    for start in (0.4, -2.0, 1.3):
        near(made(*point(start)).q.abs(), 1.0, 1e-5)
    near(jacobian(layer("langevin", steps=5, dt=0.1, m=2.0), *point(0.4, 0.2)).det(), math.exp(-0.125), 1e-12)


def modern_hopfield() -> None:
    """A step of size 1/C is the attention W^T softmax(beta W xi), and falls into the nearest pattern."""
    W = torch.linalg.qr(rough(4, 4))[0]
    made = layer("modern_hopfield", channels=4, steps=1, dt=0.25, beta=3.0, W=W)
    xi = rough(2, 4, seed=1)
    near(made(xi).xi, torch.softmax(3.0 * xi @ W.T, 1) @ W, 1e-12)
    made = layer("modern_hopfield", channels=4, steps=5, dt=0.25, beta=30.0, W=W)
    near(made(W[:2] + rough(2, 4, seed=2, size=0.1)).xi, W[:2], 1e-6)


def graded_hopfield() -> None:
    """The energy falls until u = T tanh(u) + b."""
    T, b = rough(C, C), rough(2, C, seed=1)
    made = layer("graded_hopfield", channels=C, steps=20, dt=0.1, T=T + T.T)
    state = rough(2, C, seed=2)
    for _ in range(12):
        after = made(state, b=b)
        assert (made.energy(after, b=b) <= made.energy(type(after)(state), b=b) + 1e-12).all()
        state = after.u
    near(state, torch.tanh(state) @ (T + T.T) + b, 1e-6)


def unicornn() -> None:
    """The published recurrence z -= dt (tanh(w y + V u + b) + alpha y), y += dt z."""
    w, alpha = rough(C).abs() + 0.1, rough(C, seed=1).abs() + 0.1
    b, V, dt = rough(C, seed=2), rough(C, C, seed=3), 0.1
    made = layer("unicornn", channels=C, steps=7, dt=dt, w=w, alpha=alpha, b=b, V=V)
    y, z, u = rough(2, C, seed=4), rough(2, C, seed=5), rough(2, C, seed=6)
    end = made(y, z, u=u)
    for _ in range(7):
        z = z - dt * (torch.tanh(w * y + u @ V.T + b) + alpha * y)
        y = y + dt * z
    near(end.y, y, 1e-12)
    near(end.pi, z, 1e-12)


def hamiltonian_network() -> None:
    """The Jacobian of the network is symplectic, so no singular value pair is lost."""
    made = layer("hamiltonian_network", channels=C, steps=6, dt=0.2,
                 K=rough(C, C), M=rough(C, C, seed=1), b=rough(C, seed=2), c=rough(C, seed=3))  # fmt: skip
    J = jacobian(made, rough(1, C, seed=4), rough(1, C, seed=5))
    one, zero = torch.eye(C).double(), torch.zeros(C, C).double()
    omega = torch.cat([torch.cat([zero, one], 1), torch.cat([-one, zero], 1)])
    near(J.T @ omega @ J, omega, 1e-12)


CHECKS = (
    linoss, d_linoss, hamiltonian_generative, equivariant_flow, langevin, modern_hopfield, graded_hopfield, unicornn,
    hamiltonian_network,
)  # fmt: skip
