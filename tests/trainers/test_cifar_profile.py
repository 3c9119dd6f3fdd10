"""Parts of a training step: what belongs to which, and that they are the whole."""

from __future__ import annotations

import time
from dataclasses import replace
from io import StringIO

import pytest
import torch
from rich.console import Console
from torch import nn

from trainers import cifar_profile
from trainers.cifar_model import FieldBlock
from trainers.cifar_options import Options
from trainers.cifar_profile import (
    BACKWARD,
    FORWARD,
    MIXING,
    NORM,
    PARTS,
    REST,
    Clock,
    Profile,
    measure,
    part_of_node,
    profile_table,
    shares_of,
    side_by_side,
    watch,
)
from trainers.mixing import Mixing

TINY = Options(parameters=8_000, blocks=(1, 1, 1), images=32, batch=16, crop=1, flip=False)


class Slow(torch.autograd.Function):
    """Sleeps backward; its node is named after the class."""

    @staticmethod
    def forward(ctx, x: torch.Tensor) -> torch.Tensor:  # type: ignore[no-untyped-def]
        return x.clone()

    @staticmethod
    def backward(ctx, grad: torch.Tensor) -> torch.Tensor:  # type: ignore[no-untyped-def]
        time.sleep(0.04)
        return grad


class SlowMixing(Mixing):
    def forward(self, *maps: torch.Tensor) -> torch.Tensor:
        time.sleep(0.02)
        return super().forward(*maps)


class SlowPhysics(nn.Module):
    def forward_readout(self, phi: torch.Tensor, pi: torch.Tensor) -> tuple[tuple[torch.Tensor, ...], torch.Tensor]:
        time.sleep(0.03)
        slow = type("metrigen", (Slow,), {}).apply(phi)
        return (slow, pi), torch.cat((phi, pi, phi, pi, phi), 1)


def test_time_goes_to_the_part_that_takes_it() -> None:
    block = FieldBlock(6, 8, SlowPhysics())
    block.mix.__class__ = SlowMixing
    clock = Clock()
    watch(block, clock)
    began = time.perf_counter()
    for _ in range(2):
        result = block(torch.randn(2, 6, 4, 4))
        time.sleep(0.01)
        result.square().sum().backward()
    whole = time.perf_counter() - began
    # A sleep is never shorter than asked for; what is beyond them is shared by the parts.
    asleep = {FORWARD: 0.06, BACKWARD: 0.08, MIXING: 0.04, REST: 0.02}
    shares = shares_of(clock.spent, whole)
    step = whole - clock.spent["clock"]
    assert list(shares) == list(PARTS)
    assert sum(shares.values()) == pytest.approx(1.0, abs=1e-12)
    slack = step - sum(asleep.values())
    for part, share in shares.items():
        low = asleep.get(part, 0.0)
        assert low <= share * step <= low + slack, part
    assert shares[NORM] > 0


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("GeneratedBackwardFor_metrigen_cifar_a73f8956_evolve_readout_defaultBackward", BACKWARD),
        ("_ProductsBackward", MIXING),
        ("ConvolutionBackward0", MIXING),
        ("NativeBatchNormBackward0", NORM),
        ("CudnnBatchNormBackward0", NORM),
        ("AddBackward0", None),
    ],
)
def test_parts_of_nodes(name: str, part: str | None) -> None:
    assert part_of_node(name) == part


@pytest.mark.parametrize("model", ["field", "resnet"])
def test_the_parts_of_a_real_step(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cifar_profile, "WARM_UP", 1)
    monkeypatch.setattr(cifar_profile, "MEASURED", 2)
    found = measure(TINY, model, (1, 1, 1), "cpu", "32-true")
    assert sum(found.shares.values()) == pytest.approx(1.0, abs=1e-12)
    kernels = {part: share for part, share in found.shares.items() if part.startswith("kernels")}
    assert all((share > 0) == (model == "field") for share in kernels.values())
    assert all(share > 0 for part, share in found.shares.items() if part not in kernels)
    assert found.milliseconds > 0
    assert found.memory >= 0


def test_a_process_of_its_own() -> None:
    (found,) = side_by_side(replace(TINY, parameters=2_000), (1, 1, 1), "cpu", "32-true", ("resnet",))
    assert found.model == "resnet"
    # Weights, gradients and two moments of AdamW alone.
    assert found.memory > 4 * 4 * found.parameters / 2**20


def test_the_printed_parts_add_up_to_the_printed_step() -> None:
    shares = dict(zip(PARTS, (0.111, 0.222, 0.3333, 0.0444, 0.0555, 0.0123, 0.2215), strict=True))
    profiles = [Profile(model, 200_000, 1234.56, shares, 321.09) for model in ("field", "resnet")]
    file = StringIO()
    Console(file=file, width=80).print(profile_table(profiles, 64))
    lines = [line.rstrip() for line in file.getvalue().splitlines()]
    assert not any("…" in line for line in lines)
    cells = {part: next(line for line in lines if line.startswith(part)).removeprefix(part).split() for part in PARTS}
    (step,) = (line.split() for line in lines if line.startswith("step  "))
    rounding = 0.05 * len(PARTS) + 1e-9
    assert sum(float(cells[part][0]) for part in PARTS) == pytest.approx(100, abs=rounding)
    assert sum(float(cells[part][3]) for part in PARTS) == pytest.approx(float(step[-1]), abs=rounding + 0.05)
