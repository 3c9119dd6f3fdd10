"""``backend="compile"``: one step of the reference is compiled, and nothing else about a layer changes.

Most tests trace and differentiate as torch.compile does and leave out its code generator, which takes half a minute for
a step; the last ones do not.
"""

from __future__ import annotations

import copy
import io
import pickle
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._dynamo.utils import counters
from torch._inductor import cpp_builder, exc
from torch.utils.checkpoint import checkpoint
from torch.utils.flop_counter import FlopCounterMode

from metrigen import Strang
from tests.lattice.emitted import layer_class, package
from tests.lengths import picked
from tests.surface.systems import FAMILIES, SCRATCH, C, drawn, fields, inputs, kind
from tests.surface.test_check_step import wave

STEPPING = ("lattice", "point", "graph", "driven")


@cache
def made(name: str) -> type:
    if name != "driven":
        return kind(name)
    return layer_class(package(wave(Strang(2, 0.1)), Path(SCRATCH.name), "compiled_driven"))


def pair(name: str, compiler: str = "aot_eager") -> tuple[Any, Any]:
    """The layer by compiled steps, and by the reference. ``compiler``: what torch.compile does with what it has traced;
    this one leaves out its code generator."""
    beside(made(name)).COMPILER = compiler
    sizes = {} if name == "driven" else dict(FAMILIES[name].sizes)
    ours, truth = (made(name)(C, backend=b, dtype=torch.float64, **sizes) for b in ("compile", "torch"))
    truth.load_state_dict(ours.state_dict())
    return ours, truth


def handed(name: str, batch: int = 3, steps: int = 2) -> tuple[tuple[Tensor, ...], dict[str, Any]]:
    """Fields and inputs of so many samples, leaves of a gradient."""
    if name == "driven":
        return (drawn((batch, C, 7), 1), drawn((batch, C, 7), 2)), {"push": drawn((batch, C, steps, 7), 3), "t0": 0.3}
    wide = [x[:1].repeat(batch, *[1] * (x.dim() - 1)) * torch.linspace(0.5, 1, batch).reshape(-1, *[1] * (x.dim() - 1))
            for x in fields(name)]  # fmt: skip
    given = {n: x[:1] if torch.is_floating_point(x) else x for n, x in inputs(name).items()}
    return tuple(x.double() for x in wide), given


def moved(layer: Any, state: tuple[Tensor, ...], given: dict[str, Any], **more: Any) -> tuple[Tensor, ...]:
    """Fields after the steps, and gradients of fields, inputs and parameters."""
    leaves = [x.clone().requires_grad_() for x in state]
    named = {n: x.clone().requires_grad_() if isinstance(x, Tensor) and x.is_floating_point() else x
             for n, x in given.items()}  # fmt: skip
    found = layer(*leaves, **named, **more)
    wanted = [*leaves, *(x for x in named.values() if isinstance(x, Tensor) and x.requires_grad), *layer.parameters()]
    flowed = torch.autograd.grad(sum(x.sin().sum() for x in found), wanted, allow_unused=True, materialize_grads=True)
    return (*found, *flowed)


def equal(found: Any, expected: Any, rtol: float = 1e-12) -> None:
    for x, y in zip(found, expected, strict=True):
        torch.testing.assert_close(x, y, rtol=rtol, atol=rtol)


def beside(layer: type) -> Any:
    return sys.modules[layer.__module__.rsplit(".", 1)[0] + ".inductor"]


@pytest.mark.parametrize("name", STEPPING)
def test_a_step_is_compiled_once_whatever_the_steps_and_the_samples(name: str) -> None:
    ours, truth = pair(name)
    before = counters["stats"]["unique_graphs"]
    for batch, steps in ((3, 2), (5, 3), (2, 6)):
        given = handed(name, batch, steps)
        equal(moved(ours, *given, steps=steps), moved(truth, *given, steps=steps))
        assert (ours.last_backend, truth.last_backend) == ("compile", "torch")
    assert counters["stats"]["unique_graphs"] - before == 2  # a step and its adjoint


def test_gradients_of_gradients_and_transforms_take_the_reference() -> None:
    ours, truth = pair("lattice")
    state, given = handed("lattice")

    def twice(layer: Any) -> tuple[Tensor, ...]:
        leaves = [x.clone().requires_grad_() for x in state]
        first = torch.autograd.grad(layer(*leaves, **given).phi.pow(3).sum(), leaves, create_graph=True)
        return torch.autograd.grad(sum(x.square().sum() for x in first), (*leaves, *layer.parameters()))

    equal(twice(ours), twice(truth))

    def end(layer: Any) -> Any:
        return lambda *x: layer(*x, **given).phi

    forms = [
        lambda f: torch.func.grad(lambda *x: f(*x).square().sum(), argnums=(0, 1))(*state),
        lambda f: torch.func.jvp(f, state, state),
        lambda f: (torch.func.vmap(lambda *x: f(*x))(*(x.expand(2, *x.shape) for x in state)),),
    ]
    for form in forms:
        equal(form(end(ours)), form(end(truth)))
        assert ours.last_backend == "torch"


