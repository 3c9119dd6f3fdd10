"""Operators of more arguments than the 64 that torch takes one by one: their packages import, and kernels give the
numbers and gradients of the reference."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

import pytest
import sympy as sp
import torch

from metrigen import (
    Dissipation,
    Exponential,
    Field,
    Graph,
    ImplicitMidpoint,
    Input,
    Lattice,
    Leapfrog,
    Param,
    Sequence,
    SteadyState,
    Strang,
    System,
    canonical,
    energy_density,
    grad,
)
from metrigen.compiler import layer_of
from metrigen.package.operators import MOST
from metrigen.spec.load import load_spec
from tests.lattice.emitted import arrays_of, compiled, layer_class, package
from tests.lengths import LONG

pytestmark = pytest.mark.covering

x = sp.Symbol("x", real=True)
line, point, tokens, graph = Lattice(x), Lattice(), Sequence(), Graph()


def params(count: int, **kind: object) -> list[Param]:
    return [Param(f"a{i}", init=(i + 1) / (2 * count), **kind) for i in range(count)]


def inputs(count: int, domain: object, **kind: object) -> list[Input]:
    return [Input(f"s{i}", domain, **kind) for i in range(count)]


def springs(name: str, domain: Lattice, learned: int, given: int, integrator: object, **timed: bool) -> System:
    """A field under many forces, learned and given."""
    q, p = Field("q", domain), Field("p", domain)
    force = sp.Add(*(a * q ** (2 + i % 2) for i, a in enumerate(params(learned, per="channel")))) / learned
    force += sp.Add(*inputs(given, domain, **timed)) * sp.sin(q) / (given + 1)
    return System(name, domain, (q, p), hamiltonian=p**2 / 2 + force, bracket=canonical((q, p)),
                  integrator=integrator, readout=energy_density())  # fmt: skip


def crowd(name: str, count: int) -> System:
    """Many fields, each coupled to the next."""
    q, p = ([Field(f"{n}{i}", line) for i in range(count)] for n in "qp")
    energy = sp.Add(*(v**2 / 2 + grad(u).square / 2 + u * w / 3 for u, v, w in zip(q, p, [*q[1:], q[0]], strict=True)))
    return System(name, line, (*q, *p), hamiltonian=energy, bracket=canonical(*zip(q, p, strict=True)),
                  integrator=Leapfrog(2, 0.1), readout=energy_density())  # fmt: skip


def screened(name: str, domain: Lattice | Graph, count: int) -> System:
    u = Field("u", domain)
    screening = sp.Add(*(s * u**2 / (2 * count) for s in inputs(count, domain, positive=True)))
    return System(name, domain, (u,), hamiltonian=grad(u).square / 2 + screening - Input("b", domain) * u,
                  metric=Dissipation((1, lambda F: F[u])), integrator=SteadyState("cg", rtol=1e-12),
                  readout=energy_density())  # fmt: skip


def cells(name: str, count: int) -> System:
    u = Field("u", tokens)
    rate, f = sp.Add(*inputs(count, tokens, positive=True)) / count, Input("f", tokens)
    return System(name, tokens, (u,), hamiltonian=u**2 / 2 - f * u, metric=Dissipation((rate, lambda F: F[u])),
                  integrator=Exponential(dt=0.1), readout=energy_density())  # fmt: skip


QUICK = (
    springs("wide_steps", point, 30, 32, Strang(2, 0.1)),
    springs("wide_implicit", point, 8, 54, ImplicitMidpoint(2, 0.1)),
    screened("wide_solve", line, 60),
    cells("wide_cells", 64),
)
SLOW = (
    springs("wide_line", line, 62, 3, Leapfrog(2, 0.1)),
    springs("wide_driven", point, 8, 54, Leapfrog(2, 0.1), time_dependent=True),
    crowd("wide_crowd", 12),
    screened("wide_graph", graph, 66),
)
SYSTEMS = {s.name: s for s in (*QUICK, *(SLOW if LONG else ()))}


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ModuleType]:
    folder = tmp_path_factory.mktemp("wide")
    return {name: package(system, folder, name) for name, system in SYSTEMS.items()}


def results(name: str, module: ModuleType, backend: str) -> tuple[torch.nn.Module, list[torch.Tensor]]:
    """The state, what is read of it, and the gradients of first and second order of a sum of their squares."""
    system, random = SYSTEMS[name], torch.Generator().manual_seed(3)
    torch.manual_seed(0)
    layer = layer_class(module)(3, backend=backend).double()
    size = {point: (), line: (6,), tokens: (5,), graph: (4,)}[system.domain]
    names, solved = [f.func.__name__ for f in system.fields], hasattr(system.integrator, "solver")
    given = {}
    for array in arrays_of(layer):
        if array not in ("edge_index", "state"):
            steps = (2,) if name == "wide_driven" and array[0] == "s" else ()
            given[array] = torch.rand((2, 3, *steps, *size), dtype=torch.float64, generator=random).add(0.1)
            given[array].requires_grad_()
    edges = {"edge_index": torch.tensor([[0, 1, 2, 3], [1, 2, 3, 0]])} if system.domain is graph else {}
    state = layer(**given, **edges)
    outs = [getattr(state, n) for n in names]
    if name == "wide_driven":
        outs += layer.rollout(**given)[:2]
    else:
        read = inspect.signature(layer.readout).parameters
        outs.append(layer.readout(state, **{n: v for n, v in {**given, **edges}.items() if n in read}))
    leaves = [v for n, v in given.items() if n not in names or not solved] + list(layer.parameters())
    flowed = torch.autograd.grad(squares(outs), leaves, create_graph=True, materialize_grads=True)
    curved = torch.autograd.grad(squares(flowed), leaves, materialize_grads=True)
    return layer, [*outs, *flowed, *curved]


def squares(tensors: Iterable[torch.Tensor]) -> torch.Tensor:
    return torch.stack([(x**2).sum() for x in tensors]).sum()


@pytest.mark.parametrize("name", SYSTEMS)
def test_kernels_of_many_arguments_give_what_the_reference_gives(packages: dict[str, ModuleType], name: str) -> None:
    operators = layer_class(packages[name]).OPERATORS
    kernels = "torch" if operators is None else operators.device_of["cpu"]
    layer, found = results(name, packages[name], "auto")
    assert layer.last_backend == kernels
    torch.testing.assert_close(found, results(name, packages[name], "torch")[1], rtol=1e-9, atol=1e-12)


def test_the_limit_is_that_of_torch() -> None:
    def define(count: int) -> None:
        torch.library.define(
            f"metrigen_limit::of_{count}", f"({', '.join(f'Tensor a{i}' for i in range(count))}) -> ()"
        )

    define(MOST)
    with pytest.raises(RuntimeError, match="arguments"):
        define(MOST + 1)


@pytest.mark.parametrize("given", [53, 54])
def test_only_packages_that_need_lists_have_them(given: int) -> None:
    """The rollout's adjoint is handed the state thrice (6), the forces, dt, steps, every and what is asked for."""
    files = compiled(springs("edge", point, 1, given, Leapfrog(2, 0.1))).files
    assert ("wide.py" in files) is (6 + 1 + given + 4 > MOST)


@pytest.mark.parametrize("spec", ["cifar", "coupled_wave", "lm", "maze", "gallery/kepler", "gallery/langevin_chain"])
def test_no_call_is_longer_than_is_counted(spec: str, root: Path, tmp_path: Path) -> None:
    """What torch takes one by one is decided by the count: a longer call would not import."""
    layer = layer_of(load_spec(root / f"specs/{spec}.py"))
    registered = layer_class(
        package(layer.source.spec.system, tmp_path, f"counted_{layer.source.name}")
    ).OPERATORS.registered
    longest = max(len(made._opoverload._schema.arguments) for made in registered.values())
    assert longest <= max(operator.arguments for operator in layer.operators)
