"""The kernels of coupled channels compile ahead of time for CUDA sm_80 and sm_90 and for AMD gfx942, without a GPU."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import pytest
import torch

from metrigen import Param, mix

triton = pytest.importorskip("triton")
from benchmarks.device.ahead import TARGETS, resources  # noqa: E402
from tests.kernels.ahead import source, vector_registers  # noqa: E402
from tests.lattice.emitted import package  # noqa: E402
from tests.sequence.coupled import COUPLED, module  # noqa: E402
from tests.sequence.systems import cell, p, part, q, turn  # noqa: E402

B = Param("B", shape=("C", "C"), block=64, antisymmetric=True)
D = Param("D", shape=("C", "C"), block=64, antisymmetric=True)
SYSTEMS = {
    "alike": COUPLED["alike"],
    "each": COUPLED["each"],
    "momenta": COUPLED["momenta"],
    # As large as it gets: two matrices in blocks of 64.
    "large": cell("ahead_large", bracket=lambda F, G: turn(F, G) + F[q] * mix(B, G[q]) + F[p] * mix(D, G[p])),
}
# Programs are fewer than a device has room for: what a thread takes keeps no other out.
REGISTER_LIMIT = 255
KERNELS = ("scan_kernel", "scan_adjoint_kernel")

pytestmark = [
    pytest.mark.covering,
    pytest.mark.skipif(triton.knobs.runtime.interpret, reason="the interpreter does not compile"),
]


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ModuleType]:
    folder = tmp_path_factory.mktemp("coupled_ahead")
    made = {n: module(n, folder) for n in SYSTEMS if n in COUPLED}
    made["large"] = package(SYSTEMS["large"], folder, "ahead_large")
    return {n: part(each, "kernels") for n, each in made.items()}


def plan(kernels: ModuleType, target: str, monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, int], int]:
    """The sizes of a kernel for many channels, and its warps."""
    monkeypatch.setattr(torch.version, "hip", "6" if target == "gfx942" else None)
    options = kernels._sequential_plan(torch.empty(1, 1, 1024))[1]
    return {n: options[n] for n in ("OWNED", "BLOCK")}, options["num_warps"]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("system", SYSTEMS)
def test_kernels_compile_without_a_gpu(
    packages: dict[str, ModuleType], system: str, name: str, target: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """No stack, no double precision, no atomics; in one wave a gather stays among its threads, without a barrier."""
    sizes, warps = plan(packages[system], target, monkeypatch)
    assert (warps == 1) == (system != "large")
    made = source(getattr(packages[system], name), "fp32", sizes)
    compiled = triton.compile(made, target=TARGETS[target], options={"num_warps": warps, "enable_fp_fusion": True})
    assert compiled.metadata.shared <= (0 if warps == 1 else 4096)
    if target == "gfx942":
        assert vector_registers(compiled.asm["amdgcn"])[1] == 0
        return
    text = compiled.asm["ptx"]
    registers, stack = resources(compiled.asm["cubin"], tmp_path)
    assert stack == 0, f"spills {stack} bytes"
    assert registers <= REGISTER_LIMIT, f"takes {registers} registers"
    for word in (".f64", "atom.", *(("bar.sync",) if warps == 1 else ())):
        assert word not in text, word


@pytest.mark.parametrize("dtype", ["bf16", "fp16", "fp64"])
@pytest.mark.parametrize("name", KERNELS)
def test_other_precisions(packages: dict[str, ModuleType], name: str, dtype: str) -> None:
    """Half precision is stored, float32 computed with."""
    made = source(getattr(packages["alike"], name), dtype, {"OWNED": 32, "BLOCK": 32})
    text = triton.compile(made, target=TARGETS["sm_90"], options={"num_warps": 1}).asm["ptx"]
    assert (".f64" in text) == (dtype == "fp64")
    assert not re.search(r"(fma|mul|add)\S*\.(bf16|f16)\b", text)


def test_a_gather_takes_a_shuffle_a_channel_of_the_block(packages: dict[str, ModuleType]) -> None:
    """Four tokens at once, two fields, four channels in a block; backward two tokens, and no gather of the products'
    own."""
    for name, tokens in zip(KERNELS, (4, 2), strict=True):
        made = source(getattr(packages["alike"], name), "fp32", {"OWNED": 32, "BLOCK": 32})
        text = triton.compile(made, target=TARGETS["sm_90"], options={"num_warps": 1}).asm["ptx"]
        assert len(re.findall(r"shfl\.sync\.idx", text)) == tokens * 2 * 4


def test_every_address_is_64_bit(packages: dict[str, ModuleType]) -> None:
    for made in packages.values():
        text = Path(made.__file__).read_text()
        assert not re.search(r"^ *(sample__|row__) = tl\.program_id\(\d\)$", text, re.MULTILINE)
        assert not re.search(r"^ *t__ = (?!tl\.cast\(.*tl\.int64\)$|row__)", text, re.MULTILINE)
        assert text.count("with _guard(like)") == 4
