"""An axis of no sites: a call gives empty fields and gradients, energies of zero and solves that are solved."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import sympy as sp
import torch

from metrigen import (
    RK4,
    AverageVectorField,
    DiscreteGradient,
    Dissipation,
    Field,
    ImplicitMidpoint,
    Input,
    Lattice,
    Leapfrog,
    SteadyState,
    System,
    canonical,
    energy_density,
    grad,
)
from tests.kernels.modes import once
from tests.lattice.emitted import arrays_of, layer_class, package
from tests.lengths import picked

pytestmark = once

x, y = sp.symbols("x y", real=True)
LINE, PLANE = Lattice(x, boundary="neumann"), Lattice(x, y, boundary="zero")
STEPS = (Leapfrog, ImplicitMidpoint, AverageVectorField, DiscreteGradient)


def oscillators(method: type, domain: Lattice) -> System:
    q, p = Field("q", domain), Field("p", domain)
    energy = p**2 / 2 + q**4 / 4 + grad(q).square / 2
    return System("vacant", domain, (q, p), hamiltonian=energy, bracket=canonical((q, p)),
                  integrator=method(steps=2, dt=0.1), readout=energy_density())  # fmt: skip


def solved(solver: str) -> System:
    u, s = Field("u", LINE), Input("s", LINE, nonnegative=True)
    energy = grad(u).square / 2 + u**2 / 2 - s * u + (u**4 / 4 if solver == "newton" else 0)
    return System("vacant", LINE, (u,), hamiltonian=energy, metric=Dissipation((1, lambda F: F[u])),
                  integrator=SteadyState(solver=solver), readout=energy_density())  # fmt: skip


def constrained(domain: Lattice, weight: object = 1) -> System:
    """By waves; where a coefficient is an input, by conjugate gradient."""
    w, psi = Field("w", domain), Field("psi", domain)
    residual = sum((psi.diff(a, 2) for a in domain.axes), -weight * psi + w)
    return System("vacant", domain, (w,), hamiltonian=w**2 / 2 + psi * w / 2, constraints={psi: residual},
                  metric=Dissipation((1, lambda F: F[w])), integrator=RK4(steps=2, dt=0.05),
                  readout=energy_density())  # fmt: skip


SYSTEMS: Mapping[str, System] = {
    **{f"{m.__name__}-{len(d.axes)}": oscillators(m, d) for m in STEPS for d in (LINE, PLANE)},
    **{solver: solved(solver) for solver in ("cg", "monotone", "newton")},
    **{f"waves-{d.boundary}": constrained(d) for d in (LINE, Lattice(x), PLANE)},
    "gradient": constrained(LINE, Input("k", LINE, positive=True)),
}


@pytest.mark.parametrize("backend", ["torch", "cpu"])
@pytest.mark.parametrize("name", picked(SYSTEMS, "ImplicitMidpoint-1", "DiscreteGradient-2", "newton", "waves-neumann",
                                        "waves-periodic", "gradient"))  # fmt: skip
def test_a_call_without_sites_is_empty(name: str, backend: str, tmp_path: Path) -> None:
    if (name, backend) == ("gradient", "cpu"):
        pytest.skip("coefficients that vary in space have no kernels")
    made = layer_class(package(SYSTEMS[name], tmp_path, f"none_{name.lower().replace('-', '_')}_{backend}"))
    layer = made(channels=2, backend=backend).double()
    shape = (3, 2, *([4, 0] if len(SYSTEMS[name].domain.axes) == 2 else [0]))
    names = arrays_of(layer)
    given = {n: torch.zeros(shape, dtype=torch.float64, requires_grad=True) for n in names}
    end = layer(**given)
    assert end[0].shape == shape
    assert not any(getattr(end, n).any() for n in ("residual", "status") if n in end._fields)
    grads = torch.autograd.grad(end[0].sum(), list(given.values()), allow_unused=True)
    assert all(g is None or g.shape == shape for g in grads)
    energy = layer.energy(end, **{n: x for n, x in given.items() if n in layer.INPUTS})
    assert torch.equal(energy, torch.zeros(3, dtype=torch.float64))
