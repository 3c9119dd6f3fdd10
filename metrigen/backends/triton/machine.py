"""Whether this machine can run the Triton kernels."""

from __future__ import annotations

import importlib
import os
import sys
from importlib.util import find_spec
from typing import Any

PACKAGE = "triton"


def why_no_torch() -> str:
    """Why torch cannot be imported; empty where it can."""
    if find_spec("torch") is None:
        return "torch is not installed"
    try:
        importlib.import_module("torch")
    except (ImportError, OSError) as error:  # a library of it that is missing
        return f"torch cannot be imported: {str(error).splitlines()[0]}"
    return ""


def why_not() -> str:
    """Why they do not run here; empty where they do."""
    if find_spec(PACKAGE) is None:
        return "Triton is not installed" + ("" if sys.platform == "linux" else ": it is for Linux")
    reason = why_no_torch()
    if reason or os.environ.get("TRITON_INTERPRET") == "1":
        return reason
    return "" if devices() else "torch finds no GPU"


def devices() -> tuple[str, ...]:
    """The GPUs that torch finds, each with its memory and compute capability."""
    if why_no_torch():
        return ()
    cuda: Any = importlib.import_module("torch").cuda
    found = [cuda.get_device_properties(k) for k in range(cuda.device_count() if cuda.is_available() else 0)]
    return tuple(f"{p.name}, {p.total_memory / 2**30:.0f} GiB, sm_{p.major}{p.minor}" for p in found)
