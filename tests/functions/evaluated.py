"""Expressions evaluated as every target prints them: one function for PyTorch, one file of C++, one Triton kernel."""

from __future__ import annotations

import ctypes
import hashlib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import sympy as sp
import torch

from metrigen.backends.cpu import functions as cpp
from metrigen.backends.cpu.dialect import CPP
from metrigen.backends.cpu.vector_math import UNARY
from metrigen.backends.torch import functions as of_torch
from metrigen.backends.torch.dialect import TORCH
from metrigen.backends.triton import functions as of_triton
from metrigen.backends.triton.dialect import TRITON
from metrigen.emit.render import render
from metrigen.ir.evaluate import evaluate
from tests.conftest import ROOT

Points = Mapping[sp.Symbol, np.ndarray]
DEVICE = os.environ.get("METRIGEN_DEVICE", "cpu")
AT_ONCE = 6  # expressions in a kernel that is compiled
TARGETS = ("numpy", "torch", "cpp", "cpp along vectors", "triton")
_FLAGS = ("-std=c++17", "-O1", "-march=native", "-fopenmp", "-fPIC", "-shared", "-fno-math-errno", "-fno-trapping-math",
          "-ffp-contract=fast", "-fno-signed-zeros", "-w")  # fmt: skip


def values(target: str, expressions: Sequence[sp.Expr], points: Points) -> np.ndarray:
    """(expression, point): the values as the target computes them, in the precision of the points."""
    return {"numpy": _numpy, "torch": _torch, "cpp": _cpp, "cpp along vectors": _cpp_flat, "triton": _triton}[target](
        expressions, points
    )


def _numpy(expressions: Sequence[sp.Expr], points: Points) -> np.ndarray:
    like = next(iter(points.values()))
    with np.errstate(all="ignore"):
        return np.stack([np.broadcast_to(evaluate(e, points), like.shape).astype(like.dtype) for e in expressions])


def _torch(expressions: Sequence[sp.Expr], points: Points) -> np.ndarray:
    names = ", ".join(s.name for s in points)
    body = "".join(f"    yield {TORCH.print(e)}\n" for e in expressions)
    text = f"def all_values({names}):\n{body}"
    scope: dict[str, object] = {"torch": torch, "Tensor": torch.Tensor}
    exec(f"{of_torch.FUNCTIONS.helpers(text)}\n\n{text}", scope)
    given = [torch.from_numpy(p[None, None]) for p in points.values()]
    out = []
    for v in scope["all_values"](*given):  # type: ignore[operator]
        v = v if isinstance(v, torch.Tensor) else given[0].new_tensor(v)
        assert v.ndim == 0 or v.dtype == given[0].dtype, v.dtype
        out.append(v.to(given[0].dtype).expand_as(given[0])[0, 0].numpy())
    return np.stack(out)


def _cpp_flat(expressions: Sequence[sp.Expr], points: Points) -> np.ndarray:
    """As systems at a point have it: with the vector functions of the C library."""
    return _cpp(expressions, points, flat=True)


