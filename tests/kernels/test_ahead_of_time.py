"""Every emitted kernel compiles ahead of time for CUDA sm_80 and sm_90 and for AMD gfx942, without a GPU."""

from __future__ import annotations

import importlib
import re
import subprocess
from pathlib import Path

import pytest

triton = pytest.importorskip("triton")
from triton.backends.compiler import GPUTarget  # noqa: E402
from triton.compiler import ASTSource  # noqa: E402

TARGETS = {
    "sm_80": GPUTarget("cuda", 80, 32),
    "sm_90": GPUTarget("cuda", 90, 32),
    "gfx942": GPUTarget("hip", "gfx942", 64),
}
SIZES = {"N__": 15 * 15, "N0__": 15, "N1__": 15, "BLOCK": 256}
SHARED_LIMIT = 64 * 1024
REGISTER_LIMIT = 128


def kernels_of(package: str) -> dict[str, object]:
    module = importlib.import_module(f"generated.{package}.kernels")
    return {name: fn for name, fn in vars(module).items() if name.endswith("_kernel")}


def source(kernel, dtype: str) -> ASTSource:
    acc = triton.language.float64 if dtype == "fp64" else triton.language.float32
    names = kernel.arg_names
    signature = {n: f"*{dtype}" if n.endswith("_ptr") else "i32" if n == "C__" else "constexpr" for n in names}
    constants = {n: acc if n == "ACC" else SIZES[n] for n, kind in signature.items() if kind == "constexpr"}
    return ASTSource(kernel, signature, constants)


def resources(cubin: bytes, folder: Path) -> tuple[int, int]:
    """Registers per thread and bytes of stack of a compiled kernel, from NVIDIA's own report."""
    tool = Path(triton.__file__).parent / "backends/nvidia/bin/cuobjdump"
    file = folder / "kernel.cubin"
    file.write_bytes(cubin)
    report = subprocess.run([tool, "-res-usage", file], capture_output=True, text=True, check=True).stdout
    registers, stack = re.search(r"REG:(\d+) STACK:(\d+)", report).groups()
    return int(registers), int(stack)


@pytest.mark.skipif(triton.knobs.runtime.interpret, reason="the interpreter does not compile")
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("package", ["cifar", "maze"])
def test_kernels_compile_without_a_gpu(package: str, target: str, tmp_path: Path) -> None:
    """No spills, few registers, shared memory within limits, and no double precision that was not asked for."""
    for name, kernel in kernels_of(package).items():
        for dtype in ("fp32", "bf16", "fp64") if name.startswith(("step_0", "apply")) else ("fp32",):
            compiled = triton.compile(source(kernel, dtype), target=TARGETS[target], options={"num_warps": 4})
            assert compiled.metadata.shared <= SHARED_LIMIT, name
            text = compiled.asm["ptx" if target.startswith("sm") else "amdgcn"]
            assert name in text
            if target.startswith("sm"):
                registers, stack = resources(compiled.asm["cubin"], tmp_path)
                assert stack == 0, f"{name} spills {stack} bytes"
                assert registers <= REGISTER_LIMIT, f"{name} takes {registers} registers"
            if dtype != "fp64" and target.startswith("sm"):
                assert ".f64" not in text, f"{name} computes in double precision"
