"""Compile a Triton kernel ahead of time, and what the result takes of a device."""

from __future__ import annotations

import re
from types import ModuleType

import torch
import triton
from triton.compiler import ASTSource

from benchmarks.device.ahead import TARGETS

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp64": torch.float64}
INTEGERS = {"iterations___ptr": "*i64", "failed___ptr": "*i64", "indefinite___ptr": "*i64", "negative___ptr": "*i32"}


def source(kernel, dtype: str, sizes: dict[str, int]) -> ASTSource:
    acc = triton.language.float64 if dtype == "fp64" else triton.language.float32
    constants = {**sizes, "ACC": acc}
    signature = {
        n: "constexpr" if n in constants else INTEGERS.get(n, f"*{dtype}") if n.endswith("_ptr") else "i32"
        for n in kernel.arg_names
    }
    aligned = {(at,): [["tt.divisibility", 16]] for at, n in enumerate(kernel.arg_names) if n.endswith("_ptr")}
    return ASTSource(kernel, signature, {n: constants[n] for n, k in signature.items() if k == "constexpr"}, aligned)


def launched(module: ModuleType, size: tuple[int, ...], dtype: str) -> tuple[dict[str, int], dict[str, object]]:
    """Sizes and options of a kernel of a package as ``launch`` has them for planes of a size."""
    _, planned = module.plan((1, 8, *size), DTYPES[dtype])
    options = {name: planned.pop(name) for name in ("num_warps", "enable_fp_fusion")}
    return {
        **{n: value for n, value in planned.items() if n != "ACC"},
        "VARIED__": False,
        "GROUP": 8,
        "TRANSPOSED": False,
    }, options


def launched_planes(
    module: ModuleType, kernel: str, size: tuple[int, ...], group: int, target: str
) -> tuple[dict[str, int], dict[str, object]]:
    """The same of a kernel that holds groups of whole planes, on a device without settings of its own."""
    planned = module.plan_planes(size, torch.float32)
    lanes = TARGETS[target].warp_size
    warps = module._heuristic(kernel.removesuffix("_kernel"), planned["TILE"], group, lanes)
    options = {"num_warps": warps, "enable_fp_fusion": planned.pop("enable_fp_fusion")}
    return {
        **{n: value for n, value in planned.items() if n != "ACC"},
        "GROUP": group,
        "PATIENCE": 10,
        "VARIED": False,
    }, options


def vector_registers(amdgcn: str) -> tuple[int, int]:
    """Vector registers of a kernel for AMD, and how many of them it spills."""
    counts = (re.search(rf"\.vgpr_{what}:\s+(\d+)", amdgcn) for what in ("count", "spill_count"))
    registers, spilled = (int(count.group(1)) for count in counts)
    return registers, spilled
