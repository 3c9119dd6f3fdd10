"""Systems whose programs have nothing to read or to give back: the packages import, run, and are right.

What has no inputs or outputs is not emitted; what is emitted is read before it is written.
"""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import sympy as sp
import torch

from metrigen import (
    RK4,
    Dissipation,
    Exponential,
    Field,
    Graph,
    Input,
    Lattice,
    Leapfrog,
    Param,
    Sequence,
    SpecError,
    SteadyState,
    System,
    derive,
    energy_density,
    grad,
    t,
)
from metrigen.discretise.lower import param_array
from metrigen.emit.check import check_files
from metrigen.errors import InternalError
from metrigen.integrators.base import TimeStepper
from metrigen.integrators.explicit_euler import ExplicitEuler
from metrigen.ir.nodes import Array, Kind, Load, Map, Program
from metrigen.ir.verify import verify
from metrigen.physics.jets import jet
from tests.lattice.emitted import compiled, layer_class, package

pytestmark = pytest.mark.covering

x = sp.Symbol("x", real=True)
line, point, graph, tokens = Lattice(x), Lattice(), Graph(), Sequence()
SCREENED, PLAIN, LEARNED = "screened", "plain", "learned"


def steady(domain: object, kind: str, driven: bool = True, solver: str = "cg") -> System:
    u = Field("u", domain)
    s: sp.Expr = Input("s", domain) if driven else sp.Integer(2)
    density = {SCREENED: u**2 / 2, PLAIN: u**2 / 2, LEARNED: Param("a", positive=True, init=2.0) * u**2 / 2}[kind]
    if kind == SCREENED:
        density += grad(u).square / 2
    return System(
        name="s",
        domain=domain,
        fields=(u,),
        hamiltonian=density - s * u,
        metric=Dissipation((1, lambda F: F[u])),
        integrator=SteadyState(solver=solver),
        readout=energy_density(),
    )


def image(u: torch.Tensor, domain: object, kind: str) -> torch.Tensor:
    """A u of the three operators, by hand; a path on the graph, a ring on the lattice."""
    if kind != SCREENED:
        return u * (2 if kind == LEARNED else 1)
    if domain is line:
        return 3 * u - u.roll(1, -1) - u.roll(-1, -1)
    step = u.diff(dim=-1)
    zero = torch.zeros_like(u[..., :1])
    return u + torch.cat((zero, step), -1) - torch.cat((step, zero), -1)


CASES = [
    (domain, kind, solver)
    for domain in (line, point, graph)
    for kind in (SCREENED, PLAIN, LEARNED)
    for solver in ("cg", "monotone", "newton")
    if not (domain is graph and solver != "cg") and not (domain is point and kind == SCREENED)
]


@pytest.mark.parametrize("driven", [True, False])
@pytest.mark.parametrize(("domain", "kind", "solver"), CASES)
def test_a_steady_state_of_numbers(domain: object, kind: str, solver: str, driven: bool, tmp_path: Path) -> None:
    name = f"numbers_{type(domain).__name__.lower()}{CASES.index((domain, kind, solver))}{'_driven' if driven else ''}"
    layer = layer_class(package(steady(domain, kind, driven, solver), tmp_path, name))(2, backend="torch").double()
    shape = (3, 2) if domain is point else (3, 2, 6)
    s = (
        torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        if driven
        else torch.full(shape, 2.0, dtype=torch.float64)
    )
    edges = {"edge_index": torch.tensor([range(5), range(1, 6)])} if domain is graph else {}
    given = {"s": s.requires_grad_()} if driven else {"warm_start": torch.zeros_like(s)}
    state = layer(**given, **edges)
    assert (image(state.u, domain, kind) - s).abs().max() < 1e-5
    assert layer.energy(state, **({"s": s} if driven else {}), **edges).shape == (3,)
    if driven:
        (flowed,) = torch.autograd.grad(state.u.sum(), s)
        assert (image(flowed, domain, kind) - 1).abs().max() < 1e-5


def test_a_symplectic_form_that_depends_on_the_state(tmp_path: Path) -> None:
    """L = (2q + q^3) p_t - H: (2 + 3 q^2) q_t = -H_p, (2 + 3 q^2) p_t = H_q."""
    q, p = Field("q", point), Field("p", point)
    system = System(
        name="m",
        domain=point,
        lagrangian=(2 * q + q**3) * p.diff(t) - (q**2 + p**4) / 2,
        integrator=RK4(steps=1, dt=1e-3),
        readout=energy_density(),
    )
    form = derive(system).bracket
    assert form is not None
    assert {type(s) for s in form.form.free_symbols} <= {sp.Symbol}
    layer = layer_class(package(system, tmp_path, "state_form"))(1, backend="torch").double()
    a, b = torch.full((1, 1), 0.7, dtype=torch.float64), torch.full((1, 1), 0.4, dtype=torch.float64)
    state = layer(q=a, p=b)
    assert ((state.q - a) / 1e-3).item() == pytest.approx(-2 * 0.4**3 / (2 + 3 * 0.49), rel=1e-3)
    assert ((state.p - b) / 1e-3).item() == pytest.approx(0.7 / (2 + 3 * 0.49), rel=1e-3)


