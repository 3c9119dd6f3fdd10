"""``hamiltonian()`` and ``lagrangian()``: the density that the layer steps with, as an expression with its numbers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import sympy as sp
import torch
from sympy.calculus.euler import euler_equations

import metrigen
from metrigen import (
    RK4,
    Exponential,
    Field,
    Graph,
    Input,
    Lattice,
    Leapfrog,
    NeuralFunction,
    Param,
    Sequence,
    SteadyState,
    System,
    canonical,
    energy_density,
    friction,
    grad,
    hypot,
    logmean,
    mix,
    t,
    total,
)
from tests.modules import Network

x = sp.Symbol("x", real=True)


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def made(system: System, channels: int = 1, **arguments: object) -> torch.nn.Module:
    layer = metrigen.layer(system)(channels, **arguments).double()
    layer.reset_parameters()  # the declared numbers, in float64
    return layer


def at(expr: sp.Expr, **values: torch.Tensor) -> torch.Tensor:
    """An expression at values of its functions and symbols, by name; a derivative by x is called u_x."""
    names = {f: sp.Symbol(f.func.__name__) for f in expr.atoms(sp.core.function.AppliedUndef)}
    slopes = {d: sp.Symbol(f"{d.expr.func.__name__}_{d.variables[0]}") for d in expr.atoms(sp.Derivative)}
    names |= {s: sp.Symbol(s.name) for s in expr.free_symbols}
    plain = expr.xreplace(slopes).xreplace(names)
    function = sp.lambdify([sp.Symbol(n) for n in values], plain, "numpy")
    return torch.as_tensor(function(*(v.detach().numpy() for v in values.values())))


def close(a: sp.Expr, b: sp.Expr) -> bool:
    """Whether two polynomials differ in their coefficients by rounding alone."""
    return all(abs(c) < 1e-12 for c in sp.expand(a - b).as_coefficients_dict().values())


def point(potential: object, *, channels: int = 1, **further: object) -> System:
    grid = Lattice()
    q = Field("q", grid)
    return System("point", grid, lagrangian=q.diff(t) ** 2 / 2 - potential(q), readout=energy_density(),
                  integrator=RK4(steps=2, dt=0.1), **further)  # fmt: skip


def test_the_density_is_the_energy_of_every_channel() -> None:
    w2 = Param("w2", per="channel", positive=True, init=1.0)
    layer = made(point(lambda q: w2 * q**2 / 2 - sp.cos(q)), channels=2)
    layer.w2 = torch.tensor([0.5, 2.25])
    q, p = numbers(3, 2), numbers(3, 2, seed=1)
    density = layer.hamiltonian()
    assert density.free_symbols == {sp.Symbol("t", real=True)}
    assert density.has(sp.Float("0.25"))  # w2/2 of the first channel
    found = sum(at(layer.hamiltonian(c), q=q[:, c], pi=p[:, c]) for c in range(2))
    assert torch.allclose(found, layer.energy(layer.STATE(q, p)), atol=1e-12, rtol=0)
    with pytest.raises(ValueError, match="channels 0 to 1"):
        layer.hamiltonian(2)


def test_numbers_are_as_short_as_their_dtype_allows() -> None:
    layer = metrigen.layer(point(lambda q: Param("w2", positive=True, init=0.3) * q**2))(1)
    assert {str(n.n(9)) for n in layer.hamiltonian().atoms(sp.Float)} == {"0.300000000"}
    assert torch.tensor(float(next(iter(layer.hamiltonian().atoms(sp.Float))))) == layer.w2.item()


def test_channels_that_meet_have_fields_of_their_own() -> None:
    K = Param("K", shape=("C", "C"), symmetric=True)
    layer = made(point(lambda q: q * mix(K, q) / 2 + total(q) ** 2 / 4), channels=3)
    matrix = numbers(3, 3, seed=2)
    layer.K = matrix + matrix.mT
    q, p = numbers(2, 3), numbers(2, 3, seed=1)
    values = {f"q_{c}": q[:, c] for c in range(3)} | {f"pi_{c}": p[:, c] for c in range(3)}
    each = [layer.hamiltonian(c) for c in range(3)]
    assert {f.func.__name__ for f in each[0].atoms(sp.core.function.AppliedUndef)} == {"q_0", "q_1", "q_2", "pi_0"}
    energy = layer.energy(layer.STATE(q, p))
    assert torch.allclose(sum(at(e, **values) for e in each), energy, atol=1e-12, rtol=0)
    assert torch.allclose(at(layer.hamiltonian(None), **values), energy, atol=1e-12, rtol=0)


def test_an_input_without_coordinates_is_a_symbol_of_its_channel() -> None:
    K, f = Param("K", shape=("C", "C")), Input("f", Lattice())
    layer = made(point(lambda q: q**2 / 2 - q * mix(K, f)), channels=2)
    layer.K = numbers(2, 2, seed=2)
    q, p, drive = numbers(3, 2), numbers(3, 2, seed=1), numbers(3, 2, seed=3)
    values = {f"{n}_{c}": x[:, c] for n, x in (("q", q), ("pi", p), ("f", drive)) for c in range(2)}
    energy = layer.energy(layer.STATE(q, p), f=drive)
    assert sp.Symbol("f_1", real=True) in layer.hamiltonian().free_symbols
    assert torch.allclose(at(layer.hamiltonian(None), **values), energy, atol=1e-12, rtol=0)
    plain = made(point(lambda q: q**2 / 2 - q * f))
    assert sp.Symbol("f", real=True) in plain.hamiltonian().free_symbols


def test_a_lagrangian_is_varied_by_hand() -> None:
    grid = Lattice(x)
    phi = Field("phi", grid)
    c2, lam = Param("c2", positive=True, init=2.0), Param("lam", nonnegative=True, init=0.5)
    density = phi.diff(t) ** 2 / 2 - c2 * grad(phi).square / 2 - lam * phi**4 / 4
    layer = made(
        System("kink", grid, lagrangian=density, integrator=Leapfrog(steps=2, dt=0.1), readout=energy_density())
    )
    (equation,) = euler_equations(layer.lagrangian(), phi, [t, x])
    expected = -phi.diff(t, 2) + 2 * phi.diff(x, 2) - phi**3 / 2
    assert close(equation.lhs, expected)
    state = layer.STATE(numbers(1, 1, 16), numbers(1, 1, 16, seed=1))
    slope = torch.roll(state.phi, -1, 2) - state.phi
    sites = at(layer.hamiltonian(), phi=state.phi, pi=state.pi, phi_x=slope)
    assert torch.allclose(sites.sum(), layer.energy(state).squeeze(), atol=1e-12, rtol=0)


def test_inputs_functions_and_cases() -> None:
    grid = Lattice(x)
    u, p = Field("u", grid), Field("p", grid)
    f, s = Input("f", grid, positive=True), Param("s", per="sample", positive=True, init=1.0)
    site, neural = Param("site", per="site", init=0.5), NeuralFunction("V", u)
    density = (
        p**2 / 2 + sp.Piecewise((u**2, u > 0), (0, True)) * f + s * u**2 + site * u + neural + sp.pi * u**2 + sp.sinc(u)
    )
    density += logmean(f, sp.exp(u)) + hypot(u, p)
    system = System("cases", grid, fields=(u, p), hamiltonian=density, bracket=canonical((u, p)),
                    integrator=RK4(steps=1, dt=0.1), readout=energy_density())  # fmt: skip
    layer = made(system, V=Network(1), sites=(4,))
    expr = layer.hamiltonian()
    assert expr.free_symbols == {t, x, sp.Symbol("s", positive=True, real=True)}
    function = sp.Function("f", real=True, positive=True)(x)
    assert expr.has(function, sp.Function("V", real=True)(u), sp.Function("site", real=True)(x), sp.Piecewise)
    values = {"u": numbers(4), "p": numbers(4, seed=1), "f": numbers(4, seed=2).exp(), "s": torch.tensor(0.7).double()}
    at_sites = at(expr.subs(sp.Function("V", real=True)(u), 0), **values, site=layer.site[0].detach())
    state = layer.STATE(*(values[n].reshape(1, 1, 4) for n in "up"))
    energy = layer.energy(state, f=values["f"].reshape(1, 1, 4), s=values["s"].reshape(1))
    learned = layer.V(state.u).sum()
    assert torch.allclose(at_sites.sum() + learned, energy.squeeze(), atol=1e-12, rtol=0)
    with pytest.raises(AttributeError, match="states hamiltonian="):
        layer.lagrangian()


def test_a_graph_a_sequence_and_a_steady_state() -> None:
    graph = Graph()
    u = Field("u", graph)
    w = Input("w", graph.edges, nonnegative=True)
    free = w * grad(u).square / 2 + Param("m2", positive=True, init=0.5) * u**2 / 2
    system = System("diffusing", graph, fields=(u,), hamiltonian=free, metric=friction(1, u),
                    integrator=RK4(steps=1, dt=0.1), readout=energy_density())  # fmt: skip
    layer = made(system)
    node, head, tail, edge = sp.symbols("node head tail edge", real=True)
    value = sp.Function("u", real=True)
    weight = sp.Function("w", real=True, nonnegative=True)(edge)
    expected = sp.Float("0.25") * value(t, node) ** 2 + weight * (value(t, head) - value(t, tail)) ** 2 / 2
    assert close(layer.hamiltonian(), expected)
    grid = Lattice(x)
    field, source = Field("u", grid), Input("s", grid)
    steady = System("still", grid, fields=(field,), hamiltonian=grad(field).square / 2 + field**2 / 2 - source * field,
                    metric=friction(1, field), integrator=SteadyState(), readout=energy_density())  # fmt: skip
    assert made(steady).hamiltonian().has(sp.Derivative(field, x), sp.Function("s", real=True)(x))
    tokens = Sequence()
    q, p = Field("q", tokens), Field("p", tokens)
    drive = Input("f", tokens)
    scan = System("scan", tokens, fields=(q, p), hamiltonian=(p**2 + q**2) / 2 - drive * q, bracket=canonical((q, p)),
                  integrator=Exponential(dt=0.1), readout=energy_density())  # fmt: skip
    assert close(made(scan).hamiltonian(), (p**2 + q**2) / 2 - sp.Function("f", real=True)(t) * q)


def test_without_sympy_it_says_what_to_install(tmp_path: Path) -> None:
    package = Path(sys.modules[metrigen.layer(point(lambda q: q**2)).__module__].__file__ or "").parent
    program = (
        "import sys\nfrom point import Point\nmade = Point(1)\nsys.modules['sympy'] = None\n"
        "try: made.hamiltonian()\nexcept ModuleNotFoundError as error: print(error)\nprint(made._repr_markdown_())"
    )
    done = subprocess.run([sys.executable, "-c", program], env={"PYTHONPATH": str(package.parent), "PATH": ""},
                          cwd=tmp_path, capture_output=True, text=True, check=False)  # fmt: skip
    assert "pip install sympy" in done.stdout, done.stderr
    assert done.stdout.rstrip().endswith("```")


def test_a_notebook_shows_the_density() -> None:
    layer = made(point(lambda q: Param("w2", positive=True, init=3.0) * q**2))
    shown = layer._repr_markdown_()
    assert "Point(channels=1" in shown
    assert shown.endswith(r"$$\mathcal H = \frac{\pi^{2}}{2} + 3.0 q^{2}$$")
