"""The linear solves of the gradients of implicit steps: one that gives up is told, by reference and kernels alike."""

from __future__ import annotations

import warnings

import pytest
import sympy as sp
import torch

from metrigen import Dissipation, Field, ImplicitMidpoint, Lattice, System, canonical
from tests.integrators.systems import Layers
from tests.kernels.modes import once

pytestmark = [pytest.mark.covering, once]

x = sp.Symbol("x", real=True)
DTYPES = (torch.float64, torch.float32)


def growing(domain: Lattice) -> System:
    """q_t = 16 q and p_t = -16 p: at dt = 1/8 the Jacobian of the step, 1 - 16 dt/2, is 0 for q."""
    q, p = Field("q", domain), Field("p", domain)
    return System("growing", domain, (q, p), hamiltonian=16 * q * p, bracket=canonical((q, p)),
                  integrator=ImplicitMidpoint(steps=1, dt=sp.Rational(1, 8)))  # fmt: skip


def stiff() -> System:
    """Diffusion at a step 20,000 times the largest explicit one: ill-conditioned, and solved."""
    line = Lattice(x)
    u = Field("u", line)
    return System("stiff", line, (u,), hamiltonian=u**2 / 2 + u.diff(x) ** 2, metric=Dissipation((1, lambda F: F[u])),
                  integrator=ImplicitMidpoint(steps=2, dt=10_000))  # fmt: skip


@pytest.fixture(scope="module")
def layers(tmp_path_factory: pytest.TempPathFactory) -> Layers:
    systems = {"point": growing(Lattice()), "line": growing(Lattice(x)), "stiff": stiff()}
    return Layers(tmp_path_factory.mktemp("gradients"), systems)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("backend", ["torch", "cpu"])
@pytest.mark.parametrize(("name", "space"), [("point", ()), ("line", (5,)), ("line", (300,))])
def test_a_singular_jacobian_is_told(layers: Layers, name: str, space: tuple, backend: str, dtype: torch.dtype) -> None:
    layer = layers.layer(name, 2, backend=backend).to(dtype)
    q, p = torch.zeros(2, 2, 2, *space, dtype=dtype).requires_grad_().unbind()
    end = layer(q, p)
    assert (end.status == 0).all()  # 0 is a solution; that it is one of many, the gradient alone can tell
    with pytest.warns(RuntimeWarning, match="gradient of an implicit step did not converge"):
        torch.autograd.grad(end.q.sum() + end.p.sum(), q)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("backend", ["torch", "cpu"])
@pytest.mark.parametrize("sites", [5, 200])
def test_an_ill_conditioned_one_is_no_fault(layers: Layers, sites: int, backend: str, dtype: torch.dtype) -> None:
    """The sum over the sites has decay (1 - dt/2)/(1 + dt/2) a step."""
    layer = layers.layer("stiff", 2, backend=backend).to(dtype)
    u = torch.randn(2, 2, sites, dtype=dtype, generator=torch.Generator().manual_seed(1)).requires_grad_()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (slope,) = torch.autograd.grad(layer(u).u.sum(), u)
        torch.autograd.grad(layer(u).u.square().sum(), u)
    torch.testing.assert_close(slope, torch.full_like(slope, (4999 / 5001) ** 2), rtol=2e-5, atol=0)
