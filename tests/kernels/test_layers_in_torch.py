"""Time steps that are tensors, settings in checkpoints, precision, aliases, looks at numbers, and errors of use."""

from __future__ import annotations

import importlib
import io
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from tests.kernels.stack import FAMILIES, TWINS, called, function, rand
from tests.lattice.emitted import layer_class, package
from tests.sequence.systems import isotropic
from trainers.sudoku_weights import WEIGHTS

pytestmark = [
    pytest.mark.covering,
    pytest.mark.skipif(os.environ.get("TRITON_INTERPRET") == "1", reason="operators on the CPU run Triton here"),
]


@pytest.fixture(autouse=True)
def without_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METRIGEN_CPU_KERNELS", "0")


def sample(
    values: tuple[Tensor, ...], named: dict[str, Tensor], i: int
) -> tuple[tuple[Tensor, ...], dict[str, Tensor]]:
    return tuple(v[i : i + 1] for v in values), {k: v[i : i + 1] if v.shape[0] == 3 else v for k, v in named.items()}


STEPPED = ("explicit", "implicit", "point", "learned", "graph")  # with a time step that is a number


@pytest.mark.parametrize("backend", ["auto", "torch"])
@pytest.mark.parametrize("name", STEPPED)
def test_a_time_step_for_every_sample(name: str, backend: str) -> None:
    """As sample by sample with that number, state and report; and the gradient in dt is the slope."""
    family = FAMILIES[name]
    made = family.layer(backend=backend).double()
    given, named = family.call()
    given, named = (
        tuple(v.double() for v in given),
        {k: v.double() if v.is_floating_point() else v for k, v in named.items()},
    )
    steps = torch.tensor([0.02, 0.05, 0.1], dtype=torch.float64, requires_grad=True)
    made.dt = steps
    state = made(*given, **named)
    (found,) = torch.autograd.grad(state[0].square().sum(), steps)

    def alone(i: int, dt: float) -> Any:
        made.dt = dt
        values, keywords = sample(given, named, i)
        return made(*values, **keywords)

    for i, dt in enumerate(steps.tolist()):
        for x, y in zip(state, alone(i, dt), strict=True):
            torch.testing.assert_close(x[i : i + 1], y, rtol=1e-11, atol=1e-11)
        ahead, back = (alone(i, dt + s)[0].square().sum() for s in (1e-5, -1e-5))
        torch.testing.assert_close(found[i], (ahead - back) / 2e-5, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("backend", ["auto", "cpu", "torch"])
def test_a_time_step_with_kernels(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METRIGEN_CPU_KERNELS", "1")
    family = FAMILIES["point"]
    made, (given, _) = family.layer(backend=backend), family.call()
    expected = []
    for i, dt in enumerate((0.1, 0.2, 0.3)):
        made.dt = dt
        expected.append(made(*(v[i : i + 1] for v in given)).q)
    made.dt = torch.tensor([0.1, 0.2, 0.3])
    torch.testing.assert_close(made(*given).q, torch.cat(expected))
    made.dt = torch.tensor(0.2)
    torch.testing.assert_close(made(*given).q[1:2], expected[1])
    made.dt = torch.tensor(0.2, requires_grad=True)
    (slope,) = torch.autograd.grad(made(*given).q.sum(), made.dt)
    ahead, back = (made(*given, dt=0.2 + h).q.sum() for h in (1e-2, -1e-2))
    torch.testing.assert_close(slope, (ahead - back) / 2e-2, rtol=2e-2, atol=1e-3)
    assert made.last_backend == ("torch" if backend == "torch" else "cpu")


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.0, "finite and not zero"), (float("nan"), "finite"), (torch.tensor([0.1, 0.0]), "finite and not zero"),
     (torch.tensor([[0.1]]), "shape"), (torch.tensor(1), "floating"), ("0.1", "not str"),
     (np.ones(2), r"dt|scalar|length")],
)  # fmt: skip
def test_what_is_no_time_step(value: Any, words: str) -> None:
    made = FAMILIES["point"].layer()
    with pytest.raises((TypeError, ValueError), match=words):
        made.dt = value


def test_a_time_step_backward_in_time_where_nothing_is_lost() -> None:
    made = FAMILIES["point"].layer().double()
    start = tuple(v.double() for v in FAMILIES["point"].call()[0])
    there = made(*start)
    made.dt = -made.dt
    torch.testing.assert_close(made(*there).q, start[0])
    with pytest.raises(ValueError, match="positive"):
        FAMILIES["learned"].layer().dt = -0.1  # it has friction
    made.dt = torch.tensor([0.1, 0.2])
    with pytest.raises(ValueError, match=r"needed: \(\), or \(3,\)"):
        made(*start)


def test_a_time_step_that_the_spec_has_fixed(tmp_path: Any) -> None:
    made = layer_class(package(isotropic("stack_fixed"), tmp_path, "stack_fixed"))(2)
    with pytest.raises(AttributeError):
        made.dt = 0.5
    assert made.dt == 1.0


