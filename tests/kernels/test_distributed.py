"""Two processes: a layer under DistributedDataParallel and under fully_shard, with the gradients of one process."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

from tests import processes
from tests.kernels.stack import FAMILIES, rand
from tests.lengths import LONG

NAMES = ("coupled", "implicit", "steady", "point", "learned", "graph", "graph steady", "sequence")
READ = {"steady": ("kappa", "m2", "s"), "graph steady": ("s", "w")}

pytestmark = pytest.mark.skipif(not LONG, reason="METRIGEN_LONG=1")


class Net(nn.Module):
    """A layer, its readout and its energy, behind a scale of the first input."""

    def __init__(self, name: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.name, self.layer, self.scale = name, FAMILIES[name].layer(), nn.Parameter(torch.ones(1))

    def forward(self, share: Tensor) -> Tensor:
        given, named = FAMILIES[self.name].call()
        given = tuple(v[:2] * self.scale * share if i == 0 else v[:2] for i, v in enumerate(given))
        named = {k: v[:2] * self.scale * share if k == "f_q" else v[:2] for k, v in named.items()}
        # A steady state is all inputs, and a graph has its own beside the field.
        inputs = dict(zip(READ[self.name], given, strict=True)) if self.name in READ else {}
        inputs |= named if self.name == "graph" else {}
        state = self.layer(*given, **named)
        return self.layer.readout(state, **inputs).square().mean() + self.layer.energy(state, **inputs).mean()


def _grads(net: nn.Module) -> dict[str, Tensor]:
    found = {n.removeprefix("module."): p.grad for n, p in net.named_parameters() if p.grad is not None}
    return {n: g.full_tensor() if hasattr(g, "full_tensor") else g for n, g in found.items()}


def _work(rank: int, name: str, folder: str) -> None:
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

    os.environ["METRIGEN_CPU_KERNELS"] = "0"
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/{name.replace(' ', '_')}", rank=rank, world_size=2)
    mesh, share = init_device_mesh("cpu", (2,)), rand(2)[rank] + 0.5
    plain = Net(name)
    (sum(plain(rand(2)[i] + 0.5) for i in range(2)) / 2).backward()
    expected = _grads(plain)
    both = nn.parallel.DistributedDataParallel(Net(name))
    both(share).backward()
    sharded = Net(name)
    fully_shard(sharded.layer, mesh=mesh)
    for method in ("readout", "energy"):
        register_fsdp_forward_method(sharded.layer, method)
    fully_shard(sharded, mesh=mesh)
    sharded(share).backward()
    for net in (both, sharded):
        found = _grads(net)
        assert sorted(found) == sorted(expected)
        for key, value in expected.items():
            torch.testing.assert_close(found[key], value, rtol=1e-4, atol=1e-6)
    dist.barrier()
    processes.leave()


@pytest.mark.parametrize("name", NAMES)
def test_two_processes_give_the_gradients_of_one(name: str, tmp_path: Path) -> None:
    torch.multiprocessing.spawn(_work, (name, str(tmp_path)), nprocs=2)
