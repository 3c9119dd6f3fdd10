"""The surface of the emitted module: names a user may choose, parameters per site, coordinates, two generators."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
import sympy as sp
import torch

from metrigen import (
    RK4,
    Dissipation,
    Field,
    Input,
    Lattice,
    Leapfrog,
    Param,
    SpecError,
    SteadyState,
    Strang,
    System,
    derive,
    energy_density,
    grad,
    mix,
    momentum,
    stress_energy,
    t,
)
from tests.lattice.emitted import compiled, layer_class, package

x, y = sp.symbols("x y", real=True)
grid = Lattice(x, y)


def layer(folder: Path, **parts: object) -> type:
    system = System(**parts)  # type: ignore[arg-type]
    return layer_class(package(system, folder, f"surface_{system.name}"))


def test_names_that_the_emitted_code_could_use_itself(tmp_path: Path) -> None:
    u = Field("lambda_", grid)
    pi = momentum(u)
    names = ("C", "N", "at", "ok", "base", "plane", "v", "found", "tape", "slopes")
    scalars = {name: Param(name, positive=True) for name in names}
    A, Gamma = Param("A", per="channel", positive=True), Param("Gamma", per="channel", nonnegative=True)
    make = layer(
        tmp_path,
        name="names",
        domain=grid,
        lagrangian=u.diff(t) ** 2 / 2 - A * sp.Mul(*scalars.values()) * grad(u).square / 2,
        metric=lambda F, G: Gamma * F[pi] * G[pi],
        integrator=Strang(steps=1, dt=Param("h", positive=True, init=0.1)),
        readout=stress_energy("amplitude"),
    )
    module = make(2, dt=0.2)
    state = module(torch.randn(1, 2, 4, 4))
    assert state._fields == ("lambda_", "pi")
    module.readout(state).sum().backward()
    assert all(p.grad is not None for p in module.parameters())
    torch.testing.assert_close(module.h.detach(), torch.tensor(0.2))


def test_a_momentum_gives_way_to_what_is_called_pi(tmp_path: Path) -> None:
    """An input, a parameter or a time step."""
    u, drive = Field("u", grid), Input("pi", grid)
    lagrangian = u.diff(t) ** 2 / 2 - u**2 / 2
    wave = System("driven", grid, lagrangian=lagrangian + drive * u, integrator=Strang(steps=2, dt=0.1))
    module = layer_class(package(wave, tmp_path, "surface_driven"))(1)
    value = torch.ones(1, 1, 3, 3)
    state = module(value, pi=value)
    assert state._fields == ("u", "pi_u")
    torch.testing.assert_close(state.u, value)  # at rest where the drive holds it
    stepped = System("stepped", grid, lagrangian=lagrangian,
                     integrator=Strang(steps=2, dt=Param("pi", positive=True)))  # fmt: skip
    assert layer_class(package(stepped, tmp_path, "surface_stepped"))(1)(value)._fields == ("u", "pi_u")


def test_nothing_but_a_learned_step_is_called_dt() -> None:
    u, mass = Field("u", grid), Input("dt", grid)
    parts = {"name": "stepped", "domain": grid, "lagrangian": u.diff(t) ** 2 / 2 - mass * u**2 / 2}
    with pytest.raises(SpecError, match=r"(?s)the input dt.*step dt=0.1"):
        compiled(System(integrator=Leapfrog(steps=1, dt=0.1), **parts))


@pytest.mark.parametrize("name", ["cifar", "lm", "maze", "sudoku"])
def test_no_parameter_takes_the_place_of_a_method(name: str) -> None:
    layer = layer_class(importlib.import_module(f"generated.{name}"))
    methods = [n for n, value in vars(layer).items() if callable(value) and not n.startswith("_")]
    assert {"forward", "readout", "energy"} <= set(methods)
    for method in methods:
        with pytest.raises(SpecError, match="reserved"):
            Param(method)


def test_names_of_a_solve_that_the_emitted_code_could_use_itself(tmp_path: Path) -> None:
    b = Field("b", grid)
    begin, density = Input("begin", grid, positive=True), Input("density", grid, positive=True)
    source = Input("cotangent", grid)
    make = layer(
        tmp_path,
        name="solve",
        domain=grid,
        fields=(b,),
        hamiltonian=begin * grad(b).square / 2 + Param("held", positive=True) * density * b**2 / 2 - b * source,
        metric=Dissipation((1, lambda F: F[b])),
        integrator=SteadyState(),
    )
    value = torch.rand(1, 1, 3, 3) + 0.1
    state = make(1)(cotangent=value, density=value, begin=value)
    assert state._fields == ("b", "iterations", "residual", "status")
    assert (state.status == 0).all()


def test_parameters_per_site_and_coordinates(tmp_path: Path) -> None:
    u, v = Field("u", grid), Field("v", grid)
    k2 = Param("k2", per="site", positive=True)
    plain = Param("a", positive=True)
    make = layer(
        tmp_path,
        name="sites",
        domain=grid,
        lagrangian=u.diff(t) ** 2 / 2 + v.diff(t) ** 2 / 2 - k2 * (u**2 + u.diff(x) ** 2) / 2 - plain * x * v**2 / 2,
        integrator=Leapfrog(steps=2, dt=0.05),
        readout=energy_density(),
    )
    module = make(3, sites=(4, 5)).double()
    state = module(torch.randn(2, 3, 4, 5).double(), torch.randn(2, 3, 4, 5).double())
    assert state._fields == ("u", "v", "pi_u", "pi_v")
    torch.testing.assert_close(module.readout(state).flatten(1).sum(1), module.energy(state))
    module.energy(state).sum().backward()
    assert module.raw_k2.grad.shape == (3, 4, 5)


def test_two_generators_keep_the_energy_and_make_entropy(tmp_path: Path) -> None:
    h = Lattice()
    q, p, e = Field("q", h), Field("p", h), Field("e", h)
    gamma = Param("gamma", positive=True)
    make = layer(
        tmp_path,
        name="generic",
        domain=h,
        fields=(q, p, e),
        hamiltonian=p**2 / 2 + q**2 / 2 + e,
        entropy=sp.log(e),
        bracket=lambda F, G: F[q] * G[p] - F[p] * G[q],
        metric=Dissipation((gamma * e, lambda F: F[p] - p * F[e])),
        integrator=RK4(steps=20, dt=0.01),
    )
    module = make(2).double()
    start = tuple(torch.rand(3, 2, dtype=torch.float64) + 1 for _ in range(3))
    end = module(*start)
    before = type(end)(*start)
    torch.testing.assert_close(module.energy(end), module.energy(before), rtol=1e-9, atol=0)
    assert (module.entropy(end) > module.entropy(before)).all()


def test_what_cannot_be_emitted_is_refused() -> None:
    u = Field("u", grid)
    pi = momentum(u)
    parts = {"name": "refused", "domain": grid, "integrator": Leapfrog(steps=1, dt=0.1)}
    drive = Input("drive", grid, time_dependent=True)
    still = {"fields": (u,), "metric": Dissipation((1, lambda F: F[u])), "integrator": SteadyState("cg")}
    with pytest.raises(SpecError, match="depends on the time, and a steady state has none"):
        compiled(System(hamiltonian=u**2 / 2 - u * drive, **{**parts, **still}))
    with pytest.raises(SpecError, match="no kernel can evaluate"):
        compiled(System(lagrangian=u.diff(t) ** 2 / 2 - sp.besselj(0, u), **parts))
    with pytest.raises(SpecError, match="no integrator"):
        compiled(System(name="refused", domain=grid, lagrangian=u.diff(t) ** 2 / 2 - u**2))
    assert derive(System(lagrangian=u.diff(t) ** 2 / 2 - u**2 / 2, **parts)).momenta == {u: pi}


def test_a_force_costs_what_it_should() -> None:
    """Operations and traffic of a plain wave: a regression here is a slower layer everywhere."""
    u = Field("u", grid)
    c2, K = Param("c2", per="channel", positive=True), Param("K", shape=("C", "C"), symmetric=True)
    lagrangian = u.diff(t) ** 2 / 2 - c2 * grad(u).square / 2 - u * mix(K, u) / 2
    result = compiled(System(name="cost", domain=grid, lagrangian=lagrangian, integrator=Leapfrog(steps=1, dt=0.1)))
    assert result.kernels["step"]["ops"] <= 16
    assert result.kernels["step_adjoint"]["ops"] <= 45
    assert result.kernels["step"]["bytes_per_site_float32"] <= 36
    steps = result.files["reference.py"].split("def step(")[1].split("def readout(")[0]
    assert steps.count("torch.einsum") == 4, "K phi; back K phi for dt, K phi_bar and its outer product"


def test_diagnostics(tmp_path: Path) -> None:
    """The tensor, a declared current, and the balance of energy of a damped two-component wave."""
    line = Lattice(x, boundary="neumann", spacing=sp.Rational(1, 2))
    u, v = Field("u", line), Field("v", line)
    gamma = Param("gamma", nonnegative=True, init=0.4)
    make = layer(
        tmp_path,
        name="watched",
        domain=line,
        lagrangian=(u.diff(t) ** 2 + v.diff(t) ** 2 - u.diff(x) ** 2 - v.diff(x) ** 2 - (u**2 + v**2) ** 2 / 2) / 2,
        metric=lambda F, G: gamma * (F[momentum(u)] * G[momentum(u)] + F[momentum(v)] * G[momentum(v)]),
        symmetries={"u1": {u: -v, v: u}},
        integrator=Strang(steps=1, dt=0.01),
        readout=stress_energy(),
    )
    start = tuple(0.5 * torch.randn(2, 3, 8, dtype=torch.float64) for _ in range(4))
    module = make(3).double()
    before = type(module(*start))(*start)
    tensor = module.stress_energy(before)
    assert set(tensor) == {"T00", "T01", "T11"}
    torch.testing.assert_close(0.5 * tensor["T00"].flatten(1).sum(1), module.energy(before))
    density, flux = module.currents(before)["u1"]
    torch.testing.assert_close(density, start[0] * start[3] - start[1] * start[2])
    assert flux.shape == density.shape
    defects = []
    for dt in (0.004, 0.002):
        module.dt = dt
        after = module(*start)
        defects.append(module.balance_residual(before, after, dt).norm().item())
        lost = module.energy(before) - module.energy(after)
        assert (lost > 0).all()
    assert defects[1] < defects[0] / 3, "the defect of a method of second order falls with the square of the step"

    still = make(3).double()
    still.gamma = 0.0
    free = still(*start)
    charge = [still.currents(state)["u1"][0].flatten(1).sum(1) for state in (before, free)]
    torch.testing.assert_close(charge[0], charge[1], rtol=1e-11, atol=1e-11)