# Checkpoints.


@contextmanager
def told() -> Iterator[list[str]]:
    found: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield found
    found += [str(w.message) for w in caught if w.category.__name__ == "OtherSettings"]


@pytest.mark.parametrize("how", ["torch", "safetensors", "nested"])
def test_a_checkpoint_tells_of_other_settings(how: str, tmp_path: Any) -> None:
    first, second = FAMILIES["point"].layer(dt=0.2, steps=7), FAMILIES["point"].layer()
    state = first.state_dict()
    if how == "torch":
        file = io.BytesIO()
        torch.save(state, file)
        file.seek(0)
        state = torch.load(file, weights_only=True)
    elif how == "safetensors":
        safetensors = pytest.importorskip("safetensors.torch")
        safetensors.save_file(state, tmp_path / "a.safetensors")
        state = safetensors.load_file(tmp_path / "a.safetensors")
    else:
        second, state = nn.Sequential(second), nn.Sequential(first).state_dict()
    with told() as found:
        second.load_state_dict(state)
    assert len(found) == 1
    assert "made with steps=7, dt=0.2" in found[0]
    assert "has steps=8, dt=0.1" in found[0]
    with told() as found:
        FAMILIES["point"].layer(dt=0.2, steps=7).load_state_dict(first.state_dict())
    assert not found


@pytest.mark.parametrize("name", FAMILIES)
def test_old_checkpoints_load(name: str) -> None:
    """Without settings, and with scalars of shape ()."""
    made, again = FAMILIES[name].layer(), FAMILIES[name].layer()
    state = {
        k: v.reshape(()) if v.shape == (1,) and k.startswith("raw_") else v
        for k, v in made.state_dict().items() if "_extra_state" not in k
    }  # fmt: skip
    again.load_state_dict(state, strict=True)
    assert all(torch.equal(a, b) for a, b in zip(made.parameters(), again.parameters(), strict=True))
    assert all(p.dim() for n, p in again.named_parameters() if n.startswith("raw_"))


def test_the_shipped_weights_load_strictly() -> None:
    safetensors = pytest.importorskip("safetensors.torch")
    tensors = safetensors.load_file(WEIGHTS)
    prefix = next(n for n in tensors if n.endswith("raw_m2")).removesuffix("raw_m2")
    own = {
        n.removeprefix(prefix): x for n, x in tensors.items() if n.startswith(prefix) and "." not in n[len(prefix) :]
    }
    kind = type(FAMILIES["graph steady"].layer())
    made = kind(own["raw_m2"].shape[0])
    with told() as found:
        made.load_state_dict(own, strict=True)
    assert not found


def test_settings_are_shown() -> None:
    text = repr(FAMILIES["point"].layer(steps=3))
    assert "channels=2" in text
    assert "steps=3, dt=0.1" in text
    made = FAMILIES["graph steady"].layer(rtol=1e-3)
    assert made.config["rtol"] == 1e-3
    assert type(made).from_config(made.config).config == made.config


@pytest.mark.parametrize("bad", [{"steps": 2.5}, {"steps": -1}, {"steps": True}])
def test_counts_are_whole(bad: dict[str, Any]) -> None:
    kind = type(FAMILIES["point"].layer())
    with pytest.raises(ValueError, match="steps"):
        kind(2, **bad)
    with pytest.raises(ValueError, match="channels"):
        kind(2.5)


# Precision.


@pytest.mark.parametrize("name", ["coupled", "graph", "graph steady", "sequence"])
def test_energies_of_half_precision_are_single(name: str) -> None:
    """A sum that half precision cannot hold."""
    family = FAMILIES[name]
    made = family.layer()
    given, named = family.call()
    if name == "coupled":
        made.lam, made.B, made.K, made.steps = 0.0, 0.0, 0.0, 1  # a wave, which stays as large as it is
    given = tuple(300 * v if i == 0 else v for i, v in enumerate(given))
    named = {k: 300 * v if k in ("f_q", "omega") else v for k, v in named.items()}
    half = made(*(v.half() for v in given), **{k: v.half() if v.is_floating_point() else v for k, v in named.items()})
    assert half[0].dtype == torch.float16
    if name == "graph steady":
        named = {"s": given[0], "w": given[1]}
    named = {} if name == "sequence" else named
    energy = made.energy(half, **named)
    assert energy.dtype == torch.float32
    expected = made.energy(type(half)(*(v.float() if v.is_floating_point() else v for v in half)), **named)
    torch.testing.assert_close(energy, expected)
    assert energy.isfinite().all()


# Aliases.