@pytest.mark.parametrize("name", ["lattice", "driven"])
def test_what_a_call_may_ask_for(name: str) -> None:
    """Steps and lengths of a call, states on the way, checkpoints, many steps, one length a sample."""
    ours, truth = pair(name)
    state, given = handed(name, 3, 4)
    length = {"dt": 0.03} if name == "driven" else {}  # the other one learns its own
    equal(moved(ours, state, given, steps=4, **length), moved(truth, state, given, steps=4, **length))
    equal(ours.rollout(*state, **given, steps=4, every=2), truth.rollout(*state, **given, steps=4, every=2))
    assert ours.last_backend == "compile"
    if name == "driven":
        each = torch.tensor([0.02, 0.03, 0.04], dtype=torch.float64)
        equal(ours(*state, **given, steps=4, dt=each), truth(*state, **given, steps=4, dt=each))
        assert ours.last_backend == "torch"
    again = [x.clone().requires_grad_() for x in state]
    there = checkpoint(lambda *x: ours(*x, **given, steps=4)[0], *again, use_reentrant=False)
    equal(torch.autograd.grad(there.sin().sum(), again), moved_back(truth, state, given))
    if name == "lattice":
        equal(moved(ours, state, given, steps=140), moved(truth, state, given, steps=140), 1e-10)
        with torch.inference_mode():
            equal(ours(*state, **given), truth(*state, **given))
        with FlopCounterMode(display=False):  # torch.compile refuses a dispatch mode
            equal(ours(*state, **given), truth(*state, **given))
        with torch.no_grad():
            equal(ours(*state, **given, steps=0), truth(*state, **given, steps=0))


def moved_back(layer: Any, state: tuple[Tensor, ...], given: dict[str, Any]) -> tuple[Tensor, ...]:
    leaves = [x.clone().requires_grad_() for x in state]
    return torch.autograd.grad(layer(*leaves, **given, steps=4)[0].sin().sum(), leaves)


def test_a_layer_is_copied_and_pickled() -> None:
    ours, _ = pair("lattice")
    state, given = handed("lattice")
    expected = ours(*state, **given)
    for layer in (copy.deepcopy(ours), pickle.loads(pickle.dumps(ours)), type(ours).from_config(ours.config)):
        layer.double().load_state_dict(ours.state_dict())
        assert layer.backend == "compile"
        equal(layer(*state, **given), expected)
        assert layer.last_backend == "compile"


def test_a_compiler_outside_traces_the_reference() -> None:
    ours, truth = pair("point")
    state, given = handed("point")
    outside = torch.compile(ours, fullgraph=True, backend="aot_eager")
    equal(outside(*state, **given), truth(*state, **given))
    program = torch.export.export(ours, state, given, strict=False)
    assert not any("metrigen" in str(node.target) for node in program.graph.nodes)
    file = io.BytesIO()
    torch.export.save(program, file)
    file.seek(0)
    equal(torch.export.load(file).module()(*state, **given), truth(*state, **given))


NONE = "cannot compile a step: the layer takes none"


@pytest.mark.parametrize(("name", "words"), [("implicit", "cannot compile a step that solves an equation"),
                                             ("steady", NONE), ("sequence", NONE)])  # fmt: skip
def test_what_has_no_step_to_compile_says_so(name: str, words: str) -> None:
    with pytest.raises(ValueError, match=f"backend=.compile. {words}.*; use one of"):
        kind(name)(C, backend="compile")


def test_a_machine_without_a_compiler_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> str:
        raise exc.InvalidCxxCompiler

    monkeypatch.setattr(cpp_builder, "get_cpp_compiler", none)
    ours, _ = pair("point", "inductor")
    ours = ours.float()
    with pytest.raises(ValueError, match=r'backend="compile" needs a C\+\+ compiler: torch looks for .* finds none'):
        ours(*(x.float() for x in handed("point")[0]))


@pytest.mark.parametrize("name", picked(STEPPING, "point"))
@pytest.mark.parametrize("dtype", picked([torch.float64, torch.float32], torch.float64))
def test_compiled_code_gives_the_numbers_of_the_reference(name: str, dtype: torch.dtype) -> None:
    """Nothing is reordered: a few units in the last place."""
    beside(made(name))._code.cache_clear()
    ours, truth = (layer.to(dtype) for layer in pair(name, "inductor"))
    state, given = handed(name)
    cast = {n: x.to(dtype) if isinstance(x, Tensor) and x.is_floating_point() else x for n, x in given.items()}
    start = tuple(x.to(dtype) for x in state)
    rtol = 1e-12 if dtype == torch.float64 else 4e-6
    equal(moved(ours, start, cast), moved(truth, start, cast), rtol)
    assert ours.last_backend == "compile"
    beside(made(name))._code.cache_clear()