def _cpp(expressions: Sequence[sp.Expr], points: Points, flat: bool = False) -> np.ndarray:
    like = next(iter(points.values()))
    names = [s.name for s in points]
    lines = [f"store(out + {i} * n + j, broadcast({CPP.print(e)}));" for i, e in enumerate(expressions)]
    loads = "".join(f"const V {n} = load({n}__p + j); " for n in names)
    used = set(re.findall(r"\b([a-z0-9]+_)\(", "\n".join(lines)))
    text = render(
        "kernels.cpp.j2", header="", title="expressions", rank=1, halo=[0], periodic=True, frames=False,
        units=False, used=used, on_request=(), varied="", noise="", walls="", apart=False,
        functions=[f for f in UNARY if f"{f}_" in used], indicators=False, coupled=False, groups=[], site_sums=False,
        points="numbers" if flat else "", vector_math=flat,
        binary=[f for f in ("pow", "atan2") if f"{f}_" in used],
    )  # fmt: skip
    text = text.replace("// FUNCTIONS\n", "// FUNCTIONS\n" + "".join(f"// {line}\n" for line in lines))
    text = cpp.FUNCTIONS.put_into(text)
    pointers = ", ".join(f"const R* {n}__p" for n in names)
    body = "\n".join(lines)
    text += (
        f'\nextern "C" void all_values(long n, {pointers}, R* out) {{\n'
        f"for (long j = 0; j < n; j += LANES) {{ {loads}\n{body}\n}} }}\n"
    )
    real, lanes = ("double", 4) if like.dtype == np.float64 else ("float", 8)
    assert len(like) % lanes == 0
    defines = (f"-DR={real}", f"-DW={lanes}", "-DG=1")
    folder = Path(os.environ.get("METRIGEN_CACHE", tempfile.gettempdir()))
    folder.mkdir(parents=True, exist_ok=True)
    key = hashlib.sha256("\n".join((text, *_FLAGS, *defines)).encode()).hexdigest()[:24]
    path = folder / f"expressions_{key}.so"
    if not path.exists():
        source = folder / f"expressions_{key}_{os.getpid()}.cpp"
        source.write_text(text)
        made = path.with_suffix(f".{os.getpid()}")
        done = subprocess.run(["g++", *_FLAGS, *defines, "-o", str(made), str(source)], capture_output=True, text=True,
                              check=False)  # fmt: skip
        assert not done.returncode, done.stderr[:3000]
        made.replace(path)
        source.unlink()
    out = np.empty((len(expressions), len(like)), like.dtype)
    kept = [np.ascontiguousarray(p) for p in points.values()]
    address = [ctypes.c_void_p(p.ctypes.data) for p in kept]
    ctypes.CDLL(str(path)).all_values(ctypes.c_long(len(like)), *address, ctypes.c_void_p(out.ctypes.data))
    return out


_RUN = """
import sys
import numpy as np
import torch
import triton
import triton.language as tl

{helpers}


@triton.jit
def kernel({pointers}, out_ptr, N: tl.constexpr):
    at = tl.arange(0, N)
{loads}
{stores}


given = [torch.from_numpy(np.load(f)).to({device!r}) for f in sys.argv[2:]]
n = len(given[0])
out = torch.empty({count} * n, dtype=given[0].dtype, device={device!r})
with np.errstate(all="ignore"):
    kernel[(1,)](*given, out, N=n)
np.save(sys.argv[1], out.reshape({count}, n).cpu().numpy())
"""


def _triton(expressions: Sequence[sp.Expr], points: Points) -> np.ndarray:
    """In the interpreter, or on the device that METRIGEN_DEVICE names, a few expressions in a kernel."""
    if DEVICE == "cpu" or len(expressions) <= AT_ONCE:
        return _one_kernel(expressions, points)
    found = []
    for first in range(0, len(expressions), AT_ONCE):
        some = expressions[first : first + AT_ONCE]
        read = {s: p for s, p in points.items() if any(e.has(s) for e in some)}
        found.append(_one_kernel(some, read or points))
    return np.concatenate(found)


def _one_kernel(expressions: Sequence[sp.Expr], points: Points) -> np.ndarray:
    names = [s.name for s in points]
    size = len(next(iter(points.values())))
    padded = 1 << (size - 1).bit_length()
    made = []
    for i, e in enumerate(expressions):
        text = TRITON.print(e)
        made.append(
            f"    tl.store(out_ptr + {i} * N + at, {text if e.free_symbols else f'tl.zeros_like({names[0]}) + {text}'})"
        )
    stores = "\n".join(made)
    text = _RUN.format(
        helpers=of_triton.FUNCTIONS.helpers(stores), pointers=", ".join(f"{n}_ptr" for n in names), stores=stores,
        loads="\n".join(f"    {n} = tl.load({n}_ptr + at)" for n in names), count=len(expressions),
        device=DEVICE,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "kernel.py"
        script.write_text(text)
        files = []
        for n, p in zip(names, points.values(), strict=True):
            files.append(f"{folder}/{n}.npy")
            np.save(files[-1], np.pad(p, (0, padded - size), mode="edge"))
        done = subprocess.run(
            [sys.executable, str(script), f"{folder}/out.npy", *files], capture_output=True, text=True, check=False,
            env={**os.environ, "TRITON_INTERPRET": str(int(DEVICE == "cpu")), "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert not done.returncode, done.stderr[-3000:]
        return np.load(f"{folder}/out.npy")[:, :size]
