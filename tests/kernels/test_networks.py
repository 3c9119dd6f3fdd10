"""Declared learned functions in kernels: of the CPU, or of Triton in the interpreter, against the reference."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.func import functional_call

from metrigen import Field, Lattice, Leapfrog, NeuralFunction, System, energy_density, grad, t
from metrigen.spec.network import ACTIVATIONS
from tests.lattice.emitted import layer_class, package
from tests.lattice.networks import IMPLICIT, NAMES, C, H, Packages, drawn, outcome, same, state_of, wave, x
from tests.lengths import LONG, spread

pytestmark = pytest.mark.covering

try:
    import triton

    INTERPRETED = bool(triton.knobs.runtime.interpret)
except ImportError:
    INTERPRETED = False
BACKEND = "triton" if INTERPRETED else "cpu"


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Packages:
    return Packages(tmp_path_factory.mktemp("network_kernels"))


@pytest.mark.parametrize("name", [*spread(NAMES, 5), *(() if INTERPRETED else IMPLICIT)])
def test_the_kernels(packages, name: str) -> None:
    found = packages(name)
    mine, truth = (drawn(found.layer(C, backend=backend)) for backend in (BACKEND, "torch"))
    same(outcome(mine), outcome(truth), 1e-11 if name in IMPLICIT else 1e-12)
    assert mine.last_backend == BACKEND


@pytest.mark.parametrize("name", ["Strang", "mobility-zero", "point-coupled"])
def test_single_precision_and_one_channel(packages, name: str) -> None:
    layer = drawn(packages(name).layer(1, backend=BACKEND))
    truth = outcome(layer, 1)
    fields, inputs = state_of(layer, 1)
    end = layer.float()(*(f.float() for f in fields), **{k: v.float() for k, v in inputs.items()})
    assert end[0].dtype == torch.float32
    torch.testing.assert_close(end[0].double(), truth[0].detach(), rtol=0, atol=2e-5)


def together() -> System:
    """A wave whose potential is a sum of networks, one of every activation."""
    line = Lattice(x, boundary="zero")
    phi = Field("phi", line)
    V = sum(NeuralFunction(f"V_{name}", phi, hidden=(H,), activation=name) for name in ACTIVATIONS)
    return System("together", line, lagrangian=phi.diff(t) ** 2 / 2 - grad(phi).square / 2 - V,
                  integrator=Leapfrog(steps=2, dt=0.1), readout=energy_density())  # fmt: skip


@pytest.mark.skipif(INTERPRETED, reason="the same printer; tests of functions run them in Triton")
@pytest.mark.parametrize("activation", [*(ACTIVATIONS if LONG else ()), "each"])
def test_every_activation(activation: str, tmp_path: Path) -> None:
    """Kernels against the reference for V, V' and V'' in a step and a readout."""
    alone = partial(wave, "zero", Leapfrog(steps=2, dt=0.1))
    made = package(together() if activation == "each" else alone(activation=activation), tmp_path, f"act_{activation}")
    mine, truth = (drawn(layer_class(made)(2, backend=backend)) for backend in (BACKEND, "torch"))
    same(outcome(mine, 2), outcome(truth, 2), 1e-11)


@pytest.mark.parametrize("name", ["Strang", "mobility-neumann", "point"])
@pytest.mark.parametrize("backend", ["torch", BACKEND])
def test_gradients_of_fields_parameters_and_weights(packages, name: str, backend: str) -> None:
    """First and second order against differences."""
    layer = drawn(packages(name).layer(1, steps=1, backend=backend))
    fields, inputs = state_of(layer, 1)
    weights = {key: p.detach().requires_grad_() for key, p in layer.named_parameters()}
    leaves = [_few(f).clone().requires_grad_() for f in fields]
    given = {key: _few(v).clone().requires_grad_() for key, v in inputs.items()}

    def loss(*values: Tensor) -> Tensor:
        parts = iter(values)
        state = [next(parts) for _ in leaves]
        passed = {key: next(parts) for key in given}
        end = functional_call(layer, {key: next(parts) for key in weights}, tuple(state), passed)
        return sum((x * (i + 1 + x)).sum() for i, x in enumerate(end))

    values = (*leaves, *given.values(), *weights.values())
    assert torch.autograd.gradcheck(loss, values)
    if backend == BACKEND:
        assert torch.autograd.gradgradcheck(loss, values)
    name_of = packages(name).name
    assert torch.autograd.grad(loss(*values), weights[f"raw_{name_of}"])[0].abs().min() > 0


def _few(x: Tensor) -> Tensor:
    """One sample on few sites, which differences have time for."""
    return x[:1] if x.dim() == 2 else x[:1, :, :3]
