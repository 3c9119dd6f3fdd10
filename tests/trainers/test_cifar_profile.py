"""Parts of a training step: what belongs to which, and that they are the whole."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from types import SimpleNamespace

import pytest
from rich.console import Console
from torch.autograd import DeviceType

from trainers import cifar_profile
from trainers.cifar_options import Options
from trainers.cifar_profile import DATA, PARTS, STEP, Profile, measure, profile_table, shares_of, side_by_side

TINY = Options(parameters=8_000, blocks=(1, 1, 1), images=32, batch=16, crop=1, flip=False)


def event(name: str, host: float, *children: SimpleNamespace, device: float = 0.0) -> SimpleNamespace:
    made = SimpleNamespace(name=name, cpu_time_total=host, device_time_total=device, cpu_children=list(children),
                           cpu_parent=None, device_type=DeviceType.CPU)  # fmt: skip
    for child in children:
        child.cpu_parent = made
    return made


def flat(root: SimpleNamespace) -> list[SimpleNamespace]:
    return [root, *(inner for child in root.cpu_children for inner in flat(child))]


def test_shares_of_a_step_that_is_known() -> None:
    node = "autograd::engine::evaluate_function: "
    step = event(
        STEP, 100,
        event(DATA, 5, event("aten::conv2d", 4, device=9), device=2),
        event("metrigen::cifar_0_evolve_readout", 10, event("aten::mul", 9), device=20),
        event("_Products", 8, event("aten::mm", 7), device=1),
        event("aten::batch_norm", 4, device=1),
        event(node + "Generated", 20, event("metrigen::cifar_0_evolve_readout_adjoint", 15, device=30)),
        event(node + "_ProductsBackward", 12, event("_ProductsBackward", 11, device=3)),
        event("Optimizer.zero_grad#AdamW.zero_grad", 1),
        event("optimiser", 6, event("Optimizer.step#AdamW.step", 5), device=4),
        event("aten::add", 3, device=8),
    )  # fmt: skip
    expected = (0.10, 0.15, 0.19, 0.04, 0.07, 0.05, 0.40)
    assert list(shares_of(flat(step), device=False)) == list(PARTS)
    assert list(shares_of(flat(step), device=False).values()) == pytest.approx(expected, abs=1e-12)
    on_device = (0.20, 0.30, 0.04, 0.01, 0.04, 0.02, 0.39)
    kernel = SimpleNamespace(name=DATA, cpu_time_total=0, device_time_total=2, cpu_children=[], cpu_parent=None,
                             device_type=DeviceType.CUDA)  # fmt: skip
    assert list(shares_of([*flat(step), kernel], device=True).values()) == pytest.approx(on_device, abs=1e-12)


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
    profiles = [Profile(model, 200_000, 1234.56, 1300.0, shares, 321.09) for model in ("field", "resnet")]
    file = StringIO()
    Console(file=file, width=80).print(profile_table(profiles, 64))
    lines = [line.rstrip() for line in file.getvalue().splitlines()]
    assert not any("…" in line for line in lines)
    cells = {part: next(line for line in lines if line.startswith(part)).removeprefix(part).split() for part in PARTS}
    (step,) = (line.split() for line in lines if line.startswith("step  "))
    rounding = 0.05 * len(PARTS) + 1e-9
    assert sum(float(cells[part][0]) for part in PARTS) == pytest.approx(100, abs=rounding)
    assert sum(float(cells[part][3]) for part in PARTS) == pytest.approx(float(step[-1]), abs=rounding + 0.05)
