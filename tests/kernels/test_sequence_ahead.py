"""The kernels of a scan compile ahead of time for CUDA sm_80 and sm_90 and for AMD gfx942, without a GPU."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from types import ModuleType

import pytest
import torch

triton = pytest.importorskip("triton")
from benchmarks.device.ahead import TARGETS, resources  # noqa: E402
from tests.kernels.ahead import DTYPES, source, vector_registers  # noqa: E402
from tests.sequence.systems import module, part  # noqa: E402

REGISTER_LIMIT = 128
KERNELS = (
    "scan_ends_kernel", "scan_carry_kernel", "scan_kernel", "scan_adjoint_ends_kernel", "scan_adjoint_kernel",
    "readout_kernel", "readout_adjoint_kernel",
)  # fmt: skip
# A rotation by the tokens; entire functions of the tokens, whose branches are all at hand at once.
CASES = [("lm", k) for k in KERNELS] + [("selective", k) for k in ("scan_kernel", "scan_adjoint_kernel")]

pytestmark = [
    pytest.mark.covering,
    pytest.mark.skipif(triton.knobs.runtime.interpret, reason="the interpreter does not compile"),
]


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ModuleType]:
    made = module("selective", tmp_path_factory.mktemp("ahead"))
    return {"lm": importlib.import_module("generated.lm.kernels"), "selective": part(made, "kernels")}


def launched(kernels: ModuleType, target: str, dtype: torch.dtype) -> tuple[dict[str, int], dict[str, object]]:
    """Sizes and options of a launch for 64 channels of 64 tokens, as the package plans it on a device of this kind."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.version, "hip", "6" if target == "gfx942" else None)
        _, length, _, planned = kernels._plan(torch.empty(1, 64, 64, dtype=dtype, device="meta"))
    options = {name: planned[name] for name in ("num_warps", "enable_fp_fusion")}
    return {"LENGTH": length, "BLOCK": planned["BLOCK"], "STEP": 1}, options


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(("package", "name"), CASES)
def test_kernels_compile_without_a_gpu(
    packages: dict[str, ModuleType], package: str, name: str, target: str, tmp_path: Path
) -> None:
    """As they are launched: no stack, few registers, no shared memory, no exchange between threads, no double
    precision, no atomics."""
    sizes, options = launched(packages[package], target, torch.float32)
    made = source(getattr(packages[package], name), "fp32", sizes)
    compiled = triton.compile(made, target=TARGETS[target], options=options)
    assert compiled.metadata.shared == 0
    if target == "gfx942":
        registers, spilled = vector_registers(compiled.asm["amdgcn"])
        assert spilled == 0
        assert registers <= REGISTER_LIMIT
        return
    text = compiled.asm["ptx"]
    registers, stack = resources(compiled.asm["cubin"], tmp_path)
    assert stack == 0, f"spills {stack} bytes"
    assert registers <= REGISTER_LIMIT, f"takes {registers} registers"
    for word in (".f64", "shfl", "bar.sync", "atom."):
        assert word not in text, word


@pytest.mark.parametrize("dtype", ["bf16", "fp64"])
def test_other_precisions(packages: dict[str, ModuleType], dtype: str) -> None:
    """Half precision is stored, float32 computed with."""
    sizes, options = launched(packages["lm"], "sm_90", DTYPES[dtype])
    made = source(packages["lm"].scan_kernel, dtype, sizes)
    text = triton.compile(made, target=TARGETS["sm_90"], options=options).asm["ptx"]
    assert (".f64" in text) == (dtype == "fp64")
    if dtype == "bf16":
        assert "fma.rn.f32" in text or "mul.f32" in text
        assert not re.search(r"(fma|mul|add)\S*\.bf16", text)


def test_every_address_is_64_bit(packages: dict[str, ModuleType]) -> None:
    for made in packages.values():
        text = Path(made.__file__).read_text()
        assert not re.search(r"^ *(sample__|row__|chunk__) = tl\.program_id\(\d\)$", text, re.MULTILINE)
        assert "reverse=True" not in text
        assert "associative_scan" not in text
        assert "_guard(like)" in text
