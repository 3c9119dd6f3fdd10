"""The image network: its products, its sizes, and that nothing but physics couples neighbours."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from trainers.cifar_model import FieldBlock, FieldNet
from trainers.cifar_networks import MODELS, VARIANTS, make_network, stage_widths
from trainers.cifar_options import Options
from trainers.mixing import Mixing
from trainers.sizes import parameters

SMALL = Options(parameters=20_000, blocks=(1, 1, 1))


def test_mixing_is_a_convolution_of_one_pixel() -> None:
    mixing = Mixing(5, 4).double()
    maps = [torch.randn(3, c, 2, 6, dtype=torch.float64, requires_grad=True) for c in (2, 3)]
    above = torch.randn(3, 4, 2, 6, dtype=torch.float64)
    expected = nn.functional.conv2d(torch.cat(maps, 1), mixing.weight[:, :, None, None])
    wanted = torch.autograd.grad(expected, (mixing.weight, *maps), above)
    found = torch.autograd.grad(mixing(*maps), (mixing.weight, *maps), above)
    assert torch.allclose(mixing(*maps), expected, rtol=1e-13, atol=1e-13)
    assert all(torch.allclose(a, b, rtol=1e-13, atol=1e-13) for a, b in zip(found, wanted, strict=True))
    assert torch.autograd.gradcheck(mixing, maps)


def test_mixing_of_maps_that_lie_differently() -> None:
    mixing = Mixing(3, 2)
    x = torch.randn(2, 4, 5, 3).permute(0, 3, 1, 2)
    assert torch.allclose(mixing(x), mixing(x.contiguous()))
    assert mixing(x[:0]).shape == (0, 2, 4, 5)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("count", [50_000, 200_000])
def test_all_models_have_the_wanted_size(model: str, count: int) -> None:
    network = make_network(replace(Options(), model=model, parameters=count), 3, 10)
    assert abs(parameters(network) - count) < 0.12 * count
    assert network(torch.randn(2, 3, 16, 16)).shape == (2, 10)


def test_widths_of_the_stages() -> None:
    assert stage_widths(48, (1, 2, 4)) == (12, 24, 48)
    assert stage_widths(48, (2, 3, 8)) == (12, 18, 48)
    assert stage_widths(16, (1, 20, 80)) == (1, 4, 16)


@pytest.mark.parametrize("model", MODELS)
def test_less_work_at_the_largest_resolution_with_as_many_parameters(model: str) -> None:
    wanted = replace(Options(), model=model, parameters=200_000)
    plain = make_network(wanted, 3, 10)
    late = make_network(replace(wanted, widths=(1, 3, 6), blocks=(1, 2, 3)), 3, 10)
    assert abs(parameters(late) - 200_000) < 24_000
    assert late(torch.randn(2, 3, 16, 16)).shape == (2, 10)
    first = [next(p for p in network.parameters() if p.dim() == 4).shape[0] for network in (plain, late)]
    assert first[1] < first[0]


def test_blocks_and_fields_of_every_stage() -> None:
    network = make_network(replace(SMALL, widths=(1, 3, 6), blocks=(1, 2, 3)), 1, 10)
    found = [m.norm.num_features for m in network.modules() if isinstance(m, FieldBlock)]
    first, second, last = stage_widths(found[-1], (1, 3, 6))
    assert found == [first, second, second, last, last, last]


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_learns_all_of_its_weights(variant: str) -> None:
    torch.manual_seed(0)
    network = make_network(replace(SMALL, variant=variant), 1, 3)
    network(torch.randn(4, 1, 8, 8)).square().sum().backward()
    for name, p in network.named_parameters():
        assert (p.grad is not None) == p.requires_grad, name
        assert p.grad is None or bool(p.grad.isfinite().all()), name


def test_neighbours_meet_in_the_physics_alone() -> None:
    """A block without its physics is a function of every pixel by itself."""

    class Still(nn.Module):
        def forward_readout(self, phi: torch.Tensor, pi: torch.Tensor) -> tuple[tuple[torch.Tensor, ...], torch.Tensor]:
            return (phi, pi), torch.cat((phi, pi, phi, pi, phi), 1)

    block = FieldBlock(6, 8, Still()).eval()
    x = torch.randn(1, 6, 5, 5)
    poked = x.clone()
    poked[..., 2, 3] += 1
    changed = (block(poked) != block(x)).any(1)[0]
    assert changed.nonzero().tolist() == [[2, 3]]


def test_shares_add_up_and_mixing_has_most() -> None:
    network = make_network(Options(), 3, 10)
    assert isinstance(network, FieldNet)
    shares = network.shares()
    assert sum(shares.values()) == parameters(network)
    assert shares["mixing"] > shares["physics"] > 0


def test_unknown_names_are_named() -> None:
    with pytest.raises(ValueError, match="one of field, resnet"):
        make_network(replace(SMALL, model="vit"), 3, 10)
    with pytest.raises(ValueError, match="one of full"):
        make_network(replace(SMALL, variant="none"), 3, 10)
    with pytest.raises(ValueError, match="readout"):
        FieldBlock(4, 8, nn.Identity(), readout="all")
