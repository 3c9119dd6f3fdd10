"""``check_step`` at a temperature: the error of the equations without noise."""

from __future__ import annotations

import pytest
import torch

from metrigen import Strang
from tests.lattice.emitted import layer_class, package
from tests.surface.systems import C, drawn
from tests.temperature.systems import flow, wave

DOUBLE_WELL = flow(lambda u: 1 + u**2, lambda u: (u**2 - 1) ** 2 / 4, name="checked_flow")
QUARTIC = wave(1, integrator=Strang(8, 0.2), more=lambda q, p: q**4, name="checked_wave")


def quiet(layer, state, steps: int):
    """As many steps without noise."""
    shape = (*state[0].shape[:2], steps, *state[0].shape[2:])
    return {field: torch.zeros(shape, dtype=torch.float64) for field in layer.NOISE.values()}


@pytest.mark.parametrize("system", [QUARTIC, DOUBLE_WELL], ids=lambda system: system.name)
def test_the_error_is_that_of_the_equations_without_noise(system, tmp_path) -> None:
    """Against 64 times as many steps, the same in every call; it falls with the order of the method."""
    layer = layer_class(package(system, tmp_path, system.name))(C, backend="torch").double().requires_grad_(False)
    state = tuple(drawn((3, C, 7) if name == "q" or name == "p" else (3, C), i) for i, name in enumerate(layer.FIELDS))
    before = torch.get_rng_state()
    found = layer.check_step(*state)
    assert torch.equal(before, torch.get_rng_state())
    assert found == layer.check_step(*state)
    ends = (
        layer(*state, noise=quiet(layer, state, 8)),
        layer(*state, steps=512, dt=layer.dt / 64, noise=quiet(layer, state, 512)),
    )
    for name, first in zip(layer.FIELDS, state, strict=True):
        a, b = (getattr(z, name).flatten(1) for z in ends)
        true = float(((a - b).norm(dim=1) / torch.maximum(first.flatten(1).norm(dim=1), b.norm(dim=1))).max())
        assert true / 2 < found.error[name] < 2 * true
    halved = layer.check_step(*state, steps=16, dt=layer.dt / 2)
    for name, error in found.error.items():
        assert error / halved.error[name] == pytest.approx(2**layer.ORDER, rel=0.3)


def test_noise_that_is_handed_in_is_refused(tmp_path) -> None:
    layer = layer_class(package(QUARTIC, tmp_path, "checked_handed"))(C, backend="torch").double()
    state = drawn((3, C, 7), 1), drawn((3, C, 7), 2)
    for given in ({"noise": quiet(layer, state, 8)}, {"generator": torch.Generator()}):
        with pytest.raises(TypeError, match=f"check_step.. takes no {next(iter(given))}"):
            layer.check_step(*state, **given)
