"""A module handed in for a learned function is tried on a few entries: what is not elementwise is refused."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from metrigen import Strang
from tests.lattice.emitted import layer_class, package
from tests.lattice.test_learned import C, wave
from tests.modules import Network


@pytest.fixture(scope="module")
def layer(tmp_path_factory: pytest.TempPathFactory) -> type:
    """The class of a wave in a learned potential."""
    return layer_class(package(wave("periodic", Strang(steps=3, dt=0.1), True), tmp_path_factory.mktemp("it"), "tried"))


@pytest.mark.parametrize(
    "module",
    [nn.Conv2d(C, C, 3, padding=1), nn.Conv2d(C, C, 1), nn.BatchNorm2d(C), nn.Softmax(1), nn.Dropout()],
    ids=lambda module: type(module).__name__ + "x".join(map(str, getattr(module, "kernel_size", ()))),
)
def test_a_module_that_mixes_entries_is_refused(layer: type, module: nn.Module) -> None:
    """Its derivative by autograd of a sum would be that of other entries too, and every law of the layer broken."""
    with pytest.raises(ValueError, match=r"V is not elementwise: of \d+ values \d+ others moved with one entry"):
        layer(C, V=module)


def test_modules_that_are_elementwise_are_taken(layer: type) -> None:
    """Also where they have weights for each channel, other dtypes, no data yet, or are no modules."""

    class Channels(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.rand(C, 1, 1))

        def forward(self, phi: Tensor) -> Tensor:
            return self.weight * torch.log(phi)

    for module in (Channels(), Network().double(), Network().to("meta"), torch.tanh, nn.Identity()):
        assert layer(C, V=module).V is module