@pytest.mark.parametrize("way", [nullcontext, partial(FlopCounterMode, display=False)], ids=["direct", "dispatched"])
def test_inputs_whose_gradients_are_the_same_numbers(way: Callable[..., AbstractContextManager[object]]) -> None:
    """Past the dispatcher of torch, and where a mode looks on by it, which refuses results that share memory."""
    made = TWINS.layer()
    _, (_, _, s, r) = called(made, TWINS, grad=True)
    named = {"s": s, "r": r}
    with way():
        state = made(*TWINS.call()[0], **named)
        a, b = torch.autograd.grad(made.readout(state, **named).sum(), (s, r))
    torch.testing.assert_close(a, b)
    assert a.abs().sum() > 0


# Nobody looks at numbers, or copies from the host, while a layer runs: on a device each of these would wait for it.

LOOKS = ("__bool__", "__int__", "__float__", "__index__", "item", "tolist", "numpy", "cpu", "new_tensor")


@contextmanager
def counted() -> Iterator[list[str]]:
    """Names of the looks that Python takes, inside of operators too."""
    seen: list[str] = []

    def counting(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def run(self: Tensor, *given: Any, **named: Any) -> Any:
            seen.append(name)
            return method(self, *given, **named)

        return run

    with pytest.MonkeyPatch.context() as patch:
        for name in LOOKS:
            patch.setattr(Tensor, name, counting(name, getattr(Tensor, name)))
        yield seen


class Copies(TorchDispatchMode):
    """Operators that move numbers between host and device."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.lift_fresh.default):
            self.seen.append(str(func))
        return func(*args, **(kwargs or {}))


# Newton's method and conjugate gradient of the reference stop by looking; a warning on a CPU looks at a status; so does
# the check of a list of edges. On a device there is none of the last two, which the test on fake tensors shows.
LOOKING = {"implicit", "steady", "graph", "graph steady"}


@pytest.mark.parametrize("name", [n for n in FAMILIES if n not in LOOKING])
def test_no_look_at_numbers_on_the_way(name: str) -> None:
    family = FAMILIES[name]
    made = family.layer()
    called(made, family)
    with counted() as seen, Copies() as copies:
        value, leaves = called(made, family, grad=True)
        value.backward(torch.ones_like(value))
        if name != "sequence":
            made.readout(made(*(x.clone().requires_grad_() for x in family.call()[0]))).sum().backward()
    assert not seen
    assert not copies.seen
    assert leaves[0].grad is not None


@pytest.mark.parametrize("name", [n for n in FAMILIES if n != "implicit"])
def test_no_look_at_numbers_that_are_not_there(name: str) -> None:
    """On fake tensors, whose numbers nobody has: a look raises."""
    family = FAMILIES[name]
    with FakeTensorMode(allow_non_fake_inputs=True):
        made = family.layer()
        value, leaves = called(made, family, grad=True)
        with Copies() as copies:
            again = function(made, family)[0](*leaves)
            torch.autograd.grad(again.sum(), leaves[0])
    assert not copies.seen
    assert value.shape == again.shape


# Errors of use.


@pytest.mark.parametrize("name", ["coupled", "point", "graph", "learned"])
def test_what_is_no_field(name: str) -> None:
    family = FAMILIES[name]
    made = family.layer()
    given, named = family.call()
    first = given[0]
    with pytest.raises(TypeError, match=r"torch\.from_numpy"):
        made(first.numpy(), *given[1:], **named)
    made(*given, **named)
    with pytest.raises(TypeError, match=r"takes tensors, or a .*State, not a tuple"):
        made((first,), **named)
    with pytest.raises(TypeError, match=r"readout\(\) reads the .*State that forward returned, not Tensor"):
        made.readout(first)
    with pytest.raises(TypeError, match=r"energy\(\) reads the .*State"):
        made.energy(first)
    for dtype in (torch.complex64, torch.float8_e5m2, torch.int64):
        with pytest.raises(ValueError, match="floating point, of 16, 32 or 64 bits"):
            made(first.to(dtype), *(v.to(dtype) for v in given[1:]), **named)
    if len(given) > 1:
        with pytest.raises(ValueError, match="complex64"):
            made(first, given[1].to(torch.complex64))


@pytest.mark.parametrize("name", ["steady", "sequence", "graph"])
def test_complex_inputs_keep_no_half(name: str) -> None:
    family = FAMILIES[name]
    of, values = function(family.layer(), family)
    with pytest.raises(ValueError, match="complex"):
        of(*values[:-1], values[-1].to(torch.complex64))


def test_a_package_may_be_loaded_again(tmp_path: Any) -> None:
    """A program that returns a state is saved and loaded, by the class that was loaded last."""
    module = package(FAMILIES["point"].system, tmp_path, "stack_again")
    inside = importlib.import_module(f"{module.__name__}.module")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = importlib.reload(inside).StackAgain(1)
    file = io.BytesIO()
    torch.export.save(torch.export.export(made, (rand(2, 1),), strict=False), file)
    file.seek(0)
    assert type(torch.export.load(file).module()(rand(2, 1))).__name__ == "StackAgainState"
