"""dz/dt of the emitted equations: the limit of a step, for every integrator and wall and in every family."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from metrigen import System
from metrigen.backends.torch.backend import Torch
from tests.graph import systems as graphs
from tests.integrators import test_composition, test_exponential
from tests.kernels import ladder
from tests.lattice import test_constraints, test_learned
from tests.lattice.emitted import layer_class, package
from tests.lengths import LONG
from tests.sequence import systems as sequences
from tests.surface.systems import SCRATCH, drawn, inputs, kind, layer, state

MOVING = [m for m in ladder.METHODS if m not in (*ladder.STILL, *ladder.POINTS)]
# Every integrator at one wall and every wall; each of both in the long run.
CELLS = [
    (m, w) for i, m in enumerate(MOVING) for j, w in enumerate(ladder.WALLS) if LONG or i % 3 == j or m == "strang"
]
SYSTEMS: dict[str, Callable[[], System]] = {f"{m}-{w}": partial(ladder.system, m, w, 1) for m, w in CELLS}
SYSTEMS |= {"exponential": partial(test_exponential.lattice, "neumann")}
SYSTEMS |= {"coupled-point": partial(ladder.system, "coupled", "periodic", 0)}
SYSTEMS |= {"constraint": lambda: test_constraints.SYSTEMS["variable-neumann"]}
SYSTEMS |= {"entropy": lambda: test_composition.SYSTEMS["gas_piston"]}
SYSTEMS |= {"learned": lambda: test_learned.SYSTEMS["Leapfrog"][0](learned=True)}
SHAPES = {"coupled-point": (2, 2), "constraint": (2, 2, 5, 4), "entropy": (2, 2), "learned": (2, 2, 4, 5)}
STARTS = {"entropy": (0.9, 0.4, 0.2, -0.1)}
MODULES = {"learned": test_learned.SYSTEMS["Leapfrog"][1]}


def made(name: str) -> Any:
    system = SYSTEMS[name]()
    found = layer_class(package(system, Path(SCRATCH.name), f"rates_{name.replace('-', '_')}", (Torch,)))
    layer = found(2, steps=1, backend="torch", **MODULES.get(name, {})).double()
    with torch.no_grad():
        for i, parameter in enumerate(layer.parameters()):
            parameter += 0.2 * drawn(tuple(parameter.shape), i)
    return layer


def given(layer: Any, shape: tuple[int, ...], around: tuple[float, ...] = ()) -> tuple[Any, dict[str, Tensor]]:
    rest = [torch.zeros(shape[0])] * (len(layer.STATE._fields) - len(layer.FIELDS))
    if around:
        return layer.STATE(*(x + 0.1 * drawn(shape, i) for i, x in enumerate(around)), *rest), {}
    start = layer.STATE(*(drawn(shape, i, positive=layer.FIELDS[i] in layer.SIGNS) for i in range(len(layer.FIELDS))),
                        *rest)  # fmt: skip
    return start, {n: drawn(shape, 20 + i, positive=True) for i, n in enumerate(layer.INPUTS)}


def defects(layer: Any, step: Callable[[float], Any], start: Any, rates: Any, sizes: tuple[float, ...]) -> list[float]:
    """How far (z(h) - z)/h is from the rates, for every h."""
    found = []
    for h in sizes:
        end = step(h)
        worst = [((getattr(end, n) - getattr(start, n)) / h - getattr(rates, n)).abs().max() for n in layer.FIELDS]
        found.append(float(max(worst)))
    return found


def limit(found: list[float], scale: float) -> None:
    """Defects of steps of h and h/2: of first order, or of none."""
    assert scale > 1e-3
    assert found[1] < 1e-2 * scale
    assert found[1] < 1e-7 * scale or 1.7 < found[0] / found[1] < 2.3


@pytest.mark.parametrize("name", SYSTEMS)
def test_rates_are_the_limit_of_a_step(name: str) -> None:
    layer = made(name)
    start, named = given(layer, SHAPES.get(name, (2, 2, 6)), STARTS.get(name, ()))
    rates = layer.rates(start, **named)
    assert type(rates) is layer.STATE

    def step(h: float) -> Any:
        layer.dt = h
        return layer(start, **named)

    limit(
        defects(layer, step, start, rates, (2e-4, 1e-4)),
        max(float(getattr(rates, n).abs().max()) for n in layer.FIELDS),
    )


@pytest.mark.parametrize("name", graphs.SYSTEMS)
def test_rates_on_a_graph(name: str) -> None:
    found = graphs.class_of(graphs.SYSTEMS[name])
    sizes = {"nodes": graphs.NODES, "edges": graphs.EDGE_INDEX.shape[1]}
    probe = found(2, steps=1, **{n: size for n, size in sizes.items() if n in found.CONFIG}).double()
    start = probe.STATE(*(drawn((2, 2, graphs.NODES), i) for i in range(len(probe.FIELDS))))
    shapes = {"w": (1, 1, graphs.EDGE_INDEX.shape[1]), "s": (2, 2, graphs.NODES)}
    named = {n: drawn(shapes[n], 9, positive=True) for n in probe.INPUTS} | {"edge_index": graphs.EDGE_INDEX}
    rates = probe.rates(start, **named)

    def step(h: float) -> Any:
        probe.dt = h
        return probe(start, **named)

    limit(defects(probe, step, start, rates, (2e-4, 1e-4)), float(rates[0].detach().abs().max()))


@pytest.mark.parametrize("name", ["constant", "skewed", "scalar"])
def test_rates_at_every_token(name: str) -> None:
    """Of a token that takes a time h: a learned number, or an input."""
    module = sequences.module(name, Path(SCRATCH.name))
    layer = sequences.layer(module, 2)
    start = sequences.states(module, 3, 2)
    named = {n: x[..., 0] for n, x in sequences.inputs(module, 3, 2, 1).items()}
    rates = layer.rates(start, **named)

    def step(h: float) -> Any:
        if "delta" not in named:
            layer.dt = h
        return layer.step(start, **(named | ({"delta": torch.full((3, 2), h).double()} if "delta" in named else {})))

    limit(defects(layer, step, start, rates, (2e-4, 1e-4)), float(rates[0].detach().abs().max()))
    tokens = {n: torch.stack((x, 0 * x + 1, x), 2) for n, x in named.items()}
    along = layer.rates(layer.STATE(*(torch.stack((x, x, x), 2) for x in start)), **tokens)
    for x, y in zip(along, rates, strict=True):
        torch.testing.assert_close(x[..., 2], y)


@pytest.mark.parametrize("name", ["lattice", "point", "implicit", "graph", "sequence"])
def test_gradients_of_rates(name: str) -> None:
    """In fields, inputs and parameters."""
    found = layer(name).double()
    start, named = state(name), inputs(name)
    moving = {n: x for n, x in named.items() if x.is_floating_point()}
    if name == "sequence":
        moving = {n: x[..., 0] for n, x in moving.items()}

    def rates(*values: Tensor) -> tuple[Tensor, ...]:
        fields, given = values[: len(found.FIELDS)], values[len(found.FIELDS) :]
        rest = {**named, **dict(zip(moving, given, strict=True))}
        return tuple(found.rates(start._replace(**dict(zip(found.FIELDS, fields, strict=True))), **rest))[: len(fields)]

    leaves = [x.detach()[:1].requires_grad_() for x in (*start[: len(found.FIELDS)], *moving.values())]
    assert torch.autograd.gradcheck(rates, leaves, fast_mode=True)
    sum(x.square().sum() for x in rates(*leaves)).backward()
    flowed = {n for n, x in found.named_parameters() if x.grad is not None and x.grad.abs().sum() > 0}
    assert flowed == {n for n, _ in found.named_parameters()} - {"raw_dt"}


@pytest.mark.parametrize("name", ["steady", "graph_steady", "coupled"])
def test_what_has_no_rates_says_why(name: str) -> None:
    found = layer(name)
    with pytest.raises(AttributeError, match=f"{kind(name).__name__} has no rates: "):
        found.rates(state(name), **inputs(name))