@pytest.mark.parametrize("domain", [point, line, graph], ids=["point", "line", "graph"])
def test_free_motion_reads_nothing_for_its_power(domain: object, tmp_path: Path) -> None:
    u = Field("u", domain)
    system = System(
        name="f",
        domain=domain,
        lagrangian=u.diff(t) ** 2 / 2,
        integrator=Leapfrog(steps=2, dt=0.5),
        readout=energy_density(),
    )
    layer = layer_class(package(system, tmp_path, f"free_{type(domain).__name__.lower()}{domain is line}"))(1)
    u0 = torch.zeros((1, 1) if domain is point else (1, 1, 3))
    edges = {"edge_index": torch.tensor([[0, 1], [1, 2]])} if domain is graph else {}
    state = layer(u0, u0 + 1, **edges)
    assert torch.equal(state[0], u0 + 1)


def test_a_sequence_of_numbers(tmp_path: Path) -> None:
    u, s = Field("u", tokens), Input("s", tokens)
    system = System(
        name="q",
        domain=tokens,
        fields=(u,),
        hamiltonian=u**2 / 2 - s * u,
        readout=energy_density(),
        metric=Dissipation((1, lambda F: F[u])),
        integrator=Exponential(dt=0.1),
    )
    layer = layer_class(package(system, tmp_path, "sequence_of_numbers"))(1, backend="torch").double()
    state = layer(s=torch.ones(1, 1, 4, dtype=torch.float64))
    assert state.u.flatten().tolist() == pytest.approx([1 - math.exp(-k / 10) for k in range(1, 5)])


# ---------------------------------------------------------------------------------------------------- the nets


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("def f(x):\n    return (,)\n", "line 2: return"),
        ("def f(, x):\n    return x\n", "does not parse"),
        ("class A:\n    def __init__(self):\n        self.a = nan\n", "uses 'nan'"),
        ("def f(a, a):\n    return a\n", "duplicate argument"),
        ("def f():\n    pass\n\n\ndef f():\n    pass\n", "defines 'f' twice, line 5"),
        ("class None:\n    pass\n", "does not parse"),
    ],
)
def test_a_file_that_does_not_import_is_never_written(text: str, match: str) -> None:
    with pytest.raises(InternalError, match=match):
        check_files({"reference.py": text})


def test_files_of_packages_pass() -> None:
    check_files(compiled(steady(line, SCREENED)).files)


def test_a_program_reads_what_is_defined() -> None:
    u = Array("u", Kind.SITE)
    stray = Map(stores=(("out", Load("u", ()) * sp.Symbol("stray", real=True)),))
    with pytest.raises(InternalError, match="stray"):
        verify(Program("step", (u,), (stray,), ("out",)))
    with pytest.raises(InternalError, match="lost"):
        verify(Program("step", (u,), (), ("lost",)))


def test_a_symbol_of_the_compiler_is_no_parameter() -> None:
    with pytest.raises(InternalError, match=r"q\[0\]|Jet"):
        param_array(jet(Field("q", point)))


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), sp.oo, sp.zoo, 10**400, 1j, [1.0], "0.5", sp.Symbol("q")]
)
def test_an_init_that_is_no_number(value: object) -> None:
    with pytest.raises(SpecError, match=r"init=.* is not a finite real number"):
        Param("a", init=value)


@pytest.mark.parametrize("constant", [sp.oo, -sp.oo, sp.zoo, sp.nan, float("inf")])
def test_a_constant_that_is_no_number(constant: object) -> None:
    u = Field("u", point)
    parts = {"domain": point, "fields": (u,), "integrator": ExplicitEuler(steps=1, dt=0.1), "readout": energy_density()}
    metric = Dissipation((1, lambda F: F[u]))
    with pytest.raises(SpecError, match="hamiltonian= contains") as caught:
        System(name="p", hamiltonian=constant * u**2, metric=metric, **parts)
    assert caught.value.part == "hamiltonian"
    with pytest.raises(SpecError, match="metric= contains"):
        derive(System(name="p", hamiltonian=u**2, metric=lambda F, G: constant * F[u] * G[u], **parts))


@pytest.mark.parametrize(("steps", "dt"), [(10**30, 0.1), (1, float("nan")), (1, 10**400), (1, sp.oo)])
def test_steps_and_dt_that_are_no_numbers(steps: int, dt: object) -> None:
    method: type[TimeStepper] = ExplicitEuler
    with pytest.raises(SpecError):
        method(steps=steps, dt=dt)
